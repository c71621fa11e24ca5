"""One segment: a file of whole JSON lines, and its index beside it.

    00000000000000000001.jsonl      named by the seq of its first record; a record's seq is that plus its line number
    00000000000000000001.jsonl.zst  in its place when it is sealed and compressed; see `seekable`
    00000000000000000001.idx        see `index`

Bytes are written at the offsets that the last commit ended at, so that a write which failed half-way is written over by
the next try, and what is stored is what the index says, not how long a file is.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import NamedTuple

from logd.errors import StoreError
from logd.store import disk
from logd.store.index import ENTRY_BYTES, HEADER_BYTES, Entry, Header, Index, Kind

_FILE_MODE = 0o600
_SEQ_DIGITS = 20
_READ_BYTES = 16 * 1024 * 1024


def segment_name(first_seq: int) -> str:
    return f"{first_seq:0{_SEQ_DIGITS}}.jsonl"


def compressed_name(first_seq: int) -> str:
    return f"{segment_name(first_seq)}.zst"


def index_name(first_seq: int) -> str:
    return f"{first_seq:0{_SEQ_DIGITS}}.idx"


def first_seqs(names: Iterable[str]) -> list[int]:
    """The first seqs of the segments among a folder's names, in order."""
    texts = (name.removesuffix(".zst") for name in names if name.endswith((".jsonl", ".jsonl.zst")))
    stems = (name.removesuffix(".jsonl") for name in texts)
    return sorted({int(stem) for stem in stems if len(stem) == _SEQ_DIGITS and stem.isascii() and stem.isdigit()})


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


def size_bytes(folder_fd: int, first_seq: int) -> int:
    """What a segment takes on the disk, in whatever files. StoreError where that cannot be read."""
    total_bytes = 0
    for name in _names(first_seq):
        with store_errors("read", name), suppress(FileNotFoundError):
            total_bytes += os.stat(name, dir_fd=folder_fd, follow_symlinks=False).st_size
    return total_bytes


def is_plain(folder_fd: int, first_seq: int) -> bool:
    """Whether a segment's text is there as plain text."""
    try:
        os.stat(segment_name(first_seq), dir_fd=folder_fd, follow_symlinks=False)
    except OSError:
        return False
    return True


def remove(folder_fd: int, first_seq: int) -> None:
    """Remove a segment, its index last. StoreError where that fails."""
    for name in _names(first_seq):
        with store_errors("remove", name), suppress(FileNotFoundError):
            disk.unlink(name, dir_fd=folder_fd)


def _names(first_seq: int) -> tuple[str, str, str]:
    return segment_name(first_seq), compressed_name(first_seq), index_name(first_seq)


class Mark(NamedTuple):
    """A place in a segment up to which something is so."""

    size_bytes: int
    entry_count: int
    next_seq: int


class SegmentWriter:
    """A segment that is written to. Owned, like its two descriptors, by whoever writes the run.

    A new one is made index first, and is there when its text file is: it never lacks its header, and what a failure or
    a stop before that leaves is an index of nothing, which the next try begins anew.

    Args:
        end: how much of an earlier segment is stored, which is gone on with; None begins a new one.
    """

    def __init__(self, folder_fd: int, header: Header, end: Mark | None = None) -> None:
        self.header = header
        self.end = end or Mark(0, 0, header.first_seq)
        self.synced = Mark(0, 0, header.first_seq)
        """How much is known to be on the disk itself."""
        self._uncut = False
        """Whether something of a write that failed may still be there."""
        new_index, new_data = (os.O_CREAT | os.O_TRUNC, os.O_CREAT) if end is None else (0, 0)
        self._index_fd = open_in(folder_fd, index_name(header.first_seq), os.O_RDWR | new_index)
        try:
            if end is None:
                with store_errors("write", index_name(header.first_seq)):
                    disk.write_at(self._index_fd, [header.pack()], 0)
            self._data_fd = open_in(folder_fd, segment_name(header.first_seq), os.O_RDWR | new_data)
        except StoreError:
            os.close(self._index_fd)
            raise

    def append(self, blocks: Sequence[bytes], entries: Sequence[Entry]) -> None:
        """Store blocks: first their bytes, then their entries. On StoreError nothing of them is stored.

        Args:
            blocks: the bytes of each block.
            entries: their entries, whose offsets go on from `end`.
        """
        name = segment_name(self.header.first_seq)
        try:
            with store_errors("write", name):
                if self._uncut:
                    self._drop_unstored()
                self._uncut = True
                disk.write_at(self._data_fd, blocks, self.end.size_bytes)
                disk.write_at(self._index_fd, [b"".join([entry.pack() for entry in entries])], self._entry_offset)
                self._uncut = False
        except StoreError:
            with suppress(OSError):
                self._drop_unstored()
            raise
        self.end = Mark(entries[-1].end, self.end.entry_count + len(entries), entries[-1].next_seq)

    @property
    def _entry_offset(self) -> int:
        return HEADER_BYTES + self.end.entry_count * ENTRY_BYTES

    def _drop_unstored(self) -> None:
        """Cut off what a failed write left. Its entries, behind those of a shorter write, would pass for stored."""
        disk.ftruncate(self._data_fd, self.end.size_bytes)
        disk.ftruncate(self._index_fd, self._entry_offset)
        self._uncut = False

    def seal(self, time_us: int) -> None:
        """Mark the segment as closed in good order; where the disk says no it goes unmarked. Nothing is to follow."""
        mark = Entry(self.end.size_bytes, 0, 0, self.end.next_seq, time_us, 0, 0, 0, 0, Kind.CLOSE, 0, 0)
        try:
            self._drop_unstored()
            disk.write_at(self._index_fd, [mark.pack()], self._entry_offset)
        except OSError:
            with suppress(OSError):
                self._drop_unstored()

    def duplicates(self) -> tuple[int, int]:
        """Descriptors of the text and of the index for another thread to sync, and to close."""
        data_fd = os.dup(self._data_fd)
        try:
            return data_fd, os.dup(self._index_fd)
        except OSError:
            os.close(data_fd)
            raise

    def unsynced(self) -> tuple[bytes, list[Entry]]:
        """What was stored since `synced`: the text, and the entries, whose offsets begin with 0."""
        start, end = self.synced, self.end
        text = _pread_all(self._data_fd, end.size_bytes - start.size_bytes, start.size_bytes)
        entries = Index(self._index_fd).entries(start.entry_count, end.entry_count)
        return text, [entry._replace(offset=entry.offset - start.size_bytes) for entry in entries if entry]

    def close(self) -> None:
        """Close the files as they are."""
        os.close(self._data_fd)
        os.close(self._index_fd)


def _pread_all(fd: int, length: int, offset: int) -> bytes:
    """As os.pread, which reads no more than 2 GiB at once, and may read less."""
    pieces = []
    while length and (piece := os.pread(fd, min(length, _READ_BYTES), offset)):
        pieces.append(piece)
        offset += len(piece)
        length -= len(piece)
    return b"".join(pieces)
