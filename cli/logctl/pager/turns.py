"""One turn of the model: a state that changes step by step, and the effects that this asks for.

All that changes a state goes through a Turn, and the follow flag through `Turn.set_follow` alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from logctl.pager.document import Document
from logctl.pager.events import CancelRead, Effect, FollowTurned, ReadPage, SetView
from logctl.pager.filters import Filter
from logctl.pager.screen import Anchor
from logctl.pager.seeking import PAGE_RECORDS
from logctl.pager.state import NOTE_SECONDS, Goal, Note, Run, Source, State
from logctl.pager.trimming import trimmed

NEW = "new"
"""The divider before what came since follow was turned off."""

NOWHERE = Anchor("", 0, 0, 0)
"""The anchor where there is nothing: what comes first takes its place, at the top."""

_YIELDING = {Source.RUN_STARTED: Source.END_OF_RUN}
"""Sources that turn follow on only if it was another that had set it last: not over what the user did since."""


class Turn:
    def __init__(self, state: State, now: float) -> None:
        self.state = replace(state, now=max(now, state.now))
        self.effects: list[Effect] = []

    def change(self, **values: Any) -> None:
        """Have other values in the state, by their names."""
        self.state = replace(self.state, **values)

    def do(self, effect: Effect) -> None:
        self.effects.append(effect)

    def note(self, text: str, *, of_people: bool = False) -> None:
        """Tell the user something, for a while; the newest note wins."""
        self.change(note=Note(text, self.state.now + NOTE_SECONDS, of_people))

    def change_run(self, name: str, **values: Any) -> None:
        runs = self.state.runs
        self.change(runs={**runs, name: replace(runs.get(name, Run()), **values)})

    def change_runs(self, values: Callable[[str, Run], dict[str, Any]]) -> None:
        """Change each run by what is said of it."""
        self.change(runs={name: replace(run, **values(name, run)) for name, run in self.state.runs.items()})

    def show(self, document: Document) -> None:
        """Have another document, within its bound."""
        anchor = self.state.anchor
        focus = None if anchor is None else document.nearest(anchor.run, anchor.seq, anchor.at_us)
        self.change(document=trimmed(document, focus))

    # The follow flag

    def set_follow(self, value: bool, source: Source) -> bool:
        """Turn follow on or off, and tell whether it is so now. There is an anchor exactly while it is off.

        The user's word goes before the program's: follow is not turned on by itself where it is not the program that
        had turned it off. Being at the end is the user's word, too, where that was asked for.
        """
        state = self.state
        if source in _YIELDING and state.followed_by is not _YIELDING[source]:
            return state.follow == value
        self.change(followed_by=source)
        if state.follow == value:
            return True
        self.do(FollowTurned(state.now, value, source.value))
        self.do(SetView(paused=not value))
        if state.goal is not None and state.goal.filter == state.document.filter:
            self.set_goal(None)  # it was for where the user was; a filter is for wherever that is
        if value:
            self.change(follow=True, anchor=None, document=state.document.without_divider(NEW))
            self.change_runs(lambda _name, _run: {"mark_seq": 0, "seen_seq": 0})
        else:
            self.change(follow=False, anchor=state.paper.chosen(state.screen) or NOWHERE)
            document = state.document
            for name, run in state.runs.items():
                # What is behind this was not shown, whether or not it was there.
                reel = document.reel(name)
                mark_seq = max(run.next_seq - 1, reel.newest_held_seq)
                mark_seq = mark_seq if mark_seq > 0 else reel.head
                self.change_run(name, mark_seq=mark_seq, seen_seq=0)
                document = document.with_divider(name, mark_seq + 1, NEW)
            self.change(document=document)
            self.note("Follow paused · F resumes")
        return True

    # Requests

    def ask(
        self,
        run: str,
        *,
        from_seq: int | None = None,
        from_time_us: int | None = None,
        backward: bool,
        filter: Filter,
        limit: int = PAGE_RECORDS,
    ) -> int:
        """Ask for a page; returns the request's number."""
        request = self.state.next_request
        self.change(next_request=request + 1)
        self.do(ReadPage(request, run, from_seq, from_time_us, backward, limit, filter))
        return request

    def set_goal(self, goal: Goal | None) -> None:
        """Have another goal, or none. Nobody waits any more for what only the one before did."""
        old, new = self.state.goal, goal
        kept = set(new.requests) if new is not None else set()
        for request in old.requests if old is not None else ():
            if request not in kept:
                self._cancel(request)
        self.change(goal=goal)

    def drop_readings(self) -> None:
        for request in self.state.readings:
            self._cancel(request)
        self.change(readings={})

    def _cancel(self, request: int) -> None:
        if self.state.connected:
            self.do(CancelRead(request))
