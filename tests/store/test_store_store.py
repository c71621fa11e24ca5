"""The folder of all runs: names, permissions, links, removing, and what a run's folder tells at a glance."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_helpers import (
    SMALL,
    TIME_US,
    append,
    block,
    compress_all,
    every_state,
    failing_at,
    folder_fd,
    full_disk,
    open_descriptors,
    read_all,
    rows,
)

from logd.config import StoreConfig
from logd.errors import NotFound, StoreError, UsageError
from logd.record import now_us
from logd.store import Limits, RunFigures, RunStore, Store, disk
from logd.store.index import Header
from logd.store.segment import compressed_name, index_name, segment_name
from logd.store.store import read_figures


@contextmanager
def store_in(state: Path, config: StoreConfig = SMALL) -> Iterator[Store]:
    store = Store(state, config)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def run_in(store: Store, name: str = "build") -> Iterator[RunStore]:
    run = store.open_run(name, create=True)
    try:
        yield run
    finally:
        store.close_run(name, run)


def figures_of(runs: Path, name: str = "build") -> RunFigures:
    with folder_fd(runs / name) as fd:
        return read_figures(fd)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with store_in(tmp_path / "state") as made:
        yield made


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """The folder of the runs of `store`."""
    return tmp_path / "state" / "runs"


class TestFolders:
    def test_are_made_with_those_above_them(self, tmp_path: Path) -> None:
        with store_in(tmp_path / "a" / "b") as store:
            assert store.names() == []
        with store_in(tmp_path / "a" / "b") as store, run_in(store):
            assert store.names() == ["build"]

    def test_and_files_are_for_their_owner_alone(self, tmp_path: Path) -> None:
        before = os.umask(0)
        try:
            with store_in(tmp_path / "state") as store, run_in(store) as run:
                append(run, block(1, pad=5000), block(2))
        finally:
            os.umask(before)
        runs = tmp_path / "state" / "runs"
        modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (runs, *runs.rglob("*"))}
        assert len(modes) == 6
        assert all(mode == (0o700 if path.is_dir() else 0o600) for path, mode in modes.items())

    def test_that_lead_elsewhere_are_refused(self, tmp_path: Path) -> None:
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "state").mkdir()
        (tmp_path / "state" / "runs").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(StoreError, match="cannot open"), store_in(tmp_path / "state"):
            pass

    def test_that_cannot_be_made_are_an_error(self, tmp_path: Path) -> None:
        (tmp_path / "state").write_text("a file")
        with pytest.raises(StoreError, match="cannot open"), store_in(tmp_path / "state"):
            pass


class TestOpening:
    def test_makes_a_run_only_where_asked_to(self, store: Store, runs: Path) -> None:
        with pytest.raises(NotFound, match="there is no run build"):
            store.open_run("build")
        assert not (runs / "build").exists()
        with run_in(store):
            pass
        store.close_run("build", store.open_run("build"))

    def test_finds_what_was_stored(self, store: Store) -> None:
        with run_in(store) as run:
            append(run, block(1, 3))
        with run_in(store) as run:
            assert read_all(run) == rows(1, 3)

    @pytest.mark.parametrize(
        "name", ["", ".", "..", "../runs", "a/b", "/etc", ".hidden", "-x", "x" * 65, "a\n", "a\x00"]
    )
    @pytest.mark.parametrize("create", [True, False])
    def test_takes_no_other_name_than_a_runs(self, store: Store, runs: Path, name: str, create: bool) -> None:
        with pytest.raises(UsageError):
            store.open_run(name, create=create)
        with pytest.raises(UsageError):
            store.remove_run(name)
        assert os.listdir(runs) == []

    @pytest.mark.parametrize("create", [True, False])
    def test_does_not_go_through_a_link(self, store: Store, runs: Path, tmp_path: Path, create: bool) -> None:
        (tmp_path / "elsewhere").mkdir()
        (runs / "build").symlink_to(tmp_path / "elsewhere")
        before = open_descriptors()
        with pytest.raises(StoreError, match="cannot open build"):
            store.open_run("build", create=create)
        assert open_descriptors() == before
        assert os.listdir(tmp_path / "elsewhere") == []

    def test_of_a_file_is_an_error(self, store: Store, runs: Path) -> None:
        (runs / "build").write_text("a file")
        with pytest.raises(StoreError, match="cannot open build"):
            store.open_run("build", create=True)

    def test_that_fails_leaves_no_descriptor(self, store: Store, runs: Path) -> None:
        (runs / "build" / segment_name(1)).mkdir(parents=True)
        before = open_descriptors()
        with pytest.raises(StoreError):
            store.open_run("build")
        assert open_descriptors() == before


class TestNames:
    def test_are_in_order_and_of_runs_alone(self, store: Store, runs: Path, tmp_path: Path) -> None:
        for name in ("zebra", "build", "Build", "a.b-c_d", "0"):
            with run_in(store, name):
                pass
        (runs / "file").write_text("")
        (runs / "link").symlink_to(tmp_path)
        (runs / ".hidden").mkdir()
        (runs / "a b").mkdir()
        assert store.names() == ["0", "Build", "a.b-c_d", "build", "zebra"]

    def test_can_be_asked_for_again(self, store: Store) -> None:
        for name in ("a", "b", "c"):
            with run_in(store, name):
                pass
            assert store.names()[-1] == name


class TestRemoving:
    def test_a_run_leaves_nothing_of_it(self, store: Store, runs: Path) -> None:
        with run_in(store) as run:
            append(run, block(1, pad=5000), block(2))
            compress_all(run)
        with run_in(store, "other") as run:
            append(run, block(1))
        store.remove_run("build")
        assert os.listdir(runs) == store.names() == ["other"]
        assert [row.name for row in store.page("", 10)] == ["other"]
        with pytest.raises(NotFound, match="there is no run build"):
            store.remove_run("build")
        with run_in(store) as run:
            assert run.extent.head == 0

    def test_a_run_that_is_read_meanwhile_leaves_a_gap(self, store: Store, runs: Path) -> None:
        with run_in(store) as run:
            append(run, block(1, pad=5000), block(2))
            store.remove_run("build")
            assert run.reader.read(run.extent, 1, 10_000).record_count == 0
            (runs / "build").mkdir()

    @pytest.mark.parametrize("operation", ["rename", "unlink", "rmdir"])
    def test_that_stops_anywhere_is_done_at_the_next_start(self, tmp_path: Path, operation: str) -> None:
        for number in range(1, 6):
            state = tmp_path / str(number)
            with store_in(state) as store:
                with run_in(store) as run:
                    append(run, block(1, pad=5000), block(2))
                with failing_at(operation, *range(number, 9)) as calls:
                    try:
                        store.remove_run("build")
                    except StoreError as error:
                        assert (operation, number) == ("rename", 1)
                        assert error.message == "cannot remove build: Input/output error"
                        assert store.names() == ["build"]
                        break
                    assert store.names() == []
            with store_in(state) as store:
                assert store.unfinished() == []
                assert os.listdir(state / "runs") == []
            if len(calls) < number:
                break
        else:
            pytest.fail("it failed to the last")

    def test_that_is_killed_anywhere_leaves_the_run_or_none(self, tmp_path: Path) -> None:
        with store_in(tmp_path / "state") as store:
            with run_in(store) as run:
                append(run, block(1, pad=5000), block(2))
            with every_state(tmp_path / "state", tmp_path / "states") as states:
                store.remove_run("build")
        assert len(states) > 4
        for state in states:
            with store_in(state) as store:
                store.unfinished()
                assert os.listdir(state / "runs") == store.names() == []


class TestUnfinished:
    def test_is_a_run_with_something_to_compress_or_to_tidy(self, store: Store, runs: Path) -> None:
        for name, count in (("empty", 0), ("one", 1), ("two", 2), ("done", 3), ("stopped", 1)):
            with run_in(store, name) as run:
                append(run, *(block(seq, pad=5000) for seq in range(1, count + 1)))
                if name == "done":
                    compress_all(run)
        (runs / "stopped" / (compressed_name(1) + ".new")).touch()
        assert store.unfinished() == ["stopped", "two"]


class TestLimits:
    def test_are_the_runs_own_or_the_configurations(self, tmp_path: Path) -> None:
        config = replace(SMALL, max_run_bytes=1000, max_run_age_seconds=60)
        with store_in(tmp_path, config) as store:
            with run_in(store):
                pass
            assert store.limits("build") == store.limits("nowhere") == Limits(1000, 60)
            store.catalog.set_limits("build", 5, None)
            assert store.limits("build") == Limits(5, 60)
            store.catalog.set_limits("build", None, 0)
            assert store.limits("build") == Limits(1000, 0)

    def test_tell_the_runs_that_may_hold_what_is_too_old(self, tmp_path: Path) -> None:
        with store_in(tmp_path, replace(SMALL, max_run_age_seconds=3600)) as store:
            for name, age_seconds in (("old", 4000), ("new", 3000), ("kept", 9000)):
                with run_in(store, name) as run:
                    append(run, block(1), now_us=now_us() - age_seconds * 1_000_000)
            store.catalog.set_limits("kept", None, 0)
            assert store.over_age() == ["old"]
            with run_in(store, "old"):
                assert store.over_age() == []

    def test_idle_runs_are_those_that_nobody_uses(self, store: Store) -> None:
        for number, name in enumerate(("a", "b", "c")):
            with run_in(store, name) as run:
                append(run, block(1), now_us=TIME_US - number)
        assert store.idle_runs() == [(TIME_US - 2, "c"), (TIME_US - 1, "b"), (TIME_US, "a")]
        idle_bytes = store.idle_bytes()
        with run_in(store, "b"):
            assert [name for _, name in store.idle_runs()] == ["c", "a"]
            assert store.idle_bytes() == idle_bytes * 2 // 3

    @pytest.mark.parametrize(
        ("total", "free", "percent", "most", "kept"),
        [(1000, 900, 15, 10_000, 150), (1000, 900, 15, 100, 100), (1000, 40, 15, 10_000, 40), (1000, 900, 0, 10, 0)],
    )
    def test_what_is_kept_free_is_no_more_than_is_free(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        total: int,
        free: int,
        percent: int,
        most: int,
        kept: int,
    ) -> None:
        with store_in(tmp_path, replace(SMALL, keep_free_percent=percent, keep_free_bytes=most)) as store:
            monkeypatch.setattr(disk, "total_bytes", lambda fd: total)
            monkeypatch.setattr(disk, "free_bytes", lambda fd: free)
            assert store.free_bytes() == free
            assert store.keep_free_bytes() == kept


class TestFigures:
    def test_of_no_run_there_are_none(self, store: Store) -> None:
        assert store.page("", 10) == []

    def test_of_a_run_without_records_say_so(self, store: Store, runs: Path) -> None:
        with run_in(store) as run:
            assert figures_of(runs) == RunFigures(1, 0, 0, None, None)
            append(run, block(1, part=True))
            assert figures_of(runs)[:2] == (1, 0)
        (runs / "empty").mkdir()
        (runs / "empty" / segment_name(1)).touch()
        (runs / "empty" / index_name(1)).write_bytes(Header(1, 1, TIME_US).pack())
        assert figures_of(runs, "empty") == RunFigures(1, 0, 64, None, None)

    def test_are_the_same_before_and_after_closing_but_for_marks(self, store: Store, runs: Path) -> None:
        with run_in(store) as run:
            for seq in range(1, 13):
                append(run, block(seq, pad=950), now_us=TIME_US + seq)
            assert len(run.extent.segments) == 3
            before = figures_of(runs)
            assert before == RunFigures(1, 12, before.size_bytes, TIME_US + 1, TIME_US + 12)
            assert before.size_bytes == sum(path.stat().st_size for path in (runs / "build").iterdir())
        assert figures_of(runs) == before._replace(size_bytes=before.size_bytes + 80)
        assert [row.figures for row in store.page("", 10)] == [before]

    def test_do_not_count_parts(self, store: Store, runs: Path) -> None:
        with run_in(store) as run:
            append(run, block(1, 2), block(3, part=True))
            assert figures_of(runs).head == 2
            append(run, block(4))
            assert figures_of(runs).head == 4

    @settings(max_examples=20, deadline=None)
    @given(
        st.lists(st.tuples(st.integers(1, 4), st.sampled_from([0, 1000, 5000])), min_size=1, max_size=12),
        st.integers(0, 30),
        st.booleans(),
    )
    def test_agree_with_what_is_read(
        self, tmp_path_factory: pytest.TempPathFactory, sizes: list[tuple[int, int]], dropped: int, compress: bool
    ) -> None:
        state = tmp_path_factory.mktemp("state")
        with store_in(state) as store, run_in(store) as run:
            times = []
            for number, (count, pad) in enumerate(sizes):
                append(run, block(run.next_seq, count, pad=pad), now_us=TIME_US + number)
                times += [TIME_US + number] * count
            if compress:
                compress_all(run)
            run.drop_before(dropped, TIME_US)
            extent = run.extent
            read = read_all(run)
            figures = figures_of(state / "runs")
            assert (figures.first_seq, figures.head) == (extent.first_seq, extent.head)
            assert figures.head + 1 - figures.first_seq == read.count(b"\n")
            assert figures.size_bytes == sum(each.size_bytes for each in run.segments())
            kept = times[extent.first_seq - 1 :]
            assert (figures.first_time_us, figures.last_time_us) == ((kept[0], kept[-1]) if kept else (None, None))

    def test_that_cannot_be_read_are_unknown_and_keep_no_other_from_being_known(self, tmp_path: Path) -> None:
        with store_in(tmp_path) as store:
            for name in ("a", "b", "c"):
                with run_in(store, name) as run:
                    append(run, block(1))
        (tmp_path / "catalog.sqlite").unlink()
        index = tmp_path / "runs" / "b" / index_name(1)
        index.unlink()
        index.symlink_to("nowhere")
        with store_in(tmp_path) as store:
            for _ in range(2):
                known = [(row.name, row.figures is not None) for row in store.page("", 10)]
                assert known == [("a", True), ("b", False), ("c", True)]
            index.unlink()
            with run_in(store, "b") as run:
                assert read_all(run) == rows(1, 1)
            assert all(row.figures is not None for row in store.page("", 10))

    def test_do_not_look_through_a_link(self, store: Store, runs: Path, tmp_path: Path) -> None:
        (tmp_path / "secret").write_bytes(b"x" * 12_345)
        with run_in(store) as run:
            append(run, block(1))
        folder = runs / "build"
        (folder / segment_name(1)).unlink()
        (folder / segment_name(1)).symlink_to(tmp_path / "secret")
        assert figures_of(runs).size_bytes < 12_345
        (folder / segment_name(1)).unlink()
        (folder / segment_name(1)).touch()
        (folder / index_name(1)).unlink()
        (folder / index_name(1)).symlink_to(tmp_path / "secret")
        before = open_descriptors()
        with pytest.raises(StoreError, match=f"cannot open {index_name(1)}"):
            figures_of(runs)
        assert open_descriptors() == before


def test_a_full_disk_keeps_no_run_from_being_opened_and_read(store: Store) -> None:
    with run_in(store) as run:
        append(run, block(1, 3))
    with full_disk(read_only=True), run_in(store) as run:
        assert read_all(run) == rows(1, 3)
