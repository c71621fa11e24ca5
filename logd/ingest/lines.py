"""Plain lines to blocks, a few calls to a block: what makes logd fast.

The whole block is decoded once; its newlines become 0x7F, which JSON does not escape; one call makes it a JSON string;
and each 0x7F in the result is replaced by the text that closes one record and opens the next. Where levels or times
differ within the block, the string is split at 0x7F instead, and joined with an opening for each record.

A block that contains 0x7F, is not UTF-8, or has a line over the limit takes the reference path, line by line. Both
paths give the same bytes; a property test holds them to it.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from itertools import chain, repeat
from typing import NamedTuple

import orjson

from logd.ingest.block import MAX_BLOCK_BYTES, Block, Envelope, opening, to_json
from logd.ingest.levels import severities_in_block, severity_of_line
from logd.record import MAX_TEXT_BYTES, Severity, cut

_SEPARATOR = b"\x7f"


class LineBatch(NamedTuple):
    """Lines that came at one time: whole ones, each ended by a newline."""

    time_us: int
    lines: bytes
    line_count: int

    @classmethod
    def of(cls, time_us: int, lines: bytes) -> LineBatch:
        return cls(time_us, lines, lines.count(b"\n"))


def encode_lines(
    batches: list[LineBatch], envelope: Envelope, severity: Severity | None, *, cont: bool = False
) -> Iterator[Block]:
    """The blocks that store `batches`, in order.

    Args:
        severity: every record's, or None to have it detected in each line.
        cont: whether the first line goes on with a text that was begun before.
    """
    if cont:
        time_us, lines, line_count = batches[0]
        first, newline, rest = lines.partition(b"\n")
        yield _encode_reference([LineBatch(time_us, first + newline, 1)], envelope, severity, cont=True)
        batches = [LineBatch(time_us, rest, line_count - 1)] * bool(rest) + batches[1:]
    for part in _bounded(batches, len(opening(0, Severity.TRACE)) + len(envelope.closing)):
        yield _encode_fast(part, envelope, severity) or _encode_reference(part, envelope, severity)


def _bounded(batches: list[LineBatch], overhead_bytes: int) -> Iterator[list[LineBatch]]:
    """`batches` in parts that take no more than about `MAX_BLOCK_BYTES` when they are encoded."""
    part: list[LineBatch] = []
    part_bytes = 0
    for batch in batches:
        for piece in _halved(batch, overhead_bytes):
            piece_bytes = len(piece.lines) + piece.line_count * overhead_bytes
            if part and part_bytes + piece_bytes > MAX_BLOCK_BYTES:
                yield part
                part, part_bytes = [], 0
            part.append(piece)
            part_bytes += piece_bytes
    if part:
        yield part


def _halved(batch: LineBatch, overhead_bytes: int) -> Iterator[LineBatch]:
    time_us, lines, line_count = batch
    if line_count < 2 or len(lines) + line_count * overhead_bytes <= MAX_BLOCK_BYTES:
        yield batch
        return
    middle = len(lines) // 2
    at = lines.rfind(b"\n", 0, middle) + 1 or lines.find(b"\n", middle) + 1
    first_half = LineBatch.of(time_us, lines[:at])
    second_half = LineBatch(time_us, lines[at:], line_count - first_half.line_count)
    yield from _halved(first_half, overhead_bytes)
    yield from _halved(second_half, overhead_bytes)


def _encode_fast(batches: list[LineBatch], envelope: Envelope, severity: Severity | None) -> Block | None:
    """One block of `batches`, or None where only the reference path will do."""
    lines = batches[0].lines if len(batches) == 1 else b"".join([batch.lines for batch in batches])
    if _SEPARATOR in lines or _has_long_line(lines):
        return None
    try:
        text = lines[:-1].decode()
    except UnicodeDecodeError:
        return None
    body = orjson.dumps(text.replace("\n", "\x7f"))
    found = severities_in_block(lines) if severity is None else {}
    default = severity or Severity.UNSET
    if len(batches) == 1 and not found:
        opened = opening(batches[0].time_us, default)
        between = b'"' + envelope.closing + opened + b'"'
        data = b"".join((opened, body.replace(_SEPARATOR, between), envelope.closing))
        return Block(data, batches[0].line_count, default.mask_bit)
    openings: list[bytes] = []
    level_mask = 0
    for batch in batches:
        openings += [opening(batch.time_us, default) + b'"'] * batch.line_count
    if len(found) < len(openings):
        level_mask = default.mask_bit
    if found:
        times = list(chain.from_iterable(repeat(batch.time_us, batch.line_count) for batch in batches))
        for number, named in found.items():
            openings[number] = opening(times[number], named) + b'"'
        level_mask |= _mask(found.values())
    texts = body[1:-1].split(_SEPARATOR)
    records = chain.from_iterable(zip(openings, texts, repeat(b'"' + envelope.closing), strict=False))
    return Block(b"".join(records), len(texts), level_mask)


def _mask(severities: object) -> int:
    mask = 0
    for severity in set(severities):  # type: ignore[call-overload]
        mask |= severity.mask_bit
    return mask


def _has_long_line(lines: bytes) -> bool:
    """Whether a line is longer than `MAX_TEXT_BYTES`; looks at one newline in each such stretch, and no more."""
    start = 0
    while len(lines) - start > MAX_TEXT_BYTES + 1:
        newline = lines.rfind(b"\n", start, start + MAX_TEXT_BYTES + 1)
        if newline < 0:
            return True
        start = newline + 1
    return False


def _encode_reference(
    batches: list[LineBatch], envelope: Envelope, severity: Severity | None, *, cont: bool = False
) -> Block:
    """One block of `batches`, line by line with the standard library alone."""
    rows: list[bytes] = []
    level_mask = 0
    for time_us, lines, _ in batches:
        for line in lines[:-1].split(b"\n"):
            named = severity_of_line(line) if severity is None else severity
            level_mask |= named.mask_bit
            for piece in cut(line):
                closing = envelope.cont_closing if cont else envelope.closing
                rows.append(opening(time_us, named) + json_text(piece) + closing)
                cont = True
            cont = False
    return Block(b"".join(rows), len(rows), level_mask)


def json_text(text: bytes) -> bytes:
    """`text` as the JSON of `msg`; where it is not UTF-8, with U+FFFD, and followed by `raw` with its bytes."""
    try:
        return to_json(text.decode())
    except UnicodeDecodeError:
        shown = to_json(text.decode("utf-8", "replace"))
        return shown + b',"raw":"' + b64encode(text) + b'"'
