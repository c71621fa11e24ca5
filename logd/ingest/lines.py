"""Plain lines to blocks, a few calls to a block: what makes logd fast.

The whole block is decoded once; its newlines become 0x7F, which JSON does not escape; one call makes it a JSON string;
and each 0x7F in the result is replaced by the text that closes one record and opens the next. Where levels or times
differ within the block, the string is split at 0x7F instead, and joined with an opening for each record.

A block that contains 0x7F, as its labels may, is not UTF-8, or has a line over the limit is encoded line by line. The
reference does that with every block, and with the standard library alone. All ways give the same bytes; a property test
holds them to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, repeat
from typing import NamedTuple

from logd import accel
from logd.ingest.block import (
    MAX_BLOCK_BYTES,
    Block,
    Envelope,
    Row,
    gather,
    json_text,
    json_text_sooner,
    mask_of,
    opening,
    text_to_json,
)
from logd.ingest.levels import severities_by_stem, severities_in_block
from logd.record import MAX_TEXT_BYTES, Severity, cut

_SEPARATOR = b"\x7f"

TextToJson = Callable[[bytes], bytes]
FindSeverities = Callable[[bytes], dict[int, Severity]]


MAX_PIECE_BYTES = 256 * 1024
"""How much input is encoded at once: what the processor's caches hold of it and of what comes of it."""


class LineBatch(NamedTuple):
    """Lines that came at one time: whole ones, each ended by a newline."""

    time_us: int
    lines: bytes


def encode_lines(
    batches: list[LineBatch], envelope: Envelope, severity: Severity | None, *, cont: bool = False
) -> Iterator[Block]:
    """The blocks that store `batches`, in order.

    Args:
        batches: of about `MAX_PIECE_BYTES` together, or one.
        severity: every record's, or None to have it detected in each line.
        cont: whether the first line goes on with a text that was begun before.
    """
    if cont:
        time_us, lines = batches[0]
        first, newline, rest = lines.partition(b"\n")
        yield from _encode_piece([LineBatch(time_us, first + newline)], envelope, severity, cont=True)
        batches = [LineBatch(time_us, rest)] * bool(rest) + batches[1:]
    if len(batches) == 1 and len(batches[0].lines) > MAX_PIECE_BYTES and _has_several_lines(batches[0].lines):
        for half in _halves(batches):
            yield from encode_lines(half, envelope, severity)
    elif batches:
        yield from _encode_piece(batches, envelope, severity)


def _encode_piece(
    batches: list[LineBatch], envelope: Envelope, severity: Severity | None, *, cont: bool = False
) -> Iterator[Block]:
    size_bytes = len(batches[0].lines) if len(batches) == 1 else sum([len(lines) for _, lines in batches])
    blocks = _encode(size_bytes, batches, envelope, severity, cont)
    if blocks is None:
        for half in _halves(batches):
            yield from _encode_piece(half, envelope, severity)
    else:
        yield from blocks


def _halves(batches: list[LineBatch]) -> tuple[list[LineBatch], list[LineBatch]]:
    """`batches` in two parts, neither of them empty; there are two lines at least."""
    if len(batches) > 1:
        middle = len(batches) // 2
        return batches[:middle], batches[middle:]
    time_us, lines = batches[0]
    middle = len(lines) // 2
    at = lines.rfind(b"\n", 0, middle) + 1 or lines.find(b"\n", middle) + 1
    return [LineBatch(time_us, lines[:at])], [LineBatch(time_us, lines[at:])]


def _has_several_lines(lines: bytes) -> bool:
    return lines.find(b"\n") < len(lines) - 1


class _TooManyLines(Exception):
    """The lines would make a block that is longer than `MAX_BLOCK_BYTES` by what is written around each."""


