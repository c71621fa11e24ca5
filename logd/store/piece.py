"""A new segment that a repair makes of a part of an old one: its files, until they take their names."""

from __future__ import annotations

import errno
import os
from contextlib import ExitStack, suppress

from logd.store import disk
from logd.store.checksum import crc32
from logd.store.compression import UNFINISHED
from logd.store.index import HEADER_BYTES, Entry, Header, Index, Kind
from logd.store.scan import READ_BYTES, read_text
from logd.store.segment import index_name, open_in, segment_name
from logd.store.text import Text

_PACKED_AT_ONCE = 512


class Piece:
    """Its index is written entry by entry and the header last, and its text when that is finished.

    All methods raise OSError or StoreError where the disk says no.
    """

    def __init__(self, folder_fd: int, first_seq: int) -> None:
        self.first_seq = first_seq
        self.begun_us: int | None = None
        """When its first block was received."""
        self.start = self.end = 0
        """Of its text in the old one's."""
        self.ends_in_loss = False
        self._has_entries = False
        self._packed: list[bytes] = []
        self._size_bytes = HEADER_BYTES
        self._folder_fd = folder_fd
        self._fd = self._create(index_name(first_seq))

    def _create(self, name: str) -> int:
        return open_in(self._folder_fd, name + UNFINISHED, os.O_RDWR | os.O_CREAT | os.O_TRUNC)

    def goes_on_with(self, entry: Entry) -> bool:
        """Whether a block may follow here; its offset is in the old text."""
        return not self.ends_in_loss and (not self._has_entries or entry.offset == self.end)

    def add(self, entry: Entry) -> None:
        """Add a block, or records that are lost. The entry's offset is in the old text."""
        if not self._has_entries and entry.length:
            self.start = self.end = entry.offset
        if self.begun_us is None:
            self.begun_us = entry.time_us
        self._has_entries = True
        self.ends_in_loss |= entry.kind == Kind.LOST
        self._packed.append(entry._replace(offset=self.end - self.start).pack())
        self.end += entry.length
        if len(self._packed) == _PACKED_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        disk.write_at(self._fd, self._packed, self._size_bytes)
        self._size_bytes += sum(map(len, self._packed))
        self._packed.clear()

    def finish(self, header: Header, end_seq: int, time_us: int) -> None:
        """Finish the index: behind it comes the segment of `end_seq`."""
        self._packed.append(Entry(self.end - self.start, 0, 0, end_seq, time_us, 0, 0, 0, 0, Kind.CLOSE, 0, 0).pack())
        self._flush()
        disk.write_at(self._fd, [header.pack()], 0)
        disk.fsync(self._fd)
        self.close()

    def write_text(self, text: Text) -> None:
        """Write its part of the old text, each block of which is held to its sum once more."""
        with ExitStack() as stack:
            index_fd = open_in(self._folder_fd, index_name(self.first_seq) + UNFINISHED, os.O_RDONLY)
            stack.callback(os.close, index_fd)
            fd = self._create(segment_name(self.first_seq))
            stack.callback(os.close, fd)
            index, gathered, offset = Index(index_fd), list[bytes](), 0
            for number in range(len(index)):
                entry = index.entry(number)
                data = read_text(text, entry.length, self.start + entry.offset) if entry is not None else None
                if entry is None or data is None or (data and crc32(data) != entry.data_crc):
                    raise has_changed()
                gathered.append(data)
                if entry.end - offset >= READ_BYTES or entry.kind == Kind.CLOSE:
                    disk.write_at(fd, gathered, offset)
                    gathered, offset = [], entry.end
            disk.fsync(fd)

    def take_place(self, *, text: bool) -> None:
        """Rename its index, and then its `text`, where it was written; and sync the folder."""
        for name in [index_name(self.first_seq), segment_name(self.first_seq)][: 1 + text]:
            disk.rename(name + UNFINISHED, name, src_dir_fd=self._folder_fd, dst_dir_fd=self._folder_fd)
        disk.fsync(self._folder_fd)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1

    def discard(self) -> None:
        """Close what is open, and remove what did not take its place."""
        self.close()
        for name in (segment_name(self.first_seq), index_name(self.first_seq)):
            with suppress(OSError):
                disk.unlink(name + UNFINISHED, dir_fd=self._folder_fd)


def has_changed() -> OSError:
    return OSError(errno.EIO, "it is not the same when it is read again")
