"""What the daemon tells of a run, and what becomes of the state by it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from logctl.figures import human_age
from logctl.pager.actions import follow_now
from logctl.pager.document import Reel
from logctl.pager.events import (
    Arrived,
    Board,
    Cleared,
    Counted,
    Gap,
    Removed,
    Resumed,
    RunEnded,
    RunEvent,
    RunStarted,
    RunWaiting,
    Stalled,
    Truncated,
)
from logctl.pager.goals import seek
from logctl.pager.seeking import Seek
from logctl.pager.state import OVER, Phase, Source, State
from logctl.pager.tiling import Kind
from logctl.pager.turns import NOWHERE, Turn

GONE: Final = "The record that you were at is not there any more: this is the nearest"


def take_run_event(turn: Turn, event: RunEvent) -> None:
    """Take in what is told of a run, also of one that was not known."""
    _know(turn, event.run)
    _TAKES[type(event)](turn, event)


def _know(turn: Turn, name: str) -> None:
    """Have a run in the state, also one that started later."""
    state = turn.state
    if name not in state.document.reels:
        turn.change_run(name, heard_at=state.now)
        turn.change(document=state.document.with_reel(Reel(name)))


def _arrived(turn: Turn, event: Arrived) -> None:
    state = turn.state
    if event.epoch != state.epoch:
        return
    name, document, pieces = event.run, state.document, event.pieces
    run = state.runs[name]
    begin_seq = pieces[0].first_seq if pieces else event.next_seq
    first_seq = begin_seq if event.skipped or not run.next_seq else min(run.next_seq, begin_seq)
    # While somebody reads, what comes late goes behind what is there, so that nothing moves for it.
    at_us = 0 if state.follow else document.newest_us
    is_last = bool(document.order) and document.order[-1].run == name and not document.hidden
    document = document.with_pieces(name, first_seq, event.next_seq, pieces, missing=Kind.UNREAD, at_us=at_us)
    if is_last and pieces:
        document = document.joined(name, begin_seq)
    turn.show(document.with_extent(name, 1, max(event.head, event.next_seq - 1)))
    turn.change_run(
        name,
        heard_at=_heard_at(state, event),
        next_seq=event.next_seq,
        skipped=run.skipped + event.skipped,
        lag_seconds=event.lag_seconds,
        origin_us=run.origin_us or (pieces[0].time_us if pieces else 0),
        phase=Phase.RUNNING if run.phase is Phase.WAITING else run.phase,
    )


def _heard_at(state: State, event: Arrived) -> float:
    """When the run's newest record came: of those that were there at first, by their time."""
    run = state.runs[event.run]
    if not run.next_seq and event.pieces:
        age_seconds = (state.epoch_us - event.pieces[-1].time_us) / 1e6 + state.now
        return state.now - max(0.0, age_seconds)
    return state.now if event.skipped or event.next_seq > run.next_seq else run.heard_at


def _counted(turn: Turn, event: Counted) -> None:
    document = turn.state.document
    if event.head > document.reel(event.run).head:
        turn.change_run(event.run, heard_at=turn.state.now)
    turn.show(document.with_extent(event.run, event.first_seq, event.head))


def _run_waiting(turn: Turn, event: RunWaiting) -> None:
    turn.change_run(event.run, phase=Phase.WAITING)


def _run_started(turn: Turn, event: RunStarted) -> None:
    name = event.run
    run = turn.state.runs[name]
    turn.change_run(name, phase=Phase.RUNNING)
    if run.phase is Phase.UNKNOWN:
        return
    turn.change_run(name, heard_at=turn.state.now)
    if run.phase not in OVER:
        return
    reel = turn.state.document.reel(name)
    turn.show(turn.state.document.with_divider(name, reel.head + 1, f"{name} {run.ended} · started again"))
    follow_now(turn, Source.RUN_STARTED)
    turn.note(f"{name} has started again")


