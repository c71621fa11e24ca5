"""The catalog: what is kept of runs, sessions and boards, through every closing, kill and damage of its file.

The main test runs it beside a plain model. Others damage the file at every place, and copy it at any moment.
"""

from __future__ import annotations

import logging
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from store_helpers import KEY, TIME_US

from logd.errors import NotFound, StoreError, UsageError
from logd.store import catalog as catalog_module
from logd.store.catalog import MAX_ITEMS_OF_RUN, MAX_SESSIONS_OF_RUN, Catalog, Item, RunFigures, RunRow, SessionRow

NAMES = ["a", "build", "c-3", "nightly"]
FIGURES = RunFigures(1, 12, 3456, TIME_US, TIME_US + 5)


def session(key: int = KEY, started_us: int = TIME_US, **changes: Any) -> SessionRow:
    row = SessionRow(key, 1000, 4242, "host", "python3 nightly.py", "w3", "db", {"job": "x", "n": 3}, started_us)
    return row._replace(**changes)


def unknown(name: str) -> RunRow:
    return RunRow(name, None, None, None, None)


def end(catalog: Catalog, run: str, key: int = KEY, *, at_us: int = TIME_US + 1, **changes: Any) -> None:
    """End a session, and with it the use of its run, if nothing else is said."""
    catalog.end_session(run, key, ended_us=at_us, **{"exit_status": 0, "records": 5, "figures": FIGURES, **changes})


def set_aside(path: Path) -> list[Path]:
    return sorted(path.parent.glob(f"{path.name}.bad-*Z"))


def kill(path: Path, to: Path) -> Path:
    """A copy of the file as a process leaves it that is killed now."""
    to.mkdir()
    for suffix in ("", "-wal"):
        if Path(f"{path}{suffix}").exists():
            shutil.copy(f"{path}{suffix}", to)
    return to / path.name


@contextmanager
def warnings() -> Iterator[list[str]]:
    """What is logged within."""
    found: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record.getMessage())

    log = logging.getLogger("logd.store.database")
    handler = Keep()
    log.addHandler(handler)
    log.propagate = False
    try:
        yield found
    finally:
        log.removeHandler(handler)
        log.propagate = True


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "catalog.sqlite"


@pytest.fixture
def catalog(path: Path) -> Iterator[Catalog]:
    with closing(Catalog(path, lambda: NAMES)) as made:
        yield made


class TestRuns:
    def test_are_those_that_have_a_folder(self, catalog: Catalog) -> None:
        assert catalog.page("", 10) == [unknown(name) for name in NAMES]
        assert catalog.row("build") == unknown("build")
        assert catalog.row("other") is None

    def test_are_listed_by_pages_in_the_order_of_their_names(self, path: Path) -> None:
        names = ["A", "Z", "a", "a.b", "a_b", "b", "b-1", "b0"]
        with closing(Catalog(path, lambda: reversed(names))) as catalog:
            listed: list[str] = []
            while page := catalog.page(listed[-1] if listed else "", 3):
                listed += [row.name for row in page]
            assert listed == sorted(names)

    def test_come_and_go_with_their_folders(self, path: Path) -> None:
        there = {"a", "b"}
        with closing(Catalog(path, lambda: there)) as catalog:
            catalog.begin_session("b", session())
            end(catalog, "b")
            there ^= {"b", "c"}
            assert [row.name for row in catalog.page("", 9)] == ["a", "b"]
            catalog.sync()
            assert [row.name for row in catalog.page("", 9)] == ["a", "c"]
            there |= {"b"}
            catalog.sync()
            assert catalog.row("b") == unknown("b")
            assert catalog.sessions("b", 9) == []

    def test_in_use_stay_though_their_folder_was_not_listed(self, path: Path) -> None:
        with closing(Catalog(path, list)) as catalog:
            catalog.begin_use("a")
            catalog.sync()
            assert catalog.row("a") == unknown("a")
            catalog.end_use("a", FIGURES)
            catalog.sync()
            assert catalog.row("a") is None

    def test_that_are_removed_take_all_along(self, catalog: Catalog) -> None:
        catalog.begin_session("a", session())
        catalog.set_items("a", {"k": 1}, TIME_US)
        catalog.set_limits("a", 1, 2.0)
        catalog.remove_run("a")
        assert (catalog.row("a"), catalog.sessions("a", 9), catalog.items("a")) == (None, [], {})
        catalog.sync()
        assert catalog.row("a") == unknown("a")
        catalog.set_figures("a", FIGURES)
        assert catalog.row("a") == unknown("a")._replace(figures=FIGURES), "it is not in use any more"

    def test_can_have_limits_of_their_own(self, catalog: Catalog) -> None:
        catalog.set_limits("a", 2**50, 0.5)
        assert catalog.row("a") == RunRow("a", None, None, 2**50, 0.5)
        catalog.set_limits("a", None, 7)
        assert catalog.row("a") == RunRow("a", None, None, None, 7.0)
        with pytest.raises(NotFound, match="there is no run other"):
            catalog.set_limits("other", 1, 1)

    def test_are_counted_and_ordered_for_retention(self, catalog: Catalog) -> None:
        assert (catalog.totals(), catalog.oldest_first()) == ((4, 0), [])
        catalog.set_figures("a", FIGURES)
        catalog.set_figures("c-3", FIGURES._replace(size_bytes=2**50, last_time_us=TIME_US))
        catalog.set_figures("build", RunFigures(1, 0, 0, None, None))
        assert catalog.totals() == (4, 3456 + 2**50)
        assert [row.name for row in catalog.oldest_first()] == ["c-3", "a"]
        catalog.begin_use("c-3")
        assert catalog.totals() == (4, 3456)
        assert [row.name for row in catalog.oldest_first()] == ["a"]


