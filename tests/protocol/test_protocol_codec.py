"""The strict CBOR form: every message passes through it unchanged, and nothing else passes."""

from __future__ import annotations

import math
import struct
import tracemalloc
from datetime import UTC
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from protocol_strategies import KEYS, SAMPLES, messages, messages_of, nested, sample

from logd.errors import LocalProtocolError, RemoteProtocolError
from logd.protocol import (
    MAX_FRAME_BYTES,
    MAX_ITEMS_IN_FRAME,
    MAX_LINES_BYTES,
    MESSAGE_TYPES,
    Batch,
    Emit,
    Error,
    ErrorCode,
    Hello,
    Items,
    Message,
    Open,
    Ping,
    Reply,
    Report,
)
from logd.protocol.checks import (
    MAX_FIELD_DEPTH,
    MAX_ID,
    MAX_ITEM_BYTES,
    MAX_ITEM_NAMES,
    MAX_KEY_BYTES,
    is_items,
)
from logd.protocol.codec import MAX_DEPTH, Decoder, encode
from logd.record import MAX_LABEL_BYTES, MAX_TIME_US

PING = b"\xa2\x61t\x64ping\x62id\x05"

# CBOR tells the size of an argument by these, in a head's low five bits.
ONE_BYTE, TWO_BYTES, FOUR_BYTES, EIGHT_BYTES, INDEFINITE = 24, 25, 26, 27, 31
UNSIGNED, NEGATIVE, BYTES, TEXT, ARRAY, MAP, TAG, SPECIAL = range(8)


def head(major: int, argument: int) -> bytes:
    """The shortest head of an item of a major type."""
    first = major << 5
    if argument < ONE_BYTE:
        return bytes([first | argument])
    for low_bits, layout in ((ONE_BYTE, ">BB"), (TWO_BYTES, ">BH"), (FOUR_BYTES, ">BI")):
        if argument < 1 << (8 * (struct.calcsize(layout) - 1)):
            return struct.pack(layout, first | low_bits, argument)
    return struct.pack(">BQ", first | EIGHT_BYTES, argument)


def with_field(item: bytes) -> bytes:
    """An `emit` whose one record has one field, which holds the item: where most of what CBOR knows may stand."""
    payload = cbor2.dumps({"t": "emit", "session": 1, "batch": 1, "records": [[None, 9, "text", None]]})
    return payload.removesuffix(b"\xf6") + b"\xa1\x61a" + item


def with_value(item: bytes) -> bytes:
    """A `reply` whose value has one key, which holds the item: of all messages it may nest deepest."""
    return b"\xa3\x61t\x65reply\x62id\x01\x65value\xa1\x61a" + item


def refused(payload: bytes, code: ErrorCode, match: str | None = None) -> RemoteProtocolError:
    with pytest.raises(RemoteProtocolError, match=match) as caught:
        Decoder().decode(payload)
    assert caught.value.code == code
    assert_can_be_said(caught.value)
    return caught.value


def assert_can_be_said(error: RemoteProtocolError) -> None:
    """Why a frame is refused must fit the `error` that tells its sender."""
    Error(error.code, error.message)


def test_a_ping_on_the_wire() -> None:
    assert encode(Ping(5)) == PING
    assert Decoder().decode(PING) == Ping(5)


@pytest.mark.parametrize("name", MESSAGE_TYPES)
def test_the_sample_of_every_type_comes_back(name: str) -> None:
    assert Decoder().decode(encode(sample(name))) == sample(name)


@pytest.mark.parametrize("name", MESSAGE_TYPES)
@given(data=st.data())
def test_every_type_comes_back(name: str, data: st.DataObject) -> None:
    message = data.draw(messages_of(name))
    received = Decoder().decode(encode(message))
    assert type(received) is MESSAGE_TYPES[name]
    assert received == message


@given(st.lists(messages, max_size=5))
def test_one_decoder_serves_a_whole_connection(sent: list[Message]) -> None:
    decoder = Decoder()
    assert [decoder.decode(encode(message)) for message in sent] == sent


def test_a_decoder_that_refused_a_payload_is_none_the_worse() -> None:
    decoder = Decoder()
    for bad in (b"", PING + PING, b"\x81" * 100, with_field(b"\xc1\x00"), b"\xa1"):
        with pytest.raises(RemoteProtocolError):
            decoder.decode(bad)
        assert decoder.decode(PING) == Ping(5)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_has_not_pass(number: float) -> None:
    received = Decoder().decode(encode(Emit(1, 1, records=[[None, 9, "text", {"loss": number}]])))
    assert isinstance(received, Emit)
    assert received.records is not None
    assert repr(received.records[0][3]["loss"]) == repr(number)


