"""The status line: one row that is always true, as it is a function of the state.

     scrape-1 running  [x] Follow  12,345/99,999 12%  ↓ 1,024 new  &/timeout/  300 skipped  lag 2.1 s  pages 45%

What does not fit is left out, what tells least first. A prompt or a note stands in its place while there is one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from logctl.figures import human_age
from logctl.pager.seeking import Search, Seek
from logctl.pager.state import LAG_SECONDS, OVER, SILENT_SECONDS, Phase, Run, State
from logctl.presence import viewers
from logctl.screen.attributes import Attribute, Segment
from logctl.screen.cells import columns_of, fitted
from logctl.terminal_text import escape_text


class Part(NamedTuple):
    text: str
    role: str = "status"
    rank: int = 0
    """How early it is left out where there is no room; 0 last."""
    action: str = ""
    """What a click on it does."""


class Region(NamedTuple):
    start: int
    end: int
    action: str


class Status(NamedTuple):
    segments: tuple[Segment, ...]
    regions: tuple[Region, ...]
    """Where a click does something."""


def status(state: State) -> Status:
    """The status line's parts, as many as fit, and where they can be clicked."""
    parts = list(_parts(state))
    while len(parts) > 1 and _columns(parts) > state.columns:
        parts.remove(max(parts, key=lambda part: part.rank))
    segments: list[Segment] = [(Attribute("status"), " ")]
    regions: list[Region] = []
    column = 1
    for part in parts:
        if column > 1:
            segments.append((Attribute("status"), "  "))
            column += 2
        segments.append((Attribute(part.role), part.text))
        end = column + columns_of(part.text)
        if part.action:
            regions.append(Region(column, end, part.action))
        column = end
    return Status(fitted(segments, state.columns), tuple(regions))


def _columns(parts: list[Part]) -> int:
    return 1 + sum(columns_of(part.text) + 2 for part in parts) - 2


def _parts(state: State) -> Iterator[Part]:
    yield Part(_runs(state), "status.run", 3)
    yield Part("[x] Follow" if state.follow else "[ ] Follow", "status.follow", 0, "toggle_follow")
    if not state.connected:
        yield Part("reconnecting…", "status.warn", 1)
    if doing := _doing(state):
        yield Part(doing, "status.warn", 2)
    if position := _position(state):
        yield Part(position, "status", 6)
    if state.new_count:
        most = "up to " if state.document.filter else ""
        yield Part(f"↓ {most}{state.new_count:,} new", "status.new", 4, "toggle_follow")
    if state.document.filter:
        yield Part(escape_text(str(state.document.filter), colour=False), "status.filter", 5)
    if state.left:
        yield Part(f"→ {state.left}", "status", 10)
    if skipped := sum(state.runs[name].skipped for name in state.shown_runs):
        yield Part(f"{skipped:,} skipped", "status", 8)
    if (lag := max((state.runs[name].lag_seconds for name in state.shown_runs), default=0)) > LAG_SECONDS:
        yield Part(f"lag {lag:.1f} s", "status.warn", 7)
    if progress := _progress(state):
        yield Part(progress, "status", 9)
    if others := len(viewers(state.people or ())):
        yield Part("1 other watches" if others == 1 else f"{others} others watch", "status", 11)
    if state.count:
        yield Part(f":{state.count}", "status", 1)


def _runs(state: State) -> str:
    """Which runs are shown, and how they are."""
    runs = state.runs
    if not runs:
        return f"waiting for {' or '.join(state.patterns)} to start"
    if len(runs) == 1:
        ((name, run),) = runs.items()
        if run.phase is Phase.WAITING:
            return f"waiting for {name} to start"
        return f"{name} {_said_of(run, state.now)}".rstrip()
    phases = [run.phase for run in runs.values()]
    said = f"{len(runs)} runs, {phases.count(Phase.RUNNING)} running"
    if waiting := phases.count(Phase.WAITING):
        said += f", waiting for {waiting}"
    if state.document.hidden:
        said += f", {len(state.document.hidden)} hidden"
    stalled = next((name for name, run in runs.items() if run.stalled), "")
    return f"{said}, {stalled} cannot be stored" if stalled else said


def _said_of(run: Run, now: float) -> str:
    if run.stalled:
        return f"cannot be stored: {escape_text(run.stalled, colour=False)}"
    if run.phase in OVER:
        return run.ended
    silent = now - run.heard_at
    if run.phase is Phase.RUNNING and silent >= SILENT_SECONDS:
        return f"silent for {human_age(silent)}"
    return str(run.phase.value)


def _doing(state: State) -> str:
    """What is under way."""
    goal = state.goal
    if isinstance(goal, Search):
        return escape_text(f"looking for {goal.said} {goal.done:.0%} · ^C cancels", colour=False)
    if isinstance(goal, Seek):
        return "filtering… · ^C cancels" if goal.filter != state.document.filter else "going there…"
    return ""


def _position(state: State) -> str:
    """The last record on the screen, of all that the run has."""
    document = state.document
    for line in reversed(state.screen.lines):
        if line is not None and document.is_record(line.place):
            reel = document.reel(document.entry(line.place).run)
            name = f"{reel.name} " if len(document.reels) > 1 else ""
            seq = document.seq(line.place)
            share = (seq - reel.first_seq + 1) / max(1, reel.head - reel.first_seq + 1)
            # All of it is 100 %, and nothing else is.
            percent = 100 if seq == reel.head else min(99, int(100 * share))
            return f"{name}{seq:,}/{reel.head:,} {percent}%"
    return "no records" if not state.new_count else ""


def _progress(state: State) -> str:
    """How far the first run is that has a board."""
    told = next((state.runs[name].progress for name in state.shown_runs if state.runs[name].progress), "")
    return escape_text(told, colour=False)
