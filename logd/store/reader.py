"""Reading a run back, by block: an index entry says where a block is and what it holds, and its bytes are held to that.

A reader keeps nothing open between calls. It is told the run's extent, so that it never reads what is not stored yet.
A block that is damaged, or is there no more, is left out: what follows keeps its seqs, so that whoever reads sees the
gap. An entry that is damaged is made up from those around it, where the text between them has as many lines as it must.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from logd.errors import StoreError
from logd.record import ANY_LEVEL, Rows, Stored
from logd.store.checksum import crc32
from logd.store.index import Entry, Index, Kind
from logd.store.segment import index_name, open_in, segment_name, store_errors
from logd.store.text import FrameCache, Text, open_text

MAX_ENTRIES = 65_536
"""What one read looks through of an index, whether or not it wants the blocks."""
MAX_MADE_UP_BYTES = 8 * 1024 * 1024
"""More text than this without an entry is left to `logctl verify --repair`."""
MAX_STRETCH_BYTES = 1024 * 1024
"""Blocks that lie next to each other are looked at together up to so much text, or one that is longer."""
_MIN_ENTRIES_AT_ONCE, _MAX_ENTRIES_AT_ONCE = 4, 512
"""Most reads end within a block or two; who reads on gets more of the index with each look into it."""
_ALWAYS_US = 2**63


class Extent(NamedTuple):
    """What of a run is stored: a snapshot, replaced whole at each commit, so that any thread may read by it."""

    segments: tuple[int, ...] = ()
    """Their first seqs, in order; the last is the one being written."""
    active_bytes: int = 0
    """How much of the last segment is stored."""
    active_entries: int = 0
    """How many entries of its index are."""
    head: int = 0
    """The newest record's seq, 0 for none."""
    generation: int = 1
    """Raised where records are gone whose seqs others get, or all of them are: see `generation_seq`."""
    generation_seq: int = 0
    """The first seq of this generation: before it are the same records as in the generation before."""

    @property
    def first_seq(self) -> int:
        """The oldest record's seq; `head` + 1 where there is none."""
        return self.segments[0] if self.segments else self.head + 1


Wanted = Callable[[Entry], bool]
CanHold = Callable[[bytes], bool]


class _Place(NamedTuple):
    """A block's entry and its number; a made up one has no sum to be checked."""

    number: int
    entry: Entry
    made_up: bool = False


