"""The pager's model: `update` takes a state, what happened, and the time, and gives the next state and effects.

The order of one turn: what happened is taken in; then what follows from time, such as a seek that has waited long
enough; then what is near the screen is asked for. Whatever the event, the law of screen.py holds behind it, as there is
nothing that could break it: a screen is made of the document and either the follow flag or the anchor.

What is read can be taken away without the user: when its record is filtered out, or is there no more. Then the nearest
stands in its place, and a note says so. The anchor keeps the record's number, so that it is back when the filter goes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from logctl.pager.actions import ACTIONS, IN_SHEET, MAX_COUNT, follow_now, scroll
from logctl.pager.ahead import read_ahead
from logctl.pager.document import Document, Reel
from logctl.pager.events import (
    Cleared,
    Effect,
    Event,
    PageRead,
    Presence,
    ReadFailed,
    Removed,
    RunEvent,
    Subscribe,
    Told,
)
from logctl.pager.filters import Filter
from logctl.pager.goals import hurry, page_read, read_failed, subscribe
from logctl.pager.keys import ACTIONS as KEYS
from logctl.pager.prompts import prompt_key
from logctl.pager.runs import GONE, take_run_event
from logctl.pager.state import REST_SECONDS, RETURN_SECONDS, Run, Source, State
from logctl.pager.status import status
from logctl.pager.turns import Turn
from logctl.presence import told_viewers
from logctl.screen.events import Clicked, Disconnected, FocusChanged, KeyPressed, Reconnected, Resized, Ticked, Wheel

_SCROLLED_DOWN = ("line_down", "page_down", "half_down", "wheel")


def start(
    runs: Iterable[str],
    *,
    patterns: Iterable[str] = (),
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
        runs: their names, in the order of their numbers.
        patterns: of further ones that may start later.
        now: monotonic seconds; epoch_us is the wall's time when they were 0.
        resumes_at_bottom: whether to follow again when the user has scrolled to the end and rests there.
        colour: whether records keep their own colours.
    """
    names = list(runs)
    state = State(
        Document({name: Reel(name) for name in names}, filter or Filter()),
        {name: Run(heard_at=now) for name in names},
        tuple(patterns),
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
        take_run_event(turn, event)
    else:
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
    elif len(key) == 1:
        turn.note(f"{key} does nothing here · h shows what keys do")


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
        turn.change(note=None)
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


# The connection


def _disconnected(turn: Turn, _event: Disconnected) -> None:
    turn.change(connected=False, readings={}, people=None)
    if turn.state.goal is not None:
        turn.set_goal(None)
        turn.note("The connection is lost: what was looked for is not there yet")


def _reconnected(turn: Turn, _event: Reconnected) -> None:
    turn.change(connected=True, reads=True, reconnected_at=turn.state.now)
    subscribe(turn)


def _ticked(turn: Turn, _event: Ticked) -> None:
    if not turn.state.shown_note:
        turn.change(note=None)


def _told(turn: Turn, event: Told) -> None:
    turn.note(event.text)


def _presence(turn: Turn, event: Presence) -> None:
    """Tell who comes and goes, where that is not in the way of what is being told."""
    state = turn.state
    turn.change(people=event.people)
    is_free = not state.shown_note or (state.note is not None and state.note.of_people)
    if state.people is None or not is_free or state.now < state.reconnected_at + RETURN_SECONDS:
        return
    if news := told_viewers(state.people, event.people):
        turn.note(news, of_people=True)


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
        if not isinstance(event, Cleared | Removed):  # which say it
            turn.note("No record matches" if after.document.filter else "All records are gone")
    elif now is not None and after.document.filter != before.document.filter:
        turn.note("The record that you were at does not match: this is the nearest")
    elif now is not None:
        turn.note(GONE)


def _has_records(document: Document) -> bool:
    return bool(document.held[0])


_TAKES: Final[dict[type[Any], Callable[[Turn, Any], None]]] = {
    Resized: _resized,
    KeyPressed: _key_pressed,
    Clicked: _clicked,
    Wheel: _wheel,
    FocusChanged: _focus_changed,
    PageRead: page_read,
    ReadFailed: read_failed,
    Disconnected: _disconnected,
    Reconnected: _reconnected,
    Ticked: _ticked,
    Told: _told,
    Presence: _presence,
}
