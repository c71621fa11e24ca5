"""Syncing what is stored, and what follows when that fails. What a power cut leaves is in test_store_power_cut."""

from __future__ import annotations

import errno
import itertools
import os
import random
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from store_helpers import (
    KEY,
    SMALL,
    TIME_US,
    append,
    block,
    copied,
    every_state,
    failing,
    failing_at,
    full_disk,
    open_descriptors,
    opened,
    read_all,
    row,
    rows,
    text_of,
)
from store_platter import Platter, platter_of

from logd.errors import StoreError
from logd.store import Append
from logd.store.run import MAX_UNSYNCED_SEGMENTS

SENDINGS = {
    "in one segment": [[block(1, 2)], [block(3)], [block(4), block(5)]],
    "in several": [[block(1, pad=3000)], [block(2, pad=5000), block(3, pad=5000)], [block(4), block(5)]],
    "with a sealed one that was synced before": [[block(1, pad=5000)], [block(2)], [block(3)]],
    "with a sealed one that was synced in part": [[block(1)], [block(2, pad=5000), block(3, part=True)], [block(4)]],
    "with parts": [[block(1), block(2, part=True)], [block(3, part=True)], [block(4), block(5, part=True)], [block(6)]],
    "with parts that begin a segment": [[block(1, pad=5000)], [block(2, part=True)], [block(3, part=True)], [block(4)]],
    "with parts alone": [[block(1, part=True)], [block(2, part=True)], [block(3)]],
}


