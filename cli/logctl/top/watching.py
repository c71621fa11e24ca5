"""What the screen of all runs asks of the daemon, and what comes of it as events. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from logctl.top.model import Listed, ListRuns, RunsChanged, TotalsChanged
from logd.client.blocking import refusal
from logd.client.tables import TableCopy
from logd.protocol import Error, Items, Message, Reply, Runs, Watch


class Watching:
    """The runs in use, the totals, and the list of all runs, over any number of connections in turn.

    Args:
        pattern: of the runs; "" for all.
    """

    def __init__(self, pattern: str = "") -> None:
        self._pattern = pattern
        self._new_id: Callable[[], int] = lambda: 0
        self._runs_id = self._totals_id = self._list_id = 0
        self._runs, self._totals = TableCopy(), TableCopy()
        self._listed: list[dict[str, Any]] = []
        self._replies: list[Message] = []

    def connect(self, new_id: Callable[[], int]) -> list[Message]:
        """Begin anew on a connection, which counts its ids so."""
        self._new_id = new_id
        self._runs_id, self._totals_id = new_id(), new_id()
        self._runs.restart()
        self._totals.restart()
        return [self._list(""), Watch(self._runs_id, "runs", run=self._pattern), Watch(self._totals_id, "totals")]

    def _list(self, after: str) -> Runs:
        if not after:
            self._listed = []
        self._list_id = self._new_id()
        return Runs(self._list_id, after)

    def ask(self, effect: Any) -> list[Message]:
        return [self._list("")] if isinstance(effect, ListRuns) else []

    def take(self, message: Message) -> list[Any]:
        """What a message tells. Refused or NotPermitted where the daemon will not have it."""
        if isinstance(message, Error):
            raise refusal(message)
        if isinstance(message, Items):
            return self._take_items(message)
        if isinstance(message, Reply) and message.id == self._list_id:
            return self._take_list(message.value)
        return []

    def _take_items(self, message: Items) -> list[Any]:
        if message.sub == self._runs_id:
            changes = self._runs.take(message)
            return [] if changes is None else [RunsChanged(tuple(changes))]
        if message.sub == self._totals_id and self._totals.take(message):
            return [TotalsChanged(totals) for totals in self._totals.items.values()]
        return []

    def _take_list(self, value: dict[str, Any]) -> list[Any]:
        from fnmatch import fnmatchcase

        pattern = self._pattern or "*"
        self._listed += [run for run in value["runs"] if fnmatchcase(run["name"], pattern)]
        if value["next"] is not None:
            self._replies.append(self._list(value["next"]))
            return []
        return [Listed(tuple(self._listed))]

    def take_replies(self) -> list[Message]:
        """What is to be sent because of what came."""
        replies, self._replies = self._replies, []
        return replies
