"""Every message of the table: its checks, its defaults, and what it looks like as a map."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from protocol_strategies import KEYS, SAMPLES, defaults_of, messages, messages_of, sample

from logd.errors import RemoteProtocolError
from logd.protocol import (
    MAX_LINES_BYTES,
    MESSAGE_TYPES,
    PROTOCOL_VERSION,
    SUPPORTED_VERSIONS,
    Ack,
    Emit,
    ErrorCode,
    Message,
    Open,
    Ping,
    Pong,
    Stats,
)
from logd.protocol.codec import message_from_map

every_message = pytest.mark.parametrize("name", MESSAGE_TYPES)


def wrong_values() -> Iterator[Any]:
    for name, keys in KEYS.items():
        for key, about in keys.items():
            for number, value in enumerate(about.wrong):
                yield pytest.param(name, key, value, id=f"{name}-{key}-{number}")


def map_of(name: str, **changes: Any) -> dict[str, Any]:
    """A sample's map with some keys changed."""
    values = {"t": name, **SAMPLES[name], **changes}
    if "records" in changes:
        del values["lines"]
    return values


def test_the_strategies_know_every_key_of_every_message() -> None:
    assert {name: set(keys) for name, keys in KEYS.items()} == {
        name: set(message_type.checks) for name, message_type in MESSAGE_TYPES.items()
    }


@every_message
def test_a_message_declares_a_check_for_every_attribute(name: str) -> None:
    message_type = MESSAGE_TYPES[name]
    assert message_type.t == name
    assert issubclass(message_type, Message)
    assert list(message_type.checks) == list(message_type.__annotations__)
    assert message_type.required == {key for key in message_type.checks if key not in vars(message_type)}
    assert all(map(callable, message_type.checks.values()))


@every_message
def test_no_key_is_a_name_that_messages_use_themselves(name: str) -> None:
    """It would be taken for a default."""
    assert MESSAGE_TYPES[name].checks.keys().isdisjoint({*dir(Message), *Message.__annotations__})


@every_message
def test_required_keys_come_first(name: str) -> None:
    """A message can be built from its required keys' values, without names."""
    keys = list(MESSAGE_TYPES[name].checks)
    assert set(keys[: len(MESSAGE_TYPES[name].required)]) == MESSAGE_TYPES[name].required


@every_message
def test_a_default_is_a_value_that_its_key_may_have(name: str) -> None:
    message_type = MESSAGE_TYPES[name]
    assert all(message_type.checks[key](default) for key, default in defaults_of(message_type).items())


@every_message
def test_a_default_cannot_be_changed_by_whom_it_is_lent_to(name: str) -> None:
    """All messages that leave a key out have the class's one value for it."""
    assert {type(default) for default in defaults_of(MESSAGE_TYPES[name]).values()} <= {str, int, bool, type(None)}


@every_message
def test_defaults_are_left_out_of_the_map(name: str) -> None:
    message_type = MESSAGE_TYPES[name]
    assert sample(name).to_map() == {"t": name, **SAMPLES[name]}
    spelled_out = {**defaults_of(message_type), **SAMPLES[name]}
    assert message_type(**spelled_out).to_map() == {"t": name, **SAMPLES[name]}
    assert message_type.from_map(spelled_out).to_map() == {"t": name, **SAMPLES[name]}
    assert message_type(**spelled_out) == sample(name)


@every_message
def test_a_required_key_is_in_the_map_whatever_its_value(name: str) -> None:
    """Also where it equals what another message has as its default: 0, "" or {}."""
    message_type = MESSAGE_TYPES[name]
    least: tuple[Any, ...] = (0, "", b"", {}, 1)
    values = dict(SAMPLES[name])
    for key in message_type.required:
        values[key] = next((value for value in least if message_type.checks[key](value)), values[key])
    assert message_type.required <= message_type(**values).to_map().keys()