@pytest.mark.parametrize(
    "number", ["f97e00", "fa7fc00000", "fb7ff8000000000000", "f90000", "1800", "1b0000000000000000"]
)
def test_numbers_need_not_take_their_shortest_form(number: str) -> None:
    assert isinstance(Decoder().decode(with_field(bytes.fromhex(number))), Emit)


def test_lengths_need_not_take_their_shortest_form() -> None:
    assert Decoder().decode(b"\xb8\x02\x78\x01t\x79\x00\x04ping\x62id\x1b" + struct.pack(">Q", 5)) == Ping(5)


# What is refused


@pytest.mark.parametrize("length", range(len(PING)))
def test_a_payload_cut_short_is_refused(length: int) -> None:
    refused(PING[:length], ErrorCode.BAD_CBOR)


@pytest.mark.parametrize("extra", [b"\x00", b"\xff", b"\xf6", PING, bytes(1000)])
def test_bytes_after_the_map_are_refused(extra: bytes) -> None:
    refused(PING + extra, ErrorCode.BAD_CBOR, f"{len(extra)} bytes follow")


@pytest.mark.parametrize("inner", [b"\x00", b"", PING], ids=["number", "nothing", "map"])
@pytest.mark.parametrize(
    "opening",
    [b"\x81", b"\xa1\x61a", b"\x81\xa1\x61a", b"\xc1", b"\xd8\x1c", b"\xd9\x01\x02", b"\xd9\xff\x64"],
    ids=["array", "map", "both", "date", "shareable", "set", "unknown tag"],
)
def test_a_hundred_thousand_levels_are_refused(opening: bytes, inner: bytes) -> None:
    refused(opening * 100_000 + inner, ErrorCode.BAD_CBOR, "depth")


def test_eight_levels_pass_and_nine_do_not() -> None:
    levels_around = 4  # the message, its records, the record, its fields
    deepest = MAX_DEPTH - levels_around
    assert deepest == MAX_FIELD_DEPTH
    for opening, empty in ((b"\x81", b"\x80"), (b"\xa1\x61a", b"\xa0")):
        assert isinstance(Decoder().decode(with_field(opening * deepest + b"\x00")), Emit)
        assert isinstance(Decoder().decode(with_field(opening * (deepest - 1) + empty)), Emit)
        refused(with_field(opening * (deepest + 1) + b"\x00"), ErrorCode.BAD_CBOR, "depth")
        # cbor2 does not count a level that holds nothing.
        refused(with_field(opening * deepest + empty), ErrorCode.BAD_MESSAGE, "records")


def test_a_reply_has_eight_levels_too() -> None:
    deepest = MAX_DEPTH - 2  # the message, its value
    for opening, empty in ((b"\x81", b"\x80"), (b"\xa1\x61a", b"\xa0")):
        assert isinstance(Decoder().decode(with_value(opening * deepest + b"\x00")), Reply)
        assert isinstance(Decoder().decode(with_value(opening * (deepest - 1) + empty)), Reply)
        refused(with_value(opening * (deepest + 1) + b"\x00"), ErrorCode.BAD_CBOR, "depth")
        refused(with_value(opening * deepest + empty), ErrorCode.BAD_MESSAGE, "value")


@pytest.mark.parametrize("lists", [True, False], ids=["lists", "maps"])
def test_what_may_be_built_is_not_too_deep_for_a_frame(lists: bool) -> None:
    deepest = MAX_DEPTH - 4
    emit = Emit(1, 1, records=[[None, 9, "text", {"deep": nested(deepest, lists=lists)}]])
    assert Decoder().decode(encode(emit)) == emit
    with pytest.raises(ValueError, match="records"):
        Emit(1, 1, records=[[None, 9, "text", {"deep": nested(deepest + 1, lists=lists)}]])
    reply = Reply(1, {"deep": nested(MAX_DEPTH - 2, lists=lists)})
    assert Decoder().decode(encode(reply)) == reply
    with pytest.raises(ValueError, match="value"):
        Reply(1, {"deep": nested(MAX_DEPTH - 1, lists=lists)})


