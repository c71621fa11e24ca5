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
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, reduce
from operator import or_
from typing import Any, NamedTuple

from logd.record import MAX_LABEL_BYTES, RESERVED_KEYS, Severity, rfc3339

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
    oldest_us: int
    """The earliest of its records' times."""
    newest_us: int
    """The latest of them."""


class Row(NamedTuple):
    """One record as it is stored, and what its block is to say of it."""

    data: bytes
    severity: Severity
    time_us: int


def gather(rows: Iterable[Row]) -> Iterator[Block]:
    """The blocks of records that are encoded one by one; a block ends with the record that fills it."""
    gathered: list[Row] = []
    gathered_bytes = 0
    for row in rows:
        gathered.append(row)
        gathered_bytes += len(row.data)
        if gathered_bytes >= MAX_BLOCK_BYTES:
            yield _block_of(gathered)
            gathered, gathered_bytes = [], 0
    if gathered:
        yield _block_of(gathered)


def _block_of(rows: list[Row]) -> Block:
    data, severities, times = zip(*rows, strict=True)
    return Block(b"".join(data), len(rows), mask_of(severities), min(times), max(times))


def mask_of(severities: Iterable[Severity]) -> int:
    return reduce(or_, (severity.mask_bit for severity in set(severities)), 0)


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


def own_labels(fields: dict[str, Any]) -> dict[str, Any]:
    """Those of a record's own fields that are stored by their reserved keys: labels, and `cont` where it is true."""
    if fields.keys().isdisjoint(RESERVED_KEYS):
        return {}
    labels = {key: fields[key] for key in ("stream", "source", "logger") if _is_label(fields.get(key))}
    return {**labels, "cont": True} if fields.get("cont") is True else labels


def _is_label(value: Any) -> bool:
    return type(value) is str and 0 < len(value) <= MAX_LABEL_BYTES


def own_fields(fields: dict[str, Any]) -> dict[str, Any]:
    """A record's own fields under the names that they are stored by: a clash with a reserved key is prefixed by `_`."""
    if fields.keys().isdisjoint(RESERVED_KEYS):
        return fields
    return {_free_name(key, fields) if key in RESERVED_KEYS else key: value for key, value in fields.items()}


def _free_name(key: str, fields: dict[str, Any]) -> str:
    """`key` behind as many `_` as it takes for no other field to have that name: usually one."""
    while (key := f"_{key}") in fields:
        pass
    return key


def json_default(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def to_json(value: Any) -> bytes:
    """`value` as compact JSON. Numbers that JSON has no form for become null, and all else (byte strings) text."""
    try:
        text = _encode_json(value)
    except ValueError:
        text = _encode_json(_without_nan(value))
    return text.encode()


def _orjson_dumps() -> Callable[..., bytes] | None:
    try:
        from orjson import dumps
    except ImportError:
        return None
    return dumps


orjson_dumps = _orjson_dumps()
"""orjson's `dumps`; None where it is not installed."""

text_to_json: Callable[[str], bytes] = orjson_dumps or to_json
"""A string as JSON: the same bytes as `to_json`, sooner where that can be."""

_encode_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=json_default).encode


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@lru_cache(maxsize=256)
def opening(time_us: int, severity: Severity) -> bytes:
    """The text of a record up to its message."""
    level = f'"level":"{severity.name}",' if severity else ""
    return f'{{"time":"{rfc3339(time_us)}",{level}"msg":'.encode()


def json_text(text: bytes) -> bytes:
    """`text` as the JSON of `msg`; where it is not UTF-8, with U+FFFD, and followed by `raw` with its bytes."""
    return _text_with(to_json, text)


def json_text_sooner(text: bytes) -> bytes:
    """The same bytes as `json_text`."""
    return _text_with(text_to_json, text)


def _text_with(dumps: Callable[[str], bytes], text: bytes) -> bytes:
    try:
        return dumps(text.decode())
    except UnicodeDecodeError:
        return dumps(text.decode("utf-8", "replace")) + b',"raw":"' + b64encode(text) + b'"'
