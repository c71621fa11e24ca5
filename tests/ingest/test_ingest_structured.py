"""Structured records as stored rows: every kind of value, clashes of names, and long texts."""

from __future__ import annotations

import base64
import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logd.ingest import MAX_BLOCK_BYTES, Block, Envelope, encode_records, structured
from logd.ingest.block import gather
from logd.record import (
    MAX_LABEL_BYTES,
    MAX_SEVERITY_NUMBER,
    MAX_TEXT_BYTES,
    MAX_TIME_US,
    RESERVED_KEYS,
    rfc3339,
    severity_from_number,
)

TIME_US = 1_700_000_000_000_000
LABELS = ("stream", "source", "logger")

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.sampled_from([1e16, 9999999999999998.0, 1e-4, 9.999999999999999e-5, 1e-5, 1e22, 5e-324, -0.0])
    | st.text(max_size=8)
    | st.binary(max_size=8)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
names = st.text(max_size=4) | st.sampled_from(RESERVED_KEYS) | st.sampled_from(RESERVED_KEYS).map("_{}".format)
fields = st.none() | st.dictionaries(names, values, max_size=5)
texts = st.text(max_size=30) | st.binary(max_size=30)
records = st.lists(
    st.tuples(st.none() | st.integers(0, MAX_TIME_US), st.integers(0, MAX_SEVERITY_NUMBER), texts, fields).map(list),
    min_size=1,
    max_size=6,
)
sessions = st.fixed_dictionaries(
    {},
    optional={
        "stream": st.sampled_from(["", "stdout"]),
        "source": st.text(max_size=4),
        "logger": st.text(max_size=4),
        "fields": st.dictionaries(names, st.none() | st.integers(0, 9) | st.text(max_size=4), max_size=3),
    },
)


def encode(records: list[Any], **session: Any) -> list[dict[str, Any]]:
    """What the stored rows say."""
    blocks = list(encode_records(records, TIME_US, Envelope(**session)))
    return [json.loads(row) for block in blocks for row in block.data.split(b"\n")[:-1]]


def encode_fields(own_fields: dict[str, Any], **session: Any) -> dict[str, Any]:
    """A stored record's keys behind the message."""
    (record,) = encode([[None, 0, "", own_fields]], **session)
    assert list(record)[:2] == ["time", "msg"]
    return {key: record[key] for key in list(record)[2:]}


