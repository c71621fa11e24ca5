"""What tests of the store share: rows that say their seq, runs in a folder, and disks that are full or watched."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from logd.config import StoreConfig
from logd.record import rfc3339
from logd.store import Append, RunStore
from logd.store.index import Entry, Index, Kind
from logd.store.segment import first_seqs, index_name, segment_name

TIME_US = 1_700_000_000_000_000
SMALL = StoreConfig(segment_bytes=4096)
KEY = 77


def row(seq: int, pad: int = 0) -> bytes:
    """A record that says its seq, `pad` bytes longer than it must be."""
    return b'{"time":"%s","msg":"%d%s"}\n' % (rfc3339(TIME_US + seq).encode(), seq, b" " * pad)


def rows(first_seq: int, count: int, pad: int = 0) -> bytes:
    return b"".join(row(seq, pad) for seq in range(first_seq, first_seq + count))


def block(
    first_seq: int, count: int = 1, *, pad: int = 0, key: int = KEY, batch: int = 0, part: bool = False
) -> Append:
    """A block of records; its batch is numbered as its last record, if not otherwise."""
    return Append(rows(first_seq, count, pad), count, 1, key, batch or first_seq + count - 1, part)


@contextmanager
def opened(folder: Path, config: StoreConfig = SMALL) -> Iterator[RunStore]:
    """The run in a folder, which is made where there is none; it is closed at the end."""
    run = open_run(folder, config)
    try:
        yield run
    finally:
        run.close()


def open_run(folder: Path, config: StoreConfig = SMALL) -> RunStore:
    folder.mkdir(exist_ok=True)
    folder_fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return RunStore(folder_fd, config)
    except BaseException:
        os.close(folder_fd)
        raise


def append(run: RunStore, *appends: Append, now_us: int = TIME_US) -> None:
    """Append all of these."""
    assert run.append(appends, now_us) == len(appends)


def read_all(run: RunStore, max_bytes: int = 100_000) -> bytes:
    """All rows of a run, whose seqs are checked on the way."""
    extent = run.extent
    position = run.reader.locate(extent, 1)
    seq = extent.first_seq
    taken: list[bytes] = []
    while True:
        read, position = run.reader.read(extent, position, max_bytes)
        if not read.record_count:
            assert seq == extent.head + 1 == position.seq
            return b"".join(taken)
        assert read.first_seq == seq
        assert read.data.count(b"\n") == read.record_count
        seq = read.next_seq
        taken.append(read.data)


def entries(folder: Path, first_seq: int = 1) -> list[Entry]:
    """The entries of a segment's index, all of which are sound."""
    fd = os.open(folder / index_name(first_seq), os.O_RDONLY)
    try:
        found = [entry for entry in Index(fd).entries() if entry is not None]
        assert len(found) == len(Index(fd))
        return found
    finally:
        os.close(fd)


def blocks_in(folder: Path) -> list[Entry]:
    """The entries of all blocks of a run, in order."""
    segments = first_seqs(os.listdir(folder))
    return [entry for first_seq in segments for entry in entries(folder, first_seq) if entry.kind != Kind.CLOSE]


def text_of(folder: Path) -> bytes:
    """What all segments hold."""
    return b"".join((folder / segment_name(first_seq)).read_bytes() for first_seq in first_seqs(os.listdir(folder)))


def torn_of(folder: Path, first_seq: int = 1) -> bytes:
    path = folder / (segment_name(first_seq) + ".torn")
    return path.read_bytes() if path.exists() else b""


def copied(folder: Path, to: Path) -> Path:
    """A copy of a run's folder: what a process that is killed now leaves behind."""
    return Path(shutil.copytree(folder, to, symlinks=True))


def open_descriptors() -> int:
    return len(os.listdir("/dev/fd"))


class Disk:
    """A disk that has room for so many more bytes."""

    def __init__(self, room_bytes: int) -> None:
        self.room_bytes = room_bytes

    def pwritev(self, fd: int, buffers: Sequence[bytes], offset: int) -> int:
        data = b"".join(buffers)[: self.room_bytes]
        if not data and any(buffers):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.room_bytes -= len(data)
        return os.pwrite(fd, data, offset)


@contextmanager
def full_disk(room_bytes: int = 0, *, read_only: bool = False) -> Iterator[Disk]:
    """Within, no more than so many bytes can be written, and where it is `read_only` no file be cut either."""

    def ftruncate(fd: int, length: int) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    disk = Disk(room_bytes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "pwritev", disk.pwritev)
        if read_only:
            patch.setattr(os, "ftruncate", ftruncate)
        yield disk


@contextmanager
def every_state(folder: Path, copies: Path) -> Iterator[list[Path]]:
    """Within, a copy of the folder is kept of every state that it goes through, one for each call that changes it.

    Writes take up to 64 bytes at a time: an index's header is written over in place, which a system does at once for so
    little. A process that is killed leaves one of these states.
    """
    states: list[Path] = []
    real_open, real_ftruncate, real_write = os.open, os.ftruncate, os.write

    def keep() -> None:
        states.append(copied(folder, copies / str(len(states))))

    def open_and_keep(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        fd = real_open(path, flags, mode, dir_fd=dir_fd)
        if flags & os.O_CREAT:
            keep()
        return fd

    def pwritev(fd: int, buffers: Sequence[bytes], offset: int) -> int:
        written = os.pwrite(fd, b"".join(buffers)[:64], offset)
        keep()
        return written

    def write(fd: int, data: bytes) -> int:
        written = real_write(fd, data[:64])
        keep()
        return written

    def ftruncate(fd: int, length: int) -> None:
        real_ftruncate(fd, length)
        keep()

    copies.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "open", open_and_keep)
        patch.setattr(os, "pwritev", pwritev)
        patch.setattr(os, "write", write)
        patch.setattr(os, "ftruncate", ftruncate)
        yield states
