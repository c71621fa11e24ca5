"""A table of last values, and its subscribers: each is a cursor into the table's versions.

Every change has a version, and the values are kept in the order of their last change. So what a subscriber lacks is the
table's end, from the newest back to its cursor, however often a value has changed meanwhile: that is all the
coalescing there is, and nothing is queued. A value that is removed leaves a None behind for a while; who is further
behind than that is sent the whole again.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

import trio

from logd.fanout.throttle import AdaptiveThrottler
from logd.protocol import MAX_ITEMS_IN_FRAME, Items, Message

WHOLE_SECONDS = 60.0
"""After so long a subscriber is sent the whole again: should it ever be wrong, it does not stay so."""
MAX_REMOVED = 1000
"""How many removed keys are remembered, for delta's sake."""
Value = Mapping[str, Any]


class Changes(NamedTuple):
    """What a subscriber lacks."""

    items: dict[str, Value | None]
    """By key; None for one that is removed."""
    version: int
    """That of the table with them."""
    whole: bool
    """Whether these are all there are, and what the subscriber has is to be dropped."""


class Table:
    """Values by key."""

    def __init__(self) -> None:
        self.version = 0
        self._entries: dict[str, tuple[int, Value | None]] = {}
        """In the order of their versions."""
        self._removed = 0
        self._forgotten_version = 0
        """Who is not past this may lack a removal that is not remembered."""
        self.stirs = 0
        """How many times subscribers were to look again."""
        self._stirred = trio.Event()

    def __len__(self) -> int:
        return len(self._entries) - self._removed

    def __contains__(self, key: str) -> bool:
        return self.get(key) is not None

    def get(self, key: str) -> Value | None:
        return self._entries.get(key, (0, None))[1]

    def items(self) -> Iterator[tuple[str, Value]]:
        return ((key, value) for key, (_, value) in self._entries.items() if value is not None)

    def set(self, key: str, value: Value | None) -> None:
        """Set a key's value; None removes it. To set what it is already changes nothing."""
        _, before = self._entries.get(key, (0, None))
        if before == value:
            return
        self.version += 1
        self._removed += (value is None) - (before is None and key in self._entries)
        self._entries.pop(key, None)
        self._entries[key] = self.version, value
        self.stir()
        if self._removed > MAX_REMOVED:
            self._forget_removed()

    def stir(self) -> None:
        """Have subscribers look again: what the table is made from has changed, or what goes with it."""
        self.stirs += 1
        self._stirred.set()

    async def wait_stirred(self, stirs: int) -> None:
        """Return when it has changed or was stirred since `stirs` was so many."""
        while self.stirs == stirs:
            if self._stirred.is_set():
                self._stirred = trio.Event()
            await self._stirred.wait()

    def replace(self, values: Mapping[str, Value]) -> None:
        """Have these values and no others."""
        for key in [key for key, _ in self.items() if key not in values]:
            self.set(key, None)
        for key, value in values.items():
            self.set(key, value)

    def since(self, version: int) -> Changes:
        """What somebody lacks who has the table as it was in that version; 0 for one who has nothing."""
        if version <= self._forgotten_version and version < self.version:
            return Changes(dict(self.items()), self.version, whole=True)
        changed: dict[str, Value | None] = {}
        for key in reversed(self._entries):
            changed_in, value = self._entries[key]
            if changed_in <= version:
                break
            changed[key] = value
        return Changes(dict(reversed(changed.items())), self.version, whole=False)

    def _forget_removed(self) -> None:
        self._entries = {key: entry for key, entry in self._entries.items() if entry[1] is not None}
        self._removed = 0
        self._forgotten_version = self.version


class TableSubscription:
    """Sends a table to one subscriber: whole, then what changes, and from time to time the whole again.

    Args:
        sub: the subscription's id.
        refresh: called before the table is looked at, where it is made from something else; gives the time at which
            that is to be done again, though nobody stirs the table.
        wanted: which keys are sent.
        of_run: how the run is whose board it is; it is sent when it has changed.
    """

    def __init__(
        self,
        sub: int,
        table: Table,
        throttler: AdaptiveThrottler,
        *,
        refresh: Callable[[], float] = lambda: math.inf,
        wanted: Callable[[str], bool] = lambda key: True,
        of_run: Callable[[], dict[str, Any] | None] = lambda: None,
    ) -> None:
        self.throttler = throttler
        self._sub = sub
        self._table = table
        self._refresh = refresh
        self._wanted = wanted
        self._of_run = of_run
        self._hurried = trio.Event()
        self._hurried_at = -math.inf

    def hurry(self) -> None:
        """Send what there is at once, though its interval is not over; but no oftener than once in an interval."""
        now = trio.current_time()
        if now >= self._hurried_at + self.throttler.interval(now):
            self._hurried_at = now
            self._hurried.set()
            self._table.stir()

    async def run(self, send: Callable[[Message], Awaitable[None]]) -> None:
        """Send until cancelled."""
        version, whole_due = 0, -math.inf
        run: dict[str, Any] | None = None
        while True:
            started = trio.current_time()
            look_at = min(self._refresh(), started + LOOK_SECONDS)
            stirs = self._table.stirs
            changes = self._table.since(0 if started >= whole_due else version)
            is_whole = changes.whole or started >= whole_due
            items = {key: value for key, value in changes.items.items() if self._wanted(key)}
            if is_whole:
                items = {key: value for key, value in items.items() if value is not None}
                whole_due = started + WHOLE_SECONDS
            version, run_before, run = changes.version, run, self._of_run()
            if items or is_whole or run != run_before:
                await self._send(send, items, whole=is_whole, run=run if is_whole or run != run_before else None)
                self.throttler.flushed(started, trio.current_time())
            # Between two looks is some time at the least, also where nothing was sent.
            due = max(self.throttler.due(trio.current_time()), started + LEAST_SECONDS)
            with trio.move_on_at(due):
                await self._hurried.wait()
                self._hurried = trio.Event()
            with trio.move_on_at(max(due, min(look_at, whole_due))):
                await self._table.wait_stirred(stirs)

    async def _send(
        self,
        send: Callable[[Message], Awaitable[None]],
        items: dict[str, Value | None],
        *,
        whole: bool,
        run: dict[str, Any] | None,
    ) -> None:
        rest = iter(items.items())
        for start in range(0, max(len(items), 1), MAX_ITEMS_IN_FRAME):
            part = dict(islice(rest, MAX_ITEMS_IN_FRAME))
            more = start + len(part) < len(items)
            await send(Items(self._sub, part, whole=whole and not start, more=more, run=None if start else run))


LEAST_SECONDS = 0.05
"""Between two looks at a table, at the least."""
LOOK_SECONDS = 5.0
"""And at the most: what goes with a table may change with the time alone."""