class TestFigures:
    def test_are_not_known_while_a_run_is_in_use(self, catalog: Catalog) -> None:
        catalog.begin_use("a")
        assert catalog.row("a") == unknown("a")
        catalog.end_use("a", FIGURES)
        assert catalog.row("a") == unknown("a")._replace(figures=FIGURES)
        catalog.begin_use("a")
        assert catalog.row("a") == unknown("a")
        catalog.end_use("a", None)
        assert catalog.row("a") == unknown("a")

    def test_that_were_read_before_the_run_was_used_are_dropped(self, catalog: Catalog) -> None:
        read = FIGURES._replace(head=3)
        catalog.begin_use("a")
        catalog.set_figures("a", read)
        assert catalog.row("a") == unknown("a")
        catalog.end_use("a", FIGURES)
        catalog.set_figures("a", read)
        assert catalog.row("a") == unknown("a")._replace(figures=FIGURES)

    def test_are_kept_when_they_were_read(self, catalog: Catalog) -> None:
        catalog.set_figures("a", FIGURES)
        catalog.set_figures("other", FIGURES)
        assert catalog.row("a") == unknown("a")._replace(figures=FIGURES)
        assert catalog.row("other") is None

    def test_of_a_run_in_use_are_lost_with_the_process(self, path: Path, catalog: Catalog, tmp_path: Path) -> None:
        for run in ("a", "build"):
            catalog.set_figures(run, FIGURES)
        catalog.begin_use("a")
        with closing(Catalog(kill(path, tmp_path / "killed"), lambda: NAMES)) as left:
            assert [row.figures for row in left.page("", 9)] == [None, FIGURES, None, None]
            left.set_figures("a", FIGURES)
            assert left.row("a") == unknown("a")._replace(figures=FIGURES)