class TestFailing:
    @pytest.mark.parametrize("sendings", SENDINGS.values(), ids=SENDINGS)
    def test_puts_what_was_not_synced_in_new_files(self, tmp_path: Path, sendings: list[list[Append]]) -> None:
        """Whichever of the syncs fail that follow each sending, or do not follow it."""
        for number, syncs in enumerate(itertools.product(("", "sync", "fail"), repeat=len(sendings))):
            folder, stored, pending = tmp_path / str(number), b"", b""
            with opened(folder) as run, platter_of(folder) as platter:
                for sending, sync in zip(sendings, syncs, strict=True):
                    append(run, *sending)
                    for each in sending:
                        pending += each.data
                        stored, pending = (stored, pending) if each.part else (stored + pending, b"")
                    if sync:
                        platter.fails_in = [1] * (sync == "fail")
                        error = run.sync()
                        assert (error is None) == (sync == "sync")
                        assert run.synced_seq == run.extent.head
                        assert not run.has_unsynced
                    of_active = stored.splitlines(keepends=True)[run.extent.segments[-1] - 1 :] if stored else []
                    assert run.extent.active_bytes == len(b"".join(of_active))
                    if sync != "fail":
                        assert read_all(run) == stored
                        continue
                    killed = copied(folder, tmp_path / "killed")
                    with opened(killed) as again:
                        for each_run in (run, again):
                            assert read_all(each_run) == stored
                            assert each_run.last_batch(KEY) == each_run.extent.head == stored.count(b"\n")
                        again.tidy()
                        append(again, block(again.next_seq))
                        assert text_of(killed) == stored + row(again.extent.head)
                    shutil.rmtree(killed)

    @pytest.mark.parametrize("pad", [0, 3000])
    @pytest.mark.parametrize("operation", ["pwritev", "fsync", "rename"])
    def test_again_while_it_is_written_to_them_refuses_what_comes(
        self, tmp_path: Path, operation: str, pad: int
    ) -> None:
        """Until it works; readers go on."""
        for number in range(1, 20):
            folder, before = tmp_path / str(number), open_descriptors()
            with opened(folder) as run:
                append(run, block(1, pad=pad))
                assert run.sync() is None
                append(run, *(block(seq, pad=pad) for seq in range(2, 5)))
                with failing_at("fdatasync", 1), failing_at(operation, *range(number, 100)) as calls:
                    if number == 1:
                        for _ in range(2):
                            with pytest.raises(StoreError, match="Input/output error"):
                                run.sync()
                            with pytest.raises(StoreError, match="Input/output error"):
                                run.append([block(5)], TIME_US)
                        assert (run.has_unsynced, run.synced_seq) == (True, 1)
                    else:
                        with suppress(StoreError):
                            run.sync()
                    assert read_all(run) == rows(1, 4, pad)
                killed = copied(folder, tmp_path / "killed")
                with opened(killed) as again:
                    again.tidy()
                    assert read_all(again) == rows(1, 4, pad)
                shutil.rmtree(killed)
                append(run, block(5))
                assert run.synced_seq == 4
                assert run.sync() is None
                assert read_all(run) == text_of(folder) == rows(1, 4, pad) + row(5)
            assert open_descriptors() == before
            if len(calls) < number:
                break
        else:
            pytest.fail("it failed to the last")

    @pytest.mark.parametrize("sendings", SENDINGS.values(), ids=SENDINGS)
    def test_and_a_stop_while_it_is_written_to_them_loses_nothing(
        self, tmp_path: Path, sendings: list[list[Append]]
    ) -> None:
        folder = tmp_path / "run"
        with opened(folder) as run:
            append(run, *sendings[0])
            run.sync()
            for sending in sendings[1:]:
                append(run, *sending)
            stored = read_all(run)
            with failing_at("fdatasync", 1), every_state(folder, tmp_path / "states") as states:
                assert run.sync() is not None
        assert len(states) > 6
        for state in states:
            with opened(state) as run:
                run.tidy()
                assert read_all(run) == stored
                assert run.last_batch(KEY) == run.extent.head
                append(run, block(run.next_seq))
                assert read_all(run) == stored + row(run.extent.head)
                assert run.reader.find_time(run.extent, TIME_US) == 1

    def test_on_a_full_disk_refuses_what_comes_until_there_is_room(self, tmp_path: Path) -> None:
        with opened(tmp_path) as run:
            append(run, block(1, 10))
            with full_disk(100), failing_at("fdatasync", 1), pytest.raises(StoreError, match="No space left"):
                run.sync()
            with full_disk(100), pytest.raises(StoreError, match=r"cannot rewrite .*: No space left"):
                run.append([block(11)], TIME_US)
            append(run, block(11))
            assert read_all(run) == text_of(tmp_path) == rows(1, 11)

    def test_to_read_what_is_to_be_written_again_says_so(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with opened(tmp_path) as run:
            append(run, block(1, 10))
            with failing_at("fdatasync", 1), monkeypatch.context() as patch:
                patch.setattr(os, "pread", failing(errno.EIO))
                with pytest.raises(StoreError, match=r"cannot read .*: Input/output error"):
                    run.sync()
            append(run, block(11))
            assert read_all(run) == rows(1, 11)

    def test_leaves_records_where_they_are_looked_for_by_time(self, tmp_path: Path) -> None:
        with opened(tmp_path) as run:
            append(run, block(1), now_us=TIME_US)
            append(run, block(2), now_us=TIME_US + 20)
            run.sync()
            append(run, block(3), now_us=TIME_US + 30)
            with failing_at("fdatasync", 1):
                assert run.sync() is not None
            assert run.extent.segments == (1, 3)
            assert [run.reader.find_time(run.extent, TIME_US + after) for after in (0, 10, 21, 31)] == [1, 2, 3, 4]
            assert [each.last_time_us for each in run.segments()] == [TIME_US + 30, TIME_US + 30]

    def test_for_want_of_descriptors_changes_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        dup = os.dup
        with opened(tmp_path) as run:
            append(run, block(1, pad=5000), block(2))
            before = open_descriptors()
            for number in range(4):
                left = [dup] * number + [failing(errno.EMFILE)]
                with monkeypatch.context() as patch:
                    patch.setattr(os, "dup", lambda fd, left=left: left.pop(0)(fd))
                    with pytest.raises(StoreError, match="cannot sync the run: Too many open files"):
                        run.sync()
                assert open_descriptors() == before
                assert run.synced_seq == 0
            assert run.sync() is None


class TestWaiting:
    def test_what_is_not_synced_is_known(self, tmp_path: Path) -> None:
        with opened(tmp_path) as run:
            assert not run.has_unsynced
            append(run, block(1, part=True))
            assert not run.has_unsynced
            append(run, block(2))
            assert (run.has_unsynced, run.synced_seq) == (True, 0)
            run.sync()
            assert (run.has_unsynced, run.synced_seq) == (False, 2)

    def test_a_segment_that_is_filled_and_followed_while_it_is_synced_is_synced_again(self, tmp_path: Path) -> None:
        chance, folder = random.Random(0), tmp_path / "run"
        with opened(folder) as run, platter_of(folder) as platter:
            append(run, block(1))
            platter.meanwhile = {1: lambda: append(run, block(2, pad=5000), block(3))}
            assert run.sync() is None
            assert (run.synced_seq, run.extent.segments) == (1, (1, 3))
            assert run.sync() is None
            assert run.synced_seq == 3
            for number in range(10):
                with opened(platter.after_power_cut(tmp_path / str(number), chance)) as left:
                    assert read_all(left) == row(1) + row(2, 5000) + row(3)

    def test_sealed_segments_are_synced_and_then_closed(self, tmp_path: Path) -> None:
        with opened(tmp_path) as run:
            before = open_descriptors()
            append(run, *(block(seq, pad=5000) for seq in range(1, MAX_UNSYNCED_SEGMENTS + 1)))
            assert not run.awaits_sync
            append(run, block(MAX_UNSYNCED_SEGMENTS + 1))
            assert run.awaits_sync
            with failing_at("fdatasync") as calls:
                assert run.sync() is None
            assert len(calls) == 2 * (MAX_UNSYNCED_SEGMENTS + 1)
            assert not run.awaits_sync
            assert open_descriptors() == before + 2
            with failing_at("fdatasync") as calls:
                run.sync()
            assert len(calls) == 2

    def test_without_the_policy_sealed_segments_are_not_kept_open(self, tmp_path: Path) -> None:
        with opened(tmp_path, replace(SMALL, fsync="no")) as run:
            before = open_descriptors()
            append(run, *(block(seq, pad=5000) for seq in range(1, 40)))
            assert open_descriptors() == before + 2
            assert not run.awaits_sync


class TestClosed:
    """What was sealed and closed without being synced: without the policy, or by an earlier process."""

    def test_it_is_synced_too_before_that_is_said(self, tmp_path: Path) -> None:
        """Also where there is more of it than may be open at once."""
        count = 2 * MAX_UNSYNCED_SEGMENTS + 3
        chance, folder = random.Random(0), tmp_path / "run"
        with opened(folder, replace(SMALL, fsync="no")) as run, platter_of(folder) as platter:
            before = open_descriptors()
            append(run, *(block(seq, pad=5000) for seq in range(1, count + 1)))
            assert run.sync() is None
            assert (run.synced_seq, run.has_unsynced) == (count, False)
            assert open_descriptors() == before + 2 + len(platter._kept)
            self.outlives_power_cuts(platter, chance, tmp_path, rows(1, count, 5000))

    def test_of_a_run_that_is_opened_again_it_is_not_known_to_be_synced(self, tmp_path: Path) -> None:
        chance, folder = random.Random(0), tmp_path / "run"
        folder.mkdir()
        with platter_of(folder) as platter:
            with opened(folder) as run:
                append(run, *(block(seq, pad=5000) for seq in range(1, 4)))
            with opened(folder) as run:
                append(run, block(4))
                assert run.synced_seq == 0
                assert run.sync() is None
                assert run.synced_seq == 4
                self.outlives_power_cuts(platter, chance, tmp_path, rows(1, 3, 5000) + row(4))

    def test_where_that_fails_it_is_written_again(self, tmp_path: Path) -> None:
        chance, stored = random.Random(0), rows(1, 4, 5000)
        for number in range(1, 20):
            folder = tmp_path / f"run{number}"
            with opened(folder, replace(SMALL, fsync="no")) as run, platter_of(folder) as platter:
                append(run, *(block(seq, pad=5000) for seq in range(1, 5)))
                platter.fails_in = [number]
                error = run.sync()
                assert (run.synced_seq, read_all(run)) == (4, stored)
                self.outlives_power_cuts(platter, chance, tmp_path / f"{number}", stored)
            if error is None:
                break
        else:
            pytest.fail("it failed to the last")

    def test_what_is_removed_or_compressed_meanwhile_needs_none(self, tmp_path: Path) -> None:
        with opened(tmp_path, replace(SMALL, fsync="no")) as run:
            append(run, *(block(seq, pad=5000) for seq in range(1, 5)))
            run.drop_before(2, TIME_US)
            assert run.compress(2, lambda: None)
            with failing_at("fdatasync") as calls:
                assert run.sync() is None
            assert (len(calls), run.synced_seq) == (4, 4)

    @staticmethod
    def outlives_power_cuts(platter: Platter, chance: random.Random, folder: Path, stored: bytes) -> None:
        folder.mkdir(exist_ok=True)
        for number in range(5):
            with opened(platter.after_power_cut(folder / f"cut{number}", chance)) as left:
                assert read_all(left) == stored
