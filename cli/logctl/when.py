"""Times as people give them, for `--since` and `--until`.

    2026-11-21T14:05:30.5Z  2026-11-21 14:05+01:00     with a zone
    2026-11-21  2026-11-21 14:05  14:05:30             without one: the local calendar's, and today's
    today  yesterday 14:00  tomorrow  now
    10m  2h30m  1d ago  -90s  1w                       back from now
    @1732184430.5                                      seconds since the epoch

A day without a clock time begins at its midnight. A clock time that the local calendar skips, as clocks go forward, is
as much later as they go; of one that it has twice, as they go back, the first is meant. Spans are lengths and not the
calendar's: `1d` is 24 hours.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from logd.errors import UsageError
from logd.record import MAX_TIME_US

if TYPE_CHECKING:
    from datetime import datetime

_UNIT_SECONDS = {"w": 604_800, "d": 86_400, "h": 3600, "m": 60, "s": 1}
_DAYS_FROM_TODAY = {"yesterday": -1, "today": 0, "tomorrow": 1}

_SPAN = re.compile(r"-((?:[0-9]{1,12}[wdhms])+)|((?:[0-9]{1,12}[wdhms] ?)+?)(?: ago)?")
_EPOCH = re.compile(r"@([0-9]{1,12})(?:\.([0-9]+))?")
_DAY = r"(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2}|yesterday|today|tomorrow)"
_CLOCK = r"(?P<clock>[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?)(?: ?(?P<zone>z|[+-][0-9]{2}:?[0-9]{2}))?"
_MOMENTS = [re.compile(form) for form in (_DAY, _CLOCK, f"{_DAY}[t ]{_CLOCK}")]


def parse_when(text: str, now: datetime) -> int:
    """The time that `text` says, in microseconds since the epoch.

    Args:
        now: the time now. Where it is naive, it and times without a zone are the system's local ones; otherwise they
            are of its zone, which must then be a real one (`ZoneInfo`) for days on which clocks are changed.

    Raises:
        UsageError: it says none. A time before 1970 is the first there is, one past the year 9999 the last.
    """
    words = " ".join(text.lower().split())
    time_us = _time_us(words, now)
    if time_us is None:
        raise UsageError(
            f"{text!r} is not a time",
            hint="a time is like 2026-11-21T14:05:30Z, '2026-11-21 14:05', 14:05, 'yesterday 14:00', today, now, "
            "2h30m or '10m ago' (back from now), or @1732184430 (seconds since 1970)",
        )
    return min(max(time_us, 0), MAX_TIME_US)


def _time_us(words: str, now: datetime) -> int | None:
    if words == "now":
        return _us(now)
    if match := _SPAN.fullmatch(words):
        amounts = re.findall("([0-9]+)([wdhms])", match[0])
        return _us(now) - 1_000_000 * sum(int(count) * _UNIT_SECONDS[unit] for count, unit in amounts)
    if match := _EPOCH.fullmatch(words):
        return int(match[1] + (match[2] or "").ljust(6, "0")[:6])
    for form in _MOMENTS:
        if match := form.fullmatch(words):
            return _moment_us(now, **match.groupdict())
    return None


def _moment_us(now: datetime, day: str = "today", clock: str = "00:00", zone: str | None = None) -> int | None:
    """The time of a clock on a day; None if there is no such day, clock time or zone."""
    from datetime import datetime, timedelta

    if day in _DAYS_FROM_TODAY:
        day = str(now.date() + timedelta(days=_DAYS_FROM_TODAY[day]))
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}{(zone or '').upper()}")
        return _us(moment if zone else moment.replace(tzinfo=now.tzinfo))
    except (OverflowError, ValueError):
        return None


def _us(moment: datetime) -> int:
    """In microseconds since the epoch; a naive moment is the system's local time."""
    # Whole seconds are exact as a float. astimezone() is an hour off for naive times that the clocks skip.
    return int(moment.replace(microsecond=0).timestamp()) * 1_000_000 + moment.microsecond