def _encode_fast(batches: list[LineBatch], envelope: Envelope, severity: Severity | None) -> Block | None:
    """One block of `batches`, or None where its lines need to be looked at each."""
    lines = batches[0].lines if len(batches) == 1 else b"".join([batch.lines for batch in batches])
    if _SEPARATOR in lines or _SEPARATOR in envelope.closing or _has_long_line(lines):
        return None
    try:
        text = str(memoryview(lines)[:-1], "utf-8")
    except UnicodeDecodeError:
        return None
    body = text_to_json(text.replace("\n", "\x7f"))
    found = severities_in_block(len(lines), lines) if severity is None else {}
    default = severity or Severity.UNSET
    batch_times = [batch.time_us for batch in batches]
    span = min(batch_times), max(batch_times)
    opened = opening(batch_times[0], default)
    between = b'"' + envelope.closing + opened + b'"'
    max_records = _max_lines(envelope, opened)
    if len(batches) == 1 and not found:
        # How many lines there are comes of how much longer they got: to count them would take as long as all the rest.
        rows = body.replace(_SEPARATOR, between, max_records)
        if _SEPARATOR in rows:
            raise _TooManyLines
        record_count = (len(rows) - len(body)) // (len(between) - 1) + 1
        return Block(b"".join((opened, rows, envelope.closing)), record_count, default.mask_bit, *span)
    texts = body[1:-1].split(_SEPARATOR)
    if len(texts) > max_records:
        raise _TooManyLines
    times = list(chain.from_iterable(repeat(batch.time_us, batch.lines.count(b"\n")) for batch in batches))
    openings = [opening(time_us, default) + b'"' for time_us in times]
    for number, named in found.items():
        openings[number] = opening(times[number], named) + b'"'
    level_mask = mask_of(found.values()) | (default.mask_bit if len(found) < len(texts) else 0)
    records = chain.from_iterable(zip(openings, texts, repeat(b'"' + envelope.closing), strict=False))
    return Block(b"".join(records), len(texts), level_mask, *span)


def _max_lines(envelope: Envelope, opened: bytes) -> int:
    """How many lines fit in a block, for what is written around each."""
    return max(1, MAX_BLOCK_BYTES // (len(envelope.closing) + len(opened) + 2))


def _has_long_line(lines: bytes) -> bool:
    """Whether a line is longer than `MAX_TEXT_BYTES`; looks at one newline in each such stretch, and no more."""
    start = 0
    while len(lines) - start > MAX_TEXT_BYTES + 1:
        newline = lines.rfind(b"\n", start, start + MAX_TEXT_BYTES + 1)
        if newline < 0:
            return True
        start = newline + 1
    return False


def _encode_accelerated(
    batches: list[LineBatch], envelope: Envelope, severity: Severity | None, cont: bool
) -> list[Block] | None:
    try:
        block = None if cont else _encode_fast(batches, envelope, severity)
    except _TooManyLines:
        return None
    if block is not None:
        return [block]
    return _encode_each(batches, envelope, severity, cont, text_json=json_text_sooner, find_severities=_find_severities)


def _find_severities(lines: bytes) -> dict[int, Severity]:
    return severities_in_block(len(lines), lines)


def _encode_each(
    batches: list[LineBatch],
    envelope: Envelope,
    severity: Severity | None,
    cont: bool,
    *,
    text_json: TextToJson = json_text,
    find_severities: FindSeverities = severities_by_stem,
) -> list[Block] | None:
    opened = opening(batches[0].time_us, severity or Severity.UNSET)
    if sum(lines.count(b"\n") for _, lines in batches) > _max_lines(envelope, opened):
        return None

    def rows(cont: bool) -> Iterator[Row]:
        for time_us, lines in batches:
            found = find_severities(lines) if severity is None else {}
            for number, line in enumerate(lines[:-1].split(b"\n")):
                named = severity or found.get(number, Severity.UNSET)
                for piece in cut(line):
                    closing = envelope.cont_closing if cont else envelope.closing
                    yield Row(opening(time_us, named) + text_json(piece) + closing, named, time_us)
                    cont = True
                cont = False

    return list(gather(rows(cont)))


def _encode_reference(
    batches: list[LineBatch], envelope: Envelope, severity: Severity | None, cont: bool
) -> list[Block] | None:
    return _encode_each(batches, envelope, severity, cont)


_encode = accel.operation("lines", reference=_encode_reference, accelerated=_encode_accelerated, threshold_bytes=64)
"""The blocks of `batches`; None where there are too many lines for one.

Both forms give the same rows. What escapes add may put them into several blocks, which is for the form to say.
"""