@every_message
def test_a_message_from_a_map_is_the_one_that_is_built(name: str) -> None:
    message_type = MESSAGE_TYPES[name]
    received = message_type.from_map(dict(SAMPLES[name]))
    assert received == sample(name)
    assert repr(received) == repr(sample(name))
    for key, default in defaults_of(message_type).items():
        assert key in SAMPLES[name] or getattr(received, key) == default
    for key, value in SAMPLES[name].items():
        assert getattr(received, key) == value


@pytest.mark.parametrize("name", MESSAGE_TYPES)
@given(data=st.data())
def test_a_message_has_every_key_as_an_attribute(name: str, data: st.DataObject) -> None:
    message_type = MESSAGE_TYPES[name]
    message = data.draw(messages_of(name))
    attributes = {key: getattr(message, key) for key in message_type.checks}
    assert message_type(**attributes) == message
    assert message_type(*attributes.values()) == message
    assert message_type.from_map(attributes) == message
    assert message.to_map() == {
        "t": name,
        **{
            key: value
            for key, value in attributes.items()
            if key in message_type.required or value != getattr(message_type, key)
        },
    }


@given(messages)
def test_a_message_is_its_map(message: Message) -> None:
    values = message.to_map()
    assert values["t"] == message.t
    assert all(values[key] != default for key, default in defaults_of(type(message)).items() if key in values)
    assert type(message).required <= values.keys()
    assert message_from_map(dict(values)) == message


@pytest.mark.parametrize(("name", "key", "value"), list(wrong_values()))
def test_every_key_refuses_wrong_values(name: str, key: str, value: Any) -> None:
    values = map_of(name, **{key: value})
    with pytest.raises(RemoteProtocolError, match=f"{name}: '{key}'") as caught:
        message_from_map(dict(values))
    assert caught.value.code == ErrorCode.BAD_MESSAGE
    del values["t"]
    with pytest.raises(ValueError, match=f"'{key}'"):
        MESSAGE_TYPES[name](**values)


@every_message
def test_a_required_key_must_be_there(name: str) -> None:
    for key in MESSAGE_TYPES[name].required:
        values = map_of(name)
        del values[key]
        with pytest.raises(RemoteProtocolError, match=f"'{key}' is missing") as caught:
            message_from_map(values)
        assert caught.value.code == ErrorCode.BAD_MESSAGE
        with pytest.raises(ValueError, match=f"'{key}' is missing"):
            MESSAGE_TYPES[name](**values)


@every_message
def test_a_message_is_not_built_of_nothing(name: str) -> None:
    with pytest.raises(ValueError, match="is missing"):
        MESSAGE_TYPES[name]()


@every_message
@pytest.mark.parametrize("key", ["unknown", "T", "", "t ", "checks", "__class__", b"id", "x" * 100_000])
def test_an_unknown_key_is_refused(name: str, key: Any) -> None:
    with pytest.raises(RemoteProtocolError, match="there is no key") as caught:
        message_from_map({**map_of(name), key: 1})
    assert caught.value.code == ErrorCode.BAD_MESSAGE
    assert len(caught.value.message) < 200


@pytest.mark.parametrize("name", ["", "Hello", "message", "x" * 100_000, b"hello", None, 1, ["hello"], {}])
def test_an_unknown_type_is_refused(name: Any) -> None:
    with pytest.raises(RemoteProtocolError, match="no message type") as caught:
        message_from_map({"t": name, "id": 1})
    assert caught.value.code == ErrorCode.BAD_MESSAGE
    assert len(caught.value.message) < 200


@pytest.mark.parametrize("value", [None, [], "hello", b"hello", 1, 1.0, True, [{"t": "ping", "id": 1}]])
def test_what_is_not_a_map_is_refused(value: Any) -> None:
    with pytest.raises(RemoteProtocolError, match="one map") as caught:
        message_from_map(value)
    assert caught.value.code == ErrorCode.BAD_MESSAGE


