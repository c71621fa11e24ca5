"""The screen of all runs as a pure state: (state, event, now) -> (state, effects), without terminal, clock or I/O.

While nobody has moved, the first runs are shown, whichever these are. Once somebody has, the run that they are at stays
on its row, however others come, go, or change their order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from logctl.screen.events import (
    Disconnected,
    FocusChanged,
    KeyPressed,
    Quit,
    Reconnected,
    Repaint,
    Resized,
    Suspend,
    Ticked,
    Value,
    Wheel,
)
from logctl.screen.prompts import Prompt, edited
from logctl.top.keys import ACTIONS
from logctl.top.lines import Run, remembered, run_of, sampled
from logctl.top.listing import ALL, FILTERS, SORTS, Wanted, listing
from logd.client.tables import Change

SAMPLE_SECONDS: Final = 1.0
"""Between two rates of a sparkline."""
LIST_SECONDS: Final = 10.0
"""Between two lists of all runs, which have the sizes."""
NOTE_SECONDS: Final = 4.0
HEAD_ROWS: Final = 2
"""About the daemon as a whole."""


class RunsChanged(Value):
    """What has changed of the runs in use."""

    changes: tuple[Change, ...]


class TotalsChanged(Value):
    totals: Mapping[str, Any]


class Listed(Value):
    """All runs, each as the reply to `runs` has it."""

    runs: tuple[Mapping[str, Any], ...]


class Noted(Value):
    """Something is to be said to the user."""

    text: str


class ListRuns(Value):
    """Effect: ask for all runs."""


class Open(Value):
    """Effect: attach to a run."""

    run: str


@dataclass(frozen=True)
class State:
    rows: int = 24
    columns: int = 80
    now: float = 0.0
    """Monotonic seconds."""
    epoch_us: int = 0
    """The wall's time when `now` was 0."""

    live: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    listed: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    totals: Mapping[str, Any] = field(default_factory=dict)
    history: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    runs: Mapping[str, Run] = field(default_factory=dict)
    """What follows of the first two."""
    wanted: Wanted = Wanted()  # noqa: RUF009 it is immutable
    names: tuple[str, ...] = ()
    """Of the runs that are shown, in their order."""
    list_at: float = math.inf
    """When all runs are asked for next; inf while they are."""
    sample_at: float = 0.0

    chosen: str | None = None
    """The run that the user is at; None where that is the first, whichever it is."""
    screen_row: int = 0
    """Of the table's rows, the one that it is on."""
    prompt: Prompt | None = None
    sheet: Literal["", "help"] = ""
    sheet_top: int = 0
    note: str = ""
    note_until: float = 0.0
    connected: bool = True
    focused: bool = True

    @property
    def now_us(self) -> int:
        return self.epoch_us + int(self.now * 1e6)

    @property
    def head_rows(self) -> int:
        """How many rows tell of the daemon as a whole; a small screen has fewer."""
        return max(0, min(HEAD_ROWS, self.rows - 4))

    @property
    def height(self) -> int:
        """Rows for runs: all but the head, the columns' names and the status line."""
        return max(0, self.rows - self.head_rows - 2)

    @property
    def index(self) -> int:
        """Where in the list the user is."""
        return self.names.index(self.chosen) if self.chosen is not None else 0

    @property
    def top(self) -> int:
        """The first run that is on the screen."""
        row = max(0, min(self.screen_row, self.height - 1))
        return max(0, min(self.index - row, len(self.names) - self.height))

    @property
    def shown_names(self) -> tuple[str, ...]:
        top = self.top
        return self.names[top : top + self.height]

    @property
    def shown_note(self) -> str:
        return self.note if self.now < self.note_until else ""

    @property
    def wakes_at(self) -> float | None:
        """When a Ticked is wanted next; None for never."""
        return self.sample_at if self.connected else None


def start(wanted: Wanted, *, rows: int, columns: int, now: float, epoch_us: int) -> State:
    """The screen before anything has come; all runs are asked for already."""
    return State(rows, columns, now, epoch_us, wanted=wanted, sample_at=now + SAMPLE_SECONDS)


def restarted(state: State, *, rows: int, columns: int, now: float, note: str = "") -> State:
    """The screen as it was, when it is shown again after something else was."""
    return _placed(
        replace(
            state,
            rows=rows,
            columns=columns,
            now=now,
            sample_at=now + SAMPLE_SECONDS,
            list_at=math.inf,
            connected=True,
            note=note,
            note_until=now + NOTE_SECONDS,
        )
    )


