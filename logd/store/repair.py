"""Repairing a sealed segment that `verify` found wanting: all that is sound is kept, and keeps its seqs.

    before   1: sound, damaged, sound                                       9: the next segment
    after    1: sound, LOST   5: sound, in a segment named by its first seq   9: the next segment

Damage ends a segment, and what is sound behind it begins another. At the end of the index before, a LOST entry for each
block that was left out keeps its seqs, and its batch, so that it is not taken in again. Text without an entry gets one
where it has as many lines as it must. What is left out goes to `<segment>.damaged`, for people to look at.

It is done in these steps, each done before the next begins:

1. Write the new indexes and texts, all as `.new`, append to `<segment>.damaged`, and sync all that.
2. Rename the files of the new segments, the last one first. What is from its first seq on is read from there then.
3. Tell the run's owner of the new segments.
4. Rename the segment's own new index, then its text. Where nothing was left out the text stays as it is.
5. Remove its compressed text, which is written as plain text again.

A stop before 2 leaves files that `tidy` removes. Amid 2 to 4 it leaves the old segment in the place of what was not
renamed: every record is read from where it is sound, and the next repair finishes it.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import NamedTuple, Protocol

from logd.errors import StoreError
from logd.store import disk
from logd.store.index import Entry, Header, Index, Kind
from logd.store.piece import Piece, has_changed
from logd.store.quarantine import keep_left_out
from logd.store.reader import Extent
from logd.store.recovery import entries_of_text
from logd.store.salvage import open_salvaged
from logd.store.scan import (
    NoText,
    Scan,
    Span,
    State,
    Stretch,
    allowed_generations,
    lies_between,
    read_header,
    span_of,
)
from logd.store.segment import compressed_name, index_name, open_in, segment_name, store_errors
from logd.store.text import CompressedText, FrameCache, Text, open_text

MAX_SEGMENTS = 1000
"""That a segment is divided into, as each is a pair of files. One that needs more is not repaired."""
MAX_LOST_RECORDS = 2**32 - 1
"""In a row, as an entry can say. Where more are missing the segment is not repaired."""


class Repaired(NamedTuple):
    segments: tuple[int, ...]
    """What now stands in the segment's place: itself, and those that begin behind damage."""
    lost_records: int


class Prepared(Protocol):
    def take_place(self, publish: Callable[[tuple[int, ...]], None]) -> Repaired:
        """Steps 2 to 5, which take little time, and while nobody else changes the run. OSError where the disk says no.

        Args:
            publish: called with the segments in the old one's place when they can be read, before that is cut.
        """


@contextmanager
def prepared(folder_fd: int, extent: Extent, segment: int) -> Iterator[Prepared]:
    """Step 1, for a sealed segment that is synced; within, it can take its place, and what did not is removed behind.

    The run may be written meanwhile, and the segment be compressed or dropped; it must not be followed by another one.

    Raises:
        StoreError: the disk said no, or there is more damage than can be repaired. What could be read before can be
            read still, and it may be tried again.
    """
    span = span_of(extent, segment)
    if span is None or not span.is_sealed:
        raise ValueError(f"segment {segment} is not a sealed one of the run")
    with store_errors("repair", segment_name(segment)), ExitStack() as stack:
        index = _open_index(folder_fd, segment, stack)
        text, is_whole = _open_text(folder_fd, segment, index, stack)
        rewriting = _Rewriting(folder_fd, extent, span)
        stack.callback(rewriting.discard)
        rewriting.write(index, text, is_whole=is_whole)
        yield rewriting


def _open_index(folder_fd: int, segment: int, stack: ExitStack) -> Index | None:
    """A segment's index; None where it is lost, or another segment's."""
    try:
        index_fd = open_in(folder_fd, index_name(segment), os.O_RDONLY)
    except StoreError as error:
        if not error.is_absence:
            raise
        return None
    stack.callback(os.close, index_fd)
    header = read_header(Index(index_fd))
    return Index(index_fd) if header is None or header.first_seq == segment else None


def _open_text(folder_fd: int, segment: int, index: Index | None, stack: ExitStack) -> tuple[Text, bool]:
    """A segment's text, and whether its file may stay as it is."""
    text: Text
    is_whole = True
    try:
        text = open_text(folder_fd, segment, FrameCache(0))
    except StoreError as error:
        if not error.is_absence:
            raise
        text, is_whole = NoText(), False
    stack.callback(text.close)
    if isinstance(text, CompressedText) and text.reader is None:
        text, is_whole = open_salvaged(folder_fd, segment, index), False
        stack.callback(text.close)
    return text, is_whole


