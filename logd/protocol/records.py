"""Structured records to CBOR, many at a time: what `Emit.records` is encoded as, without a message of lists and maps.

A record is four values: its time, severity, text and fields. Encoded one by one they take twenty times as long as a
text's bytes do. Here a handful of calls does each step for all of them: the time and severity are packed, the head of
a text is looked up by its length, and the fields, which most records of a logger share, come encoded.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from contextlib import suppress
from itertools import chain, repeat
from typing import NamedTuple

from logd.protocol.codec import encode_value
from logd.record import MAX_TIME_US

_pack = struct.Struct(">HQB").pack
_OPENING = 0x84_1B
"""An array of four, and an unsigned integer of eight bytes."""
_US_OF_SECONDS = (1e6).__mul__
_DIRECT = 24
"""What is less fits the first byte of a head."""


class EncodedRecords(NamedTuple):
    """Records as CBOR items, for `codec.emit_parts`."""

    record_count: int
    items: bytes
    left_out: int = 0
    """Records that have no form: their time or severity is none."""


class _Heads(dict[int, bytes]):
    """The heads of texts by their length; those of short texts are kept."""

    def __missing__(self, length: int) -> bytes:
        return _head(0x60, length)


def _head(major: int, length: int) -> bytes:
    """RFC 8949, section 3: the major type, and the length in as few bytes as it takes."""
    if length < _DIRECT:
        return bytes((major | length,))
    size = next(size for size in (1, 2, 4) if length < 1 << 8 * size)
    return bytes((major | (_DIRECT + size.bit_length() - 1),)) + length.to_bytes(size, "big")


_HEADS = _Heads((length, _head(0x60, length)) for length in range(256))


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
    openings = map(_pack, repeat(_OPENING), map(int, map(_US_OF_SECONDS, times)), severities)
    heads = map(_HEADS.__getitem__, map(len, encoded))
    return b"".join(chain.from_iterable(zip(openings, heads, encoded, fields, strict=True)))


def _encode_one(seconds: float, severity: int, text: str, fields: bytes) -> bytes | None:
    time_us = None
    with suppress(ValueError, OverflowError, TypeError):
        time_us = int(seconds * 1e6)
    if time_us is not None and not 0 <= time_us <= MAX_TIME_US:
        time_us = None
    try:
        return b"\x84" + encode_value(time_us) + encode_value(int(severity)) + _encode_text(text) + fields
    except (ValueError, TypeError):
        return None


def _encode_text(text: str) -> bytes:
    try:
        data, major = text.encode(), 0x60
    except UnicodeEncodeError:
        data, major = text.encode("utf-8", "surrogatepass"), 0x40
        with suppress(UnicodeEncodeError):  # bytes that were decoded so are as they were
            data = text.encode("utf-8", "surrogateescape")
    return _head(major, len(data)) + data
