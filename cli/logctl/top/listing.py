"""Which runs are shown, and in which order: worked out when something has changed, and not for each screen."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, Final

from logctl.screen.table import ALL, Wanted
from logctl.top.lines import Run

FILTERS: Final = (ALL, "running", "silent", "lost", "ended")
"""States that alone can be shown, in the order in which they are gone through."""
_RANKS: Final = {state: rank for rank, state in enumerate(("running", "silent", "lost", "ended", "unreadable", ""))}


def _by_state(run: Run) -> Any:
    """Those that go on by name, so that they stay in their places; the others with the newest first."""
    return _RANKS[run.state], 0 if run.goes_on else -run.last_us


SORTS: Final[dict[str, Callable[[Run], Any]]] = {
    "state": _by_state,
    "name": lambda run: 0,
    "rate": lambda run: -run.per_second,
    "errors": lambda run: (-run.errors, -run.warnings),
    "progress": lambda run: -math.inf if run.progress is None else -run.progress if run.goes_on else 2,
    "left": lambda run: math.inf if run.left_seconds is None else run.left_seconds,
    "queue": lambda run: -(run.queue or 0),
    "viewers": lambda run: -run.viewers,
    "size": lambda run: -run.size_bytes,
    "last": lambda run: -run.last_us,
}
"""What runs can be sorted by, in the order in which that is gone through. Of what is equal, the name decides."""


def listing(runs: Iterable[Run], wanted: Wanted) -> tuple[str, ...]:
    """The names of the runs that are wanted, in their order."""
    text, by = wanted.text.casefold(), SORTS[wanted.sort]
    shown = [
        run
        for run in runs
        if (not wanted.only or run.state == wanted.only) and (not text or text in run.name.casefold())
    ]
    names = [name for _, name in sorted((by(run), run.name) for run in shown)]
    return tuple(reversed(names) if wanted.reverse else names)
