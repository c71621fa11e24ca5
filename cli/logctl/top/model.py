"""The screen of all runs as a pure state: (state, event, now) -> (state, effects), without terminal, clock or I/O.

It is a table of runs: names, and what is chosen, are the table's.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from logctl.screen import table
from logctl.screen.events import KeyPressed, Reconnected, Ticked, Value
from logctl.screen.table import Table, Wanted, placed
from logctl.top.keys import KIND
from logctl.top.lines import Run, remembered, run_of, sampled
from logctl.top.listing import listing
from logd.client.tables import Change

SAMPLE_SECONDS: Final = 1.0
"""Between two rates of a sparkline."""
LIST_SECONDS: Final = 10.0
"""Between two lists of all runs, which have the sizes."""
NOTE_SECONDS: Final = 4.0
REPAINT_SECONDS: Final = 0.5
"""Between two screens, but for what its user does: what comes of one interval of the daemon's is one screen."""


class RunsChanged(Value):
    """What has changed of the runs in use."""

    changes: tuple[Change, ...]


class TotalsChanged(Value):
    totals: Mapping[str, Any]


class Listed(Value):
    """All runs, each as the reply to `runs` has it."""

    runs: tuple[Mapping[str, Any], ...]


class ListRuns(Value):
    """Effect: ask for all runs."""


@dataclass(frozen=True)
class State(Table):
    kind = KIND
    repaint_seconds = REPAINT_SECONDS

    live: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    listed: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    totals: Mapping[str, Any] = field(default_factory=dict)
    history: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    runs: Mapping[str, Run] = field(default_factory=dict)
    """What follows of the first two."""
    list_at: float = math.inf
    """When all runs are asked for next; inf while they are."""
    sample_at: float = 0.0

    note: str = ""
    note_until: float = 0.0

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


def restarted(state: State, note: str, *, rows: int, columns: int, now: float, epoch_us: int) -> State:
    """The screen as it was, when it is shown again after something else was."""
    state = replace(state, rows=rows, columns=columns, now=now, epoch_us=epoch_us, connected=True)
    sample_at, note_until = now + SAMPLE_SECONDS, now + NOTE_SECONDS
    return placed(replace(state, sample_at=sample_at, list_at=math.inf, note=note, note_until=note_until))


def update(state: State, event: Any, now: float) -> tuple[State, list[Any]]:
    """What an event makes of a state, and what it asks for: ListRuns, Open, Quit, Suspend, Repaint."""
    wanted = state.wanted
    state, effects = table.update(state, event, now)
    if isinstance(event, RunsChanged):
        state = _changed(state, event.changes)
    elif isinstance(event, TotalsChanged):
        state = replace(state, totals=event.totals)
    elif isinstance(event, Listed):
        runs = {run["name"]: _with_progress(state, run) for run in event.runs}
        state = _listed(replace(state, listed=runs, list_at=now + LIST_SECONDS))
    elif isinstance(event, Ticked):
        state = _ticked(state)
        if now >= state.list_at:
            state, effects = replace(state, list_at=math.inf), [ListRuns()]
    elif isinstance(event, KeyPressed):
        state = replace(state, note="")
    elif isinstance(event, Reconnected):
        state = replace(state, sample_at=now + SAMPLE_SECONDS, list_at=math.inf)
    if state.wanted is not wanted:
        state = placed(_listed(state))
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
    """Runs and their order made anew."""
    names = dict.fromkeys((*state.listed, *state.live))
    runs = {name: run_of(name, state.listed.get(name), state.live.get(name)) for name in names}
    return table.listed(replace(state, runs=runs), listing(runs.values(), state.wanted), len(runs))
