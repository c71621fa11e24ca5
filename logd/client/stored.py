"""Lines in the form that records are stored in, back to structured records of which the same lines are stored.

What tells such a line from any other JSON is how it begins: time, level and message, in this order and form. Its labels
and `cont` are among the fields of its record, where the daemon knows them.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from logd.client.jsonlines import parse_json_lines
from logd.protocol.checks import (
    is_record,
)
from logd.record import Severity

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SEVERITIES = {severity.name if severity else "": int(severity) for severity in Severity}
_LEVELS = "|".join(filter(None, _SEVERITIES))
_BEGINNING = re.compile(
    rf'\{{"time":"(\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(\d{{6}})Z",(?:"level":"(?:{_LEVELS})",)?"msg":"'.encode()
)


def parse_stored_lines(lines: bytes) -> list[list[Any]]:
    """The structured records of whole lines; a line that is not as stored is read as any JSON is."""
    records = []
    for line in lines.removesuffix(b"\n").split(b"\n"):
        record = parse_stored(line)
        records += [record] if record is not None else parse_json_lines(line)
    return records


def parse_stored(line: bytes) -> list[Any] | None:
    """The structured record of a line without its newline, or None for one that is not as records are stored."""
    match = _BEGINNING.match(line)
    if match is None:
        return None
    try:
        fields = json.loads(line)
        if b"\\ud" in line or b"\\uD" in line:
            json.dumps(fields, ensure_ascii=False).encode()  # half a character cannot be sent
        time_us = _seconds(match[1]) * 1_000_000 + int(match[2])
        text = fields.pop("msg")
        if "raw" in fields:
            text = b64decode(fields.pop("raw"), validate=True)
        severity = _SEVERITIES[fields.pop("level", "")]
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
    del fields["time"]
    record = [time_us, severity, text, fields or None]
    return record if is_record(record) else None


@lru_cache(maxsize=1024)
def _seconds(utc: bytes) -> int:
    """Since the epoch; ValueError where there is no such time."""
    return round((datetime.fromisoformat(utc.decode() + "+00:00") - _EPOCH).total_seconds())
