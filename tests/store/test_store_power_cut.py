"""A power cut at any time: what it leaves of a run has all that the run said was synced, and no row that is wrong.

A machine stores, syncs in vain or not, compresses, lets go and opens again, above a platter that has of each file what
was synced; what was not is there after the cut, or is not, or is zeros.
"""

from __future__ import annotations

import errno
import os
import random
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from store_helpers import (
    KEY,
    TIME_US,
    append,
    block,
    copied,
    open_descriptors,
    open_run,
    opened,
    read_all,
    read_blocks,
    row,
)
from store_platter import Platter

from logd.errors import StoreError


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

    @rule(first=st.integers(1, 8), second=st.none() | st.integers(1, 8))
    def sync_in_vain(self, first: int, second: int | None) -> None:
        """All that is stored is in other files then, or nothing more is stored until it is."""
        self.platter.fails_in = [first] if second is None else [first, first + second]
        try:
            self.run.sync()
        except StoreError as error:
            assert error.errno == errno.EIO
            assert self.run.has_unsynced
            self.platter.fails_in = [1]
            with pytest.raises(StoreError):
                self.run.append([block(len(self.written) + 1)], TIME_US)
            self.refusing = True
        else:
            assert self.run.synced_seq == self.head
            self.refusing = False
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
    def outlives_a_kill(self) -> None:
        left = copied(self.folder, self.home / f"{self.number}-killed")
        with opened(left) as run:
            assert read_all(run) == b"".join(self.written[self.run.extent.first_seq - 1 : self.head])
            assert run.last_batch(KEY) == self.run.last_batch(KEY)
            assert run.extent.generation >= self.run.extent.generation
        shutil.rmtree(left)

    @invariant()
    def is_on_the_disk_as_it_says(self) -> None:
        assert self.run.synced_seq <= self.head
        for _ in range(2):
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
            max_examples=30, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
    assert open_descriptors() == before
