"""One segment: a file of whole JSON lines, and its index beside it.

    00000000000000000001.jsonl      named by the seq of its first record; a record's seq is that plus its line number
    00000000000000000001.idx        see `index`

Bytes are written at the offsets that the last commit ended at, so that a write which failed half-way is written over by
the next try, and what is stored is what the index says, not how long a file is.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from logd.errors import StoreError
from logd.store.index import ENTRY_BYTES, HEADER_BYTES, Entry, Header, Kind

_FILE_MODE = 0o600
_SEQ_DIGITS = 20
_IOV_MAX = 512
"""How many buffers go into one vectored write: half of what every system takes."""


def segment_name(first_seq: int) -> str:
    return f"{first_seq:0{_SEQ_DIGITS}}.jsonl"


def index_name(first_seq: int) -> str:
    return f"{first_seq:0{_SEQ_DIGITS}}.idx"


def first_seqs(names: Iterable[str]) -> list[int]:
    """The first seqs of the segments among a folder's names, in order."""
    stems = (name.removesuffix(".jsonl") for name in names if name.endswith(".jsonl"))
    return sorted(int(stem) for stem in stems if len(stem) == _SEQ_DIGITS and stem.isascii() and stem.isdigit())


@contextmanager
def store_errors(operation: str, path: str) -> Iterator[None]:
    """Turn an OSError within into a StoreError that says what was tried, and on what."""
    try:
        yield
    except OSError as error:
        raise StoreError(operation, path, error) from error


def open_in(folder_fd: int, name: str, flags: int) -> int:
    """Open a file in a folder, never through a link."""
    with store_errors("open", name):
        return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, _FILE_MODE, dir_fd=folder_fd)


def write_at(fd: int, buffers: Sequence[bytes], offset: int) -> None:
    """Write all of `buffers` at `offset`, however many writes that takes."""
    for start in range(0, len(buffers), _IOV_MAX):
        views = [memoryview(buffer) for buffer in buffers[start : start + _IOV_MAX]]
        while views:
            written = os.pwritev(fd, views, offset)
            offset += written
            while views and written >= len(views[0]):
                written -= len(views.pop(0))
            if views:
                views[0] = views[0][written:]


class SegmentWriter:
    """The segment that a run is written to. Owned, like its two descriptors, by whoever writes the run.

    A new one is made index first, and is there when its text file is: it never lacks its header, and what a failure or
    a stop before that leaves is an index of nothing, which the next try begins anew.
    """

    def __init__(
        self, folder_fd: int, header: Header, *, size_bytes: int = 0, entry_count: int = 0, create: bool = True
    ) -> None:
        self.header = header
        self.size_bytes = size_bytes
        self._entry_count = entry_count
        new_index, new_data = (os.O_CREAT | os.O_TRUNC, os.O_CREAT) if create else (0, 0)
        self._index_fd = open_in(folder_fd, index_name(header.first_seq), os.O_RDWR | new_index)
        try:
            if create:
                with store_errors("write", index_name(header.first_seq)):
                    write_at(self._index_fd, [header.pack()], 0)
            self._data_fd = open_in(folder_fd, segment_name(header.first_seq), os.O_RDWR | new_data)
        except StoreError:
            os.close(self._index_fd)
            raise

    def append(self, blocks: Sequence[bytes], entries: Sequence[Entry]) -> None:
        """Store blocks: first their bytes, then their entries. On StoreError nothing of them is stored.

        Args:
            blocks: the bytes of each block.
            entries: their entries, whose offsets go on from `size_bytes`.
        """
        name = segment_name(self.header.first_seq)
        try:
            with store_errors("write", name):
                write_at(self._data_fd, blocks, self.size_bytes)
                write_at(self._index_fd, [b"".join([entry.pack() for entry in entries])], self._entry_offset)
        except StoreError:
            self._drop_unstored()
            raise
        self.size_bytes = entries[-1].end
        self._entry_count += len(entries)

    @property
    def _entry_offset(self) -> int:
        return HEADER_BYTES + self._entry_count * ENTRY_BYTES

    def _drop_unstored(self) -> None:
        """Cut off what a failed write left, for readers of the bare files. The next write does not depend on it."""
        for fd, size in ((self._data_fd, self.size_bytes), (self._index_fd, self._entry_offset)):
            try:
                os.ftruncate(fd, size)
            except OSError:
                return

    def close(self, next_seq: int, time_us: int) -> None:
        """Mark the segment as closed in good order, and close its files. Where the disk is full it goes unmarked."""
        self._drop_unstored()
        mark = Entry(self.size_bytes, 0, 0, next_seq, time_us, 0, 0, 0, 0, Kind.CLOSE)
        try:
            write_at(self._index_fd, [mark.pack()], self._entry_offset)
        except OSError:
            self._drop_unstored()
        self.abandon()

    def abandon(self) -> None:
        """Close the files as they are."""
        os.close(self._data_fd)
        os.close(self._index_fd)
