"""A run whatever happens to it, beside a model of it.

A machine appends, runs out of disk, syncs, compresses, lets go, is killed and opens again in any order, and is held to
a plain list of rows after every step.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from store_helpers import (
    TIME_US,
    append,
    block,
    blocks_in,
    copied,
    entries,
    full_disk,
    open_descriptors,
    open_run,
    read_all,
    read_blocks,
    text_of,
)

from logd.errors import StoreError
from logd.store import Append, disk
from logd.store.index import Kind
from logd.store.segment import segment_name

HOUR_US = 3600 * 1_000_000
sizes = st.lists(
    st.tuples(st.integers(1, 5), st.sampled_from([0, 0, 10, 1000, 5000]), st.sampled_from([False, False, True])),
    min_size=1,
    max_size=5,
)
"""Of blocks: how many records, how much longer each than it must be, and whether it is a part."""


class RunMachine(RuleBasedStateMachine):
    """A run beside a list of what is stored in it."""

    home: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = self.home / str(len(os.listdir(self.home)))
        self.run = open_run(self.folder)
        self.stored: list[bytes] = []
        """All rows there ever were; the first of them may be gone."""
        self.pending: list[bytes] = []
        """Of parts whose last block is not there yet."""
        self.group: tuple[int, int] | None = None
        """The session and the batch that parts are pending of."""
        self.batches: list[tuple[int, int, int]] = []
        """Of each group its last seq, its session and its batch."""
        self.generation = 1
        self.clock_us = TIME_US

    def teardown(self) -> None:
        self.run.close()

    def last_batch(self, key: int) -> int:
        kept = (batch for seq, of_key, batch in self.batches if of_key == key and seq >= self.run.extent.first_seq)
        return max(kept, default=0)

    def plan(self, sizes: list[tuple[int, int, bool]], key: int) -> list[Append]:
        """Blocks of these sizes, those of one group with the same batch."""
        appends: list[Append] = []
        seq, group, newest = self.run.next_seq, self.group, {key: self.last_batch(key) for key in range(4)}
        for count, pad, part in sizes:
            sender, batch = group = group or (key, newest[key] + 1)
            appends.append(block(seq, count, pad=pad, key=sender, batch=batch, part=part))
            seq += count
            if not part:
                newest[sender], group = batch, None
        return appends

    def are_stored(self, appends: list[Append]) -> None:
        for of_group in appends:
            self.pending += of_group.data.splitlines(keepends=True)
            self.group = (of_group.session_key, of_group.batch)
            if not of_group.part:
                self.stored += self.pending
                self.batches.append((len(self.stored), of_group.session_key, of_group.batch))
                self.pending, self.group = [], None

    @rule(sizes=sizes, key=st.integers(1, 3), pause_us=st.sampled_from([0, 1, -HOUR_US, 30 * HOUR_US]))
    def append(self, sizes: list[tuple[int, int, bool]], key: int, pause_us: int) -> None:
        self.clock_us += pause_us
        appends = self.plan(sizes, key)
        append(self.run, *appends, now_us=self.clock_us)
        self.are_stored(appends)

    @rule(
        sizes=sizes,
        key=st.integers(1, 3),
        room_bytes=st.integers(0, 20_000),
        read_only=st.booleans(),
        again=st.booleans(),
    )
    def append_to_a_full_disk(
        self, sizes: list[tuple[int, int, bool]], key: int, room_bytes: int, read_only: bool, again: bool
    ) -> None:
        appends = self.plan(sizes, key)
        with full_disk(room_bytes, read_only=read_only):
            try:
                count = self.run.append(appends, self.clock_us)
                assert count
            except StoreError:
                count = 0
        self.are_stored(appends[:count])
        if again or read_only:
            append(self.run, *appends[count:], now_us=self.clock_us)
            self.are_stored(appends[count:])

    @rule()
    def sync(self) -> None:
        assert self.run.sync() is None

    @rule()
    def compress(self) -> None:
        for segment in self.run.compressible():
            assert self.run.compress(segment, lambda: None)

    @precondition(lambda self: self.stored)
    @rule(back=st.integers(0, 10))
    def let_go(self, back: int) -> None:
        before = self.run.extent
        seq = max(1, len(self.stored) - back)
        count = self.run.drop_before(seq, self.clock_us)
        after = self.run.extent
        assert after._replace(segments=before.segments) == before
        assert count == after.first_seq - before.first_seq
        assert after.segments == tuple(
            segment
            for segment, following in zip(before.segments, (*before.segments[1:], seq + 1), strict=True)
            if following > seq
        )

    @rule()
    def clear(self) -> None:
        before = self.run.extent
        count = self.run.drop_before(self.run.next_seq, self.clock_us)
        if self.pending:
            assert self.run.extent == before._replace(segments=before.segments[-1:])
        else:
            assert count == before.head + 1 - before.first_seq
            assert self.run.extent.first_seq == self.run.next_seq
            assert self.run.extent.generation == before.generation + bool(count)
            self.generation = self.run.extent.generation

    @rule()
    def close_and_open(self) -> None:
        self.run.close()
        self.open()

    @rule()
    def kill_and_open(self) -> None:
        self.folder, left = copied(self.folder, self.home / f"{self.folder.name}-killed"), self.run
        left.close()
        self.open()

    @precondition(lambda self: self.run.extent.segments)
    @rule(junk=st.sampled_from([b"x", b'{"half":"a line', b"\n" * 5000]))
    def kill_amid_a_write_and_open(self, junk: bytes) -> None:
        """Bytes are there whose entry is not."""
        self.kill_and_open()
        self.run.close()
        newest = self.folder / segment_name(self.run.extent.segments[-1])
        with newest.open("ab") as file:
            file.write(junk)
        self.run = open_run(self.folder)
        assert self.run.torn_bytes >= len(junk)
        assert self.run.extent.generation >= self.generation
        self.generation = self.run.extent.generation

    def open(self) -> None:
        self.run = open_run(self.folder)
        assert self.run.extent.generation >= self.generation + bool(self.pending)
        self.generation = self.run.extent.generation
        self.pending, self.group = [], None
        self.run.tidy()

    @invariant()
    def holds_what_was_stored(self) -> None:
        extent = self.run.extent
        kept = self.stored[extent.first_seq - 1 :]
        assert extent.head == len(self.stored)
        assert self.run.next_seq == len(self.stored) + len(self.pending) + 1
        assert read_all(self.run) == b"".join(kept)
        known = dict(enumerate(kept, extent.first_seq))
        assert read_blocks(self.run, 3000) == read_blocks(self.run, 3000, backward=True) == known
        assert {key: self.run.last_batch(key) for key in range(4)} == {key: self.last_batch(key) for key in range(4)}

    @invariant()
    def holds_nothing_else(self) -> None:
        """But for what is torn off by the next write."""
        kept = b"".join(self.stored[self.run.extent.first_seq - 1 :] + self.pending)
        held = text_of(self.folder)
        assert held.startswith(kept)
        assert len(held) - len(kept) == self.run.torn_bytes

    @invariant()
    def has_an_index_in_order(self) -> None:
        found = [entry for entry in blocks_in(self.folder) if entry.first_seq < self.run.next_seq]
        times = [entry.time_us for entry in found]
        assert times == sorted(times)
        assert [entry.next_seq for entry in found[:-1]] == [entry.first_seq for entry in found[1:]]
        assert not found or (found[0].first_seq, found[-1].next_seq) == (self.run.extent.first_seq, self.run.next_seq)

    @invariant()
    def begins_no_segment_within_a_group(self) -> None:
        for first_seq in self.run.extent.segments[:-1]:
            # A full disk leaves a segment unmarked that is followed; nothing looks for the mark then.
            kinds = [entry.kind for entry in entries(self.folder, first_seq)]
            assert kinds[-2:] == [Kind.BLOCK, Kind.CLOSE] or kinds[-1] == Kind.BLOCK

    @invariant()
    def times_are_found(self) -> None:
        extent = self.run.extent
        assert self.run.reader.find_time(extent, 0) == extent.first_seq
        assert self.run.reader.find_time(extent, 2**63) == extent.head + 1


def test_a_run_holds_what_was_stored_whatever_happens(tmp_path: Path) -> None:
    class Machine(RunMachine):
        home = tmp_path

    before = open_descriptors()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(disk, "fsync", lambda fd: None)
        patch.setattr(disk, "fdatasync", lambda fd: None)
        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=60, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
            ),
        )
    assert open_descriptors() == before
