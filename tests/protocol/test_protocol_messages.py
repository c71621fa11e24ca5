"""Every message of the table: its checks, its defaults, and what it looks like as a map."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import MISSING, FrozenInstanceError, fields
from typing import Any

import pytest
from hypothesis import given
from protocol_strategies import KEYS, SAMPLES, messages, sample

from logd.errors import RemoteProtocolError
from logd.protocol import MESSAGE_TYPES, PROTOCOL_VERSION, SUPPORTED_VERSIONS, Emit, ErrorCode, Message, Open, Welcome
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
    attributes = {field.name: field.default for field in fields(message_type)}  # type: ignore[arg-type]
    assert message_type.t == name
    assert message_type.checks.keys() == attributes.keys()
    assert message_type.required == {key for key, default in attributes.items() if default is MISSING}
    assert message_type.required | message_type.defaults.keys() == attributes.keys()
    assert "t" not in attributes


@every_message
def test_a_default_is_a_value_that_its_key_may_have(name: str) -> None:
    message_type = MESSAGE_TYPES[name]
    assert all(message_type.checks[key](default) for key, default in message_type.defaults.items())


@every_message
def test_defaults_are_left_out_of_the_map(name: str) -> None:
    message_type = MESSAGE_TYPES[name]
    assert sample(name).to_map() == {"t": name, **SAMPLES[name]}
    spelled_out = {**message_type.defaults, **SAMPLES[name]}
    assert message_type(**spelled_out).to_map() == {"t": name, **SAMPLES[name]}
    assert message_type.from_map(spelled_out).to_map() == {"t": name, **SAMPLES[name]}


@every_message
def test_a_message_from_a_map_is_the_one_that_is_built(name: str) -> None:
    message_type = MESSAGE_TYPES[name]
    received = message_type.from_map(dict(SAMPLES[name]))
    assert received == sample(name)
    assert repr(received) == repr(sample(name))
    for key, default in message_type.defaults.items():
        assert key in SAMPLES[name] or getattr(received, key) == default


@given(messages)
def test_a_message_is_its_map(message: Message) -> None:
    values = message.to_map()
    assert values["t"] == message.t
    assert all(values[key] != default for key, default in message.defaults.items() if key in values)
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


def test_a_message_is_frozen() -> None:
    message = Welcome(1, "logd", 1)
    with pytest.raises(FrozenInstanceError):
        message.version = 2  # type: ignore[misc]


def test_our_version_is_one_that_we_speak() -> None:
    assert PROTOCOL_VERSION in SUPPORTED_VERSIONS
    assert max(SUPPORTED_VERSIONS) == PROTOCOL_VERSION
