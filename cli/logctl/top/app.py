"""The screen of all runs joined to its terminal and to the daemon."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import trio

from logctl.screen.events import Quit, Repaint, Resized, Suspend, UserEvent
from logctl.screen.loop import Loop
from logctl.screen.table import Open
from logctl.screen.view import View
from logctl.top.model import Listed, ListRuns, Noted, State, update
from logctl.top.view import view

if TYPE_CHECKING:
    from logctl.screen.link import Link
    from logctl.screen.terminal import Terminal


class TopApp(Loop):
    """All runs on a terminal.

    Args:
        terminal: not open yet.
        link: not running yet.
    """

    def __init__(self, state: State, terminal: Terminal, link: Link) -> None:
        super().__init__(terminal)
        self.state = state
        self.opens = ""
        """The run that its user wants to attach to."""
        self._link = link

    async def run(self, signals: AsyncIterator[int]) -> None:
        """Show it until its user quits or opens a run, or a signal ends it. LogdError as of `Watching.take`."""
        try:
            await self._run(signals, partial(self._link.run, self.take), self._link.send)
        finally:
            self._link.close()

    def take(self, events: Iterable[Any]) -> None:
        """Have events happen, and what they ask for be done."""
        for event in events:
            self.state, effects = update(self.state, event, trio.current_time())
            for effect in effects:
                self._DOES[type(effect)](self, effect)
            hurries = isinstance(event, UserEvent | Resized | Noted)
            self._note_change(hurries=hurries, has_first=isinstance(event, Listed))

    def _view(self) -> View:
        return view(self.state)

    @property
    def _columns(self) -> int:
        return self.state.columns

    @property
    def _wakes_at(self) -> float | None:
        return self.state.wakes_at

    @property
    def _repaint_seconds(self) -> float:
        return self.state.repaint_seconds

    @property
    def _types(self) -> bool:
        return self.state.prompt is not None

    def _repaint(self, _effect: object) -> None:
        self._terminal.forget()

    def _open(self, effect: Open) -> None:
        self.opens = effect.key
        self._quit()

    def _ask(self, effect: ListRuns) -> None:
        self._link.ask(effect)

    _DOES: Final[dict[type[Any], Callable[[TopApp, Any], None]]] = {
        Quit: Loop._quit,
        Suspend: Loop._suspend,
        Repaint: _repaint,
        Open: _open,
        ListRuns: _ask,
    }
