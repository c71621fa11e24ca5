"""What there is in a segment, stretch by stretch, sound or not: what `verify` tells of and `repair` goes by.

Index and text are gone through once, side by side. A sound entry says where its block stands and which records those
are. What lies between two of them is known by that: so many bytes, and so many records. Where these bytes are as many
lines, they are the records. Otherwise those that they begin with are, as far as they are JSON; and of what comes behind
nobody can say which lines are which records.
"""

from __future__ import annotations

import errno
import json
from bisect import bisect_left
from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

from logd.store.checksum import crc32
from logd.store.index import Entry, Header, Index, Kind
from logd.store.reader import Extent
from logd.store.recovery import Around, around
from logd.store.text import PlainText, Text

READ_BYTES = 1024 * 1024
"""Read at once, of blocks that are shorter."""
_PIECE_BYTES = 64 * 1024
"""Read at once of text that has no entries."""
_ENTRIES_AT_ONCE = 512


class Span(NamedTuple):
    """Which records a segment has, by the extent of its run."""

    first_seq: int
    end_seq: int
    """The first seq that is not its own."""
    entry_count: int | None = None
    """How many entries of the segment being written are stored; None for a sealed one, of which all are."""
    size_bytes: int = 0
    """And how much of its text."""

    @property
    def is_sealed(self) -> bool:
        return self.entry_count is None


def span_of(extent: Extent, segment: int) -> Span | None:
    """None where the run has no such segment any more."""
    at = bisect_left(extent.segments, segment)
    if extent.segments[at : at + 1] != (segment,):
        return None
    if at + 1 < len(extent.segments):
        return Span(segment, extent.segments[at + 1])
    return Span(segment, extent.head + 1, extent.active_entries, extent.active_bytes)


def lies_between(folder_fd: int, extent: Extent, segment: int) -> Around:
    """What one of the extent's segments lies between. StoreError where an index cannot be read."""
    at = bisect_left(extent.segments, segment)
    before = extent.segments[at - 1] if at else None
    return around(folder_fd, before, extent.segments[at + 1] if at + 1 < len(extent.segments) else None)


def allowed_generations(extent: Extent, between: Around) -> range:
    """Those that a segment may have: none is above the newest one's."""
    return range(min(between.generation, extent.generation), extent.generation + 1)


class State(Enum):
    SOUND = "as its entry says"
    LOST = "left out by a repair, which said so in the index"
    UNINDEXED = "text without an entry, of as many lines as there are records"
    DAMAGED = "records that are not there, or not as they were written"
    NEEDLESS = "text that no record is in"


class Stretch(NamedTuple):
    """Consecutive records, and the text that has them or should."""

    state: State
    offset: int
    """In the text."""
    length: int
    first_seq: int
    record_count: int
    fault: str = ""
    """What is wrong, as a predicate: the text of these records "cannot be read"."""
    entry: Entry | None = None
    """The block's own."""
    following: Entry | None = None
    """Of records without one, the next that is sound."""

    @property
    def end(self) -> int:
        return self.offset + self.length

    @property
    def next_seq(self) -> int:
        return self.first_seq + self.record_count


