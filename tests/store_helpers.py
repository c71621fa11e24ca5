"""What tests of the store share: rows that say their seq, runs in a folder, and disks that are full or watched."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from logd.config import StoreConfig
from logd.record import Stored, rfc3339
from logd.store import Append, Extent, RunStore, disk
from logd.store.index import HEADER_BYTES, Entry, Index, Kind
from logd.store.segment import first_seqs, index_name, segment_name
from logd.store.text import FrameCache, open_text

TIME_US = 1_700_000_000_000_000
SMALL = StoreConfig(segment_bytes=4096)
KEY = 77
HERE = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join(
        [str(Path(__file__).parents[1]), str(Path(__file__).parent), *filter(None, sys.path)]
    ),
}
"""The environment of a process that imports what is imported here."""


def row(seq: int, pad: int = 0) -> bytes:
    """A record that says its seq, `pad` bytes longer than it must be."""
    return b'{"time":"%s","msg":"%d%s"}\n' % (rfc3339(TIME_US + seq).encode(), seq, b" " * pad)


def rows(first_seq: int, count: int, pad: int = 0) -> bytes:
    return b"".join(row(seq, pad) for seq in range(first_seq, first_seq + count))


def block(
    first_seq: int, count: int = 1, *, pad: int = 0, key: int = KEY, batch: int = 0, part: bool = False, levels: int = 1
) -> Append:
    """A block of records; its batch is numbered as its last record, if not otherwise."""
    last_seq = first_seq + count - 1
    span = TIME_US + first_seq, TIME_US + last_seq
    return Append(rows(first_seq, count, pad), count, levels, *span, key, batch or last_seq, part)


@contextmanager
def folder_fd(folder: Path) -> Iterator[int]:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield fd
    finally:
        os.close(fd)


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
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return RunStore(fd, config, FrameCache())
    except BaseException:
        os.close(fd)
        raise


def append(run: RunStore, *appends: Append, now_us: int = TIME_US) -> None:
    """Append all of these."""
    assert run.append(appends, now_us) == len(appends)


def compress_all(run: RunStore) -> None:
    """Compress all that is sealed; it is synced for that."""
    assert run.sync() is None
    for segment in run.compressible():
        assert run.compress(segment, lambda: None)


def read_all(run: RunStore, max_bytes: int = 100_000, extent: Extent | None = None) -> bytes:
    """All rows of a run, whose seqs are checked on the way: there is no gap."""
    extent = run.extent if extent is None else extent
    seq = extent.first_seq
    taken: list[bytes] = []
    while True:
        read = run.reader.read(extent, seq, max_bytes)
        if not read.record_count:
            assert seq == extent.head + 1 == read.first_seq
            return b"".join(taken)
        assert read.first_seq == seq
        assert read.data.count(b"\n") == read.record_count
        seq = read.next_seq
        taken.append(read.data)


def lines_of(stored: Sequence[Stored]) -> dict[int, bytes]:
    """The rows of blocks by their seqs, which rise."""
    found: dict[int, bytes] = {}
    for each in stored:
        lines = each.rows.data.splitlines(keepends=True)
        assert len(lines) == each.rows.record_count > 0
        assert not found or each.rows.first_seq > max(found)
        found |= enumerate(lines, each.rows.first_seq)
    return found


def read_blocks(run: RunStore, max_bytes: int = 100_000, *, backward: bool = False) -> dict[int, bytes]:
    """All rows of a run that can be read, by their seqs; there may be gaps."""
    extent = run.extent
    seq, end = (extent.head + 1, extent.first_seq) if backward else (extent.first_seq, extent.head + 1)
    found: dict[int, bytes] = {}
    while seq != end:
        stored, seq = run.reader.blocks(extent, seq, max_bytes, backward=backward)
        lines = lines_of(stored)
        assert not lines.keys() & found.keys()
        found |= lines
    return found


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
    """What all segments hold, plain and compressed."""
    found = []
    with folder_fd(folder) as fd:
        for first_seq in first_seqs(os.listdir(folder)):
            text = open_text(fd, first_seq, FrameCache())
            found.append(text.pread(text.size_bytes, 0))
            text.close()
    return b"".join(found)


def torn_of(folder: Path, first_seq: int = 1) -> bytes:
    path = folder / (segment_name(first_seq) + ".torn")
    return path.read_bytes() if path.exists() else b""


def copied(folder: Path, to: Path) -> Path:
    """A copy of a run's folder: what a process that is killed now leaves behind."""
    return Path(shutil.copytree(folder, to, symlinks=True, copy_function=shutil.copyfile))


