"""A page of a run's records, for a reader that asks for one after the other: forward or backward, filtered or not.

A page ends when it is full, or when enough was looked through: so a long search is many short requests, of which each
says how far it came, and which end when the reader goes.
"""

from __future__ import annotations

import time
from bisect import bisect_left, bisect_right
from typing import NamedTuple

from logd.fanout import Filter
from logd.protocol import Page, Read
from logd.record import MAX_TIME_US, Rows, Stored
from logd.store import Entry, Extent, Reader

PAGE_BYTES = 384 * 1024
"""Of rows that match in a page, but for a single longer one."""
CONTEXT_BYTES = 128 * 1024
"""Of rows before what matches, and again of rows after: context that is longer is cut."""
FULL_PAGE_BYTES = 960 * 1024
"""Of both, which fits a frame: a page ends before what might not have room with its context."""
WINDOW_BYTES = 512 * 1024
"""What is read at once for context: most often it holds that of several records."""
_PIECE_BYTES = 32
"""What a page says of a piece, at the most."""
SCAN_BYTES = 64 * 1024 * 1024
"""What is looked through for one page."""
SCAN_SECONDS = 0.25
"""So long at the most, whatever the pattern costs: its reader hears how far it is, and can go."""
MAX_ENTRIES = 65_536
"""So are so many blocks, whether or not they can hold what matches."""


class _Piece(NamedTuple):
    """Consecutive records of one block."""

    rows: Rows
    time_us: int
    matches: bool = True


def read_page(reader: Reader, extent: Extent, request: Read) -> Page:
    """The page that is asked for. Blocks on the disk, for as long as it takes to look through `SCAN_BYTES`.

    Raises:
        BadFilter: the filter's pattern is none.
        StoreError: the disk says no.
    """
    criteria = Filter.of(request.filter or {})
    seq = _start_seq(reader, extent, request)
    pieces, following = _Scan(reader, extent, request, criteria).pieces(seq)
    if pieces and (request.before or request.after):
        pieces, following = _with_context(_Window(reader, extent, request), criteria, pieces, following)
    at_end = following <= extent.first_seq if request.backward else following > extent.head
    return Page(
        request.id,
        pieces=[[piece.rows.first_seq, piece.rows.record_count, piece.time_us, piece.matches] for piece in pieces],
        rows=b"".join([piece.rows.data for piece in pieces]),
        first_seq=extent.first_seq,
        head=extent.head,
        next_seq=None if at_end else following,
    )


def _start_seq(reader: Reader, extent: Extent, request: Read) -> int:
    if request.from_seq is not None:
        return min(max(request.from_seq, extent.first_seq), extent.head + 1)
    if request.from_time_us is not None:
        return reader.find_time(extent, request.from_time_us)
    return extent.head + 1 if request.backward else extent.first_seq


