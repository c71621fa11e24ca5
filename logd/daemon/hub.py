"""All runs: which are in use, and the opening and closing of them."""

from __future__ import annotations

import logging

import trio

from logd.daemon.run import LiveRun
from logd.store import Store

log = logging.getLogger(__name__)


class Hub:
    """Opens runs for those who use them, one store for all users of a run, and closes them behind the last."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.live: dict[str, LiveRun] = {}
        # Opening mends a run's files and closing marks them: never both at once, nor either twice.
        self._opening = trio.Lock()
        self._created = trio.Event()

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
                store = await trio.to_thread.run_sync(lambda: self.store.open_run(name, create=create))
                if store.torn_bytes:
                    log.warning(
                        "run %s ended in %d bytes that were never acknowledged: cut off", name, store.torn_bytes
                    )
                run = self.live[name] = LiveRun(name, store)
            run.users += 1
        if create:
            self._created.set()
            self._created = trio.Event()
        return run

    async def release(self, run: LiveRun) -> None:
        """Be done with a run."""
        async with self._opening:
            run.users -= 1
            if not run.users:
                del self.live[run.name]
                await trio.to_thread.run_sync(run.store.close)

    def next_creation(self) -> trio.Event:
        """Set when a run is next opened for writing, which may have made it. Get it before looking for the run."""
        return self._created
