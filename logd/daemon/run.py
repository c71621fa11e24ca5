"""A run in use: its store, its newest rows, and the sessions that write it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import trio

from logd.daemon.access import Credentials
from logd.daemon.meter import RateMeter
from logd.fanout import RecentRows
from logd.ingest import Envelope
from logd.protocol import Open
from logd.record import Rows
from logd.store import RunStore


@dataclass(eq=False)
class Session:
    """One emitter's session with a run."""

    run: LiveRun
    key: int
    opened: Open
    """What its emitter said of it."""
    credentials: Credentials
    started_us: int
    accepted_batch: int
    """The number of the newest batch that was taken in."""
    stored_batch: int
    envelopes: dict[str, Envelope] = field(default_factory=dict)
    """What records are wrapped in, by stream."""
    records: int = 0
    on_stored: Callable[[], None] = lambda: None
    """Called when `stored_batch` has moved on."""


class LiveRun:
    """A run that somebody writes or reads. The hub opens it, counts its users, and closes it behind the last."""

    def __init__(self, name: str, store: RunStore) -> None:
        self.name = name
        self.store = store
        self.users = 0
        self.sessions: dict[int, Session] = {}
        self.opening = 0
        """Sessions that are about to be there: the run has begun, though nobody writes it yet."""
        self.exit_status: int | None = None
        self.stalled = ""
        """Why nothing can be stored at present."""
        self.removed = False
        self.tidied = False
        """Whether what a stop left in its folder is gone."""
        self.records = RateMeter()
        self._recent = RecentRows()
        self._changed = trio.Event()

    @property
    def first_seq(self) -> int:
        return self.store.extent.first_seq

    @property
    def head(self) -> int:
        """The newest stored record's seq."""
        return self.store.extent.head

    @property
    def running(self) -> bool:
        return bool(self.sessions or self.opening)

    def publish(self, stored: Iterable[Rows]) -> None:
        """Tell subscribers of rows that were stored; the newest of them, at least, are given."""
        for rows in stored:
            self._recent.add(rows)
        self.notify()

    def notify(self) -> None:
        """Wake whoever waits for the run to change."""
        self._changed.set()
        self._changed = trio.Event()

    async def wait_changed(self) -> None:
        await self._changed.wait()

    async def read(self, seq: int, max_bytes: int) -> Rows:
        """Rows from record `seq` on, or from the next that is there: from memory where they are new, or else from disk.

        StoreError where the disk says no.
        """
        seq = max(seq, self.first_seq)
        recent = self._recent.read(seq, max_bytes)
        if recent is not None:
            return recent
        return await trio.to_thread.run_sync(lambda: self.store.reader.read(self.store.extent, seq, max_bytes))
