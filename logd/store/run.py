"""One run's segments, and the writing of them.

One thread writes; any thread reads, by the `extent` that the writer replaces when something is stored.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from typing import NamedTuple

from logd.config import StoreConfig
from logd.errors import StoreError
from logd.store.checksum import crc32
from logd.store.index import Entry, Header, Index, Kind
from logd.store.reader import Extent, Reader
from logd.store.recovery import recover
from logd.store.rotation import rotation_due
from logd.store.segment import SegmentWriter, first_seqs, index_name, open_in, store_errors

_REMEMBERED_SEGMENTS = 64
"""How many segments, from the newest, are searched for a session's last batch."""


def session_key(uid: int, session: str) -> int:
    """What stands for a session in the index: 64 bits of a hash of the user and the session's id."""
    digest = hashlib.blake2b(f"{uid}/{session}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


class Append(NamedTuple):
    """A block to be stored, with what its index entry says of it beyond its bytes."""

    data: bytes
    record_count: int
    level_mask: int
    session_key: int
    batch: int
    part: bool = False
    """Whether more blocks of the same sending follow: they count, and are seen, when the last of them is stored."""


class RunStore:
    """A run's folder. Opening it makes its newest segment sound.

    Args:
        folder_fd: the folder's descriptor, which the run owns from now on.
    """

    def __init__(self, folder_fd: int, config: StoreConfig) -> None:
        self.reader = Reader(folder_fd)
        self._folder_fd = folder_fd
        self._config = config
        self._writer: SegmentWriter | None = None
        self._entry_count = 0
        self._header: Header | None = None
        self._time_us = 0
        self.torn_bytes = 0
        """How many bytes were cut off when the run was opened."""
        self.extent = self._open_extent()
        self.next_seq = self.extent.head + 1
        """The seq of the next record to be stored; past the extent's head while parts are stored."""

    def _open_extent(self) -> Extent:
        with store_errors("list", "a run's folder"):
            names = set(os.listdir(self._folder_fd))
        segments = first_seqs(names)
        if not segments:
            return Extent()
        for first_seq in segments[:-1]:
            if index_name(first_seq) not in names:
                recover(self._folder_fd, first_seq)
        newest = recover(self._folder_fd, segments[-1])
        self._header = newest.header
        self._entry_count = newest.entry_count
        self._time_us = newest.time_us
        self.torn_bytes = newest.torn_bytes
        return Extent(tuple(segments), newest.size_bytes, newest.next_seq - 1, newest.header.generation)

    def append(self, appends: Sequence[Append], now_us: int) -> int:
        """Store blocks, in order; the extent then ends with the last one that is no part.

        Returns:
            How many of them are stored, from the first: all, or as many as were before the disk said no.

        Raises:
            StoreError: none could be stored.
        """
        stored = 0
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
        self._time_us = max(self._time_us, now_us)
        writer = self._active_writer()
        offset, seq = writer.size_bytes, self.next_seq
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
            )
            entries.append(entry)
            offset, seq = entry.end, entry.next_seq
        writer.append([append.data for append in appends[: len(entries)]], entries)
        self.next_seq = seq
        whole = next((entry for entry in reversed(entries) if entry.kind == Kind.BLOCK), None)
        if whole is not None:
            self._extend(whole, writer.header)
        return len(entries)

    def _extend(self, newest: Entry, header: Header) -> None:
        segments = self.extent.segments
        if not segments or segments[-1] != header.first_seq:
            segments = (*segments, header.first_seq)
        self.extent = Extent(segments, newest.end, newest.next_seq - 1, header.generation)

    def _active_writer(self) -> SegmentWriter:
        """The writer of the segment that the next block belongs in."""
        if self._writer is None and self._header is not None:
            self._writer = SegmentWriter(
                self._folder_fd,
                self._header,
                size_bytes=self.extent.active_bytes,
                entry_count=self._entry_count,
                create=False,
            )
        if self._writer is not None:
            age_seconds = (self._time_us - self._writer.header.created_us) / 1e6
            amid_parts = self.next_seq != self.extent.head + 1
            if amid_parts or not rotation_due(
                self._config, size_bytes=self._writer.size_bytes, age_seconds=age_seconds
            ):
                return self._writer
        following = SegmentWriter(self._folder_fd, Header(self.extent.generation, self.next_seq, self._time_us))
        if self._writer is not None:
            self._writer.close(self.extent.head + 1, self._time_us)
        self._writer = following
        return following

    def last_batch(self, key: int) -> int:
        """The number of the newest stored batch of a session, 0 for a session that stored none."""
        for segment in reversed(self.extent.segments[-_REMEMBERED_SEGMENTS:]):
            fd = open_in(self._folder_fd, index_name(segment), os.O_RDONLY)
            try:
                with store_errors("read", index_name(segment)):
                    batch = Index(fd).last_batch(key)
            finally:
                os.close(fd)
            if batch:
                return batch
        return 0

    def close(self) -> None:
        """Mark the active segment as closed in good order, and close all files."""
        if self._writer is not None:
            if self.next_seq == self.extent.head + 1:
                self._writer.close(self.next_seq, self._time_us)
            else:
                self._writer.abandon()
            self._writer = None
        os.close(self._folder_fd)
