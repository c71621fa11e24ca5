"""The board's screen joined to its terminal and to the daemon."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import trio

from logctl.board.model import Changed, State, update
from logctl.board.view import view
from logctl.screen.events import Interrupt, Quit, Repaint, Resized, Suspend, UserEvent
from logctl.screen.loop import Loop
from logctl.screen.view import View

if TYPE_CHECKING:
    from logctl.screen.link import Link
    from logctl.screen.terminal import Terminal


class BoardApp(Loop):
    """One board on a terminal.

    Args:
        terminal: not open yet.
        link: not running yet.
    """

    def __init__(self, state: State, terminal: Terminal, link: Link) -> None:
        super().__init__(terminal)
        self.state = state
        self._link = link

    async def run(self, signals: AsyncIterator[int]) -> None:
        """Show the board until its user quits, or a signal ends it. LogdError as of `Watching.take`."""
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
            self._note_change(hurries=isinstance(event, UserEvent | Resized), has_first=isinstance(event, Changed))

    def _view(self) -> View:
        return view(self.state)

    @property
    def _columns(self) -> int:
        return self.state.columns

    @property
    def _wakes_at(self) -> float | None:
        return self.state.wakes_at

    @property
    def _types(self) -> bool:
        return self.state.prompt is not None

    def _interrupt(self, _effect: object) -> None:
        self._end_by(signal.SIGINT)

    def _repaint(self, _effect: object) -> None:
        self._terminal.forget()

    _DOES: Final[dict[type[Any], Callable[[BoardApp, Any], None]]] = {
        Quit: Loop._quit,
        Interrupt: _interrupt,
        Suspend: Loop._suspend,
        Repaint: _repaint,
    }
