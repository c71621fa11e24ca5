"""Stored lines to the records that are stored as the same lines."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logd.client.stored import parse_stored, parse_stored_lines
from logd.ingest import Envelope, LineBatch, encode_lines, encode_records
from logd.protocol.checks import (
    is_record,
)
from logd.record import MAX_FIELDS, MAX_TEXT_BYTES, MAX_TIME_US, RESERVED_KEYS, Severity

names = st.text(max_size=4) | st.sampled_from(RESERVED_KEYS) | st.sampled_from(RESERVED_KEYS).map("_{}".format)
scalars = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=8)
)
values = scalars | st.lists(scalars, max_size=3) | st.dictionaries(st.text(max_size=4), scalars, max_size=3)
records = st.lists(
    st.tuples(
        st.integers(0, MAX_TIME_US),
        st.integers(0, 24),
        st.text(max_size=30) | st.binary(max_size=30) | st.sampled_from([MAX_TEXT_BYTES - 1, 150_000]).map("é".__mul__),
        st.none() | st.dictionaries(names, values, max_size=5),
    ).map(list),
    min_size=1,
    max_size=4,
)
envelopes = st.builds(
    Envelope,
    stream=st.sampled_from(["", "stderr"]),
    source=st.text(max_size=4),
    logger=st.text(max_size=4),
    fields=st.none() | st.dictionaries(names, st.none() | st.integers(0, 9) | st.text(max_size=4), max_size=3),
)


def stored_again(rows: bytes) -> bytes:
    """What is stored of the records that rows are made to."""
    parsed = parse_stored_lines(rows)
    assert all(map(is_record, parsed))
    return b"".join(block.data for block in encode_records(parsed, 0, Envelope()))


@given(records, envelopes)
def test_records_are_stored_as_the_same_lines_again(records: list[Any], envelope: Envelope) -> None:
    rows = b"".join(block.data for block in encode_records(records, 0, envelope))
    assert stored_again(rows) == rows


@given(
    st.lists(st.binary(max_size=20).map(lambda line: line.replace(b"\n", b"")), min_size=1), envelopes, st.booleans()
)
def test_so_are_lines_of_text(lines: list[bytes], envelope: Envelope, cont: bool) -> None:
    batch = LineBatch(1_700_000_000_123_456, b"".join(line + b"\n" for line in lines))
    rows = b"".join(block.data for block in encode_lines([batch], envelope, None, cont=cont))
    assert stored_again(rows) == rows


def test_a_long_line_of_any_bytes_is_cut_at_the_same_places_again() -> None:
    line = ("é" * 50_000).encode() + b"\xff" * 100_000 + ("漢" * 300_000).encode() + b"\n"
    (rows,) = [
        block.data for block in encode_lines([LineBatch(0, line)], Envelope(source="w3", fields={"a": 1}), None)
    ][:1]
    assert rows.count(b'"cont":true') > 5
    assert stored_again(rows) == rows


@pytest.mark.parametrize(
    ("line", "record"),
    [
        ('{"time":"1970-01-01T00:00:01.000002Z","msg":""}', [1_000_002, 0, "", None]),
        (
            '{"time":"1970-01-01T00:00:00.000000Z","level":"WARN","msg":"m","severity":"error","time_":1}',
            [0, Severity.WARN, "m", {"severity": "error", "time_": 1}],
        ),
        ('{"time":"1970-01-01T00:00:00.000000Z","msg":"m","level":"WARN"}', [0, Severity.WARN, "m", None]),
        ('{"time":"1970-01-01T00:00:00.000000Z","msg":"\\ufffd","raw":"/w=="}', [0, 0, b"\xff", None]),
        ('{"time":"1970-01-01T00:00:00.000000Z","msg":"m","severity":"error"}', [0, 0, "m", {"severity": "error"}]),
    ],
)
def test_what_a_line_says(line: str, record: list[Any]) -> None:
    assert parse_stored(line.encode()) == record


@pytest.mark.parametrize(
    "line",
    [
        "",
        "text",
        "{}",
        '{"msg":"m","time":"1970-01-01T00:00:00.000000Z"}',
        '{"time": "1970-01-01T00:00:00.000000Z", "msg": "m"}',
        '{"time":"1970-01-01T00:00:00Z","msg":"m"}',
        '{"time":"1970-01-01T00:00:00.000000Z","level":"warn","msg":"m"}',
        '{"time":"1970-02-31T00:00:00.000000Z","msg":"m"}',
        '{"time":"1969-12-31T00:00:00.000000Z","msg":"m"}',
        '{"time":"1970-01-01T00:00:00.000000Z","msg":"m"',
        '{"time":"1970-01-01T00:00:00.000000Z","msg":"m","raw":"!"}',
        '{"time":"1970-01-01T00:00:00.000000Z","msg":"m","raw":1}',
        '{"time":"1970-01-01T00:00:00.000000Z","msg":"m","level":"LOUD"}',
        '{"time":"1970-01-01T00:00:00.000000Z","msg":"m","level":[]}',
        '{"time":"1970-01-01T00:00:00.000000Z","msg":"m","msg":1}',
        '{"time":"1970-01-01T00:00:00.000000Z","msg":"\\ud800"}',
        '{"time":"1970-01-01T00:00:00.000000Z","msg":"\\uD800"}',
        '{"time":"1970-01-01T00:00:00.000000Z","msg":"m","a":' + "[" * 10_000 + "]" * 10_000 + "}",
        '{"time":"1970-01-01T00:00:00.000000Z","msg":"m",' + json.dumps({str(n): n for n in range(MAX_FIELDS + 1)})[1:],
    ],
    ids=lambda line: line[-40:],
)
def test_what_is_not_as_stored_is_left_to_how_json_is_read_else(line: str) -> None:
    assert parse_stored(line.encode()) is None
    assert all(map(is_record, parse_stored_lines(line.encode() + b"\n")))
