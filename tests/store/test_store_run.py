"""One run's segments.

A machine appends, runs out of disk, is killed and opens again in any order, and is held to a plain list of rows after
every step. Below it, each rule by itself.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from store_helpers import (
    KEY,
    SMALL,
    TIME_US,
    append,
    block,
    blocks_in,
    copied,
    entries,
    every_state,
    full_disk,
    open_descriptors,
    open_run,
    opened,
    read_all,
    row,
    rows,
    text_of,
    torn_of,
)

from logd.config import StoreConfig
from logd.errors import StoreError
from logd.store import Append, Extent, RunStore, session_key
from logd.store.index import Kind
from logd.store.rotation import rotation_due
from logd.store.segment import index_name, segment_name

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
        self.pending: list[bytes] = []
        """Of parts whose last block is not there yet."""
        self.group: tuple[int, int] | None = None
        """The session and the batch that parts are pending of."""
        self.batches: dict[int, int] = {}
        self.generation = 1
        self.clock_us = TIME_US

    def teardown(self) -> None:
        self.run.close()

    def plan(self, sizes: list[tuple[int, int, bool]], key: int) -> list[Append]:
        """Blocks of these sizes, those of one group with the same batch."""
        appends: list[Append] = []
        seq, group, batches = self.run.next_seq, self.group, dict(self.batches)
        for count, pad, part in sizes:
            sender, batch = group = group or (key, batches.get(key, 0) + 1)
            appends.append(block(seq, count, pad=pad, key=sender, batch=batch, part=part))
            seq += count
            if not part:
                batches[sender], group = batch, None
        return appends

    def are_stored(self, appends: list[Append]) -> None:
        for of_group in appends:
            self.pending += of_group.data.splitlines(keepends=True)
            self.group = (of_group.session_key, of_group.batch)
            if not of_group.part:
                self.stored += self.pending
                self.batches[of_group.session_key] = of_group.batch
                self.pending, self.group = [], None

    @rule(sizes=sizes, key=st.integers(1, 3), pause_us=st.sampled_from([0, 1, -HOUR_US, 30 * HOUR_US]))
    def append(self, sizes: list[tuple[int, int, bool]], key: int, pause_us: int) -> None:
        self.clock_us += pause_us
        appends = self.plan(sizes, key)
        append(self.run, *appends, now_us=self.clock_us)
        self.are_stored(appends)

    @rule(sizes=sizes, key=st.integers(1, 3), room_bytes=st.integers(0, 20_000), again=st.booleans())
    def append_to_a_full_disk(self, sizes: list[tuple[int, int, bool]], key: int, room_bytes: int, again: bool) -> None:
        appends = self.plan(sizes, key)
        with full_disk(room_bytes):
            try:
                count = self.run.append(appends, self.clock_us)
                assert count
            except StoreError:
                count = 0
        self.are_stored(appends[:count])
        if again:
            append(self.run, *appends[count:], now_us=self.clock_us)
            self.are_stored(appends[count:])

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
        newest = max(self.folder.glob("*.jsonl"))
        newest.write_bytes(newest.read_bytes() + junk)
        self.run = open_run(self.folder)
        assert self.run.torn_bytes == len(junk)
        self.generation += 1

    def open(self) -> None:
        self.run = open_run(self.folder)
        assert self.run.torn_bytes == sum(map(len, self.pending))
        self.generation += bool(self.pending)
        self.pending, self.group = [], None

    @invariant()
    def holds_what_was_stored(self) -> None:
        extent = self.run.extent
        assert extent.head == len(self.stored)
        assert extent.generation == self.generation
        assert self.run.next_seq == len(self.stored) + len(self.pending) + 1
        assert read_all(self.run) == b"".join(self.stored)
        assert text_of(self.folder) == b"".join(self.stored + self.pending)
        assert {key: self.run.last_batch(key) for key in range(4)} == {
            key: self.batches.get(key, 0) for key in range(4)
        }

    @invariant()
    def has_an_index_in_order(self) -> None:
        found = blocks_in(self.folder)
        assert [entry.time_us for entry in found] == sorted(entry.time_us for entry in found)
        seq = 1
        for entry in found:
            assert entry.first_seq == seq
            seq = entry.next_seq
        assert seq == self.run.next_seq

    @invariant()
    def begins_no_segment_within_a_group(self) -> None:
        for first_seq in self.run.extent.segments[:-1]:
            # A full disk leaves a segment unmarked that is followed; nothing looks for the mark then.
            kinds = [entry.kind for entry in entries(self.folder, first_seq)]
            assert kinds[-2:] == [Kind.BLOCK, Kind.CLOSE] or kinds[-1] == Kind.BLOCK


def test_a_run_holds_what_was_stored_whatever_happens(tmp_path: Path) -> None:
    class Machine(RunMachine):
        home = tmp_path

    before = open_descriptors()
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=100, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
    assert open_descriptors() == before


class TestAppend:
    def test_gives_seqs_from_one_without_a_gap(self, tmp_path: Path) -> None:
        with opened(tmp_path) as run:
            assert (run.extent, run.next_seq, run.extent.first_seq) == (Extent(), 1, 1)
            append(run, block(1, 3), block(4, 2))
            append(run, block(6))
            assert run.extent == Extent((1,), len(rows(1, 6)), 6, 1)
            assert [entry.first_seq for entry in blocks_in(tmp_path)] == [1, 4, 6]

    def test_of_nothing_does_nothing(self, tmp_path: Path) -> None:
        with opened(tmp_path) as run:
            assert run.append([], TIME_US) == 0
        assert os.listdir(tmp_path) == []

    def test_replaces_the_extent_and_leaves_the_one_before_as_it_was(self, tmp_path: Path) -> None:
        with opened(tmp_path) as run:
            append(run, block(1, 2))
            before = run.extent
            append(run, block(3, 2))
            assert before.head == 2
            assert run.reader.read(before, run.reader.locate(before, 1), 10_000)[0].data == rows(1, 2)

    @pytest.mark.parametrize("step_us", [-HOUR_US, -1, 0])
    def test_times_never_decrease_though_the_clock_does(self, tmp_path: Path, step_us: int) -> None:
        for number in range(3):
            with opened(tmp_path) as run:
                append(run, block(1 + 2 * number, pad=5000), now_us=TIME_US + 3 * number * step_us)
                append(run, block(2 + 2 * number), now_us=TIME_US + (3 * number + 1) * step_us)
        assert [entry.time_us for entry in blocks_in(tmp_path)] == [TIME_US] * 6

    def test_nor_when_it_was_killed_as_it_began_a_segment(self, tmp_path: Path) -> None:
        with opened(tmp_path / "run") as run:
            append(run, block(1, pad=5000))
            append(run, block(2, part=True))
            killed = copied(tmp_path / "run", tmp_path / "killed")
        with opened(killed) as run:
            assert run.extent.segments == (1, 2)
            append(run, block(2), now_us=TIME_US - HOUR_US)
        assert [entry.time_us for entry in blocks_in(killed)] == [TIME_US, TIME_US]

    def test_a_process_that_is_killed_anywhere_leaves_what_it_had_stored(self, tmp_path: Path) -> None:
        """And of what it was storing all blocks up to some, never half of one; a new segment is begun on the way."""
        with opened(tmp_path / "run") as run:
            append(run, block(1, 3), block(4, pad=5000))
            with every_state(tmp_path / "run", tmp_path / "states") as states:
                append(run, block(5, 2), block(7, 2, part=True), block(9, 1), block(10, 1))
            whole = read_all(run)
        heads = set()
        for state in states:
            with opened(state) as run:
                head = run.extent.head
                heads.add(head)
                assert read_all(run) == whole[: whole.index(row(head + 1)) if head < 10 else None]
                assert run.last_batch(KEY) == head
                append(run, block(head + 1, 5))
                assert read_all(run).endswith(rows(head + 1, 5))
        assert heads == {4, 6, 9, 10}


class TestParts:
    def test_do_not_count_until_the_last_of_them_is_stored(self, tmp_path: Path) -> None:
        with opened(tmp_path) as run:
            append(run, block(1, 2))
            append(run, block(3, 2, batch=9, part=True), block(5, 1, batch=9, part=True))
            assert (run.extent.head, run.next_seq, run.last_batch(KEY)) == (2, 6, 2)
            assert read_all(run) == rows(1, 2)
            append(run, block(6, 1, batch=9))
            assert (run.extent.head, run.next_seq, run.last_batch(KEY)) == (6, 7, 9)
            assert read_all(run) == rows(1, 6)

    @pytest.mark.parametrize("close", [True, False])
    def test_do_not_count_after_opening_again(self, tmp_path: Path, close: bool) -> None:
        with opened(tmp_path / "run") as run:
            append(run, block(1, 2), block(3, 2, part=True), block(5, 1, part=True))
            folder = tmp_path / "run" if close else copied(tmp_path / "run", tmp_path / "killed")
        with opened(folder) as run:
            assert (run.extent, run.next_seq) == (Extent((1,), len(rows(1, 2)), 2, 2), 3)
            assert run.torn_bytes == len(rows(3, 3))
            assert torn_of(folder) == rows(3, 3)
            assert run.last_batch(KEY) == 2
            append(run, block(3, 1))
            assert read_all(run) == rows(1, 3)

    def test_are_in_one_segment_with_the_last_of_them(self, tmp_path: Path) -> None:
        with opened(tmp_path) as run:
            append(run, block(1, pad=3000, part=True), block(2, pad=3000, part=True))
            append(run, block(3, pad=3000, part=True), now_us=TIME_US + 48 * HOUR_US)
            append(run, block(4, pad=3000), block(5))
            assert run.extent.segments == (1, 5)

    def test_that_begin_a_segment_do_not_show_it(self, tmp_path: Path) -> None:
        with opened(tmp_path) as run:
            append(run, block(1, pad=5000))
            before = run.extent
            append(run, block(2, part=True))
            assert run.extent == before
            append(run, block(3))
            assert run.extent.segments == (1, 2)
            assert read_all(run) == row(1, 5000) + rows(2, 2)


class TestRotation:
    @given(st.integers(0, 10**4), st.floats(0, 10**6))
    def test_is_due_by_size_or_by_age_where_there_is_something(self, size_bytes: int, age_seconds: float) -> None:
        config = StoreConfig(segment_bytes=5000, segment_age_seconds=1000.0)
        due = rotation_due(config, size_bytes=size_bytes, age_seconds=age_seconds)
        assert due == (size_bytes >= 5000 or (age_seconds >= 1000 and size_bytes > 0))

    def test_follows_the_block_that_fills_a_segment(self, tmp_path: Path) -> None:
        with opened(tmp_path) as run:
            append(run, *(block(seq, pad=950) for seq in range(1, 13)))
            assert run.extent.segments == (1, 6, 11)
        for first_seq in (1, 6):
            assert (tmp_path / segment_name(first_seq)).stat().st_size >= SMALL.segment_bytes
            assert entries(tmp_path, first_seq)[-1].kind == Kind.CLOSE
        assert text_of(tmp_path) == rows(1, 12, 950)

    def test_follows_a_segment_that_is_old(self, tmp_path: Path) -> None:
        config = StoreConfig(segment_age_seconds=60)
        with opened(tmp_path, config) as run:
            append(run, block(1), now_us=TIME_US)
            append(run, block(2), now_us=TIME_US + 59_999_999)
            append(run, block(3), now_us=TIME_US + 60_000_000)
            assert run.extent.segments == (1, 3)
        with opened(tmp_path, config) as run:
            append(run, block(4), now_us=TIME_US + 119_999_999)
            append(run, block(5), now_us=TIME_US + 120_000_000)
            assert run.extent.segments == (1, 3, 5)

    def test_a_block_larger_than_a_segment_has_one_to_itself(self, tmp_path: Path) -> None:
        with opened(tmp_path) as run:
            append(run, block(1, pad=20_000), block(2, pad=20_000), block(3))
            assert run.extent.segments == (1, 2, 3)
            assert read_all(run) == row(1, 20_000) + row(2, 20_000) + row(3)

    def test_that_fails_is_done_by_the_next_append(self, tmp_path: Path) -> None:
        with opened(tmp_path) as run:
            append(run, block(1, pad=5000))
            before = run.extent
            descriptors = open_descriptors()
            for _ in range(3):
                with full_disk(10), pytest.raises(StoreError):
                    run.append([block(2)], TIME_US)
            assert open_descriptors() == descriptors
            assert run.extent == before
            assert read_all(run) == row(1, 5000)
            append(run, block(2))
            assert run.extent.segments == (1, 2)

    def test_that_fails_within_an_append_stores_what_is_before_it(self, tmp_path: Path) -> None:
        appends = [block(1, pad=5000), block(2, pad=5000), block(3, pad=5000)]
        with opened(tmp_path) as run:
            with full_disk(2 * (len(appends[0].data) + 128 + 64) + 70):
                assert run.append(appends, TIME_US) == 2
            assert read_all(run) == rows(1, 2, 5000)
            append(run, appends[2])
            assert read_all(run) == rows(1, 3, 5000)


class TestFullDisk:
    def test_stores_nothing_of_an_append_that_fails_and_all_of_the_next(self, tmp_path: Path) -> None:
        more = [block(2, 2), block(4, part=True), block(5)]
        for room_bytes in range(0, sum(len(each.data) for each in more) + 3 * 64, 7):
            folder = tmp_path / str(room_bytes)
            with opened(folder) as run:
                append(run, block(1))
                before = run.extent
                with full_disk(room_bytes), pytest.raises(StoreError, match="No space left"):
                    run.append(more, TIME_US)
                assert (run.extent, run.next_seq, run.last_batch(KEY)) == (before, 2, 1)
                assert text_of(folder) == rows(1, 1)
                append(run, *more)
                assert read_all(run) == rows(1, 5)

    @pytest.mark.parametrize("room_bytes", [0, 50, 200, 300])
    def test_what_cannot_be_cut_off_is_written_over_or_cut_later(self, tmp_path: Path, room_bytes: int) -> None:
        with opened(tmp_path / "run") as run:
            append(run, block(1))
            with full_disk(room_bytes, read_only=True), pytest.raises(StoreError):
                run.append([block(2, 5), block(7)], TIME_US)
            killed = copied(tmp_path / "run", tmp_path / "killed")
            append(run, block(2, 1))
            assert read_all(run) == rows(1, 2)
        with opened(tmp_path / "run") as run:
            assert read_all(run) == rows(1, 2)
        with opened(killed) as run:
            assert read_all(run) == rows(1, 1)
            assert torn_of(killed) == rows(2, 6)[:room_bytes]

    def test_what_could_not_be_cut_off_is_when_the_run_is_closed(self, tmp_path: Path) -> None:
        with opened(tmp_path) as run:
            append(run, block(1))
            with full_disk(200, read_only=True), pytest.raises(StoreError):
                run.append([block(2, 5)], TIME_US)
            assert len(text_of(tmp_path)) > len(rows(1, 1))
        with opened(tmp_path) as run:
            assert (run.torn_bytes, run.extent.head, run.extent.generation) == (0, 1, 1)

    def test_that_marks_no_end_of_a_segment_loses_nothing(self, tmp_path: Path) -> None:
        with opened(tmp_path) as run:
            append(run, block(1, pad=5000))
            with full_disk(64), pytest.raises(StoreError):
                run.append([block(2)], TIME_US)
            append(run, block(2))
            assert entries(tmp_path, 1)[-1].kind == Kind.BLOCK
        with opened(tmp_path) as run:
            assert (run.torn_bytes, run.extent.segments) == (0, (1, 2))
            assert read_all(run) == row(1, 5000) + row(2)

    def test_as_the_system_has_it(self, tmp_path: Path) -> None:
        """With a limit that the kernel holds a process to, in one of its own."""
        limit = len(rows(1, 20)) + 17
        script = f"""
