"""What keys do on a board's screen: as in less(1) and top(1)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from logctl.screen.attributes import Attribute, Segment
from logctl.screen.cells import columns_of
from logctl.screen.keys import Binding, shown_keys

BINDINGS: Final = (
    Binding("line_down", ("j", "down", "ctrl n", "ctrl e"), "an item down"),
    Binding("line_up", ("k", "up", "ctrl p", "ctrl y"), "an item up"),
    Binding("page_down", (" ", "f", "page down", "ctrl f", "ctrl v"), "a page down"),
    Binding("page_up", ("b", "page up", "ctrl b", "meta v"), "a page up"),
    Binding("half_down", ("d", "ctrl d"), "half a page down"),
    Binding("half_up", ("u", "ctrl u"), "half a page up"),
    Binding("start", ("g", "<", "home", "meta <"), "to the first item, whichever that is from then on"),
    Binding("end", ("G", ">", "end", "meta >"), "to the last item"),
    Binding("filter", ("/", "&"), "only what has TEXT in name or status; nothing: all"),
    Binding("cycle_state", ("l",), "only what is in one state, each in turn; all"),
    Binding("sort", ("s",), "sort by state, item, done, rate, left, time, newest"),
    Binding("reverse", ("r",), "reverse the order"),
    Binding("open", ("enter", "i"), "all that there is of the item"),
    Binding("close", ("esc",), "close this, or show all again"),
    Binding("repaint", ("ctrl l", "ctrl r"), "paint it again"),
    Binding("suspend", ("ctrl z",), "stop; `fg` goes on"),
    Binding("help", ("h", "H", "?", "f1"), "this"),
    Binding("quit", ("q", "Q", "Z"), "quit"),
    Binding("interrupt", ("ctrl c",), "quit, with status 130"),
)

ACTIONS: Final = {key: binding.action for binding in BINDINGS for key in binding.keys}

TITLE = Attribute("title")
KEY = Attribute("key")
TEXT = Attribute("text")
_KEY_COLUMNS = 24


def help_rows() -> Iterator[tuple[Segment, ...]]:
    """The help, as rows that may be longer than the screen is wide."""
    yield ((TITLE, "Keys"),)
    for binding in BINDINGS:
        keys = shown_keys(binding)
        yield (TEXT, "  "), (KEY, keys), (TEXT, " " * max(1, _KEY_COLUMNS - columns_of(keys)) + binding.text)
    yield ()
    yield ((TITLE, "On the screen"),)
    yield (
        (TEXT, "  "),
        (KEY, "▸"),
        (TEXT, " " * (_KEY_COLUMNS - 1) + "the item that you are at, which stays on its row"),
    )
