"""A run in use: its store, its newest rows, and the sessions that write it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import trio

from logd.daemon.access import Credentials
from logd.daemon.meter import RateMeter
from logd.fanout import Bell, Filter, RecentBlocks, Shelf, Sieve, Table
from logd.ingest import Envelope
from logd.protocol import Open
from logd.record import ANY_LEVEL, Stored, now_us
from logd.states import state_of
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
    pid: int = 0
    """Of the process that does the job; see `access.job_pid`."""
    heard_us: int = 0
    """When a record of it was stored last, or else when it began."""
    on_stored: Callable[[], None] = lambda: None
    """Called when `stored_batch` has moved on."""


class LiveRun:
    """A run that somebody writes or reads. The hub opens it, counts its users, and closes it behind the last."""

    def __init__(self, name: str, store: RunStore, shelf: Shelf) -> None:
        self.name = name
        self.store = store
        self.head = store.extent.head
        """The newest record that subscribers may be sent: the store has more while a commit is under way."""
        self.users = 0
        self.sessions: dict[int, Session] = {}
        self.opening = 0
        """Sessions that are about to be there: the run has begun, though nobody writes it yet."""
        self.begun_us = 0
        """When somebody last began to write it, since it is in use."""
        self.begun_seq = 0
        """The seq of the first record since then, or where that is to be."""
        self.ended_us: int | None = None
        """When its last session ended, as far as somebody has asked for that; it may have begun again since."""
        self.exit_status: int | None = None
        """The last that a session gave."""
        self.is_lost = False
        """Whether the last session is gone without a word."""
        self.warnings = self.errors = 0
        """How many records of these levels there were since it was made, or cleared."""
        self.stalled = ""
        """Why nothing can be stored at present."""
        self.removed = False
        self.awaited: set[int] = set()
        """The keys of sessions that a stop of the daemon interrupted, and that are expected back."""
        self.tidied = False
        """Whether what a stop left in its folder is gone."""
        self.records = RateMeter()
        self.board: Table | None = None
        """None until somebody asks for it."""
        self.board_cleared_us: int | None = None
        """When all that the board had was removed at once, since it is in use: a job begins its work anew."""
        self.sieves: dict[str, Sieve] = {}
        """What subscriptions with a filter read through, by the filter."""
        self._recent = RecentBlocks(shelf)
        self._moved = Bell()
        self._turned = Bell()

    @property
    def first_seq(self) -> int:
        return self.store.extent.first_seq

    @property
    def running(self) -> bool:
        return bool(self.sessions or self.opening)

    @property
    def may_go_on(self) -> bool:
        """Whether more may come: somebody writes it, or is expected back."""
        return self.running or bool(self.awaited)

    def state(self, silent_seconds: float) -> str:
        """What it does, in one of the words of `logd.states`."""
        # One that is awaited may have said something to nobody.
        quiet_us = now_us() - max(self.store.newest_time_us, self.begun_us) if self.running else 0
        return state_of(
            goes_on=self.may_go_on, lost=self.is_lost, quiet_seconds=quiet_us / 1e6, silent_seconds=silent_seconds
        )

    @property
    def generation(self) -> int:
        return self.store.extent.generation

    def publish(self, stored: Iterable[Stored]) -> None:
        """Tell subscribers of blocks that were stored; the newest of them, at least, are given."""
        for block in stored:
            self._recent.add(block)
        self.head = self.store.extent.head
        self._moved.ring()

    def turn(self) -> None:
        """Wake whoever waits: something has changed about the run, not only its head."""
        self._turned.ring()
        self._moved.ring()

    async def wait_moved(self) -> None:
        """Return when the head has moved, or the run has turned; also for nothing."""
        await self._moved.wait()

    async def wait_turned(self, until: float = math.inf) -> None:
        """Return at the next `turn`, or at that time; also for nothing."""
        await self._turned.wait(until)

    async def blocks(self, seq: int, max_bytes: int, level_mask: int) -> tuple[list[Stored], int]:
        """The blocks from record `seq` on that have one of the levels: from memory where they are new, or from disk.

        Returns:
            The blocks, at most `max_bytes` of them or one record, and the seq to go on from: see `Reader.blocks`.

        Raises:
            StoreError: the disk says no.
        """
        seq = max(seq, self.first_seq)
        recent = self._recent.read(seq, max_bytes, level_mask)
        if recent is not None:
            return recent
        wanted = None if level_mask == ANY_LEVEL else lambda entry: entry.level_mask & level_mask != 0
        blocks, next_seq = await trio.to_thread.run_sync(
            lambda: self.store.reader.blocks(self.store.extent, seq, max_bytes, wanted=wanted)
        )
        if len(blocks) == 1 and len(blocks[0].rows.data) > max_bytes:
            blocks = [blocks[0]._replace(rows=blocks[0].rows.within(max_bytes))]
            next_seq = blocks[0].rows.next_seq
        return blocks, next_seq

    @contextmanager
    def sieve(self, request: dict[str, Any]) -> Iterator[Sieve]:
        """The run through a filter, shared with all who ask for the same. BadFilter where its pattern is none."""
        key = repr(sorted(request.items()))
        sieve = self.sieves.get(key)
        if sieve is None:
            sieve = self.sieves[key] = Sieve(Filter.of(request), self.blocks)
        sieve.users += 1
        try:
            yield sieve
        finally:
            sieve.users -= 1
            if not sieve.users:
                del self.sieves[key]

    def close(self) -> None:
        """Keep nothing of it in memory."""
        self._recent.clear()
