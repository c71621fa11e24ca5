"""What any table does, whatever its keys are: here words, each in the state that it begins with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from logctl.screen import table
from logctl.screen.cells import columns_of
from logctl.screen.events import (
    Disconnected,
    FocusChanged,
    Interrupt,
    KeyPressed,
    Open,
    Quit,
    Reconnected,
    Repaint,
    Resized,
    Suspend,
    Wheel,
)
from logctl.screen.keys import Binding
from logctl.screen.table import ALL, COMMON, Kind, Table, Wanted, listed, moving, placed
from logctl.screen.table_view import TEXT, framed, help_rows, sheet
from logctl.screen.view import View

BINDINGS = (
    *moving("item"),
    Binding("filter", ("/",), "only some"),
    Binding("cycle_state", ("l",), "only one state"),
    Binding("sort", ("s",), "sort"),
    Binding("sort_back", ("S",), "the other way round"),
    Binding("reverse", ("r",), "reverse"),
    Binding("open", ("enter",), "open"),
    *COMMON,
    Binding("quit", ("q",), "quit"),
    Binding("interrupt", ("ctrl c",), "interrupt"),
)


@dataclass(frozen=True)
class Words(Table):
    kind = Kind(2, ("state", "name", "length"), (ALL, "a", "b"), BINDINGS, (("▸", "the word"),))


class Screen:
    """A table, and what it asked for."""

    def __init__(self, *words: str, rows: int = 10, columns: int = 40) -> None:
        self.words = set(words)
        self.state = Words(rows, columns)
        self.asked: list[Any] = []
        self.list()

    def list(self) -> None:
        wanted = self.state.wanted
        keys = sorted(word for word in self.words if word.startswith(wanted.only) and wanted.text in word)
        self.state = listed(self.state, tuple(reversed(keys) if wanted.reverse else keys), len(self.words))

    def tell(self, *events: Any) -> None:
        for event in events:
            wanted = self.state.wanted
            self.state, asked = table.update(self.state, event, self.state.now)
            self.asked += asked
            if self.state.wanted is not wanted:
                self.list()
                self.state = placed(self.state)

    def press(self, *keys: str) -> None:
        self.tell(*(KeyPressed(key) for key in keys))

    @property
    def view(self) -> View:
        state = self.state
        rows = [((TEXT, key),) for key in state.shown_keys]
        head = [()] * state.head_rows
        return framed(state, sheet(state, help_rows(state.kind)) if state.sheet else [*head, (), *rows], hint="hint  ")

    @property
    def last(self) -> str:
        return self.view.text().splitlines()[-1]


def many(count: int = 30) -> list[str]:
    return [f"a{number:02}" for number in range(count)]


# Moving

KEYS = st.sampled_from(["j", "k", "page down", "page up", "d", "u", "g", "G", "s", "r", "l", "enter", "esc", "h", "/"])
EVENTS = st.lists(
    KEYS.map(KeyPressed)
    | st.builds(Resized, st.integers(1, 30), st.integers(1, 60))
    | st.sampled_from([Wheel(3), Wheel(-3), Disconnected(), Reconnected(), FocusChanged(False)])
    | st.sets(st.sampled_from([f"{letter}{number}" for letter in "ab" for number in range(20)])),
    max_size=30,
)


def is_free(state: Table) -> bool:
    """Whether no edge of the list is near, which would keep what is chosen from its row."""
    return state.height <= state.index < len(state.keys) - state.height


@settings(max_examples=200, deadline=None)
@given(EVENTS)
@example([KeyPressed("j"), Resized(4, 1), {"a2"}, {"a0", "a1", "a2", "a3", "a4"}])
def test_whatever_happens_it_is_a_screen_and_what_is_chosen_stays_on_its_row(events: list[Any]) -> None:
    screen = Screen(*many(3))
    for event in events:
        before = screen.state
        if isinstance(event, set):
            screen.words = event
            screen.list()
        else:
            screen.tell(event)
        state, shown = screen.state, screen.view
        assert len(shown.rows) == state.rows
        assert all(sum(columns_of(text) for _, text in row) <= state.columns for row in shown.rows)
        assert state.top == 0 if state.chosen is None else state.chosen in (state.shown_keys or state.keys)
        if isinstance(event, set) and state.chosen == before.chosen is not None and is_free(before) and is_free(state):
            assert state.index - state.top == before.index - before.top


def test_while_nobody_has_moved_the_first_are_shown_whichever_they_are() -> None:
    screen = Screen(*many())
    for keys in ((), ("j", "g")):
        screen.press(*keys)
        screen.words.add(f"a{len(keys)} before")
        screen.list()
        assert screen.state.shown_keys[0] == sorted(screen.words)[0]
        assert screen.state.chosen is None


def test_where_what_is_chosen_is_gone_what_is_in_its_place_is_chosen() -> None:
    screen = Screen(*many(5))
    screen.press("j", "j")
    screen.words.remove("a02")
    screen.list()
    assert screen.state.chosen == "a03"
    screen.words.clear()
    screen.list()
    assert screen.state.chosen is None


def test_what_is_chosen_is_on_a_screen_that_has_become_smaller() -> None:
    screen = Screen(*many(), rows=30)
    screen.press(*"j" * 20)
    screen.tell(Resized(8, 80))
    assert screen.state.chosen == "a20"
    assert "a20" in screen.state.shown_keys


def test_lines_and_pages() -> None:
    screen = Screen(*many(100))
    height = screen.state.height
    screen.press("page down")
    assert screen.state.shown_keys[0] == f"a{height:02}"
    screen.press("page up")
    assert screen.state.shown_keys[0] == "a00"
    screen.press("d")
    assert screen.state.shown_keys[0] == f"a{height // 2:02}"
    screen.press("u", "G")
    assert screen.state.shown_keys[-1] == screen.state.chosen == "a99"
    screen.press("k")
    assert (screen.state.shown_keys[-1], screen.state.chosen) == ("a99", "a98")
    screen.press("home", *"jjj")
    assert (screen.state.shown_keys[0], screen.state.chosen) == ("a00", "a03")
    screen.tell(Wheel(3))
    assert (screen.state.shown_keys[0], screen.state.chosen) == ("a03", "a06")


# Choosing


def test_text_and_state_filter_and_esc_shows_all_again() -> None:
    screen = Screen("a-one", "a-two", "b-one")
    screen.press("/", *"one", "enter")
    assert list(screen.state.keys) == ["a-one", "b-one"]
    assert screen.last.startswith(" 1-2 of 2, 3 in all  by state  /one/")
    screen.press("l", "l")
    assert list(screen.state.keys) == ["b-one"]
    assert "b alone" in screen.last
    screen.press("/", "x", "esc")
    assert screen.state.wanted == Wanted(text="one", only="b")
    screen.press("esc")
    assert screen.state.wanted == Wanted()
    assert list(screen.state.keys) == ["a-one", "a-two", "b-one"]


def test_sorts_are_gone_through_either_way_and_reversed() -> None:
    screen = Screen(*many(3))
    for key, sorts in (("s", ("name", "length", "state")), ("S", ("length", "name", "state"))):
        for sort in sorts:
            screen.press(key)
            assert screen.state.wanted.sort == sort
    screen.press("r")
    assert list(screen.state.keys) == ["a02", "a01", "a00"]
    assert "by state reversed" in screen.last


@pytest.mark.parametrize(
    ("key", "asked"), [("ctrl z", Suspend()), ("ctrl l", Repaint()), ("q", Quit()), ("ctrl c", Interrupt())]
)
def test_what_keys_ask_for(key: str, asked: object) -> None:
    screen = Screen(*many(3))
    screen.press(key)
    assert screen.asked == [asked]
    screen.press("h", key)
    assert screen.asked[1:] == ([] if key == "q" else [asked]), "q closes the help"


def test_enter_opens_what_is_chosen_or_the_first() -> None:
    screen = Screen(*many(3))
    screen.press("enter")
    assert screen.state.chosen == "a00"
    screen.press("j", "enter")
    assert screen.asked == [Open("a00"), Open("a01")]
    screen.press("h", "enter")
    assert (screen.state.sheet, len(screen.asked)) == ("", 2)
    screen.words.clear()
    screen.list()
    screen.press("enter")
    assert len(screen.asked) == 2


# The screen


def test_the_help_scrolls_and_closes() -> None:
    screen = Screen()
    screen.press("h")
    assert screen.view.text().splitlines()[0] == "Keys"
    assert screen.last == " Esc closes this"
    screen.press("j")
    assert "an item down" in screen.view.text().splitlines()[0]
    screen.press("G")
    assert "▸" in screen.view.text().splitlines()[-2]
    screen.press("g")
    assert screen.view.text().splitlines()[0] == "Keys"
    screen.press("h")
    assert screen.state.sheet == ""


def test_the_last_row_says_what_there_is_room_for() -> None:
    screen = Screen(*many(3), columns=60)
    assert screen.last.startswith(" 1-3 of 3  by state  ")
    assert screen.last.endswith("hint  h help  q quit")
    screen.tell(Resized(10, 40))
    assert "hint" not in screen.last and screen.last.endswith("  h help  q quit")
    screen.tell(Resized(10, 30))
    assert screen.last == " 1-3 of 3  by state"
    screen.tell(Disconnected())
    assert screen.last.startswith(" reconnecting…  1-3")
    assert "told" in framed(screen.state, (), note="told").text()


def test_what_is_typed_is_shown_with_the_cursor_behind_it() -> None:
    screen = Screen(*many(3))
    assert screen.view.cursor is None
    screen.press("/", *"ab\u8a9e", "left")
    assert screen.last == "/ab\u8a9e"
    assert screen.view.cursor == (9, 3)
    screen.state = replace(screen.state, rows=1)
    assert (screen.view.cursor, len(screen.view.rows)) == (None, 1)
