"""What keys do on a board's screen: as in less(1) and top(1)."""

from __future__ import annotations

from typing import Final

from logctl.board.listing import FILTERS, SORTS
from logctl.screen.keys import Binding
from logctl.screen.table import COMMON, Kind, moving

HEAD_ROWS: Final = 3
"""About the run as a whole."""

BINDINGS: Final = (
    *moving("item"),
    Binding("filter", ("/", "&"), "only what has TEXT in name or status; nothing: all"),
    Binding("cycle_state", ("l",), "only what is in one state, each in turn; all"),
    Binding("sort", ("s",), f"sort by {', '.join(SORTS)}"),
    Binding("reverse", ("r",), "reverse the order"),
    Binding("open", ("enter", "i"), "all that there is of the item"),
    *COMMON,
    Binding("quit", ("q", "Q", "Z"), "quit"),
    Binding("interrupt", ("ctrl c",), "quit, with status 130"),
)

SIGNS: Final = (("▸", "the item that you are at, which stays on its row"),)

KIND: Final = Kind(HEAD_ROWS, tuple(SORTS), FILTERS, BINDINGS, SIGNS)
