"""All runs that are open: who uses them, and the opening and closing of them.

A run that nobody uses any more stays open for a little, and is then closed by `run`: a script that emits a line at a
time, and a viewer that reads page by page, open it once.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import trio

from logd.daemon.refusal import RequestRefused
from logd.daemon.run import LiveRun
from logd.errors import StoreError
from logd.fanout import Shelf
from logd.protocol import ErrorCode
from logd.store import RunRow, RunStore, Store

log = logging.getLogger(__name__)

IDLE_SECONDS = 1.0
"""How long a run stays open that nobody uses, at the least; and at the most twice that."""
AWAIT_SECONDS = 10.0
"""How long a daemon that has just started takes a run for running whose sessions the stop before had interrupted."""
MAX_IDLE_RUNS = 64
"""More than this are closed at once, the longest idle first: each has files open."""


class Hub:
    """Opens runs for those who use them, one store for all users of a run, and closes them behind the last."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.live: dict[str, LiveRun] = {}
        """Those that are open."""
        self.awaited: dict[str, set[int]] = {}
        """The sessions that a stop of the daemon interrupted, by run: some of them will be back."""
        self._shelf = Shelf()
        self._idle: dict[LiveRun, float] = {}
        """Those of them that nobody uses, by the time since when: the longest first."""
        self.on_opened: Callable[[str], None] = lambda name: None
        """Called with the name of each run that is opened."""
        # Opening finds a run's end and closing marks it: never both at once, nor either twice.
        self._opening = trio.Lock()
        self._created = trio.Event()
        self._too_many = trio.Event()

    async def acquire(self, name: str, *, create: bool = False) -> LiveRun:
        """Begin to use a run; `release` is to follow.

        Raises:
            UsageError: it is not a name that a run can have.
            NotFound: there is no such run, and `create` is false.
            StoreError: the disk says no.
        """
        async with self._opening:
            run = self.live.get(name)
            if run is None:
                store, row = await trio.to_thread.run_sync(self._open, name, create)
                if store.torn_bytes:
                    log.warning("run %s ends in %d bytes that were never acknowledged", name, store.torn_bytes)
                for segment in store.mended_indexes:
                    log.warning("run %s: the index from record %d on was damaged, and is made again", name, segment)
                run = self.live[name] = LiveRun(name, store, self._shelf)
                run.awaited = self.awaited.get(name, set())
                if row is not None:
                    run.exit_status, run.is_lost = row.exit_status, row.lost
                    run.warnings, run.errors = row.warnings, row.errors
                self.on_opened(name)
            run.users += 1
            self._idle.pop(run, None)
        if create:
            self._created.set()
            self._created = trio.Event()
        return run

    def _open(self, name: str, create: bool) -> tuple[RunStore, RunRow | None]:
        store = self.store.open_run(name, create=create)
        try:
            return store, self.store.catalog.row(name)
        except StoreError as error:
            log.error("run %s: %s", name, error.message)  # how it ended is all that is not known
            return store, None

    def release(self, run: LiveRun) -> None:
        """Be done with a run."""
        run.users -= 1
        if not run.users:
            self._idle[run] = trio.current_time()
            if len(self._idle) > MAX_IDLE_RUNS:
                self._too_many.set()

    @asynccontextmanager
    async def using(self, name: str) -> AsyncIterator[LiveRun]:
        """A run that is there, for the block's duration; errors are those of `acquire`."""
        run = await self.acquire(name)
        try:
            yield run
        finally:
            self.release(run)

    async def await_sessions(self, sessions: dict[str, set[int]]) -> None:
        """Let viewers of these sessions' runs wait for a while: they come back when they notice that the daemon has."""
        self.awaited = sessions
        await trio.sleep(AWAIT_SECONDS)
        self.awaited = {}
        for run in self.live.values():
            if run.awaited:
                run.awaited = set()
                run.turn()

    async def run(self) -> None:
        """Close idle runs until cancelled."""
        while True:
            self._too_many = trio.Event()
            with trio.move_on_after(IDLE_SECONDS):
                await self._too_many.wait()
            idle_since = trio.current_time() - IDLE_SECONDS
            excess = len(self._idle) - MAX_IDLE_RUNS
            for number, (run, since) in enumerate(list(self._idle.items())):
                if since <= idle_since or number < excess:
                    await self._close(run)

    async def close_all(self) -> None:
        """Close the runs that nobody uses, which is all of them when everybody is gone."""
        for run in list(self._idle):
            await self._close(run)

    async def _close(self, run: LiveRun) -> None:
        async with self._opening:
            if run.users:
                return
            close = run.store.close if run.removed else partial(self.store.close_run, run.name, run.store)
            with trio.CancelScope(shield=True):
                try:
                    await trio.to_thread.run_sync(close)
                except StoreError as error:
                    log.error("run %s: %s", run.name, error.message)
            self._idle.pop(run, None)
            run.close()
            if not run.removed:
                del self.live[run.name]

    async def remove(self, name: str) -> None:
        """Remove a run that nobody writes; who reads it is told so.

        Raises:
            RequestRefused: somebody writes it.
            NotFound: there is no such run.
            StoreError: the disk says no.
        """
        async with self._opening:
            run = self.live.get(name)
            if run is not None and run.running:
                raise RequestRefused(ErrorCode.RUN_IN_USE, f"somebody emits into {name}")
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(self.store.remove_run, name)
            if run is not None:
                del self.live[name]
                run.removed = True
                run.turn()

    def next_creation(self) -> trio.Event:
        """Set when a run is next opened for writing, which may have made it. Get it before looking for the run."""
        return self._created