class TestSessions:
    @given(
        st.integers(0, 2**64 - 1),
        st.lists(st.text(), min_size=4, max_size=4),
        st.dictionaries(
            st.text(), st.text() | st.integers(-(2**63), 2**64) | st.booleans() | st.none() | st.floats(allow_nan=False)
        ),
    )
    @example(2**63 - 1, ["", "\0", "\ud7ff\U0010ffff", '"'], {})
    @example(2**63, ["", "", "", ""], {"": ""})
    @settings(max_examples=50, deadline=None)
    def test_come_back_as_they_began(
        self, tmp_path_factory: pytest.TempPathFactory, key: int, texts: list[str], fields: dict[str, Any]
    ) -> None:
        host, command, source, logger = texts
        with closing(Catalog(tmp_path_factory.mktemp("session") / "catalog.sqlite", list)) as catalog:
            began = SessionRow(key, 2**31, 1, host, command, source, logger, fields, TIME_US)
            catalog.begin_session("a", began)
            assert catalog.sessions("a", 9) == [began]
            end(catalog, "a", key, exit_status=3)
            ended = began._replace(ended_us=TIME_US + 1, exit_status=3, records=5, state="ended")
            assert catalog.sessions("a", 9) == [ended]
            assert catalog.row("a") == RunRow("a", FIGURES, 3, None, None)

    def test_begin_and_end_a_runs_use(self, catalog: Catalog) -> None:
        catalog.set_figures("a", FIGURES)
        for key in (1, 2):
            catalog.begin_session("a", session(key))
        end(catalog, "a", 1, figures=None)
        assert catalog.row("a") == unknown("a")._replace(exit_status=0)
        catalog.set_figures("a", FIGURES)
        assert catalog.row("a") == unknown("a")._replace(exit_status=0)
        end(catalog, "a", 2)
        assert catalog.row("a") == RunRow("a", FIGURES, 0, None, None)

    def test_that_begin_again_go_on(self, catalog: Catalog) -> None:
        catalog.begin_session("a", session())
        end(catalog, "a", exit_status=4)
        catalog.begin_session("a", session(started_us=TIME_US + 9, pid=77, command="sh"))
        assert catalog.sessions("a", 9) == [session(pid=77, command="sh", records=5)]
        end(catalog, "a", at_us=TIME_US + 10, exit_status=None)
        ended = session(pid=77, command="sh", records=10, state="ended", ended_us=TIME_US + 10)
        assert catalog.sessions("a", 9) == [ended]
        row = catalog.row("a")
        assert row is not None
        assert row.exit_status == 4, "the last one given"

    def test_are_listed_those_that_run_first_and_the_newest_first(self, catalog: Catalog) -> None:
        for key in range(6):
            catalog.begin_session("a", session(key, TIME_US + key))
        for number, key in enumerate((4, 0, 2)):
            end(catalog, "a", key, at_us=TIME_US + 10 + number)
        assert [row.key for row in catalog.sessions("a", 9)] == [5, 3, 1, 2, 0, 4]
        assert [row.key for row in catalog.sessions("a", 4)] == [5, 3, 1, 2]

    def test_that_are_lost_take_the_exit_status_of_their_run(self, catalog: Catalog) -> None:
        for key, status, lost in ((1, 3, False), (2, None, False), (3, None, True), (4, 0, False)):
            catalog.begin_session("a", session(key, TIME_US + key))
            catalog.end_session("a", key, ended_us=TIME_US + 10 + key, exit_status=status, records=0, lost=lost)
            row = catalog.row("a")
            assert row is not None
            assert (row.exit_status, row.lost) == (None if lost else status or (3 if key < 3 else 0), lost)

    def test_that_nobody_ended_are_lost(self, catalog: Catalog) -> None:
        for key in (1, 2, 3):
            catalog.begin_session("a", session(key, TIME_US + key))
        end(catalog, "a", 1)
        assert catalog.mark_lost(TIME_US + 60) == {"a": {2, 3}}
        assert [(row.key, row.state, row.ended_us) for row in catalog.sessions("a", 9)] == [
            (3, "lost", TIME_US + 60),
            (2, "lost", TIME_US + 60),
            (1, "ended", TIME_US + 1),
        ]
        catalog.begin_session("a", session(2))
        assert catalog.sessions("a", 1) == [session(2, TIME_US + 2)]
        end(catalog, "a", 2, at_us=TIME_US + 70)
        assert [(row.key, row.state) for row in catalog.sessions("a", 9)] == [(2, "ended"), (3, "lost"), (1, "ended")]

    def test_counts_are_kept_with_the_run(self, catalog: Catalog) -> None:
        catalog.begin_session("a", session(1))
        catalog.set_counts({"a": (3, 2**40), "none": (1, 1)})
        row = catalog.row("a")
        assert row is not None
        assert (row.warnings, row.errors) == (3, 2**40)
        assert catalog.row("none") is None

    def test_that_are_lost_are_told_by_run_and_once(self, catalog: Catalog) -> None:
        assert catalog.mark_lost(TIME_US) == {}
        for run, keys in {"a": (0, 2**63 - 1, 2**63, 2**64 - 1), "build": (0,), "nightly": (7,)}.items():
            for key in keys:
                catalog.begin_session(run, session(key))
        end(catalog, "nightly", 7)
        assert catalog.mark_lost(TIME_US + 60) == {"a": {0, 2**63 - 1, 2**63, 2**64 - 1}, "build": {0}}
        assert catalog.mark_lost(TIME_US + 70) == {}

    def test_that_are_not_there_are_not_missed(self, catalog: Catalog) -> None:
        catalog.begin_use("a")
        end(catalog, "a")
        assert catalog.sessions("a", 9) == []
        assert catalog.row("a") == RunRow("a", FIGURES, 0, None, None)
        end(catalog, "other")
        assert catalog.row("other") is None

    def test_of_a_run_are_bounded(self, catalog: Catalog) -> None:
        """Those that ended; one that runs stays, however many others come after it."""
        catalog.begin_session("a", session(2**64 - 1, TIME_US - 1))
        for key in range(MAX_SESSIONS_OF_RUN + 5):
            catalog.begin_session("a", session(key, TIME_US + key))
            end(catalog, "a", key, at_us=TIME_US + key)
        catalog.begin_session("build", session())
        kept = catalog.sessions("a", 2 * MAX_SESSIONS_OF_RUN)
        assert [row.key for row in kept] == [2**64 - 1, *range(MAX_SESSIONS_OF_RUN + 4, 4, -1)]
        assert len(catalog.sessions("build", 9)) == 1