def as_stored(value: Any) -> Any:
    """A field's value as JSON can say it."""
    if isinstance(value, dict):
        return {key: as_stored(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_stored(item) for item in value]
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return None if isinstance(value, float) and not math.isfinite(value) else value


def own(fields: dict[str, Any]) -> dict[str, Any]:
    stored = {}
    for key, value in fields.items():
        if key in RESERVED_KEYS:
            key = f"_{key}"
            while key in fields:
                key = f"_{key}"
        stored[key] = as_stored(value)
    return stored


def labels_in(fields: dict[str, Any]) -> dict[str, Any]:
    """Those of a record's fields that become its labels."""
    labels = {key: fields[key] for key in LABELS if isinstance(fields.get(key), str) and fields[key]}
    return labels | ({"cont": True} if fields.get("cont") is True else {})


@settings(max_examples=300)
@given(records, sessions)
def test_any_records_are_stored_as_what_they_say(records: list[Any], session: dict[str, Any]) -> None:
    blocks = list(encode_records(records, TIME_US, Envelope(**session)))
    assert sum(block.record_count for block in blocks) == len(records)
    assert len(blocks) == 1
    assert blocks == list(gather(structured._encode_reference(records, TIME_US, Envelope(**session))))
    assert blocks[0].level_mask == sum({severity_from_number(record[1]).mask_bit for record in records})
    times = [TIME_US if record[0] is None else record[0] for record in records]
    assert (blocks[0].oldest_us, blocks[0].newest_us) == (min(times), max(times))
    labels = {name: session[name] for name in LABELS if session.get(name)}
    for row, (time_us, number, text, record_fields) in zip(blocks[0].data.split(b"\n"), records, strict=False):
        severity = severity_from_number(number)
        expected: dict[str, Any] = {"time": rfc3339(TIME_US if time_us is None else time_us)}
        expected |= {"level": severity.name} if severity else {}
        raw = text if isinstance(text, bytes) else text.encode()
        expected["msg"] = raw.decode("utf-8", "replace")
        expected |= {"raw": base64.b64encode(raw).decode()} if expected["msg"].encode() != raw else {}
        own_labels = labels_in(record_fields or {})
        expected |= {key: each[key] for key in (*LABELS, "cont") for each in (labels, own_labels) if key in each}
        rest = {key: value for key, value in (record_fields or {}).items() if key not in own_labels}
        expected |= own(session.get("fields", {})) | own(rest)
        stored = json.loads(row)
        assert stored == expected
        assert list(stored) == list(expected)


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (math.nan, None),
        (math.inf, None),
        (-math.inf, None),
        ([1, math.nan, {"a": -math.inf}], [1, None, {"a": None}]),
        (b"bytes \xff", "bytes \ufffd"),
        ([b"a", {"b": b"\x00"}], ["a", {"b": "\x00"}]),
        (2**64 - 1, 2**64 - 1),
        (-(2**63), -(2**63)),
        (2**64, 2**64),
        (-(10**30), -(10**30)),
        ([10**30, math.nan, b"\xff"], [10**30, None, "\ufffd"]),
        (1e300, 1e300),
        (0.1, 0.1),
        (True, True),
        (None, None),
        ('\x00\x1f\x7f\u2028\U0001d11e"\\', '\x00\x1f\x7f\u2028\U0001d11e"\\'),
        ({}, {}),
        ([], []),
    ],
    ids=repr,
)
def test_a_value_is_stored_as_json_can_say_it(value: Any, stored: Any) -> None:
    assert encode_fields({"key": value}) == {"key": stored}
    if not isinstance(value, dict | list):
        assert encode_fields({}, fields={"key": value}) == {"key": stored}


@pytest.mark.parametrize("key", RESERVED_KEYS)
def test_a_reserved_name_gets_an_underscore(key: str) -> None:
    assert encode_fields({key: 1}) == {f"_{key}": 1}
    assert encode_fields({}, fields={key: 1}) == {f"_{key}": 1}


def test_a_name_with_an_underscore_and_one_that_gets_it_are_both_kept() -> None:
    fields = {"_msg": 1, "msg": 2, "__msg": 3, "_level": 4}
    assert encode_fields(fields) == {"_msg": 1, "___msg": 2, "__msg": 3, "_level": 4}
    assert encode_fields({}, fields=fields) == {"_msg": 1, "___msg": 2, "__msg": 3, "_level": 4}


def test_a_records_field_wins_over_its_sessions() -> None:
    assert encode_fields({"b": 2, "c": 3}, fields={"a": 0, "b": 0}) == {"a": 0, "b": 2, "c": 3}


@pytest.mark.parametrize("key", LABELS)
def test_a_record_can_bring_its_labels(key: str) -> None:
    assert encode_fields({"a": 1, key: "mine", f"_{key}": 2}) == {key: "mine", "a": 1, f"_{key}": 2}
    assert encode_fields({key: "mine"}, **{key: "its session's"}) == {key: "mine"}
    assert encode_fields({key: "ü" * MAX_LABEL_BYTES}) == {key: "ü" * MAX_LABEL_BYTES}


def test_labels_of_a_record_and_of_its_session_stand_in_their_order() -> None:
    fields = encode_fields({"z": 1, "logger": "app", "cont": True, "stream": "stderr"}, source="w3", fields={"a": 0})
    assert list(fields.items()) == [
        ("stream", "stderr"),
        ("source", "w3"),
        ("logger", "app"),
        ("cont", True),
        ("a", 0),
        ("z", 1),
    ]


@pytest.mark.parametrize("value", ["", "x" * (MAX_LABEL_BYTES + 1), 1, None, True, ["w3"], {"name": "w3"}, b"w3"])
def test_what_is_no_label_gets_an_underscore(value: Any) -> None:
    assert encode_fields({"source": value}, source="w3") == {"source": "w3", "_source": as_stored(value)}


