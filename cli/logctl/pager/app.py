"""The pager joined to a terminal and to the daemon: what it asks for beside what any screen does, and the list of runs.

What only some sessions need is imported there, and not at the top: the first screen is to come soon.

The daemon sends a view a few batches a second, and what came since the last screen is seen by the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import IO, TYPE_CHECKING, Any, ClassVar

import trio

from logctl.pager.events import (
    Arrived,
    CaptureMouse,
    Copy,
    Effect,
    Event,
    FollowTurned,
    OpenEditor,
    RunWaiting,
    Save,
    ShowRuns,
    Told,
)
from logctl.pager.keys import ACTIONS
from logctl.pager.model import update
from logctl.pager.state import State
from logctl.pager.view import view
from logctl.screen.events import KeyPressed, Repaint, Suspend, UserEvent, Wheel
from logctl.screen.link import Link
from logctl.screen.loop import Loop
from logctl.screen.view import View
from logd.errors import LogdError
from logd.paths import Paths
from logd.record import now_us

if TYPE_CHECKING:
    from logctl.pager.listing import Listing
    from logctl.pager.runs_list import RunsList
    from logctl.screen.terminal import Terminal


class App(Loop[State]):
    """One pager on a terminal.

    Args:
        state: as `model.start` gives it; what that asked for is asked of the link already.
        terminal: not open yet.
        link: not running yet.
        trace: where each turn of the follow flag is told.
    """

    def __init__(
        self, state: State, terminal: Terminal, link: Link, paths: Paths, trace: IO[str] | None = None
    ) -> None:
        super().__init__(state, update, view, terminal, link, Arrived, RunWaiting, Told)
        self._paths = paths
        self._trace = trace
        self._runs: RunsList | None = None
        """What is shown in place of the records."""
        self._listing: trio.CancelScope | None = None
        """While runs are listed."""

    def take(self, events: Iterable[Event]) -> None:
        """Have events happen; what the user does is for the list of runs, while that is shown."""
        for event in events:
            if self._runs is not None and isinstance(event, UserEvent):
                self._choose(event)
            else:
                super().take([event])

    def _view(self) -> View:
        if self._runs is None:
            return super()._view()
        from logctl.pager.runs_list import view_of_runs

        return view_of_runs(self._runs, self.state.rows, self.state.columns)

    # Effects

    def _open_editor(self, effect: OpenEditor) -> None:
        self._start(self._edit, effect.text)

    async def _edit(self, text: str) -> None:
        from logctl.pager import errands

        if self._is_lent:
            return
        with self._lent():
            said = await errands.edit(text)
        if said:
            self.take([Told(said)])

    def _save(self, effect: Save) -> None:
        from logctl.pager import errands

        self._start(errands.save, self._paths, effect, lambda text: self.take([Told(text)]))

    def _copy(self, effect: Copy) -> None:
        self._terminal.copy(effect.text)

    def _capture_mouse(self, effect: CaptureMouse) -> None:
        self._terminal.capture_mouse(captured=effect.captured)

    def _note_follow(self, effect: FollowTurned) -> None:
        if self._trace is not None:
            self._trace.write(f"{effect.now:.6f} follow={'on' if effect.follow else 'off'} source={effect.source}\n")
            self._trace.flush()

    def _show_runs(self, _effect: Effect) -> None:
        if self._listing is None:
            self._listing = trio.CancelScope()
            self._start(self._list_runs, self._listing)

    async def _list_runs(self, scope: trio.CancelScope) -> None:
        from logctl.pager.listing import watch_runs

        try:
            with scope:
                await watch_runs(self._paths, self._take_listing)
        except LogdError as error:
            self._runs = None
            self.take([Told(error.message)])
        self._listing = None

    def _take_listing(self, listing: Listing) -> None:
        from logctl.pager.runs_list import RunsList

        if self._runs is not None:
            self._runs = self._runs.told(listing, now_us())
        elif listing.runs is not None:
            current = self.state.current[0] if self.state.current is not None else next(iter(self.state.runs), "")
            self._runs = RunsList.of(listing.runs, now_us(), current)
        self._note_change()

    def _choose(self, event: UserEvent) -> None:
        """Take what the user does for the list of runs."""
        runs, rows = self._runs, self.state.rows
        if runs is None:
            return
        if isinstance(event, KeyPressed):
            done = ACTIONS.get(event.key)
            if done in ("suspend", "repaint"):
                self._do(Suspend() if done == "suspend" else Repaint())
            self._runs = runs = runs.press(event.key, rows)
        elif isinstance(event, Wheel):
            self._runs = runs = runs.moved(event.rows)
        else:
            self._runs = runs = runs.click(event.row, rows)
        self._note_change(hurries=True)
        self.opens = runs.opens
        if self.opens:
            self._quit()
        elif runs.closes:
            self._runs = None
            if self._listing is not None:
                self._listing.cancel()

    _DOES: ClassVar[dict[type[Any], Callable[[Any, Any], None]]] = {
        **Loop._DOES,
        Copy: _copy,
        OpenEditor: _open_editor,
        Save: _save,
        CaptureMouse: _capture_mouse,
        ShowRuns: _show_runs,
        FollowTurned: _note_follow,
    }
