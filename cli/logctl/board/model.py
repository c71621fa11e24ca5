"""The board's screen as a pure state: (state, event, now) -> (state, effects), with no terminal, clock or I/O in it.

While nobody has moved, the first items are shown, whichever these are. Once somebody has, the item that they are at
stays on its row, however others come, go, or change their order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, TypeAlias

from logctl.board.cells import HowIs
from logctl.board.keys import ACTIONS
from logctl.board.listing import ALL, FILTERS, SORTS, Listing, Wanted, listing
from logctl.screen.events import (
    Disconnected,
    FocusChanged,
    KeyPressed,
    Quit,
    Reconnected,
    Repaint,
    Resized,
    Suspend,
    Value,
    Wheel,
)
from logctl.screen.prompts import Prompt, edited
from logd.progress import Item, Overall, overall, state_of

SPIN_SECONDS: Final = 0.25
"""Between two turns of the spinners."""
TICK_SECONDS: Final = 1.0
"""Between two looks at the time, where only that moves. A screen that is not looked at gets no more."""
HEAD_ROWS: Final = 3
"""About the run as a whole."""


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


class Interrupt(Value):
    """Asked for: end as ^C ends a command."""


@dataclass(frozen=True)
class State:
    run: str
    rows: int = 24
    columns: int = 80
    now: float = 0.0
    """Monotonic seconds."""
    epoch_us: int = 0
    """The wall's time when `now` was 0."""

    items: Mapping[str, Item] = field(default_factory=dict)
    how: HowIs = HowIs()  # noqa: RUF009 it is immutable
    wanted: Wanted = Wanted()  # noqa: RUF009
    listing: Listing = Listing((), 0)  # noqa: RUF009
    overall: Overall = _NOTHING
    overall_at: float = 0.0
    """When it was worked out."""

    chosen: str | None = None
    """The item that the user is at; None where that is the first, whichever it is."""
    screen_row: int = 0
    """Of the table's rows, the one that it is on."""
    prompt: Prompt | None = None
    sheet: Literal["", "help", "detail"] = ""
    sheet_top: int = 0
    connected: bool = True
    focused: bool = True

    @property
    def now_us(self) -> int:
        return self.epoch_us + int(self.now * 1e6)

    @property
    def head_rows(self) -> int:
        """How many rows tell of the run as a whole; a small screen has fewer."""
        return max(0, min(HEAD_ROWS, self.rows - 4))

    @property
    def height(self) -> int:
        """Rows for items: all but the head, the columns' names and the status line."""
        return max(0, self.rows - self.head_rows - 2)

    @property
    def index(self) -> int:
        """Where in the listing the user is."""
        return self.listing.keys.index(self.chosen) if self.chosen is not None else 0

    @property
    def top(self) -> int:
        """The first item that is on the screen."""
        row = max(0, min(self.screen_row, self.height - 1))
        return max(0, min(self.index - row, len(self.listing.keys) - self.height))

    @property
    def shown_keys(self) -> tuple[str, ...]:
        top = self.top
        return self.listing.keys[top : top + self.height]

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


Asked: TypeAlias = Quit | Interrupt | Suspend | Repaint


def start(run: str, *, rows: int, columns: int, now: float, epoch_us: int) -> State:
    """The screen before anything has come."""
    return State(run, rows, columns, now, epoch_us)


def update(state: State, event: Any, now: float) -> tuple[State, list[Asked]]:
    """What an event makes of a state, and what it asks for."""
    state = replace(state, now=now)
    effects: list[Asked] = []
    if isinstance(event, Changed):
        items = {} if event.whole else dict(state.items)
        items.update({key: item for key, item in event.items.items() if item is not None})
        for key in [key for key, item in event.items.items() if item is None]:
            items.pop(key, None)
        state = _listed(replace(state, items=items, how=state.how if event.how is None else event.how))
        state = _summed(state)
    elif isinstance(event, KeyPressed):
        state, effects = _pressed(state, event.key)
    elif isinstance(event, Wheel):
        state = _scrolled(state, event.rows) if state.sheet else _moved(state, event.rows)
    elif isinstance(event, Resized):
        state = _placed(replace(state, rows=event.rows, columns=event.columns))
    elif isinstance(event, FocusChanged):
        state = replace(state, focused=event.focused)
    elif isinstance(event, Disconnected | Reconnected):
        state = replace(state, connected=isinstance(event, Reconnected))
    if now - state.overall_at >= TICK_SECONDS:
        state = _summed(state)
    return state, effects


