"""A block, and the envelope that every record in it is written with.

A record is an opening, its text as a JSON string, and a closing:

    {"time":"2026-11-21T10:20:30.123456Z","level":"WARN","msg":  "slow page"  ,"stream":"stderr","source":"w3"}
    |------------------ opening --------------------------------|  |- text -|  |----------- closing -----------|

The opening depends on time and level alone, the closing on the envelope alone, so that a block of records is its texts
joined by a few constant strings.
"""

from __future__ import annotations

import json
import math
from functools import lru_cache
from typing import Any, NamedTuple

from logd.record import RESERVED_KEYS, Severity, rfc3339

MAX_BLOCK_BYTES = 1024 * 1024
"""The longest block as stored, but for a single record that is longer, and for what escapes add: it bounds what a
commit holds in memory, and what a reader must skip through to find one record."""


class Block(NamedTuple):
    """Consecutive records of one session, as they are stored."""

    data: bytes
    """Whole JSON lines."""
    record_count: int
    level_mask: int
    """`Severity.mask_bit` of every severity in the block, or'ed."""


class Envelope:
    """What all records of a session's stream share."""

    def __init__(
        self, *, stream: str = "", source: str = "", logger: str = "", fields: dict[str, Any] | None = None
    ) -> None:
        labels = {"stream": stream, "source": source, "logger": logger}
        self.labels = {key: value for key, value in labels.items() if value}
        self.fields = own_fields(fields or {})
        self.closing = self._close({})
        self.cont_closing = self._close({"cont": True})

    def _close(self, extra: dict[str, Any]) -> bytes:
        shared = to_json({**self.labels, **extra, **self.fields})
        return b"}\n" if shared == b"{}" else b"," + shared[1:] + b"\n"


def own_fields(fields: dict[str, Any]) -> dict[str, Any]:
    """A record's own fields under the names that they are stored by: a clash with a reserved key is prefixed by `_`."""
    if fields.keys().isdisjoint(RESERVED_KEYS):
        return fields
    return {f"_{key}" if key in RESERVED_KEYS else key: value for key, value in fields.items()}


def to_json(value: Any) -> bytes:
    """`value` as compact JSON. Numbers that JSON has no form for become null, and all else (byte strings) text."""
    try:
        text = _encode_json(value)
    except ValueError:
        text = _encode_json(_without_nan(value))
    return text.encode()


_encode_json = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=lambda value: json_default(value)
).encode


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def json_default(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


@lru_cache(maxsize=256)
def opening(time_us: int, severity: Severity) -> bytes:
    """The text of a record up to its message."""
    level = f'"level":"{severity.name}",' if severity else ""
    return f'{{"time":"{rfc3339(time_us)}",{level}"msg":'.encode()
