"""One run's segments: writing them, syncing them, and letting old ones go.

One thread at a time writes, another may sync; any thread reads, by the `extent` that is replaced when something is
stored or removed. Nothing is waited for under the lock but the writing itself.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import NamedTuple

from logd.config import StoreConfig
from logd.errors import StoreError
from logd.store import disk
from logd.store.batches import last_batch
from logd.store.checksum import crc32
from logd.store.compression import discard, take_place, tidy, write_compressed
from logd.store.index import Entry, Header, Kind
from logd.store.opening import open_extent
from logd.store.reader import Extent, Reader
from logd.store.recovery import find_end, mend
from logd.store.repair import prepared
from logd.store.report import Report
from logd.store.rotation import rotation_due
from logd.store.segment import (
    Mark,
    SegmentWriter,
    is_plain,
    remove,
    size_bytes,
    store_errors,
)
from logd.store.syncing import rewrite_unsynced, sync_descriptors
from logd.store.text import FrameCache
from logd.store.verify import Progress, verify

RESERVE_BYTES = 1024 * 1024
"""Kept free on the disk: for marks, the catalog and the daemon's own log."""
MAX_UNSYNCED_SEGMENTS = 16
"""Sealed and not yet synced, their files open. Whoever writes more syncs these first."""


class Append(NamedTuple):
    """A block to be stored, with what its index entry says of it beyond its bytes."""

    data: bytes
    record_count: int
    level_mask: int
    oldest_us: int
    newest_us: int
    session_key: int
    batch: int
    part: bool = False
    """Whether more blocks of the same sending follow: they count, and are seen, when the last of them is stored."""


class SegmentFigures(NamedTuple):
    """One segment, as retention sees it."""

    first_seq: int
    size_bytes: int
    """On the disk: compressed, where it is."""
    last_time_us: int
    """When its newest block was received, or soon after."""