class Scan:
    """One way through a segment; iterate it once. OSError where the disk says no, but EIO, which is damage.

    Args:
        index: None where it is lost, or another segment's.
    """

    def __init__(self, index: Index | None, text: Text, span: Span) -> None:
        self.bad_entries = 0
        """So far: damaged, or at odds with those before."""
        self._index = index
        self._text = _ReadAhead(text) if isinstance(text, PlainText) else text
        self._span = span
        self._size_bytes = text.size_bytes if span.is_sealed else span.size_bytes

    def __iter__(self) -> Iterator[Stretch]:
        offset, seq = 0, self._span.first_seq
        for is_last, entry in self._entries():
            if entry is None or entry.offset < offset or entry.first_seq < seq or not self._can_be(entry, is_last):
                self.bad_entries += 1
                continue
            yield from self._between(offset, entry.offset, seq, entry.first_seq, entry)
            if entry.kind != Kind.CLOSE:
                yield self._block(entry)
            offset, seq = entry.end, entry.next_seq
        yield from self._between(offset, self._size_bytes, seq, self._span.end_seq, None)

    def _entries(self) -> Iterator[tuple[bool, Entry | None]]:
        """All entries, None for each that cannot be read; with whether it is the last."""
        if self._index is None:
            return
        count = len(self._index) if self._span.entry_count is None else self._span.entry_count
        for start in range(0, count, _ENTRIES_AT_ONCE):
            stop = min(start + _ENTRIES_AT_ONCE, count)
            try:
                entries = self._index.entries(start, stop)
            except OSError as error:
                if error.errno != errno.EIO:
                    raise
                entries = []
            entries += [None] * (stop - start - len(entries))
            for number, entry in enumerate(entries, start):
                yield number + 1 == count, entry

    def _can_be(self, entry: Entry, is_last: bool) -> bool:
        """Whether an entry is one that is written, and of this segment's records."""
        if entry.next_seq > self._span.end_seq:
            return False
        if entry.kind == Kind.CLOSE:
            return is_last and self._span.is_sealed and not entry.length and not entry.record_count
        if entry.kind == Kind.LOST:
            return entry.record_count > 0 and not entry.length
        return entry.kind in (Kind.BLOCK, Kind.PART) and 0 < entry.record_count <= entry.length

    def _block(self, entry: Entry) -> Stretch:
        state, fault = State.SOUND, ""
        if entry.kind == Kind.LOST:
            state = State.LOST
        elif fault := self._fault(entry):
            state = State.DAMAGED
        return Stretch(state, entry.offset, entry.length, entry.first_seq, entry.record_count, fault, entry)

    def _fault(self, entry: Entry) -> str:
        if entry.end > self._size_bytes:
            return "is behind the end of the file"
        data = read_text(self._text, entry.length, entry.offset)
        if data is None:
            return "cannot be read"
        if crc32(data) != entry.data_crc:
            return "does not match its checksum"
        if data.count(b"\n") != entry.record_count or not data.endswith(b"\n"):
            return "has another number of lines"
        return ""

    def _between(self, offset: int, end: int, seq: int, next_seq: int, following: Entry | None) -> Iterator[Stretch]:
        """What lies between two sound entries: nothing, or one stretch."""
        length, count = max(0, end - offset), next_seq - seq
        if not count:
            if length:
                yield Stretch(State.NEEDLESS, offset, length, seq, 0)
            return
        found_bytes, found = length, self._line_count(offset, length)
        if found != count:
            found_bytes, found = self._leading_records(offset, length, count)
        if found:
            yield Stretch(State.UNINDEXED, offset, found_bytes, seq, found, "is not in the index", following=following)
        if found == count and found_bytes < length:
            yield Stretch(State.NEEDLESS, offset + found_bytes, length - found_bytes, next_seq, 0)
        if found < count:
            fault = "is not in the index, and damaged" if found_bytes < length else "is missing"
            rest = offset + found_bytes, length - found_bytes, seq + found, count - found
            yield Stretch(State.DAMAGED, *rest, fault, following=following)

    def _line_count(self, offset: int, length: int) -> int:
        """How many lines a stretch of text is; 0 where it is not whole lines, or not all of it can be read."""
        if offset and read_text(self._text, 1, offset - 1) != b"\n":
            return 0  # the entry before is of other text: a power cut may leave one of what was cut off
        count, data = 0, b""
        for data in self._pieces(offset, length):
            count += data.count(b"\n")
        return count if data.endswith(b"\n") else 0

    def _leading_records(self, offset: int, length: int, max_count: int) -> tuple[int, int]:
        """The length of the whole records that a stretch of text begins with, and how many they are."""
        found_bytes, found, line = 0, 0, b""
        for data in self._pieces(offset, length):
            *lines, line = (line + data).split(b"\n")
            for each in lines:
                if found == max_count or not _is_record(each):
                    return found_bytes, found
                found_bytes, found = found_bytes + len(each) + 1, found + 1
            if len(line) > READ_BYTES:
                break
        return found_bytes, found

    def _pieces(self, offset: int, length: int) -> Iterator[bytes]:
        """A stretch of text; an empty piece ends it where the rest cannot be read."""
        for start in range(offset, offset + length, _PIECE_BYTES):
            data = read_text(self._text, min(_PIECE_BYTES, offset + length - start), start)
            yield data or b""
            if data is None:
                return


def _is_record(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


class _ReadAhead:
    """A file's text, which short blocks are cut from: a segment may have hundreds of thousands."""

    def __init__(self, text: Text) -> None:
        self.size_bytes, self.modified_us, self.close = text.size_bytes, text.modified_us, text.close
        self._text = text
        self._start = 0
        self._data = b""
        self._exact_until = 0
        """Behind what cannot be read at once, as there is damage in it."""

    def pread(self, length: int, offset: int) -> bytes:
        at = offset - self._start
        if at < 0 or at + length > len(self._data):
            if length >= READ_BYTES or offset < self._exact_until:
                return self._text.pread(length, offset)
            try:
                self._start, self._data = offset, self._text.pread(READ_BYTES, offset)
            except OSError:
                self._exact_until = offset + READ_BYTES
                return self._text.pread(length, offset)
            at = 0
        return self._data[at : at + length]


def read_text(text: Text, length: int, offset: int) -> bytes | None:
    """So many bytes of a text; None where they cannot be read."""
    try:
        data = text.pread(length, offset)
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        return None
    return data if len(data) == length else None


class NoText:
    """The text of a segment whose file is lost."""

    size_bytes = modified_us = 0

    def pread(self, length: int, offset: int) -> bytes:
        return b""

    def close(self) -> None:
        pass


def read_header(index: Index | None) -> Header | None:
    """An index's header; None where it is damaged, or there is no index."""
    try:
        return index.header() if index is not None else None
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        return None
