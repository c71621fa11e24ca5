"""What keys do on the screen of all runs: as in less(1) and top(1)."""

from __future__ import annotations

from typing import Final

from logctl.screen.keys import Binding
from logctl.screen.table import COMMON, Kind, moving
from logctl.top.listing import FILTERS, SORTS

HEAD_ROWS: Final = 2
"""About the daemon as a whole."""

BINDINGS: Final = (
    *moving("run"),
    Binding("open", ("enter",), "attach to the run; q in the pager comes back"),
    Binding("filter", ("/", "&"), "only runs with TEXT in their names; nothing: all"),
    Binding("cycle_state", ("l",), f"only what is {', '.join(filter(None, FILTERS))}; all"),
    Binding("sort", ("s",), f"sort by {', '.join(SORTS)}"),
    Binding("sort_back", ("S",), "the same, the other way round through these"),
    Binding("reverse", ("r",), "reverse the order"),
    *COMMON,
    Binding("quit", ("q", "Q", "Z", "ctrl c"), "quit"),
)

SIGNS: Final = (
    ("▸", "the run that you are at, which stays on its row"),
    ("!", "behind a state: what comes cannot be stored at present"),
    ("WARN ERR", "warnings, and errors and worse, since the run was made or cleared"),
    ("QUEUE", "the sum of the run's gauges with `queue` in their names"),
)

KIND: Final = Kind(HEAD_ROWS, tuple(SORTS), FILTERS, BINDINGS, SIGNS)
