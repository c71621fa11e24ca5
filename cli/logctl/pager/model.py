"""The pager's model: `update` takes a state, what happened, and the time, and gives the next state and effects.

The order of one turn: what happened is taken in; then what follows from time, such as a seek that has waited long
enough; then what is near the screen is asked for. Whatever the event, the law of screen.py holds behind it, as there is
nothing that could break it: a screen is made of the document and either the follow flag or the anchor.

What is read can be taken away without the user: when its record is filtered out, or is there no more. Then the nearest
stands in its place, and a note says so. The anchor keeps the record's number, so that it is back when the filter goes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Final

from logctl.figures import human_age
from logctl.pager.actions import ACTIONS, IN_SHEET, MAX_COUNT, follow_now, scroll
from logctl.pager.document import Document, Reel
from logctl.pager.events import (
    Arrived,
    Board,
    Cleared,
    Clicked,
    Counted,
    Disconnected,
    Effect,
    Event,
    FocusChanged,
    Gap,
    KeyPressed,
    PageRead,
    ReadFailed,
    Reconnected,
    Removed,
    Resized,
    Resumed,
    RunEnded,
    RunEvent,
    RunStarted,
    RunWaiting,
    Stalled,
    Subscribe,
    Ticked,
    Told,
    Truncated,
    Wheel,
)
from logctl.pager.filters import Filter
from logctl.pager.goals import hurry, page_read, read_ahead, read_failed, seek, subscribe
from logctl.pager.keys import ACTIONS as KEYS
from logctl.pager.prompts import prompt_key
from logctl.pager.seeking import Seek
from logctl.pager.state import REST_SECONDS, Phase, Progress, Run, Source, State
from logctl.pager.status import status
from logctl.pager.tiling import Kind
from logctl.pager.turns import NOWHERE, Turn

_SCROLLED_DOWN = ("line_down", "page_down", "half_down", "wheel")


def start(
    runs: Iterable[str],
    *,
    rows: int = 24,
    columns: int = 80,
    now: float = 0.0,
    epoch_us: int = 0,
    filter: Filter | None = None,
    resumes_at_bottom: bool = False,
    colour: bool = True,
) -> tuple[State, tuple[Effect, ...]]:
    """The pager as it begins: following runs of which nothing is known yet.

    Args:
        runs: their names, in the order of their numbers; more may start later.
        now: monotonic seconds; epoch_us is the wall's time when they were 0.
        resumes_at_bottom: whether to follow again when the user has scrolled to the end and rests there.
        colour: whether records keep their own colours.
    """
    names = list(runs)
    state = State(
        Document({name: Reel(name) for name in names}, filter or Filter()),
        {name: Run(heard_at=now) for name in names},
        rows=max(1, rows),
        columns=max(1, columns),
        now=now,
        epoch_us=epoch_us,
        resumes_at_bottom=resumes_at_bottom,
        colour=colour,
        acted_at=now,
    )
    return state, (Subscribe(state.epoch, state.document.filter),)


def update(state: State, event: Event, now: float) -> tuple[State, tuple[Effect, ...]]:
    """The state after an event, and what it asks for, in order.

    Args:
        now: monotonic seconds; a time before that of an earlier event counts as that one.
    """
    turn = Turn(state, now)
    if isinstance(event, RunEvent):
        _known(turn, event.run)
    _TAKES[type(event)](turn, event)
    hurry(turn)
    _rest(turn)
    _tell_what_is_gone(turn, state, event)
    read_ahead(turn)
    return turn.state, tuple(turn.effects)


# The terminal


def _resized(turn: Turn, event: Resized) -> None:
    turn.change(rows=max(1, event.rows), columns=max(1, event.columns))


def _key_pressed(turn: Turn, event: KeyPressed) -> None:
    key = event.key
    _user_acts(turn)
    if turn.state.prompt is not None:
        prompt_key(turn, key)
        return
    count = turn.state.count
    turn.change(count="", note=None)
    if key.isdecimal() and len(key) == 1 and (len(turn.state.runs) == 1 or count) and (key != "0" or count):
        turn.change(count=count + key if int(count + key) <= MAX_COUNT else count)
    elif key == "esc":
        turn.change(sheet=None)
    elif key in KEYS:
        _act(turn, KEYS[key], int(key) if key.isdecimal() else int(count) if count else None)


def _act(turn: Turn, action: str, count: int | None) -> None:
    if turn.state.sheet is not None and action not in IN_SHEET:
        turn.change(sheet=None)
    if action == "toggle_run" and (count is None or count > len(turn.state.runs) or len(turn.state.runs) == 1):
        return
    ACTIONS[action](turn, count)
    turn.change(last_action=action if count is None else "")


def _clicked(turn: Turn, event: Clicked) -> None:
    """Do what the status line offers there, or have the record that was clicked for the current one."""
    _user_acts(turn)
    state = turn.state
    if event.row == state.rows - 1:
        regions = status(state).regions if state.prompt is None and not state.shown_note else ()
        for region in regions:
            if region.start <= event.column < region.end:
                if state.follow:
                    turn.set_follow(False, Source.CLICK)
                else:
                    follow_now(turn, Source.CLICK)
        return
    line = state.screen.lines[event.row] if 0 <= event.row < state.height else None
    if state.sheet is None and line is not None and line.is_within:
        turn.set_follow(False, Source.CLICK)
        line = turn.state.screen.lines[event.row]
        if line is not None and line.is_within:
            turn.change(anchor=turn.state.paper.anchor(line, event.row), last_action="click")


def _wheel(turn: Turn, event: Wheel) -> None:
    _user_acts(turn)
    scroll(turn, event.rows)
    turn.change(last_action="wheel")


def _user_acts(turn: Turn) -> None:
    turn.change(acted_at=turn.state.now, reads=True)


def _focus_changed(turn: Turn, event: FocusChanged) -> None:
    turn.change(focused=event.focused)


# The daemon


def _known(turn: Turn, name: str) -> None:
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
    document = document.with_pieces(name, first_seq, event.next_seq, pieces, missing=Kind.UNREAD, at_us=at_us)
    turn.show(document.with_extent(name, 1, max(event.head, event.next_seq - 1)))
    turn.change_run(
        name,
        heard_at=state.now if pieces or event.skipped else run.heard_at,
        next_seq=event.next_seq,
        skipped=run.skipped + event.skipped,
        lag_seconds=event.lag_seconds,
        origin_us=run.origin_us or (pieces[0].time_us if pieces else 0),
        phase=Phase.RUNNING if run.phase is Phase.WAITING else run.phase,
    )


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
    turn.change_run(name, phase=Phase.RUNNING, heard_at=turn.state.now)
    if run.phase is not Phase.ENDED:
        return
    reel = turn.state.document.reel(name)
    ended = "ended" if run.exit_status is None else f"ended {run.exit_status}"
    turn.show(turn.state.document.with_divider(name, reel.head + 1, f"{name} {ended} · started again"))
    follow_now(turn, Source.RUN_STARTED)
    turn.note(f"{name} has started again")


def _run_ended(turn: Turn, event: RunEnded) -> None:
    name = event.run
    turn.change_run(name, phase=Phase.ENDED, exit_status=event.exit_status, lag_seconds=0.0, stalled="")
    if all(turn.state.runs[each].phase is Phase.ENDED for each in turn.state.shown_runs) and turn.state.follow:
        turn.set_follow(False, Source.END_OF_RUN)
    status = "" if event.exit_status is None else f" with status {event.exit_status}"
    after = "" if event.duration_seconds is None else f" after {human_age(event.duration_seconds)}"
    turn.note(f"{name} has ended{status}{after}")


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
        turn.note(_GONE)
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
    turn.change_run(event.run, progress=Progress(event.done, event.total, event.text))


def _disconnected(turn: Turn, _event: Disconnected) -> None:
    turn.change(connected=False, readings={})
    if turn.state.goal is not None:
        turn.set_goal(None)
        turn.note("The connection is lost: what was looked for is not there yet")


def _reconnected(turn: Turn, _event: Reconnected) -> None:
    turn.change(connected=True, reads=True)
    subscribe(turn)


def _ticked(turn: Turn, _event: Ticked) -> None:
    if not turn.state.shown_note:
        turn.change(note=None)


def _told(turn: Turn, event: Told) -> None:
    turn.note(event.text)


# What follows


def _rest(turn: Turn) -> None:
    """Follow again where that is asked for, and the user has scrolled to the end and rests."""
    state = turn.state
    if (
        state.resumes_at_bottom
        and not state.follow
        and state.last_action in _SCROLLED_DOWN
        and state.now - state.acted_at >= REST_SECONDS
        and state.at_end
    ):
        follow_now(turn, Source.AT_BOTTOM)


_GONE: Final = "The record that you were at is not there any more: this is the nearest"


def _tell_what_is_gone(turn: Turn, before: State, event: Event) -> None:
    """Say so where another record stands in the anchor's place, and the user did nothing for that."""
    after = turn.state
    if after.anchor is None or after.anchor is not before.anchor or isinstance(event, KeyPressed | Clicked | Wheel):
        return
    if after.document is before.document:
        return
    was, now = before.current, after.current
    if was is None or (now is not None and now[:2] in (was[:2], after.anchor[:2])):
        return
    if now is None and not _has_records(after.document):
        turn.note("No record matches" if after.document.filter else "All records are gone")
    elif now is not None and after.document.filter != before.document.filter:
        turn.note("The record that you were at does not match: this is the nearest")
    elif now is not None:
        turn.note(_GONE)


def _has_records(document: Document) -> bool:
    return bool(document.held[0])


_TAKES: Final[dict[type[Any], Callable[[Turn, Any], None]]] = {
    Resized: _resized,
    KeyPressed: _key_pressed,
    Clicked: _clicked,
    Wheel: _wheel,
    FocusChanged: _focus_changed,
    Arrived: _arrived,
    Counted: _counted,
    PageRead: page_read,
    ReadFailed: read_failed,
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
    Disconnected: _disconnected,
    Reconnected: _reconnected,
    Ticked: _ticked,
    Told: _told,
}