class TestBoard:
    def test_has_the_last_value_of_each_key(self, catalog: Catalog) -> None:
        catalog.set_items("a", {"b": {"done": 1}, "a": [1, None, 2.5]}, 1)
        catalog.set_items("a", {"b": "text", "c": 0}, 2)
        expected = {"a": Item([1, None, 2.5], 1), "b": Item("text", 2), "c": Item(0, 2)}
        assert catalog.items("a") == expected
        assert list(catalog.items("a")) == ["a", "b", "c"]
        assert catalog.items("build") == {}
        catalog.set_items("a", dict.fromkeys("abc"), 3)
        assert catalog.items("a") == {}

    def test_loses_a_key_that_is_set_to_none(self, catalog: Catalog) -> None:
        catalog.set_items("a", {"b": 1, "c": False, "d": 3}, 1)
        catalog.set_items("build", {"b": 5}, 1)
        catalog.set_items("a", {"b": None, "c": 2, "e": 4}, 2)
        assert catalog.items("a") == {"c": Item(2, 2), "d": Item(3, 1), "e": Item(4, 2)}
        assert catalog.items("build") == {"b": Item(5, 1)}
        catalog.set_items("a", {"c": None, "d": None, "e": None}, 3)
        assert catalog.items("a") == {}

    def test_does_not_miss_a_key_that_is_not_there(self, path: Path, catalog: Catalog) -> None:
        """It may have come and gone again between two writes of the board."""
        catalog.set_items("a", {"b": 1}, 1)
        catalog.set_items("a", {"b": 2, "c": None, "d": None}, 2)
        assert catalog.items("a") == {"b": Item(2, 2)}
        assert set_aside(path) == []

    def test_has_room_for_a_key_where_another_goes(self, catalog: Catalog) -> None:
        catalog.set_items("a", {f"k{number}": number for number in range(MAX_ITEMS_OF_RUN)}, 1)
        catalog.set_items("a", {"more": 1, "k0": None}, 2)
        items = catalog.items("a")
        assert len(items) == MAX_ITEMS_OF_RUN
        assert "k0" not in items

    def test_is_bounded(self, catalog: Catalog) -> None:
        full = {f"k{number}": number for number in range(MAX_ITEMS_OF_RUN)}
        catalog.set_items("a", full, 1)
        with pytest.raises(UsageError, match=r"would have 10001 items; it can have 10000"):
            catalog.set_items("a", {"k0": 0, "more": 1}, 2)
        assert catalog.items("a")["k0"] == Item(0, 1)
        catalog.set_items("a", {"k0": 7}, 3)
        assert catalog.items("a")["k0"] == Item(7, 3)

    def test_of_no_run_there_is_none(self, path: Path, catalog: Catalog) -> None:
        with pytest.raises(NotFound, match="there is no run other"):
            catalog.set_items("other", {"k": 1}, 1)
        assert set_aside(path) == []

    def test_keeps_nothing_where_a_value_has_no_form_in_json(self, catalog: Catalog) -> None:
        with pytest.raises(TypeError):
            catalog.set_items("a", {"k": 1, "bytes": b"x"}, 1)
        assert catalog.items("a") == {}