def test_what_contains_itself_is_not_built() -> None:
    around: list[Any] = []
    around.append(around)
    with pytest.raises(ValueError, match="records"):
        Emit(1, 1, records=[[None, 9, "text", {"around": around}]])
    with pytest.raises(ValueError, match="value"):
        Reply(1, {"around": around})


@pytest.mark.parametrize("number", [-(2**63), -(2**63) + 1, -1, 0, 2**63, 2**64 - 1])
def test_the_integers_of_json_pass(number: int) -> None:
    for item in (cbor2.dumps(number), b"\x81" + cbor2.dumps(number)):
        assert isinstance(Decoder().decode(with_field(item)), Emit)
        assert isinstance(Decoder().decode(with_value(item)), Reply)
    opened = Open(1, "build", "s1", fields={"number": number})
    assert Decoder().decode(encode(opened)) == opened


@pytest.mark.parametrize("number", [-(2**63) - 1, -(2**64)])
def test_integers_that_cbor_has_without_a_tag_and_json_parsers_have_not_are_refused(number: int) -> None:
    item = cbor2.dumps(number)
    assert item[0] >> 5 == NEGATIVE
    opened = cbor2.dumps({"t": "open", **SAMPLES["open"], "fields": {"number": number}})
    refused(opened, ErrorCode.BAD_MESSAGE, "fields")
    for inside in (item, b"\x81" + item, b"\xa1\x61a" + item):
        refused(with_field(inside), ErrorCode.BAD_MESSAGE, "records")
        refused(with_value(inside), ErrorCode.BAD_MESSAGE, "value")
    refused(cbor2.dumps({"t": "hello", "versions": [1, number]}), ErrorCode.BAD_MESSAGE, "versions")


@pytest.mark.parametrize("item", ["f7", "e0", "f3", "f820", "f8ff"])
def test_simple_values_beyond_true_false_and_null_are_refused_at_every_depth(item: str) -> None:
    simple = bytes.fromhex(item)
    for inside in (simple, b"\x81" + simple, b"\xa1\x61a\x82\x00" + simple):
        refused(with_field(inside), ErrorCode.BAD_MESSAGE, "records")
        refused(with_value(inside), ErrorCode.BAD_MESSAGE, "value")
    opened = cbor2.dumps({"t": "open", **SAMPLES["open"], "fields": {"a": None}})
    assert opened.endswith(b"\xf6")
    refused(opened[:-1] + simple, ErrorCode.BAD_MESSAGE, "fields")


@pytest.mark.parametrize(
    ("tag", "content"),
    [
        (0, "2026-11-21T10:20:30Z"),
        (1, 1_800_000_000),
        (4, [-1, 15]),
        (5, [-1, 3]),
        (21, b"text"),
        (24, PING),
        (25, 0),
        (28, [1]),
        (29, 0),
        (30, [1, 3]),
        (32, "https://example.org"),
        (35, "(a+)+"),
        (36, "Subject: mail"),
        (37, bytes(16)),
        (52, b"\x7f\x00\x00\x01"),
        (54, bytes(16)),
        (100, 20_000),
        (256, ["text", "text"]),
        (258, [1, 2]),
        (260, b"\x7f\x00\x00\x01"),
        (261, {b"\x7f\x00\x00\x00": 8}),
        (1004, "2026-11-21"),
        (43000, [1.0, 2.0]),
        (55799, {"t": "ping", "id": 5}),
    ],
)
def test_known_tags_are_refused_with_what_they_are_for(tag: int, content: Any) -> None:
    item = head(TAG, tag) + cbor2.dumps(content)
    refused(with_field(item), ErrorCode.BAD_CBOR, "tags are not allowed")
    refused(item, ErrorCode.BAD_CBOR, "tags are not allowed")


def test_every_tag_is_refused() -> None:
    """All that fit in two bytes, and some beyond: a tag that cbor2 knows and we forgot would say something else."""
    decoder = Decoder()
    for number in (*range(2**16), 2**16, 2**20, 2**32 - 1, 2**32, 2**64 - 1):
        with pytest.raises(RemoteProtocolError, match="tags are not allowed"):
            decoder.decode(with_field(head(TAG, number) + b"\x00"))