class _Scan:
    """Looks for records that match, in one direction."""

    def __init__(self, reader: Reader, extent: Extent, request: Read, criteria: Filter) -> None:
        self._reader = reader
        self._extent = extent
        self._backward = request.backward
        self._criteria = criteria
        times = request.filter or {}
        self._since_us: int = times.get("since_us", 0)
        self._until_us: int = times.get("until_us", MAX_TIME_US + 1)
        self._room_bytes = PAGE_BYTES
        self._room_records = request.limit
        self._taken: list[_Piece] = []

    def pieces(self, seq: int) -> tuple[list[_Piece], int]:
        """What matches from `seq` on, or backward before it, in order; and the seq to go on from."""
        criteria, extent = self._criteria, self._extent
        wanted, can_hold = (None, None) if criteria.matches_all else (self._is_wanted, criteria.can_match)
        if not self._backward and self._since_us:
            # Nobody emits what is yet to be: a record's time is no later than when it was received.
            seq = max(seq, self._reader.find_time(extent, self._since_us))
        left_bytes, left_entries = SCAN_BYTES, MAX_ENTRIES
        deadline = time.monotonic() + SCAN_SECONDS
        scan = self._reader.scan(extent, seq, wanted=wanted, can_hold=can_hold, backward=self._backward)
        for block, following in scan:
            if block is not None:
                if self._backward and block.time_us < self._since_us:
                    return self._in_order(), extent.first_seq
                stopped_at = self._take_from(block)
                if stopped_at is not None:
                    return self._in_order(), stopped_at
                left_bytes -= len(block.rows.data)
            left_entries -= 1
            seq = following
            if left_bytes <= 0 or not left_entries or time.monotonic() >= deadline:
                return self._in_order(), seq
        return self._in_order(), extent.first_seq if self._backward else extent.head + 1

    def _is_wanted(self, entry: Entry) -> bool:
        in_time = entry.newest_us >= self._since_us and entry.oldest_us < self._until_us
        return in_time and entry.level_mask & self._criteria.level_mask != 0

    def _take_from(self, block: Stored) -> int | None:
        """Take what matches of a block; where the page is full with it, the seq to go on from."""
        found = self._criteria.select(block.rows)
        for rows in reversed(found) if self._backward else found:
            taken = self._cut(rows)
            if taken is not None:
                self._taken.append(_Piece(taken, block.time_us))
                self._room_bytes -= len(taken.data) + _PIECE_BYTES
                self._room_records -= taken.record_count
            if taken is None or taken.record_count < rows.record_count:
                if self._backward:
                    return taken.first_seq if taken is not None else rows.next_seq
                return taken.next_seq if taken is not None else rows.first_seq
            if not self._room_records:
                return rows.first_seq if self._backward else rows.next_seq
        return None

    def _cut(self, rows: Rows) -> Rows | None:
        """As many of the rows as there is room for; None where there is none."""
        if self._taken and self._room_bytes <= 0:
            return None
        if rows.record_count > self._room_records:
            count = self._room_records
            rows = rows.after(rows.next_seq - count) if self._backward else rows.up_to(rows.first_seq + count - 1)
        if len(rows.data) > self._room_bytes:
            rows = _last_within(rows, self._room_bytes) if self._backward else rows.within(max(1, self._room_bytes))
        return rows

    def _in_order(self) -> list[_Piece]:
        return self._taken[::-1] if self._backward else self._taken


def _last_within(rows: Rows, max_bytes: int) -> Rows:
    """As many of the rows, from the last, as have `max_bytes`; one at the least."""
    data = rows.data
    start = data.find(b"\n", len(data) - max_bytes - 1) + 1 if max_bytes > 0 else len(data)
    if start >= len(data):
        start = data.rfind(b"\n", 0, len(data) - 1) + 1
    kept = data[start:]
    count = kept.count(b"\n")
    return Rows(rows.next_seq - count, count, kept)


