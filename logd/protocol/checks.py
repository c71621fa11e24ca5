"""What a message's key may hold: a check for each kind of value, and the bounds that they keep to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

from logd.record import MAX_FIELDS, MAX_LABEL_BYTES, MAX_SEVERITY_NUMBER, MAX_TIME_US

MAX_ID = 2**53 - 1
"""Ids and counters stay within what every language's numbers hold exactly."""
MAX_RECORDS_IN_FRAME = 4096
MAX_LINES_BYTES = 1000 * 1024
"""The longest `lines`: a frame's limit less room for the other keys."""
MAX_SHARED_FIELDS_BYTES = 4096
"""All of a session's fields together, as text: they are repeated in every record of it."""
MAX_FIELDS_CHARACTERS = 32 * 1024
"""All of a record's fields together: with escapes and the longest text, a record fits the frame that it is read in."""
MAX_PAGE_RECORDS = 100_000
MAX_CONTEXT_RECORDS = 10_000
MAX_SESSIONS_LISTED = 200
"""In one reply: as long as their commands and labels may be, so many fit a frame."""
MAX_WINDOW_RECORDS = 100_000
MAX_PATTERN_CHARACTERS = 4096
MAX_ITEMS_IN_FRAME = 500
"""Of a table. As large as they may be, so many fit a frame."""
MAX_KEY_BYTES = 256
"""A table's key."""
MAX_ITEM_BYTES = 1280
"""What a table has for a key: its names and values together, as text."""
MAX_ITEM_NAMES = 24
MAX_FIELDS_OF_ITEM = 16
"""A job's fields of one item on a board, which leaves some for the daemon's."""
MAX_BYTES_OF_ITEM = 1024
"""These fields together, as text."""
ITEM_STATES = ("pending", "running", "done", "failed")
OWN_FIELDS = ("started_us", "updated_us", "moved_us", "ended_us", "rate", "rate_seconds")
"""What the daemon adds to an item on a board, and nobody else."""
MAX_SETTINGS = 32
MAX_FILTERS = 4
"""Of which each has the next in its `also`."""
MAX_FIELD_DEPTH = 4
"""A record's fields may hold lists and maps so deep, themselves counted: a frame's eight levels less those above."""
MAX_REPLY_DEPTH = 7
"""A reply's value is a map so deep, itself counted: a frame's eight levels less the message's own."""

Check = Callable[[Any], bool]


def integer(low: int, high: int) -> Check:
    return lambda value: type(value) is int and low <= value <= high


def text(max_characters: int) -> Check:
    return lambda value: isinstance(value, str) and len(value) <= max_characters


def optional(check: Check) -> Check:
    return lambda value: value is None or check(value)


def one_of(*choices: str) -> Check:
    return lambda value: type(value) is str and value in choices


def byte_string(max_bytes: int) -> Check:
    return lambda value: type(value) is bytes and len(value) <= max_bytes


def is_lines(value: Any) -> bool:
    return type(value) is bytes and len(value) <= MAX_LINES_BYTES and value.endswith(b"\n")


def is_map(value: Any) -> bool:
    return type(value) is dict and all(type(key) is str for key in value)


def is_flag(value: Any) -> bool:
    return type(value) is bool


def is_item(value: Any) -> bool:
    """What a board or another table has for a key: a small flat map."""
    return (
        is_map(value)
        and len(value) <= MAX_ITEM_NAMES
        and all(type(item) in _SCALARS and _is_value(item, 0) for item in value.values())
        and item_bytes(value) <= MAX_ITEM_BYTES
    )


def item_bytes(item: Mapping[str, Any]) -> int:
    """An item's names and values together, as text."""
    return sum(len(name.encode()) + len(str(value).encode()) for name, value in item.items())


def is_items(value: Any) -> bool:
    """Values by key; None for a key that is removed."""
    return (
        type(value) is dict
        and len(value) <= MAX_ITEMS_IN_FRAME
        and all(
            type(key) is str and 0 < len(key.encode()) <= MAX_KEY_BYTES and (item is None or is_item(item))
            for key, item in value.items()
        )
    )


def wrong_in_report(fields: Mapping[str, Any]) -> str:
    """Why these fields cannot be reported of an item on a board, as a sentence goes on; "" where they can be."""
    for name, value in fields.items():
        if name in OWN_FIELDS:
            return f"{name} is the daemon's to say"
        check, like = _REPORTED.get(name, (None, ""))
        if value is not None and check is not None and not check(value):
            return f"{name} is {value!r}, and has to be {like}"
        if type(value) is float and not isfinite(value):
            return f"{name} is {value!r}, which is no number"
    return ""


def fits_board(fields: Mapping[str, Any]) -> bool:
    """Whether an item on a board can have all these fields of a job's."""
    return is_item(fields) and len(fields) <= MAX_FIELDS_OF_ITEM and item_bytes(fields) <= MAX_BYTES_OF_ITEM


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and isfinite(value)


