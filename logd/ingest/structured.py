"""Structured batches to blocks: records that come with a time, a severity and fields of their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from logd.ingest.block import Block, Envelope, gather, json_default, opening, orjson_text, own_fields, to_json
from logd.record import Severity, cut, severity_from_number


def encode_records(records: list[Any], time_us: int, envelope: Envelope) -> Iterator[Block]:
    """The blocks that store a batch of structured records.

    Args:
        records: [time_us or None, severity number, text or bytes, fields or None], as the protocol has checked them.
        time_us: the time of records that bring none.
    """
    return gather(_rows(records, time_us, envelope))


def _rows(records: list[Any], time_us: int, envelope: Envelope) -> Iterator[tuple[bytes, Severity]]:
    for record_time_us, severity_number, text, fields in records:
        severity = severity_from_number(severity_number)
        opened = opening(time_us if record_time_us is None else record_time_us, severity)
        closing, cont_closing = _closings(envelope, fields)
        for number, piece in enumerate(cut(text if type(text) is bytes else text.encode())):
            yield opened + orjson_text(piece) + (cont_closing if number else closing), severity


def _closings(envelope: Envelope, fields: dict[str, Any] | None) -> tuple[bytes, bytes]:
    """The closing of a record's first piece, and of the pieces that follow it."""
    if not fields:
        return envelope.closing, envelope.cont_closing
    # A record's own field wins over the session's field of the same name.
    own = {**envelope.labels, **envelope.fields, **own_fields(fields)}
    return b"," + _dumps(own)[1:] + b"\n", envelope.cont_closing


def _dumps(value: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(value, default=json_default)
    except TypeError:  # integers past 64 bits
        return to_json(value)
