"""Putting what is stored on the disk itself, as the policy says: within a second, or at once where it is urgent.

One thread syncs while another writes. A run that is to be synced is in use until it is.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import trio

from logd.daemon.hub import Hub
from logd.daemon.run import LiveRun
from logd.errors import StoreError
from logd.record import Severity

log = logging.getLogger(__name__)

SYNC_SECONDS = 1.0
URGENT_MASK = sum(severity.mask_bit for severity in Severity if severity >= Severity.ERROR)
"""Blocks with such levels are synced at once."""


class Syncer:
    """Syncs runs in the background.

    Args:
        policy: no, everysec or always; `always` is done by who writes, and leaves nothing to do here.
    """

    def __init__(self, hub: Hub, policy: str) -> None:
        self.on_sealed: Callable[[str], None] = lambda name: None
        """Called with the name of a run that has segments more that are sealed and synced, so that they can be
        compressed."""
        self._hub = hub
        self._policy = policy
        self._waiting: set[LiveRun] = set()
        self._noted = trio.Event()
        self._urgent = trio.Event()

    def note(self, run: LiveRun, level_mask: int) -> None:
        """Something was stored in a run that holds these levels."""
        if self._policy == "no" or not run.store.has_unsynced:
            return
        if run not in self._waiting:
            run.users += 1
            self._waiting.add(run)
            self._noted.set()
        if level_mask & URGENT_MASK:
            self._urgent.set()

    async def run(self) -> None:
        """Sync until cancelled."""
        while True:
            await self._noted.wait()
            with trio.move_on_after(SYNC_SECONDS):
                await self._urgent.wait()
            await self.sync_all()

    async def sync_all(self) -> None:
        """Sync all that waits for it."""
        runs, self._waiting = self._waiting, set()
        self._noted, self._urgent = trio.Event(), trio.Event()
        for run in runs:
            had_sealed = run.store.has_unsynced_segments
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(_sync_in_thread, run)
            self._hub.release(run)
            if had_sealed:
                self.on_sealed(run.name)


def sync_run(run: LiveRun) -> None:
    """Put what is stored of a run on the disk itself. Called in a thread; StoreError as of `RunStore.sync`."""
    error = run.store.sync()
    if error is not None:
        log.error("run %s: %s; what was not synced is in new files", run.name, error.message)


def _sync_in_thread(run: LiveRun) -> None:
    try:
        sync_run(run)
    except StoreError as error:
        log.error("run %s: %s; it is written again before anything else is", run.name, error.message)