def test_tags_are_refused_around_the_map_and_within_it() -> None:
    refused(head(TAG, 55799) + PING, ErrorCode.BAD_CBOR, "tags are not allowed")
    refused(PING[:-1] + head(TAG, 55799) + b"\x05", ErrorCode.BAD_CBOR, "tags are not allowed")
    refused(b"\xa2\x61t" + head(TAG, 55799) + b"\x64ping\x62id\x05", ErrorCode.BAD_CBOR, "tags are not allowed")
    refused(b"\xa2" + head(TAG, 55799) + PING[1:], ErrorCode.BAD_CBOR, "tags are not allowed")


@pytest.mark.parametrize("bytes_", [1, 8, 9, 100_000])
@pytest.mark.parametrize("tag", [2, 3])
def test_bignums_are_refused(tag: int, bytes_: int) -> None:
    bignum = head(TAG, tag) + head(BYTES, bytes_) + b"\xff" * bytes_
    refused(with_field(bignum), ErrorCode.BAD_CBOR, "tags are not allowed")
    refused(PING[:-1] + bignum, ErrorCode.BAD_CBOR, "tags are not allowed")


@pytest.mark.parametrize("content", [b"\xff", b"\x41a\xff", b"\x61a\xff", b"\x61a\x00\xff", b""])
@pytest.mark.parametrize("major", range(8))
def test_indefinite_lengths_are_refused(major: int, content: bytes) -> None:
    opened = bytes([major << 5 | INDEFINITE]) + content
    refused(opened, ErrorCode.BAD_CBOR)
    refused(with_field(opened), ErrorCode.BAD_CBOR)


def test_an_indefinite_map_is_refused() -> None:
    refused(b"\xbf" + PING[1:] + b"\xff", ErrorCode.BAD_CBOR, "indefinite")


@pytest.mark.parametrize("low_bits", [28, 29, 30])
@pytest.mark.parametrize("major", range(8))
def test_reserved_heads_are_refused(major: int, low_bits: int) -> None:
    refused(with_field(bytes([major << 5 | low_bits]) + bytes(20)), ErrorCode.BAD_CBOR)


@pytest.mark.parametrize(
    "payload",
    [
        b"\xa3\x61t\x64ping\x62id\x05\x62id\x05",
        b"\xa3\x61t\x64ping\x62id\x05\x62id\x06",
        b"\xa3\x61t\x64ping\x61t\x64ping\x62id\x05",
        b"\xa3\x61t\x64ping\x62id\x05\x78\x02id\x05",
        with_field(b"\xa2\x61b\x00\x61b\x00"),
    ],
    ids=["same value", "other value", "type", "other form", "in a field"],
)
def test_duplicate_keys_are_refused(payload: bytes) -> None:
    refused(payload, ErrorCode.BAD_CBOR, "[Dd]uplicate")


def test_a_long_duplicate_key_can_still_be_said() -> None:
    """A refusal quotes the key, which the peer chose; the `error` that carries the refusal is bounded."""
    key = head(TEXT, 500_000) + b"x" * 500_000
    error = refused(b"\xa2" + (key + b"\x00") * 2, ErrorCode.BAD_CBOR, "[Dd]uplicate")
    assert len(error.message) < 1000


@pytest.mark.parametrize(
    "key",
    [1, -1, 1.5, None, True, [], {}, [1], cbor2.undefined, cbor2.CBORSimpleValue(99)],
    ids=str,
)
def test_keys_that_are_no_strings_are_refused(key: Any) -> None:
    pair = cbor2.dumps(key) + b"\x00"
    refused(b"\xa3" + PING[1:] + pair, ErrorCode.BAD_CBOR, "key")
    refused(b"\xa3" + pair + PING[1:], ErrorCode.BAD_CBOR, "key")
    refused(with_field(b"\xa1" + pair), ErrorCode.BAD_CBOR, "key")


def test_byte_string_keys_are_refused() -> None:
    refused(b"\xa3" + PING[1:] + b"\x41x\x00", ErrorCode.BAD_MESSAGE, "no key")
    refused(b"\xa2\x41t\x64ping\x62id\x05", ErrorCode.BAD_MESSAGE, "no message type")
    fields = {"t": "emit", "session": 1, "batch": 1, "records": [[None, 9, "text", {b"x": 1}]]}
    refused(cbor2.dumps(fields), ErrorCode.BAD_MESSAGE, "records")
    refused(cbor2.dumps({"t": "reply", "id": 1, "value": {b"x": 1}}), ErrorCode.BAD_MESSAGE, "value")
    opened = {"t": "open", **SAMPLES["open"], "fields": {b"x": 1}}
    refused(cbor2.dumps(opened), ErrorCode.BAD_MESSAGE, "fields")


