"""Records that are encoded many at a time are read as the message of them is."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logd.errors import LocalProtocolError
from logd.protocol import MAX_FRAME_BYTES, Emit
from logd.protocol.codec import Decoder, emit_parts, encode, encode_value
from logd.protocol.records import encode_records

RECORDS = st.tuples(
    st.integers(0, 2**50).map(lambda time_us: time_us / 1e6),
    st.integers(0, 23),
    st.text(max_size=300) | st.integers(0, 70_000).map(lambda length: "x" * length),
    st.none() | st.dictionaries(st.text(max_size=5), st.integers(0, 9), max_size=3),
)


def payload(rows: list[Any]) -> bytes:
    times, severities, texts, fields = zip(*rows, strict=True)
    encoded = encode_records(times, severities, texts, [encode_value(each) for each in fields])
    assert (encoded.record_count, encoded.left_out) == (len(rows), 0)
    return b"".join(emit_parts(7, 3, encoded.record_count, encoded.items))


@settings(max_examples=50)
@given(st.lists(RECORDS, min_size=1, max_size=8))
def test_they_are_read_as_the_message_is(rows: list[Any]) -> None:
    records = [[int(seconds * 1e6), severity, text, fields] for seconds, severity, text, fields in rows]
    decode = Decoder().decode
    assert decode(payload(rows)) == decode(encode(Emit(7, 3, records=records)))


@pytest.mark.parametrize("count", [1, 23, 24, 255, 256, 4096])
def test_any_number_of_them_is(count: int) -> None:
    rows = [(1e9, 9, str(number), {"logger": "app"}) for number in range(count)]
    message = Decoder().decode(payload(rows))
    assert isinstance(message, Emit)
    assert [record[2] for record in message.records or []] == [str(number) for number in range(count)]


def test_text_that_is_not_unicode_goes_as_bytes() -> None:
    message = Decoder().decode(payload([(1e9, 9, "caf\udce9", None), (1e9, 9, "good", None), (1e9, 9, "\ud83d", None)]))
    assert isinstance(message, Emit)
    assert [record[2] for record in message.records or []] == [b"caf\xe9", "good", b"\xed\xa0\xbd"]


@pytest.mark.parametrize("seconds", [math.nan, math.inf, -5.0, 1e15, None])
def test_a_time_that_cannot_be_is_left_to_the_daemon(seconds: Any) -> None:
    message = Decoder().decode(payload([(seconds, 9, "text", None)]))
    assert isinstance(message, Emit)
    assert message.records == [[None, 9, "text", None]]


def test_what_has_no_form_is_left_out() -> None:
    rows: list[Any] = [(1e9, "none", "bad", None), (1e9, 9, "good", None)]
    times, severities, texts, _ = zip(*rows, strict=True)
    encoded = encode_records(times, severities, texts, [encode_value(None)] * 2)
    assert (encoded.record_count, encoded.left_out) == (1, 1)


def test_what_does_not_fit_a_frame_is_refused() -> None:
    with pytest.raises(LocalProtocolError):
        emit_parts(1, 1, 1, b"x" * MAX_FRAME_BYTES)