@pytest.mark.parametrize("value", [False, 1, "true", None])
def test_a_record_goes_on_with_the_one_before_only_where_it_says_so(value: Any) -> None:
    assert encode_fields({"cont": value}) == {"_cont": value}


def test_further_pieces_of_a_long_text_have_its_labels() -> None:
    text = "x" * (MAX_TEXT_BYTES + 1)
    first, rest = encode([[None, 0, text, {"logger": "app", "own": 1}]], source="w3", fields={"shared": 2})
    assert list(first)[2:] == ["source", "logger", "shared", "own"]
    assert {key: rest[key] for key in list(rest)[2:]} == {"source": "w3", "logger": "app", "cont": True, "shared": 2}


@pytest.mark.parametrize("record_fields", [None, {}])
def test_without_fields_a_record_has_its_sessions(record_fields: dict[str, Any] | None) -> None:
    (record,) = encode([[TIME_US, 0, "x", record_fields]], source="w3", fields={"a": 1})
    assert record == {"time": rfc3339(TIME_US), "msg": "x", "source": "w3", "a": 1}


@pytest.mark.parametrize("text", ["ü" * MAX_TEXT_BYTES, b"\xff" * (2 * MAX_TEXT_BYTES), "\U0001d11e" * 40_000])
def test_a_long_text_is_cut_and_its_fields_are_said_once(text: str | bytes) -> None:
    stored = encode([[None, 17, text, {"own": 1}]], source="w3", fields={"shared": 2})
    pieces = [base64.b64decode(record["raw"]) if "raw" in record else record["msg"].encode() for record in stored]
    raw = text if isinstance(text, bytes) else text.encode()
    assert b"".join(pieces) == raw
    assert all(MAX_TEXT_BYTES - 3 <= len(piece) <= MAX_TEXT_BYTES for piece in pieces[:-1])
    assert any("raw" in record for record in stored) == isinstance(text, bytes)
    first, *rest = stored
    assert first["own"] == 1
    assert "cont" not in first
    assert rest
    for record in rest:
        assert record["cont"] is True
        assert "own" not in record
    assert all(record["level"] == "ERROR" and record["source"] == "w3" and record["shared"] == 2 for record in stored)


class TestBlockSize:
    def blocks(self, records: list[Any], **session: Any) -> list[Block]:
        return list(encode_records(records, TIME_US, Envelope(**session)))

    def test_is_bounded(self) -> None:
        blocks = self.blocks([[None, 9, "x", None]] * 4096, fields={"key": "v" * 4000})
        assert sum(block.record_count for block in blocks) == 4096
        assert all(MAX_BLOCK_BYTES <= len(block.data) < MAX_BLOCK_BYTES + 5000 for block in blocks[:-1])

    def test_a_block_says_the_levels_of_its_own_records_only(self) -> None:
        """Also where a record of another level fills the block before it."""
        text = "x" * MAX_TEXT_BYTES
        blocks = self.blocks([[None, 1 + 4 * (number % 6), text, None] for number in range(64)])
        assert len(blocks) > 3
        for block in blocks:
            levels = {json.loads(row).get("level") for row in block.data.splitlines()}
            named = {severity for number in range(25) if (severity := severity_from_number(number)).name in levels}
            assert block.level_mask == sum(severity.mask_bit for severity in named)

    def test_a_record_that_fills_a_block_leaves_no_level_to_the_next(self) -> None:
        text = "x" * MAX_TEXT_BYTES
        first, second = self.blocks([[None, 17, text, None]] * 16 + [[None, 9, "x", None]])
        assert (first.record_count, second.record_count) == (16, 1)
        assert second.level_mask == severity_from_number(9).mask_bit

    def test_a_block_says_the_times_of_its_own_records_only(self) -> None:
        text = "x" * MAX_TEXT_BYTES
        blocks = self.blocks([[TIME_US - 7 * number * number, 9, text, None] for number in range(40)])
        assert len(blocks) > 2
        for block in blocks:
            times = {json.loads(row)["time"] for row in block.data.splitlines()}
            assert (rfc3339(block.oldest_us), rfc3339(block.newest_us)) == (min(times), max(times))

    def test_no_records_are_no_block(self) -> None:
        assert self.blocks([]) == []
