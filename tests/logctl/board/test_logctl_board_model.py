"""The board's screen as events change it: what is chosen stays on its row, and what is listed is what is wanted."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logctl.board.cells import HowIs
from logctl.board.keys import BINDINGS
from logctl.board.listing import FILTERS, SORTS, listing
from logctl.board.model import SPIN_SECONDS, TICK_SECONDS, Changed, State, start, update
from logctl.board.view import view
from logctl.screen.cells import columns_of
from logctl.screen.events import (
    Disconnected,
    FocusChanged,
    Interrupt,
    KeyPressed,
    Quit,
    Reconnected,
    Repaint,
    Resized,
    Suspend,
    Ticked,
    Wheel,
)
from logctl.screen.table import Wanted
from logd.progress import STATES, state_of

EPOCH_US = 1_795_000_000_000_000


def item(state: str = "running", **fields: Any) -> dict[str, Any]:
    started = {"started_us": EPOCH_US} if state != "pending" else {}
    ended = {"ended_us": EPOCH_US + 1} if state in ("done", "failed") else {}
    return {"state": state, "updated_us": EPOCH_US, **started, **ended, **fields}


class Screen:
    """A state, and what it asked for."""

    def __init__(self, items: dict[str, Any] | None = None, *, rows: int = 12, columns: int = 80) -> None:
        self.state: State = start("job", rows=rows, columns=columns, now=0.0, epoch_us=EPOCH_US)
        self.asked: list[object] = []
        if items is not None:
            self.tell(Changed(items, whole=True, how=HowIs("running")))

    def tell(self, event: Any, now: float | None = None) -> None:
        self.state, effects = update(self.state, event, self.state.now if now is None else now)
        self.asked += effects

    def press(self, *keys: str) -> None:
        for key in keys:
            self.tell(KeyPressed(key))

    def type(self, text: str) -> None:
        self.press("/", *text, "enter")

    @property
    def lines(self) -> list[str]:
        return view(self.state).text().splitlines()

    @property
    def shown(self) -> tuple[str, ...]:
        return self.state.shown_keys


def many(count: int = 30, state: str = "running") -> dict[str, Any]:
    return {f"item-{number}": item(state) for number in range(count)}


# Listing

boards = st.dictionaries(
    st.text("ab0129", min_size=1, max_size=4),
    st.builds(
        lambda state, done, rate, status: item(state, done=done, total=9, rate=rate, moved_us=EPOCH_US, status=status),
        *(st.sampled_from(STATES), st.integers(0, 9), st.floats(0, 5), st.sampled_from(["", "Ab", "x"])),
    )
    | st.just({"gauge": 1, "updated_us": 1}),
    max_size=15,
)


@settings(deadline=None)
@given(boards, st.sampled_from(list(SORTS)), st.booleans(), st.sampled_from(["", "b", "AB"]), st.sampled_from(FILTERS))
def test_what_is_listed_is_what_is_wanted(
    items: dict[str, Any], sort: str, reverse: bool, text: str, only: str
) -> None:
    found = listing(items, Wanted(sort, reverse, text, only), EPOCH_US, None)
    counted = {key for key, each in items.items() if "gauge" not in each}
    assert found.all_count == len(counted)
    assert sorted(found.keys) == sorted(
        key
        for key in counted
        if text.lower() in key.lower() or text.lower() in items[key]["status"].lower()
        if only in ("", state_of(items[key]))
    )
    back = listing(items, Wanted(sort, not reverse, text, only), EPOCH_US, None)
    assert found.keys == back.keys[::-1]


def test_names_are_in_the_order_of_the_numbers_in_them() -> None:
    names = ["page-10", "page-2", "Page-1", "a", "page", "12", "2", "page-2b"]
    items = {name: item() for name in names}
    expected = ("2", "12", "a", "page", "Page-1", "page-2", "page-2b", "page-10")
    assert listing(items, Wanted("item"), 0, None).keys == expected


def test_what_runs_is_first_and_then_what_failed() -> None:
    items = {state: item(state) for state in ("done", "pending", "failed", "running")}
    assert listing(items, Wanted(), 0, None).keys == ("running", "failed", "pending", "done")
    assert listing(items, Wanted(), 0, EPOCH_US).keys == ("failed", "running", "pending", "done"), "it has stopped"


# Moving

keys = st.sampled_from(["j", "k", "page down", "page up", "d", "u", "g", "G", "s", "r", "l", "i", "esc", "h"])
changes = st.dictionaries(
    st.sampled_from([f"k{number}" for number in range(20)]),
    st.none() | st.sampled_from(STATES).map(item) | st.just({"gauge": 2, "updated_us": 1}),
    max_size=8,
)
events = st.lists(
    st.one_of(
        keys.map(KeyPressed),
        st.builds(Changed, changes, st.booleans()),
        st.builds(Resized, st.integers(1, 30), st.integers(1, 120)),
        st.sampled_from([Wheel(3), Wheel(-3), Ticked(), Disconnected(), Reconnected(), FocusChanged(False)]),
    ),
    max_size=25,
)


@settings(max_examples=200, deadline=None)
@given(events)
def test_whatever_happens_it_is_a_screen_and_what_is_chosen_is_on_it(events: list[Any]) -> None:
    screen = Screen(many(3))
    for number, event in enumerate(events):
        before = screen.state
        screen.tell(event, number / 10)
        state = screen.state
        shown = view(state)
        assert len(shown.rows) == state.rows
        assert all(sum(columns_of(text) for _, text in row) <= state.columns for row in shown.rows)
        if state.chosen is None:
            assert state.top == 0
        elif state.height:
            assert state.chosen in state.shown_keys
        if isinstance(event, Changed) and before.chosen is not None and state.chosen == before.chosen:
            least = min(before.index - before.top, state.index)
            most = max(least, state.height - (len(state.keys) - state.index))
            assert least <= state.index - state.top <= most or state.index - state.top == before.index - before.top


def test_what_is_chosen_stays_on_its_row_when_the_order_changes() -> None:
    screen = Screen(many())
    screen.press("page down", "j", "j")
    chosen = screen.state.chosen
    row = screen.shown.index(chosen or "")
    assert row == 2
    screen.tell(Changed({key: item("done") for key in screen.state.keys[:5]}))
    assert screen.state.chosen == chosen
    assert screen.shown.index(chosen or "") == row
    screen.tell(Changed({f"a{number}": item() for number in range(9)}))
    assert screen.shown.index(chosen or "") == row


def test_where_the_chosen_item_is_gone_what_is_in_its_place_is_chosen() -> None:
    screen = Screen(many(5))
    screen.press("j", "j")
    screen.tell(Changed({"item-2": None}))
    assert screen.state.chosen == "item-3"
    screen.tell(Changed({}, whole=True))
    assert screen.state.chosen is None
    assert "Nothing was reported yet" in "\n".join(screen.lines)


# Choosing


def test_text_and_state_filter_and_esc_shows_all_again() -> None:
    screen = Screen({**many(20), "other": item("failed", status="No Answer")})
    screen.type("no ANS")
    assert screen.shown == ("other",)
    assert "1-1 of 1, 21 in all" in screen.lines[-1]
    assert "/no ANS/" in screen.lines[-1]
    screen.press("l")
    assert not screen.shown
    assert "Esc shows all" in "\n".join(screen.lines)
    screen.press("l")
    assert screen.shown == ("other",)
    screen.press("esc")
    assert len(screen.state.keys) == 21
    screen.press("/", "x", "esc")
    assert screen.state.prompt is None
    assert screen.state.wanted.text == ""


def test_sheets_open_scroll_and_close() -> None:
    screen = Screen({"a": item(status="z" * 300, own="mine"), "b": item()})
    screen.press("enter")
    shown = "\n".join(screen.lines)
    assert shown.startswith("a\n")
    assert "own      mine" in shown
    assert shown.count("z") == 300
    screen.press("q")
    assert (screen.state.sheet, screen.asked) == ("", [])
    screen.press("h")
    assert screen.lines[0] == "Keys"
    screen.press("j")
    assert screen.lines[0] != "Keys"
    screen.press("G")
    assert "▸" in screen.lines[-3] + screen.lines[-2]
    screen.press("h")
    assert screen.state.sheet == ""


def test_what_keys_ask_for() -> None:
    screen = Screen(many(3))
    screen.press("ctrl z", "ctrl l", "q", "ctrl c")
    assert [type(each) for each in screen.asked] == [Suspend, Repaint, Quit, Interrupt]
    keys = [key for binding in BINDINGS for key in binding.keys]
    assert len(set(keys)) == len(keys), "no key does two things"


# Time


def test_spinners_turn_while_something_runs_and_is_seen() -> None:
    screen = Screen(many(2))
    assert screen.state.wakes_at == SPIN_SECONDS
    first = screen.lines[4]
    screen.tell(Ticked(), SPIN_SECONDS)
    assert screen.lines[4] != first
    screen.tell(FocusChanged(False))
    assert screen.state.wakes_at == TICK_SECONDS
    screen.tell(FocusChanged(True))
    screen.tell(Disconnected())
    assert screen.state.wakes_at is None
    assert "reconnecting" in screen.lines[-1]
    screen.tell(Reconnected())
    screen.press("i")
    assert screen.state.wakes_at == TICK_SECONDS
    screen.press("i")
    screen.tell(Changed(many(2, "done")))
    assert screen.state.wakes_at is None, "nothing moves any more"


def test_when_its_run_ends_nothing_spins_any_more() -> None:
    screen = Screen(many(2))
    screen.tell(Changed({}, how=HowIs("ended", 1, EPOCH_US + 5_000_000)), 5.0)
    assert screen.state.wakes_at is None
    assert screen.lines[0].startswith("job  ended 1")
    assert "2 stopped" in screen.lines[2]
    assert "■ stopped" in screen.lines[4]


def test_time_alone_moves_what_depends_on_it() -> None:
    screen = Screen({"a": item(done=10, total=100, rate=1.0, rate_seconds=30.0, moved_us=EPOCH_US)})
    screen.tell(Ticked(), 10.0)
    assert "10 s so far" in screen.lines[0]
    assert "10 s" in screen.lines[4]


@pytest.mark.parametrize("columns", [20, 40, 60, 80, 120, 200])
def test_it_is_readable_at_any_width(columns: int) -> None:
    items = {
        "a rather long name of an item": item(
            done=123_456,
            total=999_999,
            unit="samples",
            rate=1234.5,
            rate_seconds=30.0,
            moved_us=EPOCH_US,
            status="s" * 99,
        )
    }
    screen = Screen(items, columns=columns)
    row = screen.lines[4]
    assert "running" in row
    assert "a rath" in row
    if columns >= 80:
        assert "ssssssssss" in row
        assert "12%" in row
    if columns >= 120:
        assert "1,234/s" in row or "1,235/s" in row
        assert "123,456/999,999 samples" in row