def test_a_map_without_a_type_is_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="no message type"):
        message_from_map({"id": 1})


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"lines": None},
        {"lines": None, "records": None},
        {"lines": b"one\n", "records": [[None, 9, "one", None]]},
        {"lines": b"\n", "records": [[None, 0, "", None]]},
    ],
)
def test_a_batch_has_either_lines_or_records(body: dict[str, Any]) -> None:
    with pytest.raises(RemoteProtocolError, match="either 'lines' or 'records'") as caught:
        message_from_map({"t": "emit", "session": 1, "batch": 1, **body})
    assert caught.value.code == ErrorCode.BAD_MESSAGE
    with pytest.raises(ValueError, match="either 'lines' or 'records'"):
        Emit(1, 1, **body)


def test_a_wrong_value_is_shown_cut_short() -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        message_from_map(map_of("open", command="x" * 1_000_000))
    assert len(caught.value.message) < 200


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_has_not_may_stand_in_fields(number: float) -> None:
    """The protocol carries them; what is stored for them is for ingest to say."""
    emit = Emit(1, 1, records=[[None, 9, "text", {"loss": number}]])
    assert emit.records is not None
    assert Open(1, "build", "s1", fields={"loss": number}).fields is not None


@pytest.mark.parametrize("number", [math.nan, math.inf, 1.0])
@pytest.mark.parametrize(
    ("name", "key"), [(name, key) for name, keys in KEYS.items() for key, about in keys.items() if -1 in about.wrong]
)
def test_no_integer_key_takes_a_float(name: str, key: str, number: float) -> None:
    with pytest.raises(RemoteProtocolError, match=f"'{key}'"):
        message_from_map(map_of(name, **{key: number}))


# Messages as values


def test_arguments_are_taken_in_their_order() -> None:
    assert Ack(1, 2, 3, 4) == Ack(session=1, batch=2, written_seq=3, synced_seq=4)
    assert Ack(1, 2, written_seq=3) == Ack(1, 2, 3, 0)


@pytest.mark.parametrize(
    ("args", "values"),
    [((1, 2), {}), ((1,), {"id": 1}), ((1,), {"id": 2}), ((1,), {"unknown": 1}), ((), {"t": "ping"})],
)
def test_a_message_is_not_built_of_other_arguments(args: tuple[Any, ...], values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"takes each of id once|there is no key"):
        Ping(*args, **values)


@every_message
def test_a_message_cannot_be_changed(name: str) -> None:
    message = sample(name)
    for key in (*message.checks, "t", "checks", "unknown"):
        before = getattr(message, key, None)
        with pytest.raises(AttributeError, match=f"cannot be changed: {key}"):
            setattr(message, key, before)
        with pytest.raises(AttributeError, match=f"cannot be changed: {key}"):
            delattr(message, key)
    assert message == sample(name)
    assert not hasattr(message, "unknown")


def test_a_message_does_not_change_with_the_map_that_it_was_made_of() -> None:
    values = {"id": 1}
    message = Ping.from_map(values)
    values["id"] = 2
    assert message.id == 1
    message.to_map()["id"] = 2
    assert message.id == 1


def test_messages_of_different_types_or_values_differ() -> None:
    assert Ping(1) == Ping(1)
    assert Ping(1) != Ping(2)
    assert Ping(1) != Pong(1)
    assert Ping(1) != Stats(1)
    assert Ping(1) != {"t": "ping", "id": 1}


@every_message
def test_a_message_is_no_key_of_a_set(name: str) -> None:
    """It may hold lists and maps; and two that are equal may be made of different arguments."""
    with pytest.raises(TypeError, match="unhashable"):
        hash(sample(name))


def test_a_message_is_shown_as_it_is_built_and_cut_short() -> None:
    assert repr(Ack(1, 2, written_seq=3)) == "Ack(session=1, batch=2, written_seq=3)"
    assert len(repr(Emit(1, 1, lines=b"\n" * MAX_LINES_BYTES))) < 400


def test_our_version_is_one_that_we_speak() -> None:
    assert PROTOCOL_VERSION in SUPPORTED_VERSIONS
    assert max(SUPPORTED_VERSIONS) == PROTOCOL_VERSION