class CatalogMachine(RuleBasedStateMachine):
    """A catalog beside plain maps of what it is to hold."""

    home: Path
    runs = st.sampled_from(NAMES)
    keys = st.sampled_from([0, 1, 2**63 - 1, 2**63, 2**64 - 1])
    figures = st.builds(
        RunFigures, *[st.integers(0, 3)] * 3, st.none() | st.integers(0, 3), st.none() | st.integers(0, 3)
    )

    def __init__(self) -> None:
        super().__init__()
        self.path = self.home / str(len(os.listdir(self.home))) / "catalog.sqlite"
        self.path.parent.mkdir()
        self.folders: set[str] = set()
        self.rows: dict[str, RunRow] = {}
        self.sessions: dict[str, dict[int, SessionRow]] = {}
        self.items: dict[str, dict[str, Item]] = {}
        self.in_use: set[str] = set()
        self.clock_us = TIME_US
        self.catalog = self.open()

    def open(self) -> Catalog:
        self.synced()
        return Catalog(self.path, lambda: self.folders)

    def now(self) -> int:
        self.clock_us += 1
        return self.clock_us

    def teardown(self) -> None:
        self.catalog.close()

    # The model

    def synced(self) -> None:
        for run in self.rows.keys() - self.folders - self.in_use:
            self.gone(run)
        for run in self.folders:
            self.known(run)

    def known(self, run: str) -> None:
        self.rows.setdefault(run, unknown(run))
        self.sessions.setdefault(run, {})
        self.items.setdefault(run, {})

    def gone(self, run: str) -> None:
        for of_runs in (self.rows, self.sessions, self.items):
            of_runs.pop(run, None)

    def change(self, run: str, **changes: Any) -> None:
        if run in self.rows:
            self.rows[run] = self.rows[run]._replace(**changes)

    def lost(self) -> None:
        at_us = self.now()
        lost: dict[str, set[int]] = {}
        for run, of_run in self.sessions.items():
            for key, row in of_run.items():
                if row.state == "running":
                    of_run[key] = row._replace(state="lost", ended_us=at_us)
                    lost.setdefault(run, set()).add(key)
                    self.change(run, exit_status=None)
        assert self.catalog.mark_lost(at_us) == lost

    # What befalls the file

    @rule()
    def close_and_open(self) -> None:
        self.catalog.close()
        self.in_use.clear()
        self.catalog = self.open()
        self.lost()

    @rule()
    def kill_and_open(self) -> None:
        self.path, left = kill(self.path, self.home / str(len(os.listdir(self.home)))), self.catalog
        left.close()
        self.in_use.clear()
        self.catalog = self.open()
        self.lost()

    @rule()
    def damage_and_go_on(self) -> None:
        """The file is lost while the catalog is in use, which goes on to know who uses what."""
        self.catalog.totals()
        self.catalog._execute("PRAGMA user_version = 0")
        self.catalog._disconnect()
        for run in list(self.rows):
            self.gone(run)
        self.synced()
        with warnings() as found:
            self.catalog.totals()
        assert len(found) == 1

    @rule(run=runs, there=st.booleans())
    def change_folders(self, run: str, there: bool) -> None:
        self.folders = self.folders | {run} if there else self.folders - {run}

    @rule()
    def sync(self) -> None:
        self.catalog.sync()
        self.synced()

    # Runs

    @rule(run=runs)
    def begin_use(self, run: str) -> None:
        self.folders |= {run}
        self.catalog.begin_use(run)
        self.is_used(run)

    def is_used(self, run: str) -> None:
        self.known(run)
        self.in_use |= {run}
        self.change(run, figures=None)

    @rule(run=runs, figures=st.none() | figures)
    def end_use(self, run: str, figures: RunFigures | None) -> None:
        self.catalog.end_use(run, figures)
        self.in_use -= {run}
        self.change(run, figures=figures)

    @rule(run=runs, figures=figures)
    def set_figures(self, run: str, figures: RunFigures) -> None:
        self.catalog.set_figures(run, figures)
        if run in self.rows and self.rows[run].figures is None and run not in self.in_use:
            self.change(run, figures=figures)

    @rule(run=runs, max_bytes=st.none() | st.integers(0, 9), max_age_seconds=st.none() | st.floats(0, 9))
    def set_limits(self, run: str, max_bytes: int | None, max_age_seconds: float | None) -> None:
        if run in self.rows:
            self.catalog.set_limits(run, max_bytes, max_age_seconds)
            self.change(run, max_bytes=max_bytes, max_age_seconds=max_age_seconds)
        else:
            with pytest.raises(NotFound):
                self.catalog.set_limits(run, max_bytes, max_age_seconds)

    @rule(run=runs)
    def remove_run(self, run: str) -> None:
        self.folders -= {run}
        self.catalog.remove_run(run)
        self.in_use -= {run}
        self.gone(run)

    # Sessions

    @rule(run=runs, key=keys, pid=st.integers(1, 3))
    def begin_session(self, run: str, key: int, pid: int) -> None:
        self.folders |= {run}
        began = session(key, self.now(), pid=pid)
        self.catalog.begin_session(run, began)
        self.is_used(run)
        before = self.sessions[run].get(key, began)
        self.sessions[run][key] = began._replace(started_us=before.started_us, records=before.records)

    @rule(
        run=runs,
        key=keys,
        exit_status=st.none() | st.integers(0, 2),
        records=st.integers(0, 9),
        figures=st.none() | figures,
        lost=st.booleans(),
    )
    def end_session(
        self, run: str, key: int, exit_status: int | None, records: int, figures: RunFigures | None, lost: bool
    ) -> None:
        at_us, exit_status = self.now(), None if lost else exit_status
        self.catalog.end_session(
            run, key, ended_us=at_us, exit_status=exit_status, records=records, figures=figures, lost=lost
        )
        of_run = self.sessions.get(run, {})
        if key in of_run:
            of_run[key] = of_run[key]._replace(
                ended_us=at_us,
                exit_status=exit_status,
                records=of_run[key].records + records,
                state="lost" if lost else "ended",
            )
        for row in [row for row in self.ordered(run) if row.state != "running"][catalog_module.MAX_SESSIONS_OF_RUN :]:
            del of_run[row.key]
        if lost or exit_status is not None:
            self.change(run, exit_status=exit_status)
        if figures is not None:
            self.in_use -= {run}
            self.change(run, figures=figures)

    def ordered(self, run: str) -> list[SessionRow]:
        def order(row: SessionRow) -> tuple[bool, int, int]:
            signed = row.key - 2**64 if row.key >= 2**63 else row.key
            return row.ended_us is not None, -(row.ended_us or row.started_us), -signed

        return sorted(self.sessions.get(run, {}).values(), key=order)

    # Boards

    @rule(run=runs, values=st.dictionaries(st.sampled_from("abcdef"), st.none() | st.integers(0, 3), max_size=4))
    def set_items(self, run: str, values: dict[str, int | None]) -> None:
        at_us = self.now()
        changed = {**self.items.get(run, {}), **{key: Item(value, at_us) for key, value in values.items()}}
        after = {key: item for key, item in changed.items() if item.value is not None}
        if run not in self.rows or len(after) > catalog_module.MAX_ITEMS_OF_RUN:
            with pytest.raises(UsageError if run in self.rows else NotFound):
                self.catalog.set_items(run, values, at_us)
        else:
            self.catalog.set_items(run, values, at_us)
            self.items[run] = after

    def listed(self, run: str) -> RunRow:
        ended = next((row for row in self.ordered(run) if row.ended_us is not None), None)
        return self.rows[run]._replace(lost=ended is not None and ended.state == "lost")

    @invariant()
    def agrees(self) -> None:
        rows = [self.listed(run) for run in sorted(self.rows)]
        assert self.catalog.page("", 99) == rows
        known = [(row.figures, row) for row in rows if row.figures is not None]
        assert self.catalog.totals() == (len(rows), sum(figures.size_bytes for figures, _ in known))
        with_bytes = [(figures, row) for figures, row in known if figures.size_bytes]
        with_bytes.sort(key=lambda pair: (-1 if pair[0].last_time_us is None else pair[0].last_time_us, pair[1].name))
        assert self.catalog.oldest_first() == [row for _, row in with_bytes]
        for run in NAMES:
            assert self.catalog.row(run) == (self.listed(run) if run in self.rows else None)
            assert self.catalog.sessions(run, 99) == self.ordered(run)
            assert self.catalog.items(run) == self.items.get(run, {})


