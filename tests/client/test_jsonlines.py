"""JSON lines to structured records: the names that libraries use, and that nothing a line says gets lost."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logd.client.jsonlines import LEVEL_KEYS, MESSAGE_KEYS, TIME_KEYS, parse_json_lines
from logd.protocol import Emit
from logd.protocol.checks import (
    MAX_FIELD_DEPTH,
)
from logd.protocol.codec import encode
from logd.record import LEVEL_WORDS, MAX_FIELDS, MAX_TEXT_BYTES, MAX_TIME_US, Severity, severity_from_word

TIME_US = 1_700_000_000_123_456
"""2023-11-14T22:13:20.123456Z"""


@contextmanager
def zone(name: str) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", name)
        time.tzset()
        yield
    time.tzset()


def parse(line: bytes | dict[str, Any]) -> list[Any]:
    (record,) = parse_json_lines((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n")
    return record


def nested(depth: int, inner: Any = 0) -> Any:
    """Lists and maps within each other, so deep."""
    for level in range(depth):
        inner = [inner] if level % 2 else {"k": inner}
    return inner


class TestText:
    @pytest.mark.parametrize(
        "line",
        [b"", b" ", b"plain", b"\xff\xfe", b"[1]", b'"text"', b"12", b"null", b"{", b'{"a":1', b'{"a":1}x', b"{'a':1}"],
    )
    def test_a_line_that_is_no_object_is_its_text(self, line: bytes) -> None:
        assert parse(line) == [None, 0, line, None]

    def test_every_line_is_a_record(self) -> None:
        records = parse_json_lines(b'{"msg":"one"}\n\nthree\r\n{"msg":"four"}')
        assert [record[2] for record in records] == ["one", b"", b"three\r", "four"]

    @pytest.mark.parametrize("key", MESSAGE_KEYS)
    def test_a_message_is_found_under_every_name(self, key: str) -> None:
        assert parse({key: "hello", "other": 1}) == [None, 0, "hello", {"other": 1}]

    def test_of_two_messages_one_stays_a_field(self) -> None:
        assert parse({"message": "b", "msg": "a"}) == [None, 0, "a", {"message": "b"}]

    @pytest.mark.parametrize("value", [None, 5, ["a"], {"a": "b"}])
    def test_what_is_no_message_stays_a_field(self, value: Any) -> None:
        assert parse({"msg": value, "event": "e"}) == [None, 0, "e", {"msg": value}]
        assert parse({"msg": value}) == [None, 0, "", {"msg": value}]

    def test_a_message_may_be_of_any_length(self) -> None:
        assert parse({"msg": "x" * 200_000})[2] == "x" * 200_000

    def test_an_empty_message_is_one(self) -> None:
        assert parse({"msg": "", "event": "e"}) == [None, 0, "", {"event": "e"}]

    def test_an_object_of_nothing_is_an_empty_record(self) -> None:
        assert parse(b"{}") == [None, 0, "", None]


class TestLevel:
    @pytest.mark.parametrize("key", LEVEL_KEYS)
    def test_is_found_under_every_name(self, key: str) -> None:
        assert parse({key: "Warning", "other": 1}) == [None, Severity.WARN, "", {"other": 1}]

    @pytest.mark.parametrize("word", LEVEL_WORDS)
    def test_is_a_word_in_any_case(self, word: str) -> None:
        for spelling in (word, word.upper(), f" {word.title()} "):
            assert parse({"level": spelling})[1] == severity_from_word(word)

    @pytest.mark.parametrize(
        ("number", "severity"),
        [
            *((10, Severity.TRACE), (20, Severity.DEBUG), (30, Severity.INFO)),  # as bunyan and pino have them
            *((40, Severity.WARN), (50, Severity.ERROR), (60, Severity.FATAL)),
            *((1, Severity.TRACE), (9, Severity.INFO), (16, Severity.WARN), (24, Severity.FATAL)),  # OpenTelemetry
        ],
    )
    def test_is_a_number_that_libraries_use(self, number: int, severity: Severity) -> None:
        assert parse({"level": number}) == [None, severity, "", None]

    @pytest.mark.parametrize("value", ["", "loud", None, 0, -1, 25, 35, 30.0, True, [], {}])
    def test_what_is_none_stays_a_field(self, value: Any) -> None:
        assert parse({"level": value}) == [None, 0, "", {"level": value}]
        assert parse({"level": value, "severity": "err"}) == [None, Severity.ERROR, "", {"level": value}]

    def test_of_records_that_name_none_can_be_said(self) -> None:
        lines = b'{"msg":"a","level":"warn"}\n{"msg":"b","level":"loud"}\nplain\n{}\n'
        severities = [Severity.WARN, Severity.ERROR, Severity.ERROR, Severity.ERROR]
        assert [record[1] for record in parse_json_lines(lines, Severity.ERROR.value)] == severities


class TestTime:
    @pytest.mark.parametrize("key", TIME_KEYS)
    def test_is_found_under_every_name(self, key: str) -> None:
        assert parse({key: "2023-11-14T22:13:20.123456Z", "other": 1}) == [TIME_US, 0, "", {"other": 1}]

    @pytest.mark.parametrize(
        ("value", "time_us"),
        [
            ("2023-11-14T22:13:20.123456Z", TIME_US),
            ("2023-11-14T22:13:20.123456+00:00", TIME_US),
            ("2023-11-14T22:13:20.123456789Z", TIME_US),
            ("2023-11-15 00:13:20,123456+02:00", TIME_US),
            ("2023-11-14T22:13:20Z", 1_700_000_000_000_000),
            ("20231114T221320Z", 1_700_000_000_000_000),
            ("1970-01-01T00:00:00Z", 0),
            ("9999-12-31T23:59:59Z", MAX_TIME_US),
            (1_700_000_000, 1_700_000_000_000_000),
            (1_700_000_000.5, 1_700_000_000_500_000),
            (1_700_000_000_123, 1_700_000_000_123_000),
            (1_700_000_000_123_456, TIME_US),
            (1_700_000_000_123_456_789, TIME_US),
            (100_000_000, 100_000_000_000_000),
        ],
    )
    def test_is_read_in_the_forms_that_libraries_write(self, value: Any, time_us: int) -> None:
        read_us = parse({"time": value})[0]
        # Nanoseconds are beyond what a float holds exactly.
        assert abs(read_us - time_us) <= (1 if value == 1_700_000_000_123_456_789 else 0)
        assert parse({"time": value})[3] is None

    @pytest.mark.parametrize(
        "value",
        [
            *("", "now", "22:13:20", "2023-13-01", "1969-12-31T23:59:59Z", "0001-01-01T00:00:00Z"),
            *(None, True, [], {}, 0, -5, 12.5, 99_999_999, 1e30, float("nan"), float("-inf")),
        ],
    )
    def test_what_is_none_stays_a_field(self, value: Any) -> None:
        time_us, severity, text, fields = parse({"time": value})
        assert (time_us, severity, text) == (None, 0, "")
        assert repr(fields) == repr({"time": value})
        assert parse({"time": value, "ts": 1_700_000_000})[0] == 1_700_000_000_000_000

    def test_without_a_zone_is_local(self) -> None:
        with zone("CET-1CEST,M3.5.0,M10.5.0/3"):
            assert parse({"asctime": "2023-11-14 23:13:20,123"})[0] == 1_700_000_000_123_000
            assert parse({"asctime": "2023-07-14 23:13:20"})[0] == 1_689_369_200_000_000
            assert parse({"date": "2023-11-15"})[0] == 1_700_002_800_000_000

    @given(st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31, 23, 59, 59)))
    def test_any_in_rfc_3339_is_exact(self, moment: datetime) -> None:
        since_epoch = moment - datetime(1970, 1, 1)
        assert parse({"time": moment.isoformat() + "Z"})[0] == since_epoch // timedelta(microseconds=1)

    @given(st.integers(100_000_000, 4_102_444_800))
    def test_a_number_is_the_same_in_any_unit(self, seconds: int) -> None:
        for unit in (1, 10**3, 10**6):
            assert parse({"ts": seconds * unit})[0] == seconds * 1_000_000
        assert abs(parse({"ts": seconds * 10**9})[0] - seconds * 1_000_000) <= 1

    @pytest.mark.parametrize(
        "line",
        [b'{"ts":Infinity}', b'{"ts":1e999}', b'{"time":"0001-01-01T00:00:00"}'],
    )
    def test_what_overflows_stays_a_field(self, line: bytes) -> None:
        with zone("UTC"):
            assert parse(line)[:3] == [None, 0, ""]
            assert parse(line)[3] is not None


class TestFields:
    @pytest.mark.parametrize("depth", range(1, 7))
    def test_are_kept_as_deep_as_the_protocol_has_them(self, depth: int) -> None:
        line = json.dumps({"msg": "m", "level": "warn", "a": nested(depth - 1)}).encode()
        time_us, severity, text, fields = parse(line)
        assert (time_us, severity) == (None, Severity.WARN)
        assert (text, fields) == (("m", {"a": nested(depth - 1)}) if depth <= MAX_FIELD_DEPTH + 1 else (line, None))

    @pytest.mark.parametrize("count", [MAX_FIELDS, MAX_FIELDS + 1])
    def test_are_kept_as_many_as_the_protocol_has(self, count: int) -> None:
        fields = {f"k{number}": number for number in range(count)}
        line = json.dumps({"msg": "m", "ts": 1_700_000_000} | fields).encode()
        assert parse(line)[0] == 1_700_000_000_000_000
        assert parse(line)[2:] == (["m", fields] if count == MAX_FIELDS else [line, None])

    @given(
        st.dictionaries(
            st.text(max_size=3) | st.sampled_from(["msg", "level", "ts"]),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
                lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
                max_leaves=4,
            ),
            max_size=4,
        )
    )
    def test_nothing_that_a_line_says_is_lost(self, said: dict[str, Any]) -> None:
        line = json.dumps({key: value for key, value in said.items() if key != "ts"}).encode()
        _, severity, text, fields = parse(line)
        if text == line:
            return
        kept = dict(fields or {})
        if "level" in said and "level" not in kept:
            assert severity
            kept["level"] = said["level"]
        if "msg" in said and "msg" not in kept:
            kept["msg"] = text
        assert kept == json.loads(line)

    def test_too_deep_for_python_is_a_text(self) -> None:
        line = b'{"a":' + b"[" * 600 + b"]" * 600 + b"}"
        assert parse(line) == [None, 0, line, None]


class TestWhatCanBeSent:
    """All that comes of a line is what the protocol takes: one that it does not take would end the sender."""

    @staticmethod
    def send(line: bytes) -> None:
        encode(Emit(1, 1, records=parse_json_lines(line + b"\n")))

    @pytest.mark.parametrize(
        "line",
        [
            b"",
            b"plain \xff",
            b'{"msg":"m","n":1,"f":0.5,"l":[1,{"a":null}]}',
            b'{"a":NaN}',
            b'{"ts":1700000000}',
            b'{"level":"warn"}',
            b'{"level":30}',
            b'{"level":9}',
            b'{"a":18446744073709551615}',
            b'{"a":%s}' % json.dumps(nested(MAX_FIELD_DEPTH + 3)).encode(),
            b'{"%s":1}' % (b"k" * 1000),
            b"x" * MAX_TEXT_BYTES,
        ],
        ids=lambda line: line[:20].decode("ascii", "replace"),
    )
    def test_can_be(self, line: bytes) -> None:
        self.send(line)

    @pytest.mark.parametrize("line", [b'{"a":18446744073709551616}', b'{"a":[-9223372036854775809]}'])
    def test_a_large_number_can_be(self, line: bytes) -> None:
        self.send(line)

    @pytest.mark.parametrize(
        "line", [rb'{"msg":"\ud800"}', rb'{"a":"\udfff"}', rb'{"\ud800":1}', rb'{"a":[{"b":"\ud800"}]}']
    )
    def test_half_a_character_can_be(self, line: bytes) -> None:
        self.send(line)

    def test_a_long_line_can_be(self) -> None:
        """The emitter gives lines of up to 256 KiB whole."""
        self.send(b"x" * (MAX_TEXT_BYTES + 1))

    def test_a_long_object_that_cannot_be_kept_can_be(self) -> None:
        self.send(json.dumps({"a": nested(MAX_FIELD_DEPTH), "b": "x" * MAX_TEXT_BYTES}).encode())


def test_local_time_is_restored_by_these_tests() -> None:
    before = os.environ.get("TZ")
    with zone("CET-1CEST,M3.5.0,M10.5.0/3"):
        assert time.tzname[0] == "CET"
    assert os.environ.get("TZ") == before
    assert datetime.fromtimestamp(0, UTC).hour == 0
