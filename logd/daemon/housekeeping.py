"""What is done in the background to what is stored: compressing sealed segments, and letting old ones go.

One thing at a time, in one thread, and none of it while the daemon is busy storing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial
from operator import itemgetter
from typing import TypeVar

import trio

from logd.daemon.hub import Hub
from logd.daemon.meter import RateMeter
from logd.daemon.run import LiveRun
from logd.errors import NotFound, StoreError
from logd.record import now_us
from logd.store import Store, excess_bytes, keep_from

log = logging.getLogger(__name__)

PERIOD_SECONDS = 60.0
"""How often it is looked whether anything has become too old, or the disk too full."""
BUSY_BYTES_PER_SECOND = 16 * 1024 * 1024
"""While more than this is stored, nothing is compressed."""
_PAUSE_SECONDS = 0.05


_Result = TypeVar("_Result")


class Housekeeper:
    """Keeps the folders of runs in order.

    Args:
        stored_bytes: what is being stored.
    """

    def __init__(self, hub: Hub, store: Store, stored_bytes: RateMeter) -> None:
        self._hub = hub
        self._store = store
        self._config = store.config
        self._stored_bytes = stored_bytes
        self._keep_free_bytes = 0
        self.removed_records = 0
        """How many were over a limit, since the daemon began."""
        self._due: dict[str, None] = {}
        self._noted = trio.Event()
        self._thread = trio.CapacityLimiter(1)
        hub.on_opened = self.note

    def note(self, name: str) -> None:
        """A run was opened, or has a segment more that is sealed, or other limits."""
        self._due[name] = None
        self._noted.set()

    async def run(self) -> None:
        """Keep house until cancelled."""
        try:
            self._keep_free_bytes = self._store.keep_free_bytes()
            for name in await self._in_thread(self._store.unfinished):
                self.note(name)
        except StoreError as error:
            log.error("%s", error.message)
        while True:
            with trio.move_on_after(PERIOD_SECONDS):
                await self._noted.wait()
            self._noted = trio.Event()
            while self._due:
                name = next(iter(self._due))
                del self._due[name]
                await self._tend(name)
            await self._keep_limits()

    async def _tend(self, name: str) -> None:
        """Finish what a stop left in one run's folder, compress what is sealed, and let go what is over its limits."""
        try:
            async with self._hub.using(name) as run:
                if not run.tidied:
                    run.tidied = True
                    await self._in_thread(run.store.tidy)
                if self._config.compress:
                    await self._compress(run)
                await self._in_thread(partial(self._let_go, run))
        except NotFound:
            return
        except StoreError as error:
            log.error("run %s cannot be kept in order: %s", name, error.message)

    async def _compress(self, run: LiveRun) -> None:
        for segment in await self._in_thread(run.store.compressible):
            if not await self._in_thread(partial(run.store.compress, segment, self._wait)):
                log.warning("run %s: a segment from record %d on is damaged, and stays uncompressed", run.name, segment)

    def _wait(self) -> None:
        """Return when the machine has time; called in the thread, which ends here when the daemon stops."""
        trio.from_thread.check_cancelled()
        while trio.from_thread.run_sync(self._is_busy):
            time.sleep(_PAUSE_SECONDS)
            trio.from_thread.check_cancelled()

    def _is_busy(self) -> bool:
        return self._stored_bytes.rate(trio.current_time()) > BUSY_BYTES_PER_SECOND

    def _let_go(self, run: LiveRun) -> None:
        """Remove what is over the run's own limits; called in the thread."""
        limits = self._store.limits(run.name)
        if not (limits.max_bytes or limits.max_age_seconds):
            return
        seq = keep_from(run.store.segments(), limits, now_us(), idle=not run.running)
        self._drop(run, seq)

    def _drop(self, run: LiveRun, before_seq: int) -> int:
        count = run.store.drop_before(before_seq, now_us())
        if count:
            self.removed_records += count
            log.info("run %s: the oldest %d records are over a limit, and removed", run.name, count)
        return count

    async def _keep_limits(self) -> None:
        """Let go of what is too old, and of what is too much for all runs together."""
        try:
            for name in await self._in_thread(self._store.over_age):
                await self._tend(name)
            while (excess := await self._in_thread(self._excess_bytes)) and await self.make_room():
                log.info("%d bytes were over what all runs together may have", excess)
        except StoreError as error:
            log.error("the limits cannot be kept: %s", error.message)

    def _excess_bytes(self) -> int:
        live_bytes = sum(
            segment.size_bytes for run in list(self._hub.live.values()) for segment in run.store.segments()
        )
        stored_bytes = live_bytes + self._store.idle_bytes()
        return excess_bytes(stored_bytes, self._config.max_total_bytes, self._store.free_bytes(), self._keep_free_bytes)

    async def make_room(self) -> bool:
        """Remove the oldest segment of all that may go; False where there is none. StoreError from the disk."""
        oldest = min(await self._in_thread(self._candidates), key=itemgetter(0, 1), default=None)
        if oldest is None:
            return False
        _, name, before_seq = oldest
        try:
            async with self._hub.using(name) as run:
                if before_seq is None:
                    segments = await self._in_thread(run.store.segments)
                    before_seq = segments[1].first_seq if len(segments) > 1 else run.head + 1
                return bool(await self._in_thread(partial(self._drop, run, before_seq)))
        except NotFound:
            return False

    def _candidates(self) -> list[tuple[int, str, int | None]]:
        """The oldest segment of each run: until when it was written, and the seq to drop it before where it is known.

        The newest segment of a run that is written stays. Called in the thread.
        """
        found: list[tuple[int, str, int | None]] = []
        live = dict(self._hub.live)
        for run in live.values():
            segments = run.store.segments()
            if len(segments) > 1:
                found.append((segments[0].last_time_us, run.name, segments[1].first_seq))
            elif segments and segments[0].size_bytes and run.head >= run.first_seq and not run.running:
                found.append((segments[0].last_time_us, run.name, run.head + 1))
        # Where the catalog could not be written, it may take a run that is in use for an idle one.
        return found + [(time_us, name, None) for time_us, name in self._store.idle_runs() if name not in live]

    async def _in_thread(self, action: Callable[[], _Result]) -> _Result:
        return await trio.to_thread.run_sync(action, limiter=self._thread)