def test_agrees_with_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog_module, "MAX_SESSIONS_OF_RUN", 3)
    monkeypatch.setattr(catalog_module, "MAX_ITEMS_OF_RUN", 4)
    monkeypatch.setattr(CatalogMachine, "home", tmp_path, raising=False)
    run_state_machine_as_test(CatalogMachine, settings=settings(max_examples=30, stateful_step_count=30, deadline=None))


# Damage and kills


def fill(catalog: Catalog) -> None:
    for number in range(24):
        run, key = NAMES[number % 4], number * 2**59
        catalog.begin_session(run, session(key, TIME_US + number))
        if number % 7:
            end(catalog, run, key, at_us=TIME_US + number, figures=FIGURES if number % 3 else None)
    catalog.set_items("build", {f"k{number}": {"done": number} for number in range(20)}, TIME_US)
    catalog.set_limits("a", 5, 6.5)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a catalog in which there is something of everything."""
    path = tmp_path_factory.mktemp("filled") / "catalog.sqlite"
    with closing(Catalog(path, lambda: NAMES)) as catalog:
        fill(catalog)
    return path


def use_all(path: Path) -> None:
    """Every call, on a file that may be damaged; afterwards the runs are those that have folders."""
    with closing(Catalog(path, lambda: NAMES)) as catalog:
        catalog.mark_lost(TIME_US + 100)
        catalog.page("", 9), catalog.oldest_first(), catalog.totals()
        for run in NAMES:
            catalog.row(run), catalog.sessions(run, 99), catalog.items(run)
            catalog.set_figures(run, FIGURES)
        for run in NAMES:
            catalog.begin_session(run, session())
            catalog.set_items(run, {"k3": 1, "k4": None, "new": 2}, TIME_US)
            end(catalog, run)
            catalog.set_limits(run, 1, 2.0)
        catalog.remove_run("a")
        catalog.sync()
        assert [row.name for row in catalog.page("", 99)] == NAMES
        catalog.begin_use("a")
        catalog.end_use("a", FIGURES)
        row = catalog.row("a")
        assert row is not None
        assert row.figures == FIGURES


def check_damage(folder: Path, content: bytes | bytearray) -> None:
    """A file of this content is used without an error; where it is set aside, a warning says so."""
    path = folder / "catalog.sqlite"
    path.write_bytes(content)
    with warnings() as found:
        use_all(path)
    assert len(found) == len(set_aside(path)) <= 1


places = st.integers(0, 2**20)


class TestDamage:
    @pytest.mark.parametrize("mask", [0x01, 0x80, 0xFF])
    def test_of_each_byte_of_the_header(
        self, tmp_path_factory: pytest.TempPathFactory, filled: Path, mask: int
    ) -> None:
        for at in range(100):
            damaged = bytearray(filled.read_bytes())
            damaged[at] ^= mask
            check_damage(tmp_path_factory.mktemp("damage"), damaged)

    @settings(max_examples=150, deadline=None)
    @given(st.dictionaries(places, st.integers(1, 255), min_size=1, max_size=3))
    def test_of_a_few_bytes_anywhere(
        self, tmp_path_factory: pytest.TempPathFactory, filled: Path, masks: dict[int, int]
    ) -> None:
        """Mostly where there is something."""
        damaged = bytearray(filled.read_bytes())
        used = [at for at, byte in enumerate(damaged) if byte]
        for place, mask in masks.items():
            damaged[used[place % len(used)] if place % 4 else place % len(damaged)] ^= mask
        check_damage(tmp_path_factory.mktemp("damage"), damaged)

    @settings(max_examples=40, deadline=None)
    @given(places)
    @example(4096)
    @example(3 * 4096 - 1)
    def test_that_cuts_the_file(self, tmp_path_factory: pytest.TempPathFactory, filled: Path, place: int) -> None:
        """SQLite notices where a page is missing, and not where its end is."""
        folder = tmp_path_factory.mktemp("damage")
        content = filled.read_bytes()
        length = 1 + place % (len(content) - 1)
        check_damage(folder, content[:length])
        assert set_aside(folder / "catalog.sqlite") or length > len(content) - 4096

    def test_leaves_runs_and_who_uses_them(self, path: Path, catalog: Catalog) -> None:
        catalog.begin_session("a", session())
        catalog.set_figures("build", FIGURES)
        with warnings() as found:
            catalog._execute("DROP TABLE sessions")
            assert catalog.sessions("a", 9) == []
            assert len(found) == len(set_aside(path)) == 1
        assert catalog.page("", 9) == [unknown(name) for name in NAMES]
        catalog.set_figures("a", FIGURES)
        assert catalog.row("a") == unknown("a"), "it is still in use"
        end(catalog, "a")
        assert catalog.row("a") == RunRow("a", FIGURES, 0, None, None)


class TestKill:
    def test_at_any_moment_leaves_what_was_kept_until_then(self, tmp_path: Path, path: Path, catalog: Catalog) -> None:
        """The end of what was written is cut at any byte: what is found is the state after one of the calls."""

        def state(of: Catalog) -> list[object]:
            return [of.page("", 9), [of.sessions(run, 9) for run in NAMES], [of.items(run) for run in NAMES]]

        catalog.totals()
        catalog.close()
        with closing(Catalog(path, lambda: NAMES)) as again:
            states = [state(again)]
            items = {f"k{number}": "x" * 50 for number in range(100)}
            calls: list[Callable[[], None]] = [
                lambda: again.begin_session("a", session()),
                lambda: again.set_items("a", items, TIME_US),
                lambda: end(again, "a"),
                lambda: again.set_limits("build", 1, 2.0),
                lambda: again.set_items("a", dict.fromkeys(items), TIME_US),
            ]
            for number, call in enumerate(calls):
                call()
                states.append(state(again))
                with closing(Catalog(kill(path, tmp_path / str(number)), lambda: NAMES)) as left:
                    assert state(left) == states[-1]
            killed = kill(path, tmp_path / "killed")
        content, wal = killed.read_bytes(), Path(f"{killed}-wal").read_bytes()
        reached = []
        for length in range(0, len(wal), 1021):
            killed.write_bytes(content)
            Path(f"{killed}-wal").write_bytes(wal[:length])
            with closing(Catalog(killed, lambda: NAMES)) as left:
                reached.append(states.index(state(left)))
        assert reached == sorted(reached)
        assert set(reached) == set(range(len(calls)))
        assert set_aside(killed) == []


class TestThreads:
    def test_that_write_and_read_at_once_disturb_no_one(self, catalog: Catalog) -> None:
        failures: list[BaseException] = []

        def work(run: str) -> None:
            try:
                for number in range(40):
                    catalog.begin_session(run, session(number, TIME_US + number))
                    assert catalog.row(run) == unknown(run)._replace(exit_status=number - 1 if number else None)
                    assert [row.name for row in catalog.page("", 9)] == NAMES
                    end(catalog, run, number, at_us=TIME_US + number, exit_status=number)
                    assert [row.state for row in catalog.sessions(run, 99)] == ["ended"] * (number + 1)
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(run,)) for run in NAMES]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert catalog.page("", 9) == [RunRow(run, FIGURES, 39, None, None) for run in NAMES]

    def test_that_come_after_the_closing_are_told(self, catalog: Catalog) -> None:
        catalog.close()
        with pytest.raises(StoreError, match="it is closed"):
            catalog.begin_use("a")
