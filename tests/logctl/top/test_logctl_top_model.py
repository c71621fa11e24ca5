"""What the screen of all runs knows and shows, as what comes and what is pressed make it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from top_bed import EPOCH_US, Screen, listed, live

from logctl.screen.events import Disconnected, KeyPressed, Open, Quit, Reconnected, Repaint, Resized, Suspend
from logctl.screen.table import Wanted
from logctl.top.lines import HISTORY_SAMPLES, Run, sparkline
from logctl.top.listing import SORTS, listing
from logctl.top.model import LIST_SECONDS, ListRuns, restarted
from logctl.top.view import view


def press(screen: Screen, *keys: str) -> None:
    screen.tell(*(KeyPressed(key) for key in keys))


def test_what_is_in_use_goes_before_what_is_listed() -> None:
    screen = Screen()
    screen.list(listed("a", bytes=99, errors=1), listed("b", exit_status=3))
    screen.use(a=live(errors=2, head=40, first_seq=11), c=live())
    runs = screen.state.runs
    assert runs["a"][:3] == ("a", "running", None)
    assert (runs["a"].errors, runs["a"].size_bytes, runs["a"].records) == (2, 99, 30)
    assert (runs["b"].state, runs["b"].exit_status) == ("ended", 3)
    assert runs["c"].size_bytes == 0
    assert set(runs) == {"a", "b", "c"}


def test_a_run_that_goes_out_of_use_is_as_it_was_last_until_the_next_list() -> None:
    screen = Screen()
    screen.list(listed("a", state="running", bytes=99))
    screen.use(a=live(warnings=4, progress=0.5, records_per_second=3.0))
    screen.use(a=live(state="lost", warnings=5, progress=0.75))
    screen.use(a=None)
    run = screen.state.runs["a"]
    assert (run.state, run.warnings, run.progress, run.size_bytes, run.per_second) == ("lost", 5, 0.75, 99, 0.0)
    screen.list(listed("a", state="lost", bytes=100, warnings=6))
    run = screen.state.runs["a"]
    assert (run.warnings, run.size_bytes, run.progress) == (6, 100, 0.75), (
        "of a board that is not in use nothing is listed"
    )
    screen.list()
    assert screen.state.runs == {}


def test_rates_are_sampled_each_second_and_go_with_the_run() -> None:
    screen = Screen()
    for rate in range(HISTORY_SAMPLES + 10):
        screen.use(a=live(records_per_second=float(rate)))
        screen.pass_seconds(1)
    history = screen.state.history["a"]
    assert len(history) == HISTORY_SAMPLES
    assert history[-3:] == (HISTORY_SAMPLES + 7.0, HISTORY_SAMPLES + 8.0, HISTORY_SAMPLES + 9.0)
    screen.use(a=None)
    screen.pass_seconds(1)
    assert screen.state.history == {}


@pytest.mark.parametrize(
    ("rates", "shown"),
    [
        ((), "    "),
        ((0.0, 0.0), "    "),
        ((5.0,), "   █"),
        ((1.0, 2.0, 4.0, 8.0), "▁▂▄█"),
        ((100.0, 0.0, 0.001, 50.0, 100.0), " ▁▄█"),
    ],
)
def test_a_sparkline_has_the_newest_rates(rates: tuple[float, ...], shown: str) -> None:
    assert sparkline(rates, 4) == shown
    assert sparkline(rates, 0) == ""


def test_all_runs_are_asked_for_now_and_then_and_not_while_they_are() -> None:
    screen = Screen()
    screen.pass_seconds(3 * LIST_SECONDS)
    assert screen.effects == [], "they are asked for by the connection"
    screen.list()
    screen.pass_seconds(3 * LIST_SECONDS)
    assert screen.effects == [ListRuns()]
    screen.tell(Disconnected())
    assert screen.state.wakes_at is None
    screen.tell(Reconnected())
    screen.list()
    screen.pass_seconds(LIST_SECONDS + 2)
    assert screen.effects == [ListRuns(), ListRuns()]


RUNS = st.builds(
    Run,
    st.sampled_from([f"{name}-{number}" for name in "ab" for number in range(5)]),
    st.sampled_from(["running", "silent", "lost", "ended", "unreadable"]),
    per_second=st.floats(0, 9),
    errors=st.integers(0, 3),
    progress=st.none() | st.floats(0, 1),
    left_seconds=st.none() | st.integers(0, 9),
    queue=st.none() | st.integers(0, 9),
    last_us=st.integers(0, 9),
)


@given(st.lists(RUNS, unique_by=lambda run: run.name), st.sampled_from(list(SORTS)))
def test_every_order_has_all_runs_once_and_backward_the_same(runs: list[Run], sort: str) -> None:
    names = listing(runs, Wanted(sort))
    assert sorted(names) == sorted(run.name for run in runs)
    assert listing(reversed(runs), Wanted(sort)) == names
    assert listing(runs, Wanted(sort, reverse=True)) == names[::-1]
    some = listing(runs, Wanted(sort, text="B-", only="lost"))
    assert some == tuple(
        name for name in names for run in runs if run.name == name and run.state == "lost" and name[0] == "b"
    )


NAMES = [f"run-{number:02}" for number in range(40)]
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("use"), st.sampled_from(NAMES), st.floats(0, 100)),
        st.tuples(st.just("gone"), st.sampled_from(NAMES)),
        st.tuples(st.just("list"), st.sets(st.sampled_from(NAMES), max_size=30)),
        st.tuples(st.just("pass"), st.floats(0, 3)),
        st.tuples(st.just("key"), st.sampled_from(["j", "k", " ", "b", "d", "G", "g", "s", "r", "l", "esc", "h", "q"])),
        st.tuples(st.just("size"), st.integers(1, 30), st.integers(1, 120)),
    ),
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(EVENTS)
def test_the_chosen_run_stays_on_its_row_whatever_comes(events: list[tuple[Any, ...]]) -> None:
    screen = Screen(12, 80)
    screen.list(*(listed(name) for name in NAMES[:20]))
    for kind, *values in events:
        before = screen.state
        row_before = before.index - before.top
        match kind, values:
            case "use", [name, rate]:
                screen.use(**{name: live(records_per_second=rate)})
            case "gone", [name]:
                screen.use(**{name: None})
            case "list", [names]:
                screen.list(*(listed(name) for name in sorted(names)))
            case "pass", [seconds]:
                screen.pass_seconds(seconds)
            case "key", [key]:
                press(screen, key)
            case "size", [rows, columns]:
                screen.tell(Resized(rows, columns))
        state = screen.state
        assert state.chosen is None or state.chosen in state.keys
        assert state.chosen is None or state.height == 0 or state.chosen in state.shown_keys
        assert len(view(state).rows) == max(1, state.rows)
        is_free = state.height <= state.index < len(state.keys) - state.height  # no edge of the list is near
        if kind in ("use", "gone", "list", "pass") and state.chosen == before.chosen is not None and is_free:
            assert state.index - state.top == row_before


def test_keys_ask_for_what_they_say() -> None:
    screen = Screen()
    screen.list(listed("a"), listed("b"))
    press(screen, "enter")
    press(screen, "j", "enter", "ctrl l", "ctrl z", "q")
    assert screen.effects == [Open("a"), Open("b"), Repaint(), Suspend(), Quit()]
    press(screen, "h", "q")
    assert screen.effects[5:] == [], "q closes the help"
    press(screen, "ctrl c")
    assert screen.effects[5:] == [Quit()]


def test_it_is_as_it_was_when_it_is_shown_again() -> None:
    screen = Screen()
    screen.list(*(listed(name) for name in NAMES))
    press(screen, "s", "G", "k")
    before = screen.state
    state = restarted(before, "gone", rows=10, columns=60, now=before.now + 500, epoch_us=EPOCH_US)
    assert (state.chosen, state.wanted, state.keys) == (before.chosen, before.wanted, before.keys)
    assert state.chosen in state.shown_keys
    assert state.shown_note == "gone"
    assert state.now_us == EPOCH_US + int((before.now + 500) * 1e6)