def update(state: State, event: Any, now: float) -> tuple[State, list[Any]]:
    """What an event makes of a state, and what it asks for: ListRuns, Open, Quit, Suspend, Repaint."""
    state = replace(state, now=now)
    effects: list[Any] = []
    if isinstance(event, RunsChanged):
        state = _changed(state, event.changes)
    elif isinstance(event, TotalsChanged):
        state = replace(state, totals=event.totals)
    elif isinstance(event, Listed):
        listed = {run["name"]: _with_progress(state, run) for run in event.runs}
        state = _listed(replace(state, listed=listed, list_at=now + LIST_SECONDS))
    elif isinstance(event, Ticked):
        state = _ticked(state)
        if now >= state.list_at:
            state, effects = replace(state, list_at=math.inf), [ListRuns()]
    elif isinstance(event, KeyPressed):
        state, effects = _pressed(state, event.key)
    elif isinstance(event, Wheel):
        state = _scrolled(state, event.rows) if state.sheet else _moved(state, event.rows)
    elif isinstance(event, Resized):
        state = _placed(replace(state, rows=event.rows, columns=event.columns))
    elif isinstance(event, FocusChanged):
        state = replace(state, focused=event.focused)
    elif isinstance(event, Noted):
        state = replace(state, note=event.text, note_until=now + NOTE_SECONDS)
    elif isinstance(event, Disconnected):
        state = replace(state, connected=False)
    elif isinstance(event, Reconnected):
        state = replace(state, connected=True, sample_at=now + SAMPLE_SECONDS, list_at=math.inf)
    return state, effects


def _changed(state: State, changes: Iterable[Change]) -> State:
    live, listed = dict(state.live), dict(state.listed)
    for name, before, after in changes:
        if after is not None:
            live[name] = after
        else:
            live.pop(name, None)
            if before is not None:
                listed[name] = remembered(listed.get(name), before)
    return _listed(replace(state, live=live, listed=listed))


def _with_progress(state: State, run: Mapping[str, Any]) -> Mapping[str, Any]:
    """A run of the list, with what only the table tells, as it was told last."""
    before = state.listed.get(run["name"], {})
    return {**{name: before[name] for name in ("progress", "queue") if name in before}, **run}


def _ticked(state: State) -> State:
    if state.now < state.sample_at:
        return state
    return replace(
        state,
        history=sampled(state.history, state.live),
        sample_at=max(state.sample_at + SAMPLE_SECONDS, state.now + SAMPLE_SECONDS / 2),
    )


def _listed(state: State) -> State:
    """Runs and their order made anew; where the chosen one is not shown any more, what is in its place is chosen."""
    index = state.index
    runs = {
        name: run_of(name, state.listed.get(name), state.live.get(name))
        for name in dict.fromkeys((*state.listed, *state.live))
    }
    names = listing(runs.values(), state.wanted)
    state = replace(state, runs=runs, names=names)
    if state.chosen is not None and state.chosen not in names:
        state = replace(state, chosen=names[min(index, len(names) - 1)] if names else None)
    return state


def _placed(state: State) -> State:
    """The chosen run on a row that there is."""
    return replace(state, screen_row=state.index - state.top) if state.chosen is not None else state


# Keys


def _pressed(state: State, key: str) -> tuple[State, list[Any]]:
    state = replace(state, note="")
    if state.prompt is not None:
        return _typed(state, state.prompt, key), []
    action = ACTIONS.get(key, "")
    if action in _EFFECTS:
        if action == "quit" and state.sheet and key != "ctrl c":
            return replace(state, sheet=""), []
        return state, [_EFFECTS[action]()]
    if action == "open":
        return _open(state)
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


def _open(state: State) -> tuple[State, list[Any]]:
    if state.sheet or not state.names:
        return replace(state, sheet=""), []
    name = state.names[state.index]
    return _placed(replace(state, chosen=name)), [Open(name)]


def _moved(state: State, rows: int) -> State:
    names = state.names
    if not names:
        return state
    index, top = state.index, state.top
    at = max(0, min(index + rows, len(names) - 1))
    row = index - top
    # By a line the choice moves on the screen as far as it can; by more, the screen moves.
    row = max(0, min(row + rows, state.height - 1)) if abs(rows) == 1 else row
    return _placed(replace(state, chosen=names[at], screen_row=row))


def _scrolled(state: State, rows: int) -> State:
    return replace(state, sheet_top=max(0, state.sheet_top + rows))


def _want(state: State, **changes: Any) -> State:
    return _placed(_listed(replace(state, wanted=state.wanted._replace(**changes))))


def _next_of(names: Iterable[str], name: str, step: int = 1) -> str:
    every = list(names)
    return every[(every.index(name) + step) % len(every)]


def _close(state: State) -> State:
    return replace(state, sheet="") if state.sheet else _want(state, text="", only=ALL)


def _start(state: State) -> State:
    return replace(state, sheet_top=0) if state.sheet else replace(state, chosen=None, screen_row=0)


def _end(state: State) -> State:
    return _scrolled(state, 10**6) if state.sheet else _moved(state, len(state.names))


_EFFECTS: Final[dict[str, Callable[[], Any]]] = {"quit": Quit, "suspend": Suspend, "repaint": Repaint}
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
    "sort_back": lambda state: _want(state, sort=_next_of(SORTS, state.wanted.sort, -1)),
    "reverse": lambda state: _want(state, reverse=not state.wanted.reverse),
    "close": _close,
    "help": lambda state: replace(state, sheet="" if state.sheet == "help" else "help", sheet_top=0),
}