@pytest.mark.parametrize("levels", range(MAX_FIELD_DEPTH))
@pytest.mark.parametrize("opening", [b"\x81", b"\xa1\x61a", b"\x82\x00", b"\xa2\x61a\x00\x61b"])
def test_byte_string_keys_are_refused_at_every_level(opening: bytes, levels: int) -> None:
    """cbor2 takes them."""
    for pair in (b"\x41x\x00", b"\x40\x00"):
        refused(with_field(opening * levels + b"\xa1" + pair), ErrorCode.BAD_MESSAGE, "records")
        refused(with_value(opening * levels + b"\xa1" + pair), ErrorCode.BAD_MESSAGE, "value")


@pytest.mark.parametrize("text", [b"\xff", b"\xc3(", b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80", b"\xc3"])
def test_text_that_is_not_utf8_is_refused(text: bytes) -> None:
    item = head(TEXT, len(text)) + text
    refused(with_field(item), ErrorCode.BAD_CBOR)
    refused(b"\xa2\x61t" + item + b"\x62id\x05", ErrorCode.BAD_CBOR)
    refused(b"\xa3" + PING[1:] + item + b"\x00", ErrorCode.BAD_CBOR)


@pytest.mark.parametrize("item", ["f800", "f817", "f81f", "ff"])
def test_malformed_simple_values_are_refused(item: str) -> None:
    refused(with_field(bytes.fromhex(item)), ErrorCode.BAD_CBOR)


@pytest.mark.parametrize(
    "payload", ["f7", "f6", "f4", "80", "81a0", "e0", "f8ff", "00", "20", "4161", "6161", "f97e00"]
)
def test_one_item_that_is_no_map_is_refused(payload: str) -> None:
    refused(bytes.fromhex(payload), ErrorCode.BAD_MESSAGE, "one map")


@pytest.mark.parametrize("value", [cbor2.undefined, cbor2.CBORSimpleValue(99)], ids=str)
@pytest.mark.parametrize(("name", "key"), [(name, key) for name, keys in KEYS.items() for key in keys])
def test_no_key_takes_an_undefined_or_a_simple_value(name: str, key: str, value: Any) -> None:
    values = {"t": name, **SAMPLES[name], key: value}
    if key == "records":
        del values["lines"]
    refused(cbor2.dumps(values), ErrorCode.BAD_MESSAGE, f"'{key}'")


@pytest.mark.parametrize("announced", [2**20, 2**32 - 1, 2**32, 2**62, 2**63 - 1, 2**63, 2**64 - 1])
@pytest.mark.parametrize("major", [BYTES, TEXT, ARRAY, MAP])
def test_an_announced_size_allocates_nothing(major: int, announced: int) -> None:
    payload = with_field(head(major, announced) + b"\x61a")
    decoder = Decoder()
    tracemalloc.start()
    try:
        with pytest.raises(RemoteProtocolError) as caught:
            decoder.decode(payload)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert caught.value.code == ErrorCode.BAD_CBOR
    assert peak_bytes < MAX_FRAME_BYTES


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_are_refused(payload: bytes) -> None:
    try:
        message = Decoder().decode(payload)
    except RemoteProtocolError as error:
        assert_can_be_said(error)
    else:
        assert isinstance(message, Message)


@given(messages, st.data())
def test_a_damaged_message_is_a_message_or_is_refused(message: Message, data: st.DataObject) -> None:
    """Bytes changed, cut out and put in: what gets further than random bytes do."""
    payload = bytearray(encode(message))
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(payload)))
        end = data.draw(st.integers(start, min(start + 3, len(payload))))
        payload[start:end] = data.draw(st.binary(max_size=3))
    try:
        received = Decoder().decode(bytes(payload))
    except RemoteProtocolError as error:
        assert_can_be_said(error)
    else:
        assert isinstance(received, Message)


_items = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=5)
    | st.dates()
    | st.decimals()
    | st.uuids()
    | st.ip_addresses()
    | st.just(cbor2.undefined)
    | st.builds(cbor2.CBORTag, st.integers(0, 300), st.integers()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=4),
    max_leaves=10,
)


