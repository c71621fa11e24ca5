"""Putting what is stored on the disk itself, and what follows when that fails.

A platter stands for the disk itself: it has of each file what it held when it was last synced, and the names that the
folder had then. Whatever is done, what it has of a run is at least what the run says is synced.
"""

from __future__ import annotations

import errno
import os
import random
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from store_helpers import (
    KEY,
    SMALL,
    TIME_US,
    append,
    block,
    compress_all,
    copied,
    every_state,
    failing_at,
    folder_fd,
    full_disk,
    open_descriptors,
    open_run,
    opened,
    read_all,
    read_blocks,
    row,
    rows,
    text_of,
)

from logd.errors import StoreError
from logd.store import RunStore, disk
from logd.store.segment import first_seqs


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
        assert stat.S_ISDIR(status.st_mode) or status.st_ino not in self._failed, "it is synced again"
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
        for name, number in chance.choice([self._names, now]).items():
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


class SyncMachine(RuleBasedStateMachine):
    """A run beside a list of its rows, on a disk that fails to sync now and then."""

    home: Path

    def __init__(self) -> None:
        super().__init__()
        self.number = len(os.listdir(self.home))
        self.folder = self.home / str(self.number)
        self.run = open_run(self.folder)
        self.platter = Platter(self.folder)
        self.patch = pytest.MonkeyPatch()
        self.platter.patch(self.patch)
        self.written: list[bytes] = []
        """All rows, also of parts whose last block is not there yet."""
        self.ever: set[tuple[int, bytes]] = set()
        """Those, and those of parts that were torn off: what a text may have whose index is lost."""
        self.head = 0
        self.chance = random.Random(0)
        self.refusing = False
        """Whether what is not synced could not be written to other files, either."""

    def teardown(self) -> None:
        self.run.close()
        self.platter.close()
        self.patch.undo()

    @rule(
        pads=st.lists(st.sampled_from([0, 10, 1000, 5000]), min_size=1, max_size=4),
        part=st.sampled_from([False, False, True]),
    )
    def append(self, pads: list[int], part: bool) -> None:
        for number, pad in enumerate(pads):
            seq = len(self.written) + 1
            is_part = part and number == len(pads) - 1
            append(self.run, block(seq, pad=pad, part=is_part, batch=seq))
            self.written.append(row(seq, pad))
            self.ever.add((seq, row(seq, pad)))
            self.head = self.head if is_part else seq
        self.refusing = False

    @rule()
    def sync(self) -> None:
        assert self.run.sync() is None
        assert not self.run.has_unsynced
        assert self.run.synced_seq == self.head
        self.refusing = False

    @rule(pads=st.lists(st.sampled_from([0, 1000, 5000]), min_size=1, max_size=3), at=st.integers(1, 4))
    def sync_while_more_is_stored(self, pads: list[int], at: int) -> None:
        """Which fills the segment, perhaps, and begins the next. While it is written to other files nothing can be."""
        if self.refusing:
            self.sync()
        self.platter.meanwhile = {at: lambda: self.append(pads, part=False)}
        assert self.run.sync() is None
        self.platter.meanwhile = {}
        self.refusing = False

    @rule(fails_in=st.integers(1, 8))
    def sync_in_vain(self, fails_in: int) -> None:
        """All that is stored is in other files, or nothing more is stored until it is."""
        self.platter.fails_in = [fails_in]
        try:
            error = self.run.sync()
        except StoreError:
            error = None
            self.refusing = True
        if error is None and self.refusing:
            assert self.run.has_unsynced
        else:
            assert self.run.synced_seq == self.head
            self.refusing = False
        self.platter.fails_in = []

    @rule(first=st.integers(1, 6), second=st.integers(1, 8))
    def sync_in_vain_twice(self, first: int, second: int) -> None:
        self.platter.fails_in = [first, first + second]
        try:
            self.run.sync()
        except StoreError as error:
            assert error.errno == errno.EIO
            assert self.run.has_unsynced
            self.platter.fails_in = [1]
            with pytest.raises(StoreError):
                self.run.append([block(len(self.written) + 1)], TIME_US)
            self.refusing = True
        self.platter.fails_in = []

    @rule()
    def compress(self) -> None:
        for segment in self.run.compressible():
            assert self.run.compress(segment, lambda: None)

    @rule(back=st.sampled_from([-1, 0, 2, 5]))
    def drop(self, back: int) -> None:
        self.run.drop_before(self.head - back, TIME_US)

    @rule()
    def close_and_open(self) -> None:
        self.run.sync()
        self.run.close()
        self.run = open_run(self.folder)
        self.written = self.written[: self.head]
        self.refusing = False

    @invariant()
    def holds_all_that_is_stored(self) -> None:
        extent = self.run.extent
        assert (extent.head, self.run.next_seq) == (self.head, len(self.written) + 1)
        assert read_all(self.run) == b"".join(self.written[extent.first_seq - 1 : self.head])
        assert self.run.last_batch(KEY) == (self.head if extent.first_seq <= self.head else 0)

    @invariant()
    def is_on_the_disk_as_it_says(self) -> None:
        assert self.run.synced_seq <= self.head
        for _ in range(3):
            left = self.platter.after_power_cut(self.home / f"{self.number}-cut", self.chance)
            with opened(left) as run:
                found = read_blocks(run)
            shutil.rmtree(left)
            assert found.items() <= self.ever
            synced = range(self.run.extent.first_seq, self.run.synced_seq + 1)
            assert [found.get(seq) for seq in synced] == [self.written[seq - 1] for seq in synced]


def test_what_is_synced_outlives_a_power_cut(tmp_path: Path) -> None:
    class Machine(SyncMachine):
        home = tmp_path

    before = open_descriptors()
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=60, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
    assert open_descriptors() == before