class OpenSegment:
    """One segment's index and text, open for reading.

    Args:
        end_seq: the first seq that is not the segment's.
        active: for the segment being written, how many entries and bytes of it are stored.
    """

    def __init__(
        self, index: Index, text: Text, first_seq: int, end_seq: int, active: tuple[int, int] | None = None
    ) -> None:
        self._index = index
        self._text = text
        self._first_seq = first_seq
        self.end_seq = end_seq
        if active is not None:
            self.entry_count, self.size_bytes = active
            return
        self.size_bytes = text.size_bytes
        header = index.header()
        # One of another segment says nothing of this one; where its header is damaged, its entries may still be sound.
        self.entry_count = len(index) if header is None or header.first_seq == first_seq else 0
        last = index.entry(self.entry_count - 1) if self.entry_count else None
        if last is not None and last.kind == Kind.CLOSE:
            self.entry_count -= 1

    def find_seq(self, seq: int) -> int:
        """The number of the entry to look for record `seq` from."""
        number = self._index.find_seq(seq, self.entry_count)
        while number and self._index.entry(number) is None:
            number -= 1
        return number

    def find_seq_end(self, seq: int) -> int:
        """The number to look for records before `seq` from, backward."""
        return min(self._index.find_seq(seq - 1, self.entry_count) + 2, self.entry_count + 1)

    def find_time(self, time_us: int) -> int:
        """The number of the first entry that was received at a time or later, or may have been, being damaged."""
        number = self._index.find_time(time_us, self.entry_count)
        while 0 < number < self.entry_count and self._index.entry(number - 1) is None:
            number -= 1
        return number

    def places(self, start: int, *, backward: bool = False) -> Iterator[_Place]:
        """The blocks from entry `start` on, or backward from the one before it."""
        at_once = _MIN_ENTRIES_AT_ONCE
        while start > 0 if backward else start <= self.entry_count:
            if backward:
                following = max(0, start - at_once)
                yield from reversed(self._places(following, start))
            else:
                following = min(start + at_once, self.entry_count + 1)
                yield from self._places(start, following)
            start = following
            at_once = min(2 * at_once, _MAX_ENTRIES_AT_ONCE)

    def _places(self, start: int, stop: int) -> list[_Place]:
        """The blocks of entries from `start` to `stop`. The number behind the last stands for text that has none."""
        entries: list[Entry | None] = self._index.entries(start, min(stop, self.entry_count))
        if stop > self.entry_count:
            entries.append(None)
        places: list[_Place] = []
        for number, entry in enumerate(entries, start):
            if entry is not None:
                if entry.first_seq < self.end_seq and entry.kind in (Kind.BLOCK, Kind.PART):
                    places.append(_Place(number, entry))
            elif (made_up := self._make_up(number)) is not None:
                places.append(_Place(number, made_up, made_up=True))
        return places

    def _make_up(self, number: int) -> Entry | None:
        """An entry for all the text between the sound entries around `number`; None but for the first of a series."""
        before = self._index.entry(number - 1) if number else None
        if number and before is None:
            return None
        offset, first_seq, time_us = (
            (before.end, before.next_seq, before.time_us) if before else (0, self._first_seq, 0)
        )
        following = next(
            (entry for entry in self._index.entries(number + 1, self.entry_count) if entry is not None), None
        )
        end, next_seq = (following.offset, following.first_seq) if following else (self.size_bytes, self.end_seq)
        length, count = end - offset, next_seq - first_seq
        if first_seq >= self.end_seq or count <= 0 or not 0 <= length <= MAX_MADE_UP_BYTES:
            return None
        return Entry(offset, length, count, first_seq, time_us, 0, 0, 0, ANY_LEVEL, Kind.BLOCK, 0, _ALWAYS_US)

    def read(self, place: _Place) -> bytes | None:
        """A block's bytes; None where they are damaged."""
        return self._sound(place, self._pread(place.entry.offset, place.entry.end))

    def read_all(self, places: Sequence[_Place], can_hold: CanHold) -> list[bytes | None]:
        """The bytes of blocks that lie next to each other; None for all where these cannot hold what is looked for."""
        start, end = min(place.entry.offset for place in places), max(place.entry.end for place in places)
        text = self._pread(start, end)
        if len(text) < end - start:  # some of it is damaged
            return [self.read(place) for place in places]
        if not can_hold(text):
            return [None] * len(places)
        if len(places) == 1:
            return [self._sound(places[0], text)]
        return [self._sound(place, text[place.entry.offset - start : place.entry.end - start]) for place in places]

    def _pread(self, start: int, end: int) -> bytes:
        with store_errors("read", segment_name(self._first_seq)):
            return self._text.pread(end - start, start)

    def _sound(self, place: _Place, data: bytes) -> bytes | None:
        entry = place.entry
        if place.made_up:
            sound = data.endswith(b"\n") and data.count(b"\n") == entry.record_count and self._begins_line(entry.offset)
        else:
            sound = len(data) == entry.length and crc32(data) == entry.data_crc
        return data if sound else None

    def _begins_line(self, offset: int) -> bool:
        """Where it does not, the entry before is not of this text: a power cut may leave one of text that was cut."""
        return offset == 0 or self._pread(offset - 1, offset) == b"\n"


