"""A record as text outside the pager's screen: for the clipboard, an editor, and the sheet of all its fields."""

from __future__ import annotations

from json import JSONEncoder
from typing import Any

from logctl.output import local_time, parse_rows
from logctl.pager.layout import fields_of
from logd.record import RESERVED_KEYS

_indented = JSONEncoder(ensure_ascii=False, indent=2).encode


def record_text(row: bytes) -> str:
    """A stored record as plain text, with all its lines and fields."""
    record = _parsed(row)
    if record is None:
        return row.decode("utf-8", "replace")
    head = [local_time(str(record["time"])), str(record.get("level", ""))]
    head += [f"[{record['source']}]"] if record.get("source") else []
    return " ".join([word for word in (*head, str(record["msg"]), fields_of(record)) if word])


def record_fields(row: bytes) -> list[tuple[str, str]]:
    """Each key of a stored record and its value, which may have several lines; the message is the last."""
    record = _parsed(row)
    if record is None:
        return [("", row.decode("utf-8", "replace"))]
    shown = [("time", f"{local_time(str(record['time']))}  ({record['time']})")]
    shown += [(key, str(record[key])) for key in RESERVED_KEYS if key in record and key not in ("time", "msg")]
    shown += [(key, _value(value)) for key, value in record.items() if key not in RESERVED_KEYS]
    return [*shown, ("msg", str(record["msg"]))]


def _value(value: object) -> str:
    return value if isinstance(value, str) else _indented(value)


def _parsed(row: bytes) -> dict[str, Any] | None:
    try:
        record = parse_rows(row)[0]
    except (ValueError, LookupError):
        return None
    return record if isinstance(record, dict) and "time" in record and "msg" in record else None