def _summed(state: State) -> State:
    return replace(state, overall=overall(state.items.values(), state.now_us, state.how.ended_us), overall_at=state.now)


def _listed(state: State) -> State:
    """The listing made anew; where the chosen item is not in it any more, what is in its place is chosen."""
    index = state.index
    made = listing(state.items, state.wanted, state.now_us, state.how.ended_us)
    state = replace(state, listing=made)
    if state.chosen is not None and state.chosen not in made.keys:
        state = replace(state, chosen=made.keys[min(index, len(made.keys) - 1)] if made.keys else None)
    return state


def _placed(state: State) -> State:
    """The chosen item on a row that there is."""
    if state.chosen is None:
        return state
    state = replace(state, screen_row=max(0, min(state.screen_row, state.height - 1)))
    return replace(state, screen_row=state.index - state.top)


# Keys


def _pressed(state: State, key: str) -> tuple[State, list[Asked]]:
    if state.prompt is not None:
        return _typed(state, state.prompt, key), []
    action = ACTIONS.get(key, "")
    if action in _EFFECTS:
        if action == "quit" and state.sheet:
            return replace(state, sheet=""), []
        return state, [_EFFECTS[action]()]
    if action in _MOVES:
        rows = _MOVES[action](state)
        return (_scrolled(state, rows) if state.sheet else _moved(state, rows)), []
    act = _ACTS.get(action)
    return (state if act is None else act(state)), []


def _typed(state: State, prompt: Prompt, key: str) -> State:
    if key in ("esc", "ctrl c", "ctrl g"):
        return replace(state, prompt=None)
    if key == "enter":
        return _want(replace(state, prompt=None), text=prompt.text)
    return replace(state, prompt=edited(prompt, key, ()))


def _moved(state: State, rows: int) -> State:
    keys = state.listing.keys
    if not keys:
        return state
    index, top = state.index, state.top
    at = max(0, min(index + rows, len(keys) - 1))
    row = index - top
    # By a line the item moves on the screen as far as it can; by more, the screen moves.
    row = max(0, min(row + rows, state.height - 1)) if abs(rows) == 1 else row
    return _placed(replace(state, chosen=keys[at], screen_row=row))


def _scrolled(state: State, rows: int) -> State:
    return replace(state, sheet_top=max(0, state.sheet_top + rows))


def _want(state: State, **changes: Any) -> State:
    return _placed(_listed(replace(state, wanted=state.wanted._replace(**changes))))


def _next_of(names: Iterable[str], name: str) -> str:
    every = list(names)
    return every[(every.index(name) + 1) % len(every)]


def _close(state: State) -> State:
    if state.sheet:
        return replace(state, sheet="")
    return _want(state, text="", only=ALL)


def _open(state: State) -> State:
    if state.sheet or not state.listing.keys:
        return replace(state, sheet="")
    return _placed(replace(state, chosen=state.listing.keys[state.index], sheet="detail", sheet_top=0))


def _start(state: State) -> State:
    return replace(state, sheet_top=0) if state.sheet else replace(state, chosen=None, screen_row=0)


def _end(state: State) -> State:
    return _scrolled(state, 10**6) if state.sheet else _moved(state, len(state.listing.keys))


_EFFECTS: Final[dict[str, Callable[[], Asked]]] = {
    "quit": Quit,
    "interrupt": Interrupt,
    "suspend": Suspend,
    "repaint": Repaint,
}
_MOVES: Final[dict[str, Callable[[State], int]]] = {
    "line_down": lambda state: 1,
    "line_up": lambda state: -1,
    "page_down": lambda state: max(1, state.height),
    "page_up": lambda state: -max(1, state.height),
    "half_down": lambda state: max(1, state.height // 2),
    "half_up": lambda state: -max(1, state.height // 2),
}
_ACTS: Final[dict[str, Callable[[State], State]]] = {
    "start": _start,
    "end": _end,
    "filter": lambda state: replace(state, prompt=Prompt("/"), sheet=""),
    "cycle_state": lambda state: _want(state, only=_next_of(FILTERS, state.wanted.only)),
    "sort": lambda state: _want(state, sort=_next_of(SORTS, state.wanted.sort)),
    "reverse": lambda state: _want(state, reverse=not state.wanted.reverse),
    "open": _open,
    "close": _close,
    "help": lambda state: replace(state, sheet="" if state.sheet == "help" else "help", sheet_top=0),
}
