"""Structured batches to blocks: records that come with a time, a severity and fields of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from logd import accel
from logd.ingest.block import (
    MAX_BLOCK_BYTES,
    Block,
    Envelope,
    Row,
    gather,
    json_default,
    json_text,
    json_text_sooner,
    opening,
    orjson_dumps,
    own_fields,
    own_labels,
    to_json,
)
from logd.record import RESERVED_KEYS, cut, severity_from_number

_Dumps = Callable[[dict[str, Any]], bytes]

_RECORD_BYTES = 128
"""What a record counts as: to look at each one's size would take longer than is gained by knowing it."""


def encode_records(records: list[Any], time_us: int, envelope: Envelope) -> Iterator[Block]:
    """The blocks that store a batch of structured records.

    Args:
        records: [time_us or None, severity number, text or bytes, fields or None], as the protocol has checked them.
        time_us: the time of records that bring none.
    """
    at_once = MAX_BLOCK_BYTES // len(envelope.closing) + 1  # so that rows are bounded though each has the envelope
    if len(records) <= at_once:
        return gather(_encode(len(records) * _RECORD_BYTES, records, time_us, envelope))
    stretches = (records[start : start + at_once] for start in range(0, len(records), at_once))
    return gather(row for each in stretches for row in _encode(len(each) * _RECORD_BYTES, each, time_us, envelope))


def _encode_reference(records: list[Any], time_us: int, envelope: Envelope) -> list[Row]:
    return list(_rows(records, time_us, envelope, json_text, to_json))


def _by_orjson() -> Callable[[list[Any], int, Envelope], list[Row]] | None:
    """The accelerated form, None where its package is not installed."""
    if (dumps := orjson_dumps) is None:
        return None

    def to_json_sooner(value: dict[str, Any]) -> bytes:
        if _are_written_alike(value.values()):
            try:
                return dumps(value, default=json_default)
            except TypeError:  # integers past 64 bits
                pass
        return to_json(value)

    return lambda records, time_us, envelope: list(_rows(records, time_us, envelope, json_text_sooner, to_json_sooner))


def _rows(
    records: list[Any], time_us: int, envelope: Envelope, text_json: Callable[[bytes], bytes], dumps: _Dumps
) -> Iterator[Row]:
    for own_time_us, severity_number, text, fields in records:
        severity = severity_from_number(severity_number)
        record_time_us = time_us if own_time_us is None else own_time_us
        opened = opening(record_time_us, severity)
        for number, piece in enumerate(cut(text if type(text) is bytes else text.encode())):
            row = opened + text_json(piece) + _closing(envelope, fields, dumps, cont=number > 0)
            yield Row(row, severity, record_time_us)


def _closing(envelope: Envelope, fields: dict[str, Any] | None, dumps: _Dumps, *, cont: bool) -> bytes:
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
    return b"," + dumps({**labels, **envelope.fields, **own})[1:] + b"\n"


def _in_order(labels: dict[str, Any]) -> dict[str, Any]:
    return {key: labels[key] for key in RESERVED_KEYS if key in labels}


def _are_written_alike(values: Iterable[Any]) -> bool:
    """Whether all JSON libraries write the values alike; numbers with an exponent have several forms."""
    for value in values:
        kind = type(value)
        if kind is str or kind is int:
            continue
        if kind is float:
            if not (1e-4 <= value < 1e16 or -1e16 < value <= -1e-4 or value == 0):
                return False
        elif (kind is dict or kind is list) and not _are_written_alike(value.values() if kind is dict else value):
            return False
    return True


_encode = accel.operation(
    "records", reference=_encode_reference, accelerated=_by_orjson(), threshold_bytes=_RECORD_BYTES
)
"""The rows of some records."""
