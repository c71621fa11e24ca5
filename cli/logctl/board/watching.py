"""The board's subscription: messages to the daemon, and what comes of it as events. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from logctl.board.cells import HowIs
from logctl.board.model import Changed
from logd.client.blocking import refusal
from logd.errors import NotFound
from logd.progress import Item
from logd.protocol import Error, Event, Items, Message, Watch


class Watching:
    """One run's board, over any number of connections in turn.

    Args:
        waits: whether to wait for the run where there is none.
    """

    def __init__(self, run: str, *, waits: bool = False) -> None:
        self._run, self._waits = run, waits
        self._sub: int | None = None
        self._parts: dict[str, Item | None] = {}
        self._whole = False
        self._how: HowIs | None = None

    def connect(self, new_id: Callable[[], int]) -> list[Message]:
        """Begin anew on a connection, which counts its ids so."""
        self._sub, self._parts, self._whole, self._how = new_id(), {}, False, None
        return [Watch(self._sub, "board", run=self._run, wait=self._waits)]

    def take(self, message: Message) -> list[Any]:
        """What a message tells.

        Raises:
            Refused: there is no such run and it is not waited for, or no board can be had of it.
            NotFound: the run was removed meanwhile.
        """
        if isinstance(message, Error) and message.id in (self._sub, None):
            raise refusal(message)
        if isinstance(message, Event) and message.sub == self._sub:
            if message.kind == "removed":
                raise NotFound(f"run {self._run} was removed")
            return [Changed({}, whole=True, how=HowIs("waiting"))] if message.kind == "waiting" else []
        if not isinstance(message, Items) or message.sub != self._sub:
            return []
        if message.whole:
            self._parts = {}
        self._parts.update(message.items)
        self._whole = self._whole or message.whole
        self._how = self._how if message.run is None else HowIs.of(message.run)
        if message.more:
            return []
        changed = Changed(self._parts, self._whole, self._how)
        self._parts, self._whole, self._how = {}, False, None
        return [changed]

    def ask(self, effect: Any) -> list[Message]:
        """Nothing that the screen asks for concerns the daemon."""
        return []

    def take_replies(self) -> list[Message]:
        return []