class RunStore:
    """A run's folder. Opening it changes nothing but an index that is lost.

    Args:
        folder_fd: the folder's descriptor, which the run owns from now on.
        frames: what its reader keeps decompressed.
    """

    def __init__(self, folder_fd: int, config: StoreConfig, frames: FrameCache) -> None:
        self.reader = Reader(folder_fd, frames)
        self.synced_seq = 0
        """Up to where it is known to be on the disk itself."""
        self._folder_fd = folder_fd
        self._config = config
        self._lock = threading.RLock()
        self._syncing = threading.Lock()
        self._repairing = threading.Lock()
        """Held before `_lock`, by who writes or removes unfinished files without it."""
        self._writer: SegmentWriter | None = None
        self._unsynced: list[SegmentWriter] = []
        self._distrusted = False
        """Whether the disk failed to sync what is written: it must be written again, to another file."""
        opened = open_extent(folder_fd, frames)
        self.extent = opened.extent
        self.mended_indexes = opened.mended_indexes
        self._found = opened.newest
        """The newest segment as it was found, until it is written to."""
        self._time_us = opened.newest.time_us if opened.newest else 0
        self._closed = set(opened.extent.segments[:-1])
        """Those whose files are closed, and of which it is not known that they were synced before."""
        self.next_seq = self.extent.head + 1
        """The seq of the next record to be stored; past the extent's head while parts are stored."""

    @property
    def newest_time_us(self) -> int:
        """When its newest block was received, or is to have been: times never fall from one block to the next."""
        return self._time_us

    @property
    def torn_bytes(self) -> int:
        """How many bytes that were never acknowledged follow the run's end, until it is written to."""
        return self._found.torn_bytes if self._found is not None else 0

    # Writing

    def append(self, appends: Sequence[Append], now_us: int) -> int:
        """Store blocks, in order; the extent then ends with the last one that is no part.

        Returns:
            How many of them are stored, from the first: all, or as many as were before the disk said no.

        Raises:
            StoreError: none could be stored.
        """
        stored = 0
        with self._lock:
            while stored < len(appends):
                try:
                    stored += self._append_to_segment(appends[stored:], now_us)
                except StoreError:
                    if not stored:
                        raise
                    break
        return stored

    def _append_to_segment(self, appends: Sequence[Append], now_us: int) -> int:
        """Store as many blocks as belong in the active segment, at least one; a full one is followed first."""
        self._check_disk(sum(len(append.data) for append in appends))
        self._time_us = max(self._time_us, now_us)
        writer = self._active_writer()
        offset, seq = writer.end.size_bytes, self.next_seq
        entries: list[Entry] = []
        for append in appends:
            if entries and offset >= self._config.segment_bytes and entries[-1].kind == Kind.BLOCK:
                break
            entry = Entry(
                offset,
                len(append.data),
                append.record_count,
                seq,
                self._time_us,
                append.session_key,
                append.batch,
                crc32(append.data),
                append.level_mask,
                Kind.PART if append.part else Kind.BLOCK,
                append.oldest_us,
                append.newest_us,
            )
            entries.append(entry)
            offset, seq = entry.end, entry.next_seq
        entry_count = writer.end.entry_count
        writer.append([append.data for append in appends[: len(entries)]], entries)
        self.next_seq = seq
        for number in range(len(entries) - 1, -1, -1):
            if entries[number].kind == Kind.BLOCK:
                end = Mark(entries[number].end, entry_count + number + 1, entries[number].next_seq)
                self._extend(writer.header, end)
                break
        return len(entries)

    def _check_disk(self, size_bytes: int) -> None:
        """Raise StoreError where the disk has no room, or has lost what is written."""
        if self._distrusted:
            self._rewrite()
        with store_errors("read", "the file system's state"):
            room_bytes = disk.free_bytes(self._folder_fd) - RESERVE_BYTES
        if size_bytes > room_bytes:
            raise StoreError("write", "the run", OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))

    def _extend(self, header: Header, end: Mark) -> None:
        segments = self.extent.segments
        if not segments or segments[-1] != header.first_seq:
            segments = (*segments, header.first_seq)
        self.extent = Extent(
            segments, end.size_bytes, end.entry_count, end.next_seq - 1, header.generation, header.generation_seq
        )

    @property
    def _amid_parts(self) -> bool:
        return self.next_seq != self.extent.head + 1

    def _active_writer(self) -> SegmentWriter:
        """The writer of the segment that the next block belongs in."""
        writer = self._writer or self._reopened_writer()
        if writer is None:
            return self._begin_segment()
        age_seconds = (self._time_us - writer.header.created_us) / 1e6
        due = rotation_due(self._config, size_bytes=writer.end.size_bytes, age_seconds=age_seconds)
        return self._begin_segment() if due and not self._amid_parts else writer

    def _reopened_writer(self) -> SegmentWriter | None:
        """The newest segment of a run that was opened, made sound; None where there is none to go on with."""
        found = self._found
        if found is None:
            return None
        try:
            mend(self._folder_fd, found)
            self._writer = SegmentWriter(self._folder_fd, found.header, found.end)
        except StoreError as error:
            if not error.is_absence:
                raise
            # Its text is compressed: what follows goes in a segment of its own.
        self._found = None
        return self._writer

    def _begin_segment(self, *, raise_generation: bool = False) -> SegmentWriter:
        """Seal the active segment, and begin the next."""
        generation, generation_seq = self.extent.generation, self.extent.generation_seq
        if raise_generation:
            generation, generation_seq = generation + 1, self.next_seq
        following = SegmentWriter(self._folder_fd, Header(generation, self.next_seq, self._time_us, generation_seq))
        if self._writer is not None:
            self._writer.seal(self._time_us)
            if self._config.fsync == "no":
                self._closed.add(self._writer.header.first_seq)
                self._writer.close()
            else:
                self._unsynced.append(self._writer)
        self._writer = following
        return following

    def _follow(self, *, raise_generation: bool = False) -> None:
        """Have an empty segment behind what is stored."""
        if self._writer is None:
            self._reopened_writer()
        following = self._begin_segment(raise_generation=raise_generation)
        self._extend(following.header, following.end)

    def last_batch(self, key: int, begun_us: int | None = None) -> int:
        """The number of the newest stored batch of a session, 0 for none; see `batches`."""
        return last_batch(self._folder_fd, self.extent, key, begun_us)

    # Syncing

    @property
    def has_unsynced(self) -> bool:
        return self._distrusted or self.synced_seq < self.extent.head

    @property
    def has_unsynced_segments(self) -> bool:
        """Whether any that is sealed is not synced yet."""
        return bool(self._unsynced)

    @property
    def awaits_sync(self) -> bool:
        """Whether so many segments wait to be synced that no more are to be begun before `sync`."""
        return len(self._unsynced) >= MAX_UNSYNCED_SEGMENTS

    def sync(self) -> StoreError | None:
        """Return when all that is stored is on the disk itself.

        Returns:
            Why some of it had to be written again, to another file; None where that was not so.

        Raises:
            StoreError: it is not on the disk; it will be written again before anything else is.
        """
        error: StoreError | None = None
        with self._syncing:
            while True:
                error = self._sync_open() or error
                if not self._closed:
                    return error

    def _sync_open(self) -> StoreError | None:
        """Sync what is open, and some of what is closed and may not be synced. See `sync`."""
        with self._lock:
            if self._distrusted:
                self._rewrite()
            self._reopen_closed()
            writers = [*self._unsynced, *([self._writer] if self._writer else [])]
            ends = [self._counted(writer) for writer in writers]
            head = self.extent.head
            fds = self._duplicates(writers)
        try:
            with store_errors("sync", "the run"):
                sync_descriptors(fds, self._folder_fd)
        except StoreError as error:
            with self._lock:
                self._distrusted = True
                self._rewrite()
            return error
        with self._lock:
            for writer, end in zip(writers, ends, strict=True):
                writer.synced = end
                # It may have been followed meanwhile, with more in it than was there to be synced.
                if writer in self._unsynced and writer.end == end:
                    self._unsynced.remove(writer)
                    writer.close()
            self._note_synced(head)
        return None

    def _note_synced(self, seq: int) -> None:
        if not self._closed:
            self.synced_seq = max(self.synced_seq, seq)

    def _reopen_closed(self) -> None:
        """Count as open, and not synced, as many of the closed ones as may be."""
        while self._closed and not self.awaits_sync:
            segment = min(self._closed)
            try:
                found = find_end(self._folder_fd, segment)
                self._unsynced.append(SegmentWriter(self._folder_fd, found.header, found.end))
            except StoreError as error:
                if not error.is_absence:
                    raise
                # It was removed, or compressed, and was synced for that.
            self._closed.remove(segment)

    def _counted(self, writer: SegmentWriter) -> Mark:
        """How much of a segment counts: not the parts whose last block is not there yet."""
        extent, first_seq = self.extent, writer.header.first_seq
        if writer is not self._writer or not self._amid_parts:
            return writer.end
        if first_seq not in extent.segments:
            return Mark(0, 0, first_seq)
        return Mark(extent.active_bytes, extent.active_entries, extent.head + 1)

    def _duplicates(self, writers: Sequence[SegmentWriter]) -> list[int]:
        fds: list[int] = []
        try:
            with store_errors("sync", "the run"):
                for writer in writers:
                    fds += writer.duplicates()
        except StoreError:
            for fd in fds:
                os.close(fd)
            raise
        return fds

    def _rewrite(self) -> None:
        """Write all that is not synced to new files, and sync them. StoreError where that fails, too."""
        for writer in list(self._unsynced):
            if writer.synced == writer.end:  # but for its mark
                self._unsynced.remove(writer)
                writer.close()
            else:
                self._replace(writer, rewrite_unsynced(self._folder_fd, writer))
        if self._writer is not None:
            # Also where all in it is synced: its descriptor is not to be trusted with what comes.
            self._replace(self._writer, rewrite_unsynced(self._folder_fd, self._writer))
        self._distrusted = False
        self._note_synced(self.extent.head)

    def _replace(self, writer: SegmentWriter, rewritten: SegmentWriter) -> None:
        """Go on with a segment that holds the end of an earlier one, or all of it."""
        extent, moved = self.extent, writer.synced
        if writer.header.first_seq in extent.segments:  # or else it holds parts alone
            segments = tuple(sorted({*extent.segments, rewritten.header.first_seq}))
            active_bytes, active_entries = extent.active_bytes, extent.active_entries
            if writer.header.first_seq == extent.segments[-1]:
                active_bytes, active_entries = active_bytes - moved.size_bytes, active_entries - moved.entry_count
            extent = extent._replace(segments=segments, active_bytes=active_bytes, active_entries=active_entries)
        self.extent = extent
        if writer is self._writer:
            self._writer = rewritten
            rewritten.synced = self._counted(rewritten)
        else:
            self._unsynced.remove(writer)
            rewritten.seal(self._time_us)
            rewritten.close()
        writer.end = moved
        writer.seal(self._time_us)
        writer.close()

    # Compressing

    def compressible(self) -> list[int]:
        """The sealed segments that are plain text, and synced as the policy asks, in order."""
        with self._lock:
            unsynced = {writer.header.first_seq for writer in self._unsynced}
            return [
                segment
                for segment in self.extent.segments[:-1]
                if segment not in unsynced and is_plain(self._folder_fd, segment)
            ]

    def compress(self, segment: int, wait: Callable[[], None]) -> bool:
        """Compress a sealed segment; False where it is damaged, or was removed meanwhile. See `compression`."""
        segments = self.extent.segments
        end_seq = next((following for following in segments if following > segment), None)
        try:
            if end_seq is None or not write_compressed(self._folder_fd, segment, end_seq, wait):
                return False
        except StoreError as error:
            # Where the disk is full, what was written of it would keep the room that is needed.
            with suppress(StoreError):
                discard(self._folder_fd, segment)
            if error.is_absence and segment not in self.extent.segments:
                return False
            raise
        with self._lock:
            if segment not in self.extent.segments:
                discard(self._folder_fd, segment)
                return False
            take_place(self._folder_fd, segment)
        return True

    def tidy(self) -> None:
        """Remove what a stop amid something left. For a run that was just opened."""
        with self._repairing, self._lock:
            tidy(self._folder_fd)

    # Checking

    def verify(self, on_progress: Progress) -> Report:
        """Check all that is stored; see `verify`."""
        return verify(self._folder_fd, lambda: self.extent, on_progress)

    def repair(self, segment: int) -> int:
        """Repair a segment that `verify` found wanting; see `repair`. One that is being written is followed first.

        Returns:
            How many records had to be left out; none of a segment that was dropped meanwhile.
        """
        with self._repairing:
            with self._lock:
                if self.extent.segments[-1:] == (segment,) and not self._amid_parts:
                    self._follow()
                is_unsynced = any(writer.header.first_seq == segment for writer in self._unsynced)
            if is_unsynced:
                # Were the disk to fail that later, it would be written again as it was before.
                self.sync()
            extent = self.extent
            if segment not in extent.segments[:-1]:
                return 0
            with prepared(self._folder_fd, extent, segment) as repair, self._lock:
                if segment not in self.extent.segments:
                    return 0
                return repair.take_place(self._add_segments).lost_records

    def _add_segments(self, segments: Sequence[int]) -> None:
        self.extent = self.extent._replace(segments=tuple(sorted({*self.extent.segments, *segments})))

    # Letting go

    def segments(self) -> list[SegmentFigures]:
        """All segments, in order."""
        extent = self.extent
        figures = []
        for number, segment in enumerate(extent.segments):
            # Of a segment whose header is damaged it cannot be told when it was begun.
            following = (self.reader.begun_us([each]) for each in extent.segments[number + 1 :])
            last_time_us = next((begun_us for begun_us in following if begun_us), self._time_us)
            figures.append(SegmentFigures(segment, size_bytes(self._folder_fd, segment), last_time_us))
        return figures

    def drop_before(self, seq: int, now_us: int) -> int:
        """Remove the segments that hold no record from `seq` on, the oldest first.

        Past the head it is all of them: an empty one then takes the active one's place, of the next generation.

        Returns:
            How many records that were.
        """
        with self._lock:
            before = self.extent
            if seq > before.head and before.head >= before.first_seq and not self._amid_parts:
                self._time_us = max(self._time_us, now_us)
                self._follow(raise_generation=True)
            segments = self.extent.segments
            dropped = [segment for segment, following in pairwise(segments) if following <= seq]
            gone = 0
            try:
                for segment in dropped:
                    remove(self._folder_fd, segment)
                    gone += 1
            finally:
                # What could not be removed stays in the extent, to be removed by the next call.
                self.extent = self.extent._replace(segments=segments[gone:])
                for writer in [writer for writer in self._unsynced if writer.header.first_seq in dropped[:gone]]:
                    self._unsynced.remove(writer)
                    writer.close()
            return self.extent.first_seq - before.first_seq

    def close(self) -> None:
        """Mark the active segment as closed in good order, and close all files."""
        with self._lock:
            if self._writer is not None:
                if not self._amid_parts:
                    self._writer.seal(self._time_us)
                self._writer.close()
                self._writer = None
            for writer in self._unsynced:
                writer.close()
            self._unsynced.clear()
            os.close(self._folder_fd)
