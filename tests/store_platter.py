"""A platter stands for the disk itself: it has of each file what it held when it was last synced."""

from __future__ import annotations

import errno
import os
import random
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from logd.store import disk
from logd.store.index import ENTRY_BYTES

_open = os.open


class Platter:
    """What is on the disk itself of one folder. A file that it failed to sync must not be synced again as it is."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.fails_in: list[int] = []
        """In how many syncs from now on each of those is that fails."""
        self.meanwhile: dict[int, Callable[[], None]] = {}
        """What is done in others of them, before."""
        self._names: dict[str, int] = {}
        self._files: dict[int, bytes] = {}
        self._failed: set[int] = set()
        self._kept: list[int] = []
        """Descriptors of all files, so that none gets the number of one that is removed."""

    def close(self) -> None:
        for fd in self._kept:
            os.close(fd)

    def sync(self, fd: int) -> None:
        status = os.fstat(fd)
        is_trusted = stat.S_ISDIR(status.st_mode) or status.st_ino not in self._failed or self._has(fd, status)
        assert is_trusted, "it is synced again"
        self._kept.append(os.dup(fd))
        self.meanwhile = {calls - 1: action for calls, action in self.meanwhile.items()}
        self.meanwhile.pop(0, lambda: None)()
        self.fails_in = [calls - 1 for calls in self.fails_in if calls]
        if 0 in self.fails_in:
            self._failed.add(status.st_ino)
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        if stat.S_ISDIR(status.st_mode):
            self._names = self._names_now()
        else:
            self._files[status.st_ino] = os.pread(fd, status.st_size, 0)

    def _has(self, fd: int, status: os.stat_result) -> bool:
        """Whether all that a file holds was synced before it failed, but for the mark that closes an index."""
        synced, written = self._files.get(status.st_ino), os.pread(fd, status.st_size, 0)
        return (
            synced is not None and written[: len(synced)] == synced and len(written) - len(synced) in (0, ENTRY_BYTES)
        )

    def open(self, path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        fd = _open(path, flags, mode, dir_fd=dir_fd)
        if flags & os.O_TRUNC:
            self._failed.discard(os.fstat(fd).st_ino)  # all that is in it is yet to be written
        return fd

    def patch(self, patch: pytest.MonkeyPatch) -> None:
        patch.setattr(disk, "fdatasync", self.sync)
        patch.setattr(disk, "fsync", self.sync)
        patch.setattr(os, "open", self.open)

    def _names_now(self) -> dict[str, int]:
        return {path.name: path.stat().st_ino for path in self.folder.iterdir()}

    def after_power_cut(self, to: Path, chance: random.Random) -> Path:
        """A folder as it may be then: what was not synced is there, or is not, or is zeros."""
        to.mkdir()
        now = self._names_now()
        for name in sorted({*self._names, *now}):
            number = chance.choice([self._names.get(name), now.get(name)])
            if number is None:
                continue
            synced = self._files.get(number, b"")
            written = (self.folder / name).read_bytes() if now.get(name) == number else synced
            zeros = synced + bytes(max(0, len(written) - len(synced)))
            (to / name).write_bytes(chance.choice([synced, written, zeros]))
        return to


@contextmanager
def platter_of(folder: Path) -> Iterator[Platter]:
    platter = Platter(folder)
    with pytest.MonkeyPatch.context() as patch:
        platter.patch(patch)
        yield platter
    platter.close()