def _is_amount(value: Any) -> bool:
    return _is_number(value) and 0 <= value < 2**64


_REPORTED: dict[str, tuple[Check, str]] = {
    "state": (one_of(*ITEM_STATES), f"one of {', '.join(ITEM_STATES)}"),
    "done": (_is_amount, "a number, 0 or more"),
    "total": (_is_amount, "a number, 0 or more"),
    "advance": (_is_number, "a number"),
    "unit": (lambda value: type(value) is str, "text"),
    "status": (lambda value: type(value) is str, "text"),
    "gauge": (_is_number, "a number"),
    "retries": (lambda value: type(value) is int and value >= 0, "a whole number, 0 or more"),
}
"""The fields that are known, and what they may be; others are any text, number or flag."""


def is_settings(value: Any) -> bool:
    return (
        is_map(value)
        and len(value) <= MAX_SETTINGS
        and all(type(item) in (int, float, bool) and _is_value(item, 0) for item in value.values())
    )


def is_versions(value: Any) -> bool:
    return (
        type(value) is list
        and 0 < len(value) <= 16
        and all(type(version) is int and _is_value(version, 0) for version in value)
    )


_SCALARS = (str, int, float, bool, type(None))


def is_shared_fields(value: Any) -> bool:
    """Fields that every record of a session carries: few, small and flat."""
    return (
        is_map(value)
        and len(value) <= MAX_FIELDS
        and all(type(item) in _SCALARS and _is_value(item, 0) for item in value.values())
        and sum(len(key) + len(str(item)) for key, item in value.items()) <= MAX_SHARED_FIELDS_BYTES
    )


def _is_value(value: Any, depth: int) -> bool:
    """Whether a field may have this value: what JSON has a form for, or a byte string, which is shown as text."""
    if type(value) is int:
        return -(2**63) <= value < 2**64
    if type(value) is dict:
        return depth > 0 and all(type(key) is str and _is_value(item, depth - 1) for key, item in value.items())
    if type(value) is list:
        return depth > 0 and all(_is_value(item, depth - 1) for item in value)
    return type(value) in _SCALARS or type(value) is bytes


def is_reply_value(value: Any) -> bool:
    return type(value) is dict and _is_value(value, MAX_REPLY_DEPTH)


def _characters(value: Any) -> int:
    """About how long a value is in JSON, escapes apart; at the least, with the comma behind it."""
    if type(value) is dict:
        return 3 + sum(3 + len(key) + _characters(item) for key, item in value.items())
    if type(value) is list:
        return 3 + sum(map(_characters, value))
    return 3 + len(value) if type(value) in (str, bytes) else 8


def is_record(value: Any) -> bool:
    """[time_us or None, severity number, text or bytes, map of fields or None]."""
    if type(value) is not list or len(value) != 4:
        return False
    time_us, severity, text, record_fields = value
    return (
        (time_us is None or (type(time_us) is int and 0 <= time_us <= MAX_TIME_US))
        and type(severity) is int
        and 0 <= severity <= MAX_SEVERITY_NUMBER
        and type(text) in (str, bytes)
        and (
            record_fields is None
            or (
                type(record_fields) is dict
                and len(record_fields) <= MAX_FIELDS
                and _is_value(record_fields, 1 + MAX_FIELD_DEPTH)
                and _characters(record_fields) <= MAX_FIELDS_CHARACTERS
            )
        )
    )


def are_records(value: Any) -> bool:
    return type(value) is list and 0 < len(value) <= MAX_RECORDS_IN_FRAME and all(map(is_record, value))


FILTER_CHECKS: dict[str, Check] = {
    "pattern": text(MAX_PATTERN_CHARACTERS),
    "fixed": is_flag,
    "ignore_case": is_flag,
    "invert": is_flag,
    "min_severity": integer(0, MAX_SEVERITY_NUMBER),
    "stream": text(MAX_LABEL_BYTES),
    "source": text(MAX_LABEL_BYTES),
    "since_us": integer(0, MAX_TIME_US),
    "until_us": integer(0, MAX_TIME_US),
}


def is_filter(value: Any) -> bool:
    return _is_filter(value, MAX_FILTERS)


def _is_filter(value: Any, depth: int) -> bool:
    if type(value) is not dict or not depth:
        return False
    return all(
        _is_filter(item, depth - 1) if key == "also" else key in FILTER_CHECKS and FILTER_CHECKS[key](item)
        for key, item in value.items()
    )


def is_pieces(value: Any) -> bool:
    return type(value) is list and all(
        type(piece) is list and len(piece) == 4 and all(type(item) is int for item in piece[:3]) and is_flag(piece[3])
        for piece in value
    )


ID = integer(0, MAX_ID)
SEQ = integer(0, MAX_ID)
TIME_US = integer(0, MAX_TIME_US)
LABEL = text(MAX_LABEL_BYTES)
RUN = text(64)