def _run_ended(turn: Turn, event: RunEnded) -> None:
    name = event.run
    phase = Phase.LOST if event.lost else Phase.ENDED
    turn.change_run(name, phase=phase, exit_status=event.exit_status, lag_seconds=0.0, stalled="")
    if all(turn.state.runs[each].phase in OVER for each in turn.state.shown_runs) and turn.state.follow:
        turn.set_follow(False, Source.END_OF_RUN)
    status = "" if event.exit_status is None else f" with status {event.exit_status}"
    ended = "is lost: its job is gone without a word" if event.lost else f"has ended{status}"
    after = "" if event.duration_seconds is None else f" after {human_age(event.duration_seconds)}"
    turn.note(f"{name} {ended}{after}")


def _gap(turn: Turn, event: Gap) -> None:
    _lose(turn, event.run, event.seq, event.seq + event.count)


def _cleared(turn: Turn, event: Cleared) -> None:
    _lose(turn, event.run, 1, turn.state.document.reel(event.run).head + 1)
    turn.note(f"{event.run} was cleared")


def _removed(turn: Turn, event: Removed) -> None:
    _lose(turn, event.run, 1, turn.state.document.reel(event.run).head + 1)
    turn.change_run(event.run, phase=Phase.REMOVED, lag_seconds=0.0)
    turn.note(f"{event.run} was removed")


def _lose(turn: Turn, name: str, first_seq: int, next_seq: int) -> None:
    document = turn.state.document
    spans = document.reel(name).spans.fill(first_seq, next_seq, Kind.GONE)
    turn.show(document.with_spans(name, spans))
    if first_seq <= turn.state.runs[name].next_seq < next_seq:
        turn.change_run(name, next_seq=next_seq)


def _truncated(turn: Turn, event: Truncated) -> None:
    """The seqs behind are other records' from now on, so nothing may go on pointing to them."""
    state = turn.state
    name, end_seq = event.run, event.seq + 1
    goal = state.goal
    turn.drop_readings()
    reel = state.document.reel(name)
    dividers = tuple(divider for divider in reel.dividers if divider[0] <= end_seq)
    document = state.document.with_reel(replace(reel, spans=reel.spans.cut(end_seq), dividers=dividers))
    run = state.runs[name]
    turn.change_run(
        name,
        next_seq=min(run.next_seq, end_seq),
        mark_seq=min(run.mark_seq, event.seq),
        seen_seq=min(run.seen_seq, event.seq),
    )
    turn.change(
        opened=frozenset(each for each in state.opened if each[0] != name or each[1] < end_seq),
        marks={letter: mark for letter, mark in state.marks.items() if mark.run != name or mark.seq < end_seq},
    )
    turn.show(document)
    anchor = state.anchor
    if anchor is not None and anchor.run == name and anchor.seq >= end_seq:
        line = turn.state.screen.anchor_line
        now = turn.state.paper.anchor(line, anchor.screen_row) if line is not None else NOWHERE
        turn.change(anchor=now)
        turn.note(GONE)
    turn.set_goal(None)
    if isinstance(goal, Seek):
        seek(turn, goal.target, goal.filter)
    elif goal is not None:
        turn.note(f"{name} has lost records: search again")


def _stalled(turn: Turn, event: Stalled) -> None:
    turn.change_run(event.run, stalled=event.reason or "the disk takes nothing")


def _resumed(turn: Turn, event: Resumed) -> None:
    turn.change_run(event.run, stalled="")


def _board(turn: Turn, event: Board) -> None:
    turn.change_run(event.run, progress=event.text)


_TAKES: Final[dict[type[Any], Callable[[Turn, Any], None]]] = {
    Arrived: _arrived,
    Counted: _counted,
    RunWaiting: _run_waiting,
    RunStarted: _run_started,
    RunEnded: _run_ended,
    Gap: _gap,
    Cleared: _cleared,
    Truncated: _truncated,
    Removed: _removed,
    Stalled: _stalled,
    Resumed: _resumed,
    Board: _board,
}
