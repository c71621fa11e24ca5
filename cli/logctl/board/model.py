"""The board's screen as a pure state: (state, event, now) -> (state, effects), with no terminal, clock or I/O in it.

It is a table of items: keys, and what is chosen, are the table's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from logctl.board.cells import HowIs
from logctl.board.keys import KIND
from logctl.board.listing import listing
from logctl.screen import table
from logctl.screen.events import Open, Value
from logctl.screen.table import Table, listed, placed, with_sheet
from logd.progress import Item, Overall, overall, state_of

SPIN_SECONDS: Final = 0.25
"""Between two turns of the spinners."""
TICK_SECONDS: Final = 1.0
"""Between two looks at the time, where only that moves. A screen that is not looked at gets no more."""
_NOTHING: Final = overall((), 0)


class Changed(Value):
    """What has changed of the board.

    Args:
        items: by key; None for one that is gone.
        whole: these are all.
        how: how the run is, where that has changed.
    """

    items: Mapping[str, Item | None]
    whole: bool = False
    how: HowIs | None = None


@dataclass(frozen=True)
class State(Table):
    kind = KIND

    run: str = ""
    items: Mapping[str, Item] = field(default_factory=dict)
    how: HowIs = HowIs()  # noqa: RUF009 it is immutable
    overall: Overall = _NOTHING
    overall_at: float = 0.0
    """When it was worked out."""

    @property
    def spins(self) -> bool:
        """Whether a spinner is on the screen."""
        return self.connected and any(
            state_of(self.items[key], self.how.ended_us) == "running" for key in self.shown_keys
        )

    @property
    def wakes_at(self) -> float | None:
        """When a Ticked is wanted next; None for never."""
        step = SPIN_SECONDS if self.focused and not self.sheet and self.spins else TICK_SECONDS
        if not self.connected or not (self.overall.is_on or "running" in self.overall.counts):
            return None
        return (math.floor(self.now / step) + 1) * step


def start(run: str, *, rows: int, columns: int, now: float, epoch_us: int) -> State:
    """The screen before anything has come."""
    return State(rows, columns, now, epoch_us, run=run)


def update(state: State, event: Any, now: float) -> tuple[State, list[Any]]:
    """What an event makes of a state, and what it asks for: Quit, Interrupt, Suspend, Repaint."""
    wanted = state.wanted
    state, effects = table.update(state, event, now)
    if effects and isinstance(effects[0], Open):
        return with_sheet(state, "detail"), []
    if isinstance(event, Changed):
        items = {} if event.whole else dict(state.items)
        items.update({key: item for key, item in event.items.items() if item is not None})
        for key in [key for key, item in event.items.items() if item is None]:
            items.pop(key, None)
        state = _summed(_listed(replace(state, items=items, how=state.how if event.how is None else event.how)))
    if state.wanted is not wanted:
        state = placed(_listed(state))
    if now - state.overall_at >= TICK_SECONDS:
        state = _summed(state)
    return state, effects


def _summed(state: State) -> State:
    return replace(state, overall=overall(state.items.values(), state.now_us, state.how.ended_us), overall_at=state.now)


def _listed(state: State) -> State:
    return listed(state, *listing(state.items, state.wanted, state.now_us, state.how.ended_us))