import os, resource
from pathlib import Path
from store_helpers import TIME_US, append, block, opened, read_all, rows
from logd.errors import StoreError
with opened(Path({str(tmp_path / "run")!r})) as run:
    append(run, block(1, 20))
    resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, resource.RLIM_INFINITY))
    try:
        run.append([block(21, 1)], TIME_US)
    except StoreError as error:
        print(error.operation, error.message)
    assert read_all(run) == rows(1, 20)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    append(run, block(21, 2))
    assert read_all(run) == rows(1, 22)
"""
        paths = [*(str(Path(__file__).parents[2] / name) for name in ("", "tests")), *filter(None, sys.path)]
        ended = subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )
        assert (ended.returncode, ended.stderr) == (0, "")
        assert ended.stdout == f"write cannot write {segment_name(1)}: File too large\n"
        assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != limit
        assert text_of(tmp_path / "run") == rows(1, 22)


class TestBatches:
    def test_a_resend_is_recognised_after_opening_again(self, tmp_path: Path) -> None:
        for number in range(4):
            with opened(tmp_path) as run:
                assert run.last_batch(KEY) == 10 * number
                assert run.last_batch(KEY + 1) == 0
                append(run, block(1 + number, batch=10 * (number + 1)))
                assert run.last_batch(KEY) == 10 * (number + 1)

    def test_it_is_in_older_segments(self, tmp_path: Path) -> None:
        with opened(tmp_path) as run:
            append(run, block(1, pad=5000, key=5, batch=3))
            append(run, *(block(seq, pad=5000, key=6) for seq in range(2, 40)))
            assert len(run.extent.segments) == 39
            assert run.last_batch(5) == 3
        with opened(tmp_path) as run:
            assert (run.last_batch(5), run.last_batch(6), run.last_batch(7)) == (3, 39, 0)

    def test_an_index_that_cannot_be_read_is_an_error_and_not_a_batch_that_was_not_stored(self, tmp_path: Path) -> None:
        with opened(tmp_path) as run:
            append(run, block(1))
            (tmp_path / index_name(1)).unlink()
            with pytest.raises(StoreError):
                run.last_batch(KEY)

    @given(st.integers(0, 2**32), st.text(max_size=64), st.integers(0, 2**32), st.text(max_size=64))
    def test_a_session_is_known_by_its_user_and_its_id(self, uid: int, session: str, other: int, another: str) -> None:
        key = session_key(uid, session)
        assert 0 <= key < 2**64
        assert (key == session_key(other, another)) == ((uid, session) == (other, another))

    def test_ids_and_users_do_not_run_together(self) -> None:
        assert session_key(1, "1") != session_key(11, "")
        assert session_key(1, "/2") != session_key(1, "2")


class TestClose:
    def test_in_good_order_makes_opening_read_no_text(self, tmp_path: Path) -> None:
        """A byte that was changed since goes unseen: that it was checked is what CLOSE says."""
        with opened(tmp_path) as run:
            append(run, block(1, 3))
        text = tmp_path / segment_name(1)
        text.write_bytes(text.read_bytes().replace(b'"3"', b'"X"'))
        with opened(tmp_path) as run:
            assert (run.torn_bytes, run.extent) == (0, Extent((1,), len(rows(1, 3)), 3, 1))
        text.write_bytes(text.read_bytes() + b"x")
        with opened(tmp_path) as run:
            assert run.torn_bytes == len(rows(1, 3)) + 1

    def test_without_writing_leaves_all_files_as_they_were(self, tmp_path: Path) -> None:
        with opened(tmp_path) as run:
            append(run, block(1, pad=5000), block(2))
        before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
        with opened(tmp_path) as run:
            assert read_all(run) == row(1, 5000) + row(2)
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before

    def test_on_a_full_disk_loses_nothing(self, tmp_path: Path) -> None:
        run = open_run(tmp_path)
        append(run, block(1, 3))
        with full_disk():
            run.close()
        with opened(tmp_path) as again:
            assert (again.torn_bytes, again.extent.generation) == (0, 1)
            assert read_all(again) == rows(1, 3)

    def test_closes_all_files(self, tmp_path: Path) -> None:
        before = open_descriptors()
        for number in range(3):
            with opened(tmp_path) as run:
                append(run, block(1 + 2 * number, pad=5000), block(2 + 2 * number, part=number == 2))
        assert open_descriptors() == before


def test_a_run_that_cannot_be_opened_leaves_no_descriptor(tmp_path: Path) -> None:
    (tmp_path / segment_name(1)).mkdir()
    before = open_descriptors()
    with pytest.raises(StoreError, match=segment_name(1)):
        open_run(tmp_path)
    assert open_descriptors() == before


def test_files_that_are_no_segments_are_left_alone(tmp_path: Path) -> None:
    for name in ("notes.txt", "1.jsonl", index_name(7), segment_name(9) + ".torn"):
        (tmp_path / name).write_text("mine")
    with opened(tmp_path) as run:
        append(run, block(1))
        assert read_all(run) == rows(1, 1)
    assert (tmp_path / "notes.txt").read_text() == (tmp_path / index_name(7)).read_text() == "mine"


def test_a_store_is_read_while_it_is_written(tmp_path: Path) -> None:
    """What a reader has seen of the extent stays readable, whatever is written or begun meanwhile."""
    with opened(tmp_path) as run:
        extents: list[Extent] = []
        for seq in range(1, 40):
            append(run, block(seq, pad=300, part=seq % 4 == 0))
            extents.append(run.extent)
        for extent in extents:
            assert read_at(run, extent) == rows(1, extent.head, 300)


def read_at(run: RunStore, extent: Extent) -> bytes:
    position, taken = run.reader.locate(extent, 1), b""
    while (read := run.reader.read(extent, position, 2000))[0].record_count:
        taken, position = taken + read[0].data, read[1]
    return taken