class _Rewriting:
    def __init__(self, folder_fd: int, extent: Extent, span: Span) -> None:
        self._folder_fd = folder_fd
        self._extent = extent
        self._span = span
        self._between = lies_between(folder_fd, extent, span.first_seq)
        self._time_us = min(self._between.earliest_us, self._between.latest_us)
        """Of the newest entry."""
        self._begun_us = self._between.begun_us
        """Of the newest piece."""
        self._header: Header | None = None
        """The old one's."""
        self._text: Text = NoText()
        self._pieces: list[Piece] = []
        self._left_out: list[Stretch] = []
        self._lost_records = 0
        self._writes_text = True

    # Step 1

    def write(self, index: Index | None, text: Text, *, is_whole: bool) -> None:
        """Write all new files.

        Args:
            is_whole: whether the text's file may stay as it is, where all of it is kept.
        """
        self._header, self._text = read_header(index), text
        if self._header is not None:
            self._time_us = min(self._header.created_us, self._between.latest_us)
        self._begin(self._span.first_seq)
        for stretch in Scan(index, text, self._span):
            self._add(stretch)
        self._finish(self._span.end_seq)
        first = self._pieces[0]
        self._writes_text = not is_whole or (first.start, first.end) != (0, text.size_bytes)
        if self._writes_text:
            for piece in self._pieces:
                piece.write_text(self._text)
        keep_left_out(self._folder_fd, self._span.first_seq, text, self._left_out)

    def _begin(self, first_seq: int) -> None:
        if len(self._pieces) == MAX_SEGMENTS:
            raise OSError(errno.EFBIG, f"it is damaged in more than {MAX_SEGMENTS} places")
        self._pieces.append(Piece(self._folder_fd, first_seq))

    def _finish(self, end_seq: int) -> None:
        """Finish the newest piece, behind which comes `end_seq`."""
        piece, header, latest_us = self._pieces[-1], self._header, self._between.latest_us
        allowed = allowed_generations(self._extent, self._between)
        generation = header.generation if header is not None else allowed.start
        begun_us = piece.begun_us if piece.begun_us is not None else self._text.modified_us
        if header is not None and header.first_seq == piece.first_seq:
            begun_us = header.created_us
        generation = max(allowed.start, min(generation, allowed.stop - 1))
        self._begun_us = min(max(begun_us, self._begun_us), latest_us)
        generation_seq = header.generation_seq if header is not None else 0
        piece.finish(Header(generation, piece.first_seq, self._begun_us, generation_seq), end_seq, self._time_us)

    def _add(self, stretch: Stretch) -> None:
        if stretch.state == State.SOUND and stretch.entry is not None:
            self._keep(stretch.entry)
            return
        if stretch.state == State.UNINDEXED:
            self._index(stretch)
            return
        if stretch.record_count:
            self._lose(stretch)
        if stretch.length:
            last = self._left_out[-1] if self._left_out else None
            if last is not None and (last.end, last.next_seq) == (stretch.offset, stretch.first_seq):
                length, count = stretch.end - last.offset, stretch.next_seq - last.first_seq
                self._left_out[-1] = last._replace(length=length, record_count=count)
            else:
                self._left_out.append(stretch)

    def _keep(self, entry: Entry) -> None:
        """Keep a block, in a new piece where something before it was left out. Its offset is in the old text."""
        if not self._pieces[-1].goes_on_with(entry):
            self._finish(entry.first_seq)
            self._begin(entry.first_seq)
        self._append(entry)

    def _append(self, entry: Entry) -> None:
        self._time_us = max(self._time_us, min(entry.time_us, self._between.latest_us))
        self._pieces[-1].add(entry._replace(time_us=self._time_us))

    def _index(self, stretch: Stretch) -> None:
        """Make entries for text that has none."""
        latest_us = stretch.following.time_us if stretch.following is not None else self._text.modified_us
        span = {"start": stretch.offset, "stop": stretch.end, "earliest_us": self._time_us, "latest_us": latest_us}
        next_seq = stretch.first_seq
        for entry in entries_of_text(self._text, stretch.first_seq, **span):
            self._keep(entry)
            next_seq = entry.next_seq
        if next_seq != stretch.next_seq:
            raise has_changed()

    def _lose(self, stretch: Stretch) -> None:
        """Leave records out; those that a repair left out before stay so."""
        if stretch.record_count > MAX_LOST_RECORDS:
            raise OSError(errno.EFBIG, f"{stretch.record_count} records are missing")
        entry = stretch.entry or Entry(0, 0, stretch.record_count, stretch.first_seq, 0, 0, 0, 0, 0, 0, 0, 0)
        self._append(entry._replace(length=0, data_crc=0, level_mask=0, kind=Kind.LOST))
        if stretch.state != State.LOST:
            self._lost_records += stretch.record_count

    # Steps 2 to 5

    def take_place(self, publish: Callable[[tuple[int, ...]], None]) -> Repaired:
        first, *others = self._pieces
        for piece in reversed(others):
            piece.take_place(text=True)
        segments = tuple(piece.first_seq for piece in self._pieces)
        publish(segments)
        first.take_place(text=self._writes_text)
        if self._writes_text:
            with suppress(FileNotFoundError):
                disk.unlink(compressed_name(first.first_seq), dir_fd=self._folder_fd)
                disk.fsync(self._folder_fd)
        return Repaired(segments, self._lost_records)

    def discard(self) -> None:
        for piece in self._pieces:
            piece.discard()
