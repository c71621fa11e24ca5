"""The folder of all runs: names, permissions, links, and what a run's folder tells at a glance."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_helpers import SMALL, TIME_US, append, block, open_descriptors, read_all, rows

from logd.errors import NotFound, StoreError, UsageError
from logd.store import RunStore, RunSummary, Store
from logd.store.index import Header
from logd.store.segment import index_name, segment_name


@contextmanager
def store_in(state: Path) -> Iterator[Store]:
    store = Store(state, SMALL)
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
        run.close()


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
        store.open_run("build").close()

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
            store.summary(name)
        assert os.listdir(runs) == []

    @pytest.mark.parametrize("create", [True, False])
    def test_does_not_go_through_a_link(self, store: Store, runs: Path, tmp_path: Path, create: bool) -> None:
        (tmp_path / "elsewhere").mkdir()
        (runs / "build").symlink_to(tmp_path / "elsewhere")
        before = open_descriptors()
        with pytest.raises(StoreError, match="cannot open build"):
            store.open_run("build", create=create)
        with pytest.raises(StoreError, match="cannot open build"):
            store.summary("build")
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


class TestSummary:
    def test_of_no_run_there_is_none(self, store: Store) -> None:
        with pytest.raises(NotFound, match="there is no run build"):
            store.summary("build")

    def test_of_a_run_without_records_says_so(self, store: Store, runs: Path) -> None:
        with run_in(store):
            assert store.summary("build") == RunSummary("build", 0, 0, None, None)
        (runs / "build" / segment_name(1)).touch()
        (runs / "build" / index_name(1)).write_bytes(Header(1, 1, TIME_US).pack())
        assert store.summary("build") == RunSummary("build", 0, 0, None, None)
        with run_in(store) as run:
            append(run, block(1, part=True))
            assert store.summary("build").records == 0

    def test_is_the_same_before_and_after_closing(self, store: Store) -> None:
        expected = RunSummary("build", 12, len(rows(1, 12, 950)), TIME_US + 1, TIME_US + 12)
        with run_in(store) as run:
            for seq in range(1, 13):
                append(run, block(seq, pad=950), now_us=TIME_US + seq)
            assert len(run.extent.segments) == 3
            assert store.summary("build") == expected
        assert store.summary("build") == expected

    def test_does_not_count_parts(self, store: Store) -> None:
        with run_in(store) as run:
            append(run, block(1, 2), block(3, part=True))
            assert store.summary("build").records == 2
            append(run, block(4))
            assert store.summary("build").records == 4

    @settings(max_examples=30, deadline=None)
    @given(st.lists(st.tuples(st.integers(1, 4), st.sampled_from([0, 1000, 5000])), min_size=1, max_size=12))
    def test_agrees_with_what_is_read(
        self, tmp_path_factory: pytest.TempPathFactory, sizes: list[tuple[int, int]]
    ) -> None:
        with store_in(tmp_path_factory.mktemp("state")) as store, run_in(store) as run:
            for number, (count, pad) in enumerate(sizes):
                append(run, block(run.next_seq, count, pad=pad), now_us=TIME_US + number)
            summary = store.summary("build")
            assert summary.records == run.extent.head
            assert summary.size_bytes == len(read_all(run))
            assert (summary.first_time_us, summary.last_time_us) == (TIME_US, TIME_US + len(sizes) - 1)

    def test_does_not_look_through_a_link(self, store: Store, runs: Path, tmp_path: Path) -> None:
        (tmp_path / "secret").write_bytes(b"x" * 12_345)
        with run_in(store) as run:
            append(run, block(1))
        folder = runs / "build"
        (folder / segment_name(1)).unlink()
        (folder / segment_name(1)).symlink_to(tmp_path / "secret")
        assert store.summary("build").size_bytes != 12_345
        (folder / index_name(1)).unlink()
        (folder / index_name(1)).symlink_to(tmp_path / "secret")
        before = open_descriptors()
        with pytest.raises(StoreError, match=f"cannot open {index_name(1)}"):
            store.summary("build")
        assert open_descriptors() == before
