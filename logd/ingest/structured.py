"""Structured batches to blocks: records that come with a time, a severity and fields of their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from logd.ingest.block import (
    Block,
    Envelope,
    Row,
    gather,
    json_default,
    opening,
    orjson_text,
    own_fields,
    own_labels,
    to_json,
)
from logd.record import RESERVED_KEYS, cut, severity_from_number


def encode_records(records: list[Any], time_us: int, envelope: Envelope) -> Iterator[Block]:
    """The blocks that store a batch of structured records.

    Args:
        records: [time_us or None, severity number, text or bytes, fields or None], as the protocol has checked them.
        time_us: the time of records that bring none.
    """
    return gather(_rows(records, time_us, envelope))


def _rows(records: list[Any], time_us: int, envelope: Envelope) -> Iterator[Row]:
    for own_time_us, severity_number, text, fields in records:
        severity = severity_from_number(severity_number)
        record_time_us = time_us if own_time_us is None else own_time_us
        opened = opening(record_time_us, severity)
        for number, piece in enumerate(cut(text if type(text) is bytes else text.encode())):
            row = opened + orjson_text(piece) + _closing(envelope, fields, cont=number > 0)
            yield Row(row, severity, record_time_us)


def _closing(envelope: Envelope, fields: dict[str, Any] | None, *, cont: bool) -> bytes:
    """What follows a record's text; with `cont` a further piece of it, which has the record's labels and no fields."""
    labels = own_labels(fields) if fields else {}
    if not fields or (cont and not labels):
        return envelope.cont_closing if cont else envelope.closing
    own: dict[str, Any] = {}
    if cont:
        labels["cont"] = True
    else:
        own = own_fields({key: value for key, value in fields.items() if key not in labels} if labels else fields)
    # A record's own label or field wins over the session's of the same name.
    labels = _in_order(envelope.labels | labels) if envelope.labels and labels else labels or envelope.labels
    return b"," + _dumps({**labels, **envelope.fields, **own})[1:] + b"\n"


def _in_order(labels: dict[str, Any]) -> dict[str, Any]:
    return {key: labels[key] for key in RESERVED_KEYS if key in labels}


def _dumps(value: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(value, default=json_default)
    except TypeError:  # integers past 64 bits
        return to_json(value)
