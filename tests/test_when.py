"""Times as people give them: each form by example, in a zone with daylight saving time, and what is none."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logctl.when import parse_when
from logd.errors import EXIT_USAGE, UsageError
from logd.record import MAX_TIME_US, rfc3339

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 21, 15, 20, 30, 250_000, BERLIN)
"""14:20:30.25 in UTC."""


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def utc_us(text: str) -> int:
    """A time in UTC, in microseconds since the epoch."""
    return (datetime.fromisoformat(text).replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)


@pytest.fixture
def central_europe() -> Iterator[None]:
    """The system's zone, as naive times have it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-11-21T14:05:30.123456Z", "2026-11-21T14:05:30.123456"),
        ("2026-11-21T14:05:30.123456789Z", "2026-11-21T14:05:30.123456"),
        ("2026-11-21T14:05:30Z", "2026-11-21T14:05:30"),
        ("2026-11-21t14:05z", "2026-11-21T14:05"),
        ("2026-11-21T14:05+01:00", "2026-11-21T13:05"),
        ("2026-11-21 14:05:30.5 -0530", "2026-11-21T19:35:30.5"),
        ("2026-11-21T14:05", "2026-11-21T13:05"),
        ("2026-11-21 14:05", "2026-11-21T13:05"),
        ("2026-07-01 14:05", "2026-07-01T12:05"),
        ("2026-11-21 14:05:30", "2026-11-21T13:05:30"),
        ("2026-11-21 14:05:30.5", "2026-11-21T13:05:30.5"),
        ("2026-11-21", "2026-11-20T23:00"),
        ("14:05", "2026-11-21T13:05"),
        ("23:59:59.75", "2026-11-21T22:59:59.75"),
        ("14:05Z", "2026-11-21T14:05"),
        ("today", "2026-11-20T23:00"),
        ("yesterday", "2026-11-19T23:00"),
        ("tomorrow", "2026-11-21T23:00"),
        ("yesterday 14:00", "2026-11-20T13:00"),
        ("  Tomorrow   09:30:15 ", "2026-11-22T08:30:15"),
        ("today 14:00Z", "2026-11-21T14:00"),
        ("now", "2026-11-21T14:20:30.25"),
        ("10m", "2026-11-21T14:10:30.25"),
        ("2h30m", "2026-11-21T11:50:30.25"),
        ("1d", "2026-11-20T14:20:30.25"),
        ("90s", "2026-11-21T14:19:00.25"),
        ("1w", "2026-11-14T14:20:30.25"),
        ("1h ago", "2026-11-21T13:20:30.25"),
        ("1h 30m ago", "2026-11-21T12:50:30.25"),
        ("-10m", "2026-11-21T14:10:30.25"),
        ("0s", "2026-11-21T14:20:30.25"),
        ("@1732184430", "2024-11-21T10:20:30"),
        ("@1732184430.5", "2024-11-21T10:20:30.5"),
        ("@1732184430.1234567", "2024-11-21T10:20:30.123456"),
    ],
)
def test_what_a_time_says(text: str, at: str) -> None:
    assert parse_when(text, NOW) == utc_us(at)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        # On 29 March, clocks go from 2:00 to 3:00.
        ("2026-03-29", "2026-03-28T23:00"),
        ("2026-03-29 01:59:59", "2026-03-29T00:59:59"),
        ("2026-03-29 02:30", "2026-03-29T01:30"),
        ("2026-03-29 03:00", "2026-03-29T01:00"),
        ("2026-03-30", "2026-03-29T22:00"),
        # On 25 October, from 3:00 to 2:00.
        ("2026-10-25", "2026-10-24T22:00"),
        ("2026-10-25 02:30", "2026-10-25T00:30"),
        ("2026-10-25 02:30+01:00", "2026-10-25T01:30"),
        ("2026-10-25 03:00", "2026-10-25T02:00"),
        ("2026-10-26", "2026-10-25T23:00"),
    ],
)
def test_days_on_which_clocks_are_changed(text: str, at: str, central_europe: None) -> None:
    assert parse_when(text, NOW) == utc_us(at)
    assert parse_when(text, NOW.replace(tzinfo=None)) == utc_us(at)