def _with_context(window: _Window, criteria: Filter, pieces: list[_Piece], following: int) -> tuple[list[_Piece], int]:
    """The pieces with the records around each, none of them twice; and the seq to go on from."""
    request, extent = window.request, window.extent
    backward = request.backward
    found = pieces[::-1] if backward else pieces
    groups: list[list[_Piece]] = []
    room_bytes = FULL_PAGE_BYTES
    low, high = extent.first_seq, extent.head + 1
    for piece, beyond in zip(found, [*(each.rows for each in found[1:]), None], strict=True):
        first_seq, next_seq = piece.rows.first_seq, piece.rows.next_seq
        room_bytes -= len(piece.rows.data) + _PIECE_BYTES
        if groups and room_bytes < 2 * CONTEXT_BYTES:
            following = next_seq if backward else first_seq
            break
        if backward:
            low = beyond.next_seq if beyond else extent.first_seq
        else:
            high = beyond.first_seq if beyond else extent.head + 1
        context_bytes = min(CONTEXT_BYTES, room_bytes // 2)
        before = window.pieces(max(low, first_seq - request.before), first_seq, context_bytes, last=True)
        after = window.pieces(next_seq, min(high, next_seq + request.after), context_bytes, last=False)
        if not beyond and backward:
            before = _up_to_match(before[::-1], criteria, backward=True)[::-1]
        elif not beyond:
            after = _up_to_match(after, criteria, backward=False)
        groups.append([*before, piece, *after])
        room_bytes -= sum(len(each.rows.data) + _PIECE_BYTES for each in before + after)
        low, high = (low, groups[-1][0].rows.first_seq) if backward else (groups[-1][-1].rows.next_seq, high)
    return [piece for group in (groups[::-1] if backward else groups) for piece in group], following


def _up_to_match(pieces: list[_Piece], criteria: Filter, *, backward: bool) -> list[_Piece]:
    """Context where the scan ended, up to what matches: that is for the next page."""
    kept: list[_Piece] = []
    for piece in pieces:
        rows = piece.rows
        matching = criteria.select(rows)
        if not matching:
            kept.append(piece)
            continue
        if backward and matching[-1].next_seq < rows.next_seq:
            kept.append(piece._replace(rows=rows.after(matching[-1].next_seq)))
        elif not backward and rows.first_seq < matching[0].first_seq:
            kept.append(piece._replace(rows=rows.up_to(matching[0].first_seq - 1)))
        break
    return kept


class _Window:
    """Finds the records around others, and keeps the blocks that it read last: contexts are near each other."""

    def __init__(self, reader: Reader, extent: Extent, request: Read) -> None:
        self.extent = extent
        self.request = request
        self._reader = reader
        self._held = range(0)
        self._blocks: list[tuple[Stored, list[bytes]]] = []
        self._first_seqs: list[int] = []

    def pieces(self, first_seq: int, end_seq: int, max_bytes: int, *, last: bool) -> list[_Piece]:
        """The records from `first_seq` to before `end_seq`; where they are over `max_bytes`, the last or the first."""
        if first_seq >= end_seq:
            return []
        # Most often what follows in the page's direction is wanted next. Where that is too far, what is nearest is.
        for backward in (self.request.backward, last):
            if not self._holds(first_seq, end_seq):
                self._read(first_seq, end_seq, backward=backward)
        start = max(0, bisect_right(self._first_seqs, first_seq) - 1)
        blocks = self._blocks[start : bisect_left(self._first_seqs, end_seq)]
        pieces: list[_Piece] = []
        for block, lines in reversed(blocks) if last else blocks:
            start = max(first_seq, block.rows.first_seq)
            taken = lines[start - block.rows.first_seq : max(0, end_seq - block.rows.first_seq)]
            kept = _within(taken[::-1], max_bytes)[::-1] if last else _within(taken, max_bytes)
            if kept:
                rows = Rows(start + len(taken) - len(kept) if last else start, len(kept), b"".join(kept))
                max_bytes -= len(rows.data) + _PIECE_BYTES
                pieces.append(_Piece(rows, block.time_us, matches=False))
            if len(kept) < len(taken):
                break
        return pieces[::-1] if last else pieces

    def _holds(self, first_seq: int, end_seq: int) -> bool:
        return self._held.start <= first_seq and end_seq <= self._held.stop

    def _read(self, first_seq: int, end_seq: int, *, backward: bool) -> None:
        """Hold the blocks from one end on, until they reach the other end, or are enough."""
        seq = end_seq if backward else first_seq
        self._held, self._blocks = range(seq, seq), []
        held_bytes = 0
        while held_bytes < WINDOW_BYTES and not self._holds(first_seq, end_seq):
            blocks, seq = self._reader.blocks(self.extent, seq, WINDOW_BYTES, backward=backward)
            self._held = range(seq, self._held.stop) if backward else range(self._held.start, seq)
            held_bytes += sum(len(block.rows.data) for block in blocks)
            read = [(block, block.rows.data.splitlines(keepends=True)) for block in blocks]
            self._blocks = read + self._blocks if backward else self._blocks + read
        self._first_seqs = [block.rows.first_seq for block, _ in self._blocks]


def _within(lines: list[bytes], max_bytes: int) -> list[bytes]:
    """As many of the lines, from the first, as have `max_bytes`."""
    for number, line in enumerate(lines):
        max_bytes -= len(line)
        if max_bytes < 0:
            return lines[:number]
    return lines