class Reader:
    """Reads one run's folder, by its descriptor, which stays the caller's. Blocks on the disk: call it in a thread.

    All methods raise StoreError where a file cannot be read.
    """

    def __init__(self, folder_fd: int, frames: FrameCache) -> None:
        self._folder_fd = folder_fd
        self._frames = frames

    def find_time(self, extent: Extent, time_us: int) -> int:
        """The seq of the first record that was received at a time or later; behind the newest where none was."""
        numbers = range(len(extent.segments))

        def begun_us(number: int) -> int:
            return self.begun_us(extent.segments[: number + 1])

        number = max(0, bisect_right(numbers, time_us - 1, key=begun_us) - 1)
        # Where it cannot be told when a segment was begun, the one before it may hold the record.
        while number and begun_us(number - 1) == begun_us(number):
            number -= 1
        for segment in extent.segments[number:]:
            with self._open(extent, segment) as opened:
                if opened is not None:
                    for place in opened.places(opened.find_time(time_us)):
                        return place.entry.first_seq
        return extent.head + 1

    def begun_us(self, segments: Sequence[int]) -> int:
        """When the last of the segments was begun, or where that cannot be told, the one before it."""
        for segment in reversed(segments):
            try:
                with self._index(segment) as index:
                    header = index.header()
            except StoreError as error:
                if not error.is_absence:
                    raise
                continue
            if header is not None:
                return header.created_us
        return 0

    def read(self, extent: Extent, seq: int, max_bytes: int) -> Rows:
        """The rows from record `seq` on, or from the next that is there, at most `max_bytes` of them.

        Returns:
            Consecutive rows. None only at the extent's end. One row that is longer than `max_bytes` comes whole.
        """
        while seq <= extent.head:
            stored, seq = self.blocks(extent, seq, max_bytes)
            if stored:
                return _joined([block.rows for block in stored], max_bytes)
        return Rows(extent.head + 1, 0, b"")

    def blocks(
        self, extent: Extent, seq: int, max_bytes: int, *, wanted: Wanted | None = None, backward: bool = False
    ) -> tuple[list[Stored], int]:
        """The blocks from record `seq` on, or backward those before it, in order.

        Args:
            max_bytes: how much to read; a block that is longer comes alone.
            wanted: leaves out blocks by what their entries say.

        Returns:
            The blocks, and the seq to go on from; at the end that is one past the last record, or backward the first.
            There may be none before the end, where `MAX_ENTRIES` were looked through.
        """
        stored: list[Stored] = []
        room_bytes, room_entries = max_bytes, MAX_ENTRIES
        for block, following in self.scan(extent, seq, wanted=wanted, backward=backward):
            if not room_entries or (block is not None and stored and len(block.rows.data) > room_bytes):
                return (stored[::-1] if backward else stored), seq
            room_entries -= 1
            if block is not None:
                stored.append(block)
                room_bytes -= len(block.rows.data)
            seq = following
        if backward:
            return stored[::-1], min(seq, extent.first_seq)
        return stored, extent.head + 1

    def scan(
        self,
        extent: Extent,
        seq: int,
        *,
        wanted: Wanted | None = None,
        can_hold: CanHold | None = None,
        backward: bool = False,
    ) -> Iterator[tuple[Stored | None, int]]:
        """The blocks from record `seq` on, or backward those before it, one after the other.

        Close it, or leave it to be collected, when enough was looked at: a segment is open meanwhile.

        Args:
            wanted: leaves out blocks by what their entries say.
            can_hold: leaves out blocks by their text, of several at once, which is not held to its sums before that.

        Returns:
            Each block, None for one that is not wanted or is damaged, and the seq to go on from behind it.
        """
        for opened, place, data in self._read(extent, seq, wanted, can_hold, backward=backward):
            entry = place.entry
            block: Stored | None = None
            if data is not None:
                rows = Rows(entry.first_seq, entry.record_count, data)
                # Of one that was written again, to a segment of its own, both may be there.
                end_seq = min(seq, opened.end_seq) if backward else opened.end_seq
                if rows.next_seq > end_seq:
                    rows = rows.up_to(end_seq - 1)
                if not backward and rows.first_seq < seq:
                    rows = rows.after(seq)
                block = Stored(rows, entry.time_us, entry.level_mask)
            yield block, entry.first_seq if backward else min(entry.next_seq, opened.end_seq)

    def _read(
        self, extent: Extent, seq: int, wanted: Wanted | None, can_hold: CanHold | None, *, backward: bool
    ) -> Iterator[tuple[OpenSegment, _Place, bytes | None]]:
        for opened, places in self._walk(extent, seq, backward=backward):
            if can_hold is None:
                for place in places:
                    yield opened, place, opened.read(place) if wanted is None or wanted(place.entry) else None
                continue
            for stretch, is_wanted in _stretches(places, wanted):
                read = opened.read_all(stretch, can_hold) if is_wanted else [None] * len(stretch)
                for place, data in zip(stretch, read, strict=True):
                    yield opened, place, data

    def _walk(self, extent: Extent, seq: int, *, backward: bool) -> Iterator[tuple[OpenSegment, Iterator[_Place]]]:
        """Open segments, each with its blocks that hold records from `seq` on, or backward those before it."""
        at = max(0, bisect_right(extent.segments, seq - 1 if backward else seq) - 1)
        segments = extent.segments[at::-1] if backward else extent.segments[at:]
        if not extent.segments or (backward and seq <= extent.first_seq):
            return
        for segment in segments:
            with self._open(extent, segment) as opened:
                if opened is None:
                    continue
                if backward:
                    start = opened.entry_count + 1 if segment != segments[0] else opened.find_seq_end(seq)
                else:
                    start = opened.find_seq(seq) if segment == segments[0] else 0
                places = opened.places(start, backward=backward)
                yield (
                    opened,
                    (
                        place
                        for place in places
                        if (place.entry.first_seq < seq if backward else place.entry.next_seq > seq)
                    ),
                )

    @contextmanager
    def _index(self, segment: int) -> Iterator[Index]:
        fd = open_in(self._folder_fd, index_name(segment), os.O_RDONLY)
        try:
            with store_errors("read", index_name(segment)):
                yield Index(fd)
        finally:
            os.close(fd)

    @contextmanager
    def _open(self, extent: Extent, segment: int) -> Iterator[OpenSegment | None]:
        """A segment, open for reading; None where it is there no more."""
        files = self._files(segment)
        if files is None:
            yield None
            return
        index_fd, text = files
        following = bisect_right(extent.segments, segment)
        try:
            with store_errors("read", index_name(segment)):
                if following < len(extent.segments):
                    yield OpenSegment(Index(index_fd), text, segment, extent.segments[following])
                else:
                    active = extent.active_entries, extent.active_bytes
                    yield OpenSegment(Index(index_fd), text, segment, extent.head + 1, active)
        finally:
            os.close(index_fd)
            text.close()

    def _files(self, segment: int) -> tuple[int, Text] | None:
        """A segment's index and text. Where it is removed, which is done to its index last, None."""
        try:
            index_fd = open_in(self._folder_fd, index_name(segment), os.O_RDONLY)
        except StoreError as error:
            if error.is_absence and not self._has_text(segment):
                return None
            raise
        try:
            return index_fd, open_text(self._folder_fd, segment, self._frames)
        except StoreError as error:
            os.close(index_fd)
            if error.is_absence:
                return None
            raise

    def _has_text(self, segment: int) -> bool:
        try:
            open_text(self._folder_fd, segment, self._frames).close()
        except StoreError as error:
            if error.is_absence:
                return False
            raise
        return True


