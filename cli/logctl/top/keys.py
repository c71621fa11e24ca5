"""What keys do on the screen of all runs: as in less(1) and top(1)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from logctl.screen.attributes import Attribute, Segment
from logctl.screen.cells import columns_of
from logctl.screen.keys import Binding, shown_keys

BINDINGS: Final = (
    Binding("line_down", ("j", "down", "ctrl n", "ctrl e"), "a run down"),
    Binding("line_up", ("k", "up", "ctrl p", "ctrl y"), "a run up"),
    Binding("page_down", (" ", "f", "page down", "ctrl f", "ctrl v"), "a page down"),
    Binding("page_up", ("b", "page up", "ctrl b", "meta v"), "a page up"),
    Binding("half_down", ("d", "ctrl d"), "half a page down"),
    Binding("half_up", ("u", "ctrl u"), "half a page up"),
    Binding("start", ("g", "<", "home", "meta <"), "to the first run, whichever that is from then on"),
    Binding("end", ("G", ">", "end", "meta >"), "to the last run"),
    Binding("open", ("enter",), "attach to the run; q in the pager comes back"),
    Binding("filter", ("/", "&"), "only runs with TEXT in their names; nothing: all"),
    Binding("cycle_state", ("l",), "only what is running, silent, lost, ended; all"),
    Binding("sort", ("s",), "sort by state, name, rate, errors, progress, left, queue, viewers, size, last"),
    Binding("sort_back", ("S",), "the same, the other way round through these"),
    Binding("reverse", ("r",), "reverse the order"),
    Binding("close", ("esc",), "close this, or show all again"),
    Binding("repaint", ("ctrl l", "ctrl r"), "paint it again"),
    Binding("suspend", ("ctrl z",), "stop; `fg` goes on"),
    Binding("help", ("h", "H", "?", "f1"), "this"),
    Binding("quit", ("q", "Q", "Z", "ctrl c"), "quit"),
)

ACTIONS: Final = {key: binding.action for binding in BINDINGS for key in binding.keys}

SIGNS: Final = (
    ("▸", "the run that you are at, which stays on its row"),
    ("!", "behind a state: what comes cannot be stored at present"),
    ("WARN ERR", "warnings, and errors and worse, since the run was made or cleared"),
    ("QUEUE", "the sum of the run's gauges with `queue` in their names"),
)

TITLE = Attribute("title")
KEY = Attribute("key")
TEXT = Attribute("text")
_KEY_COLUMNS = 24


def help_rows() -> Iterator[tuple[Segment, ...]]:
    """The help, as rows that may be longer than the screen is wide."""
    yield ((TITLE, "Keys"),)
    yield from (_row(shown_keys(binding), binding.text) for binding in BINDINGS)
    yield ()
    yield ((TITLE, "On the screen"),)
    yield from (_row(*sign) for sign in SIGNS)


def _row(keys: str, text: str) -> tuple[Segment, ...]:
    return (TEXT, "  "), (KEY, keys), (TEXT, " " * max(1, _KEY_COLUMNS - columns_of(keys)) + text)