@given(st.sampled_from(sorted(MESSAGE_TYPES)), st.data())
def test_any_cbor_is_a_message_or_is_refused(name: str, data: st.DataObject) -> None:
    """Well-formed CBOR of every kind under a message's own keys."""
    changed = data.draw(st.dictionaries(st.sampled_from(sorted(KEYS[name])), _items, max_size=3))
    payload = cbor2.dumps({"t": name, **SAMPLES[name], **changed}, date_as_datetime=True, timezone=UTC)
    try:
        received = Decoder().decode(payload)
    except RemoteProtocolError as error:
        assert_can_be_said(error)
    else:
        assert isinstance(received, Message)


@given(_items | st.lists(_items, max_size=3) | st.dictionaries(st.text(max_size=3), _items, max_size=3))
def test_json_has_a_form_for_every_field_that_is_taken(value: Any) -> None:
    """What the daemon takes it must be able to store: orjson is as strict, but for byte strings, which become text."""
    orjson = pytest.importorskip("orjson")
    fields = {"t": "emit", "session": 1, "batch": 1, "records": [[None, 9, "text", {"key": value}]]}
    for payload in (
        cbor2.dumps(fields, date_as_datetime=True, timezone=UTC),
        cbor2.dumps({"t": "open", **SAMPLES["open"], "fields": {"key": value}}, date_as_datetime=True, timezone=UTC),
    ):
        try:
            received = Decoder().decode(payload)
        except RemoteProtocolError as error:
            assert_can_be_said(error)
            continue
        if isinstance(received, Emit):
            assert received.records is not None
            assert orjson.dumps(received.records[0][3], default=bytes.hex)
        else:
            assert isinstance(received, Open)
            assert orjson.dumps(received.fields)


# What we may not send


def test_a_message_that_is_too_large_for_a_frame_is_ours_to_avoid() -> None:
    records = [[None, 9, "x" * 60_000, None]] * 20
    with pytest.raises(LocalProtocolError, match="emit takes 12") as caught:
        encode(Emit(1, 1, records=records))
    assert caught.value.code == ErrorCode.BAD_FRAME


def test_the_longest_lines_fit_a_frame_beside_every_other_key() -> None:
    lines = b"\n" * MAX_LINES_BYTES
    emit = Emit(MAX_ID, MAX_ID, lines, time_us=MAX_TIME_US, severity=24, stream="𝄞" * MAX_LABEL_BYTES, cont=True)
    assert len(encode(emit)) <= MAX_FRAME_BYTES


@pytest.mark.parametrize(
    "message",
    [
        Hello([1], client="\udc80"),
        Open(1, "build", "s1", command="\udc80"),
        Open(1, "build", "s1", fields={"key": "\udc80"}),
        Open(1, "build", "s1", fields={"\udc80": 1}),
        Emit(1, 1, lines=b"one\n", stream="\ud800"),
        Emit(1, 1, records=[[None, 9, "\ud83d\ude00", None]]),
        Emit(1, 1, records=[[None, 9, "text", {"key": ["\udfff"]}]]),
        Emit(1, 1, records=[[None, 9, "text", {"key": {"\udfff": 1}}]]),
        Reply(1, {"key": "\udc80"}),
        Error("internal", "\udc80"),
    ],
    ids=lambda message: f"{message.t}",
)
def test_surrogates_are_not_sent(message: Message) -> None:
    """Python has them in text, from file names and from JSON; UTF-8 has not, and the peer would hang up."""
    with pytest.raises(LocalProtocolError, match=f"{message.t} cannot be encoded.*surrogates") as caught:
        encode(message)
    assert caught.value.code == ErrorCode.BAD_MESSAGE
    caught.value.message.encode()  # it is shown, and so must have none itself


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("hello", {"versions": [2**64]}),
        ("open", {"id": 1, "run": "build", "session": "s1", "fields": {"big": 2**64}}),
        ("emit", {"session": 1, "batch": 1, "records": [[None, 9, "text", {"big": 2**64}]]}),
        ("emit", {"session": 1, "batch": 1, "records": [[None, 9, "text", {"set": {1}}]]}),
        ("emit", {"session": 1, "batch": 1, "records": [[None, 9, "text", {"object": object()}]]}),
        ("emit", {"session": 1, "batch": 1, "records": [[None, 9, "text", {"map": {1: 2}}]]}),
        ("emit", {"session": 1, "batch": 1, "records": [[None, 9, "text", {"deep": [[[[[]]]]]}]]}),
        ("reply", {"id": 1, "value": {"big": 2**64}}),
        ("reply", {"id": 1, "value": {"deep": [[[[[[[]]]]]]]}}),
    ],
    ids=[
        "version",
        "shared bignum",
        "bignum",
        "set",
        "object",
        "integer key",
        "deep fields",
        "reply bignum",
        "deep reply",
    ],
)
def test_what_the_peer_would_refuse_is_not_built(name: str, values: dict[str, Any]) -> None:
    """cbor2 would encode most of it; each is what a caller may well try."""
    with pytest.raises(ValueError, match="has a value that it cannot have"):
        MESSAGE_TYPES[name](**values)