def test_today_is_the_days_that_it_is_here(central_europe: None) -> None:
    """At 23:30 in UTC on 24 October, it is 1:30 of the day on which clocks are changed."""
    aware = datetime(2026, 10, 24, 23, 30, tzinfo=UTC).astimezone(BERLIN)
    for now in (aware, aware.replace(tzinfo=None)):
        assert parse_when("yesterday", now) == utc_us("2026-10-23T22:00")
        assert parse_when("today", now) == utc_us("2026-10-24T22:00")
        assert parse_when("tomorrow", now) == utc_us("2026-10-25T23:00")
        assert parse_when("today 12:00", now) == utc_us("2026-10-25T11:00")
        assert parse_when("now", now) == utc_us("2026-10-24T23:30")
        assert parse_when("1d", now) == utc_us("2026-10-23T23:30")


def test_now_is_told_apart_when_clocks_show_it_twice(central_europe: None) -> None:
    for now in (datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=BERLIN), datetime(2026, 10, 25, 2, 30, fold=1)):
        assert parse_when("now", now) == utc_us("2026-10-25T01:30")
        assert parse_when("1h", now) == utc_us("2026-10-25T00:30")


@pytest.mark.parametrize(
    ("text", "time_us"),
    [
        ("1969-12-31T23:59Z", 0),
        ("0001-01-01T00:00+01:00", 0),
        ("3000w", 0),
        ("999999999999w", 0),
        ("@0", 0),
        ("9999-12-31T23:59:59.5Z", MAX_TIME_US),
        ("9999-12-31T23:59-01:00", MAX_TIME_US),
        ("@999999999999", MAX_TIME_US),
    ],
)
def test_a_time_is_one_that_records_can_have(text: str, time_us: int) -> None:
    assert parse_when(text, NOW) == time_us


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "soon", "10", "10 m", "m", "1y", "1.5h", "+10m", "--10m", "-10m ago", "ago", "1h ago ago"),
        *("14", "14:5", "4:05", "24:00", "14:60", "14:05:60", "14:05:30,5", "14:05:", "1405"),
        *(
            "2026-02-30",
            "2026-13-01",
            "2026-11",
            "21.11.2026",
            "20261121",
            "2026-11-21T",
            "2026-11-21 14",
            "2026-W47-6",
        ),
        *("2026-11-21Z", "2026-11-21T14:05+24:00", "2026-11-21T14:05 CET", "0000-01-01"),
        *("yesterday14:00", "14:00 yesterday", "monday", "today Z", "now 14:00"),
        *("@", "@-1", "@1e9", "@1.", "@1234567890123", "1732184430", "٢٠٢٦-11-21", "\uff11m", "1h\0"),
    ],
)
def test_what_is_no_time_is_refused_with_the_forms_that_are(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_when(text, NOW)
    assert repr(text) in refused.value.message
    assert "2026-11-21T14:05:30Z" in str(refused.value.hint)
    assert refused.value.exit_status == EXIT_USAGE


def test_the_forms_of_the_hint_are_times() -> None:
    with pytest.raises(UsageError) as refused:
        parse_when("soon", NOW)
    clocks = ("2026-11-21T14:05:30Z", "2026-11-21 14:05", "14:05", "yesterday 14:00")
    for form in (*clocks, "today", "now", "2h30m", "10m ago", "@1732184430"):
        assert form in str(refused.value.hint)
        parse_when(form, NOW)


@given(st.integers(0, MAX_TIME_US))
def test_a_stored_time_is_read_as_it_is(time_us: int) -> None:
    assert parse_when(rfc3339(time_us), NOW) == time_us


@given(st.datetimes(datetime(1971, 1, 1), datetime(9998, 1, 1)))
def test_a_local_time_is_what_the_calendar_says(moment: datetime) -> None:
    at = moment.replace(tzinfo=BERLIN, fold=0)
    assert parse_when(str(moment), NOW) == (at - EPOCH) // timedelta(microseconds=1)


@given(st.text("0123456789:-+.@ tzwdhmsago", max_size=25))
def test_any_text_is_a_time_or_refused(text: str) -> None:
    with suppress(UsageError):
        assert 0 <= parse_when(text, NOW) <= MAX_TIME_US


def test_imports_stay_light() -> None:
    code = "import sys; before = set(sys.modules); import logctl.when; print(set(sys.modules) & {'datetime'} - before)"
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environ, check=True, capture_output=True, text=True)
    assert done.stdout == "set()\n"