def _joined(blocks: Sequence[Rows], max_bytes: int) -> Rows:
    """The first of the rows that are consecutive, `max_bytes` of them or one row."""
    first = blocks[0].within(max_bytes)
    taken = [first]
    taken_bytes = len(first.data)
    if first.next_seq == blocks[0].next_seq:
        for block in blocks[1:]:
            if block.first_seq != taken[-1].next_seq or taken_bytes + len(block.data) > max_bytes:
                break
            taken.append(block)
            taken_bytes += len(block.data)
    if len(taken) == 1:
        return first
    return Rows(first.first_seq, taken[-1].next_seq - first.first_seq, b"".join([rows.data for rows in taken]))


def _stretches(places: Iterable[_Place], wanted: Wanted | None) -> Iterator[tuple[list[_Place], bool]]:
    """The blocks in turn, those that are wanted and lie next to each other together; and whether they are wanted."""
    stretch: list[_Place] = []
    stretch_bytes, following = 0, (-1, -1)
    for place in places:
        entry = place.entry
        is_wanted = wanted is None or wanted(entry)
        adjoins = entry.offset == following[0] or entry.end == following[1]
        if stretch and not (is_wanted and adjoins and stretch_bytes + entry.length <= MAX_STRETCH_BYTES):
            yield stretch, True
            stretch, stretch_bytes = [], 0
        if is_wanted:
            stretch.append(place)
            stretch_bytes, following = stretch_bytes + entry.length, (entry.end, entry.offset)
        else:
            yield [place], False
    if stretch:
        yield stretch, True