def test_what_cannot_be_encoded_is_ours_to_avoid() -> None:
    """A message does not change, but a list that it was built of may."""
    records: list[Any] = [[None, 9, "text", {}]]
    emit = Emit(1, 1, records=records)
    records[0][3]["object"] = object()
    with pytest.raises(LocalProtocolError, match="emit cannot be encoded") as caught:
        encode(emit)
    assert caught.value.code == ErrorCode.BAD_MESSAGE


def test_the_largest_items_fit_a_frame() -> None:
    """Also where their values are longer in CBOR than as text."""
    names = [f"{number:{MAX_ITEM_BYTES // MAX_ITEM_NAMES - 3}}" for number in range(MAX_ITEM_NAMES)]
    item = dict.fromkeys(names, 0.5)
    items = {f"{number:{MAX_KEY_BYTES}}": item for number in range(MAX_ITEMS_IN_FRAME)}
    assert is_items(items)
    assert not is_items({"key": {name + "x": value for name, value in item.items()}})
    for message in (Items(2, items=items, whole=True, more=True), Report(5, "build", items)):
        payload = encode(message)
        assert len(payload) <= MAX_FRAME_BYTES
        assert Decoder().decode(payload) == message


BULK = b"a line of a block\n" * 5000


@pytest.mark.parametrize(
    "message",
    [
        Emit(1, 7, lines=BULK),
        Emit(1, 7, lines=BULK, time_us=5, severity=9, stream="stderr", cont=True),
        Emit(1, 7, lines=b"rowsZ\0\0\0\0elinesZ" + BULK),
        Batch(3, pieces=[[1, 5000, 7, True]], next_seq=5001, head=9, rows=BULK, skipped=2),
    ],
)
def test_a_bulk_is_decoded_as_cbor_has_it(message: Message) -> None:
    payload = encode(message)
    assert payload == cbor2.dumps(cbor2.loads(payload))
    assert Decoder().decode(payload) == message


@given(st.integers(0, 40), st.booleans(), st.integers(-3, 3))
def test_what_looks_like_a_bulk_and_is_text_is_none(before: int, as_records: bool, off_by: int) -> None:
    """The bytes of a bulk's key and head, with the length that would fit, stand in a text near the payload's start."""

    def message(length: int) -> Message:
        bait = "x" * before + "elinesZ" + length.to_bytes(4, "big").decode("ascii")
        if as_records:
            return Emit(1, 7, records=[[None, 9, bait + "x" * 70_000, None]])
        return Emit(1, 7, stream=bait, lines=BULK)

    # The length's four bytes have to be text: all of 0x01 to 0x7F will do for one of these sizes.
    payload = encode(message(0x00010101))
    wanted = len(payload) - payload.index(b"elinesZ") - 11 + off_by
    if any(byte > 0x7F for byte in wanted.to_bytes(4, "big")):
        return
    baited = message(wanted)
    assert Decoder().decode(encode(baited)) == baited


def test_a_bulk_in_a_frame_that_is_wrong_is_refused_as_it_would_be() -> None:
    payload = encode(Emit(1, 7, lines=BULK))
    for wrong in (payload + b"\0", payload[:-1], b"\xa2" + payload[1:], payload.replace(b"\x65batch", b"\x65bitch", 1)):
        with pytest.raises(RemoteProtocolError):
            Decoder().decode(wrong)
    twice = encode(Emit(1, 7, lines=b"x\n" * 40_000))
    duplicate = bytes([twice[0] + 1]) + twice[1:].replace(b"\x65lines", b"\x65lines\x40\x65lines", 1)
    with pytest.raises(RemoteProtocolError, match="uplicate"):
        Decoder().decode(duplicate)