def flip(path: Path, at: int, bit: int = 0) -> None:
    """Change one bit of a file."""
    data = bytearray(path.read_bytes())
    data[at] ^= 1 << bit
    path.write_bytes(data)


def open_descriptors() -> int:
    return len(os.listdir("/dev/fd"))


class Disk:
    """A disk that has room for so many more bytes. What is written over what is there may take none."""

    def __init__(self, room_bytes: int, *, over_takes_room: bool = True) -> None:
        self.room_bytes = room_bytes
        self._over_takes_room = over_takes_room

    def pwritev(self, fd: int, buffers: Sequence[bytes], offset: int) -> int:
        over_bytes = 0 if self._over_takes_room else max(0, os.fstat(fd).st_size - offset)
        data = b"".join(buffers)[: over_bytes + self.room_bytes]
        if not data and any(buffers):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.room_bytes -= max(0, len(data) - over_bytes)
        return os.pwrite(fd, data, offset)


def failing(code: int) -> Callable[..., Any]:
    def fail(*args: Any, **options: Any) -> Any:
        raise OSError(code, os.strerror(code))

    return fail


@contextmanager
def full_disk(room_bytes: int = 0, *, read_only: bool = False) -> Iterator[Disk]:
    """Within, no more than so many bytes can be written, and where it is `read_only` nothing be cut or removed."""
    small = Disk(room_bytes, over_takes_room=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(disk, "pwritev", small.pwritev)
        for name in ("ftruncate", "rename", "unlink") if read_only else ():
            patch.setattr(disk, name, failing(errno.EROFS))
        yield small


@contextmanager
def failing_at(operation: str, *numbers: int, code: int = errno.EIO) -> Iterator[list[tuple[Any, ...]]]:
    """Within, these calls of a disk's operation fail, counted from 1. All calls that are made are listed."""
    real, calls = getattr(disk, operation), list[tuple[Any, ...]]()

    def call(*args: Any, **options: Any) -> Any:
        calls.append(args)
        if len(calls) in numbers:
            raise OSError(code, os.strerror(code))
        return real(*args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(disk, operation, call)
        yield calls


@contextmanager
def every_state(folder: Path, copies: Path) -> Iterator[list[Path]]:
    """Within, a copy of the folder is kept of every state that it goes through, one for each call that changes it.

    Writes take half of what they are given, but no less than an index's header: that is written over in place, which a
    system does at once for so little. A process that is killed leaves one of these states.
    """
    states: list[Path] = []
    real_open = os.open

    def keep() -> None:
        states.append(copied(folder, copies / str(len(states))))

    def open_and_keep(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        fd = real_open(path, flags, mode, dir_fd=dir_fd)
        if flags & (os.O_CREAT | os.O_TRUNC):
            keep()
        return fd

    def pwritev(fd: int, buffers: Sequence[bytes], offset: int) -> int:
        data = b"".join(buffers)
        written = os.pwrite(fd, data[: max(HEADER_BYTES, len(data) // 2)], offset)
        keep()
        return written

    def kept(operation: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            done = operation(*args, **options)
            keep()
            return done

        return call

    copies.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "open", open_and_keep)
        patch.setattr(disk, "pwritev", pwritev)
        for name in ("ftruncate", "rename", "unlink"):
            patch.setattr(disk, name, kept(getattr(disk, name)))
        yield states
