"""How many warnings and errors runs have had: counted as blocks are stored, and kept by the catalog.

What is plain costs nothing: a block's mask says whether there is anything to count, and one of a single level needs no
counting. In others the records' own openings are counted, which is one search of the block for each level; that is a
part of what it took to give its lines levels of their own.

The catalog has the counts within a second. A daemon that is killed in that time forgets so much of them, and no record.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

import trio

from logd.daemon.hub import Hub
from logd.daemon.run import LiveRun
from logd.errors import LogdError
from logd.record import Severity
from logd.store import Store

log = logging.getLogger(__name__)

SAVE_SECONDS = 1.0
"""How long after a change it is written at the latest."""

_ERRORS = (Severity.ERROR, Severity.FATAL)
LOUD_MASK = sum(severity.mask_bit for severity in (Severity.WARN, *_ERRORS))
"""The level mask of blocks that there is something to count in."""


def warnings_and_errors(data: bytes, record_count: int, level_mask: int) -> tuple[int, int]:
    """How many of a block's records are warnings, and how many are errors, or worse."""
    return (
        _count(data, record_count, level_mask, Severity.WARN),
        sum(_count(data, record_count, level_mask, severity) for severity in _ERRORS),
    )


def _count(data: bytes, record_count: int, level_mask: int, severity: Severity) -> int:
    if not level_mask & severity.mask_bit:
        return 0
    if level_mask == severity.mask_bit:
        return record_count
    return data.count(b'Z","level":"%s","msg":' % severity.name.encode())


class Tally:
    """Keeps what is counted."""

    def __init__(self, hub: Hub, store: Store) -> None:
        self._hub = hub
        self._store = store
        self._changed: set[LiveRun] = set()
        self._noted = trio.Event()

    def note(self, run: LiveRun) -> None:
        """A run's counts have changed."""
        if run not in self._changed:
            run.users += 1
            self._changed.add(run)
            self._noted.set()

    async def run(self) -> None:
        """Write what changes until cancelled."""
        while True:
            await self._noted.wait()
            await trio.sleep(SAVE_SECONDS)
            await self.save()

    async def save(self) -> None:
        """Write what has changed."""
        changed, self._changed = self._changed, set()
        self._noted = trio.Event()
        counts: Mapping[str, tuple[int, int]] = {
            run.name: (run.warnings, run.errors) for run in changed if not run.removed
        }
        try:
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(self._store.catalog.set_counts, counts)
        except LogdError as error:
            log.error("the catalog lacks how many warnings and errors there were: %s", error.message)
        for run in changed:
            self._hub.release(run)
