"""JSON lines as other programs write them, to structured records.

Time, level and message are found under the names that logging libraries use; the rest is kept as fields, and so is
what is found and cannot be read as what its name says. A line that is not a JSON object is a record of its text.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from logd.protocol.checks import (
    is_record,
)
from logd.record import MAX_TIME_US, Severity, severity_from_number, severity_from_word

TIME_KEYS = ("time", "timestamp", "ts", "@timestamp", "asctime", "datetime", "date")
LEVEL_KEYS = ("level", "severity", "lvl", "levelname", "log.level", "severity_text", "loglevel", "severity_number")
MESSAGE_KEYS = ("msg", "message", "event", "body", "text", "log")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_BUNYAN_LEVELS = {
    10: Severity.TRACE,
    20: Severity.DEBUG,
    30: Severity.INFO,
    40: Severity.WARN,
    50: Severity.ERROR,
    60: Severity.FATAL,
}

# What a number of seconds, milliseconds, ... since 1970 is at the least: the 1970s hold no logs.
_TIME_UNITS = ((1e17, 1e-3), (1e14, 1.0), (1e11, 1e3), (1e8, 1e6))


def parse_json_lines(lines: bytes, severity: int = 0) -> list[list[Any]]:
    """The structured records of whole lines: [time in µs or None, severity number, text, fields or None] each.

    Args:
        severity: that of records which name none.
    """
    return [_record(line, severity) for line in lines.removesuffix(b"\n").split(b"\n")]


def _record(line: bytes, default_severity: int) -> list[Any]:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        return [None, default_severity, line, None]
    time_us = _take(fields, TIME_KEYS, _time_us)
    severity = _take(fields, LEVEL_KEYS, _severity) or default_severity
    text = _take(fields, MESSAGE_KEYS, _text)
    record = [time_us, severity, text or "", fields or None]
    return record if _is_sendable(line, record) else [time_us, severity, line, None]


def _is_sendable(line: bytes, record: list[Any]) -> bool:
    """Whether the protocol takes a record: JSON has numbers without bounds, and can name half a character."""
    try:
        if b"\\ud" in line.lower():
            json.dumps(record, ensure_ascii=False).encode()
        return is_record(record)
    except (RecursionError, UnicodeEncodeError):
        return False


def _take(fields: dict[str, Any], names: tuple[str, ...], read: Any) -> Any:
    """Remove and return the first of `names` that can be read; None where none can."""
    for name in names:
        value = read(fields[name]) if name in fields else None
        if value is not None:
            del fields[name]
            return value
    return None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _severity(value: Any) -> int | None:
    if isinstance(value, str):
        severity = severity_from_word(value.strip())
    elif type(value) is int:
        severity = _BUNYAN_LEVELS.get(value) or (severity_from_number(value) if 1 <= value <= 24 else None)
    else:
        severity = None
    return None if severity is None else int(severity)


def _time_us(value: Any) -> int | None:
    if isinstance(value, str):
        return _time_us_of_text(value)
    if type(value) not in (int, float):
        return None
    if not 0 <= value <= MAX_TIME_US * 1000:
        return None
    time_us = next((int(value * scale) for least, scale in _TIME_UNITS if value >= least), None)
    return time_us if time_us is not None and time_us <= MAX_TIME_US else None


def _time_us_of_text(text: str) -> int | None:
    try:
        moment = datetime.fromisoformat(text.replace(",", "."))
        since_epoch = (moment if moment.tzinfo else moment.astimezone()) - _EPOCH
    except (ValueError, OverflowError):
        return None
    time_us = since_epoch.days * 86_400_000_000 + since_epoch.seconds * 1_000_000 + since_epoch.microseconds
    return time_us if 0 <= time_us <= MAX_TIME_US else None
