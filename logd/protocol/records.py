"""Structured records to CBOR, many at a time: what `Emit.records` is encoded as, without a message of lists and maps.

A record is four values: its time, severity, text and fields. Encoded one by one they take twenty times as long as a
text's bytes do. Here a handful of calls does each step for all of them: what is before a text is packed, at one size
whatever the text's, and the fields, which most records of a logger share, come encoded.
"""

from __future__ import annotations

import math
import operator
import struct
from collections.abc import Sequence
from contextlib import suppress
from itertools import repeat
from typing import NamedTuple

from logd.protocol.codec import encode_value
from logd.record import MAX_TIME_US

_US_PER_SECOND = 1e6
_pack = struct.Struct(">HQBBI").pack
_OPENING = 0x84_1B
"""An array of four, and an unsigned integer of eight bytes."""
_TEXT = 0x7A
"""A text whose length takes four bytes: any of the lengths that a record's can have."""


class EncodedRecords(NamedTuple):
    """Records as CBOR items, for `codec.emit_parts`."""

    record_count: int
    items: bytes
    left_out: int = 0
    """Records that have no form: their time or severity is none."""


def encode_records(
    times: Sequence[float], severities: Sequence[int], texts: Sequence[str], fields: Sequence[bytes]
) -> EncodedRecords:
    """Records as CBOR. Text that is not Unicode goes as bytes, and a time that cannot be is left to the daemon.

    Args:
        times: in seconds since the epoch.
        severities: numbers up to 23.
        fields: each record's as `encode_value` has them.
    """
    try:
        return EncodedRecords(len(texts), _encode_all(times, severities, texts, fields))
    except (ValueError, OverflowError, TypeError, struct.error):
        rows = zip(times, severities, texts, fields, strict=True)
        encoded = [item for row in rows if (item := _encode_one(*row))]
        return EncodedRecords(len(encoded), b"".join(encoded), len(texts) - len(encoded))


def _encode_all(
    times: Sequence[float], severities: Sequence[int], texts: Sequence[str], fields: Sequence[bytes]
) -> bytes:
    encoded = list(map(str.encode, texts))
    times_us = list(map(math.trunc, map(operator.mul, times, repeat(_US_PER_SECOND))))
    if max(times_us) > MAX_TIME_US:
        raise ValueError("a time is none that can be")
    items = [b""] * (3 * len(encoded))
    items[0::3] = map(_pack, repeat(_OPENING), times_us, severities, repeat(_TEXT), map(len, encoded))
    items[1::3] = encoded
    items[2::3] = fields
    return b"".join(items)


def _encode_one(seconds: float, severity: int, text: str, fields: bytes) -> bytes | None:
    time_us = None
    with suppress(ValueError, OverflowError, TypeError):
        time_us = int(seconds * _US_PER_SECOND)
    if time_us is not None and not 0 <= time_us <= MAX_TIME_US:
        time_us = None
    try:
        return (
            b"\x84" + encode_value(time_us) + encode_value(int(severity)) + encode_value(_text_or_bytes(text)) + fields
        )
    except (ValueError, TypeError):
        return None


def _text_or_bytes(text: str) -> str | bytes:
    """A text, or its bytes where UTF-8 has none for it: those that were decoded to it are as they were."""
    try:
        text.encode()
    except UnicodeEncodeError:
        with suppress(UnicodeEncodeError):
            return text.encode("utf-8", "surrogateescape")
        return text.encode("utf-8", "surrogatepass")
    return text
