"""Reading a run back: from a seq to a place in a segment, and from there whole rows.

A reader holds nothing open and nothing in memory. It is told the run's extent, so that it never reads what is not
stored yet, and hands back the place to go on from, so that reading on costs one `pread`.
"""

from __future__ import annotations

import errno
import os
from bisect import bisect_right
from typing import NamedTuple

from logd.errors import StoreError
from logd.record import Rows, skip_lines
from logd.store.index import Index
from logd.store.segment import index_name, open_in, segment_name, store_errors

_SKIP_BYTES = 1024 * 1024


class Extent(NamedTuple):
    """What of a run is stored: a snapshot, replaced whole at each commit, so that any thread may read by it."""

    segments: tuple[int, ...] = ()
    """Their first seqs, in order; the last is the one being written."""
    active_bytes: int = 0
    """How much of the last segment is stored."""
    head: int = 0
    """The newest record's seq, 0 for none."""
    generation: int = 1

    @property
    def first_seq(self) -> int:
        """The oldest record's seq; `head` + 1 where there is none."""
        return self.segments[0] if self.segments else self.head + 1


class Position(NamedTuple):
    """A place between two records."""

    segment: int
    offset: int
    seq: int
    """The record after it."""


def _cut_short(segment: int) -> StoreError:
    """Somebody else shortened a file, so that the newest of what was stored in it is gone."""
    return StoreError("read", segment_name(segment), OSError(errno.EIO, "it is shorter than what was stored in it"))


class Reader:
    """Reads one run's folder. Blocks on the disk: call it in a thread.

    All methods raise StoreError where a file cannot be read.
    """

    def __init__(self, folder_fd: int) -> None:
        self._folder_fd = folder_fd

    def locate(self, extent: Extent, seq: int) -> Position:
        """The place before record `seq`, or the nearest there is: before the first record, or behind the newest."""
        if not extent.segments:
            return Position(1, 0, extent.head + 1)
        seq = min(max(seq, extent.first_seq), extent.head + 1)
        segment = extent.segments[bisect_right(extent.segments, seq) - 1]
        fd = open_in(self._folder_fd, index_name(segment), os.O_RDONLY)
        try:
            with store_errors("read", index_name(segment)):
                entry = Index(fd).find_seq(seq)
        finally:
            os.close(fd)
        if entry is None:
            return self._skip(extent, Position(segment, 0, segment), seq)
        if seq >= entry.next_seq:
            return self._skip(extent, Position(segment, entry.end, entry.next_seq), seq)
        block = self._pread(segment, entry.length, entry.offset)
        return Position(segment, entry.offset + skip_lines(block, seq - entry.first_seq), seq)

    def _skip(self, extent: Extent, position: Position, seq: int) -> Position:
        """The place before record `seq`, from a place before that: where an entry is damaged, the text tells."""
        while position.seq < seq:
            rows, following = self.read(extent, position, _SKIP_BYTES)
            if not rows.record_count:
                break
            if following.seq > seq:
                found_seq = max(seq, rows.first_seq)
                offset = following.offset - len(rows.data) + skip_lines(rows.data, found_seq - rows.first_seq)
                return Position(following.segment, offset, found_seq)
            position = following
        return position

    def read(self, extent: Extent, position: Position, max_bytes: int) -> tuple[Rows, Position]:
        """The rows from a place on, at most about `max_bytes` of them, and the place behind them.

        Returns:
            No rows only at the extent's end. One row that is longer than `max_bytes` comes whole, and alone.
        """
        segment, offset, seq = position
        while (left := self._stored_bytes(extent, segment) - offset) <= 0:
            number = bisect_right(extent.segments, segment)
            if number >= len(extent.segments):
                return Rows(seq, 0, b""), position
            segment, offset, seq = extent.segments[number], 0, extent.segments[number]
        want = min(max_bytes, left)
        data = self._pread(segment, want, offset)
        end = data.rfind(b"\n") + 1
        while not end:
            if len(data) < want or want == left:
                raise _cut_short(segment)
            want = min(2 * want, left)
            data = self._pread(segment, want, offset)
            end = data.find(b"\n") + 1
        data = data[:end]
        count = data.count(b"\n")
        return Rows(seq, count, data), Position(segment, offset + len(data), seq + count)

    def _stored_bytes(self, extent: Extent, segment: int) -> int:
        if not extent.segments:
            return 0
        if segment == extent.segments[-1]:
            return extent.active_bytes
        with store_errors("read", segment_name(segment)):
            return os.stat(segment_name(segment), dir_fd=self._folder_fd, follow_symlinks=False).st_size

    def _pread(self, segment: int, length: int, offset: int) -> bytes:
        fd = open_in(self._folder_fd, segment_name(segment), os.O_RDONLY)
        try:
            with store_errors("read", segment_name(segment)):
                return os.pread(fd, length, offset)
        finally:
            os.close(fd)
