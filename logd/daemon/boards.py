"""The boards of runs: what was reported last for each key. The catalog keeps them, from soon after a change."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import trio

from logd.daemon.hub import Hub
from logd.daemon.items import merged
from logd.daemon.refusal import RequestRefused
from logd.daemon.run import LiveRun
from logd.errors import LogdError
from logd.fanout import Table
from logd.protocol import ErrorCode
from logd.record import now_us
from logd.store import MAX_ITEMS_OF_RUN, Item, Store

log = logging.getLogger(__name__)

SAVE_SECONDS = 1.0
"""How long after a change it is written at the latest. A daemon that is killed in that time loses the change."""


def how_is(run: LiveRun, silent_seconds: float) -> dict[str, Any]:
    """What who watches a run's board is told of the run itself."""
    return {
        "state": run.state(silent_seconds),
        "exit_status": run.exit_status,
        "ended_us": None if run.may_go_on else run.ended_us,
        "cleared_us": run.board_cleared_us,
    }


class Boards:
    """Reads boards when they are first used, and writes what has changed."""

    def __init__(self, hub: Hub, store: Store) -> None:
        self._hub = hub
        self._store = store
        self._changed: dict[LiveRun, dict[str, Any]] = {}
        self._noted = trio.Event()
        self._loading = trio.Lock()

    async def of(self, run: LiveRun) -> Table:
        """A run's board, which is there as long as the run is in use. StoreError where it cannot be read."""
        async with self._loading:
            if run.board is None:
                items, ended_us = await trio.to_thread.run_sync(self._read, run.name)
                run.board = Table()
                for key, item in items.items():
                    run.board.set(key, item.value)
                if run.ended_us is None:
                    run.ended_us = ended_us
            return run.board

    def _read(self, name: str) -> tuple[dict[str, Item], int | None]:
        """What the catalog has of a run's board, and when its last session ended."""
        catalog = self._store.catalog
        newest = catalog.sessions(name, 1)
        return catalog.items(name), newest[0].ended_us if newest else None

    async def report(self, run: LiveRun, items: Mapping[str, Any], *, reset: bool) -> None:
        """Merge fields into items; None removes one. All of it is taken, or nothing: RequestRefused says why."""
        board = await self.of(run)
        values: dict[str, Any] = {key: None for key, _ in board.items()} if reset else {}
        now = now_us()
        for key, given in items.items():
            before = None if reset else board.get(key)
            after = None if given is None else merged(key, before, given, now)
            if after is not before or reset:
                values[key] = after
        if not values:
            return
        cleared = reset and len(board) > 0
        count = len(board) + sum((value is not None) - (key in board) for key, value in values.items())
        if count > MAX_ITEMS_OF_RUN:
            raise RequestRefused(
                ErrorCode.BOARD_FULL,
                f"the board of run {run.name} would have {count} items, and can have {MAX_ITEMS_OF_RUN}",
            )
        if cleared:
            run.board_cleared_us = now
        for key, value in values.items():
            board.set(key, value)
        if run not in self._changed:
            run.users += 1
            self._changed[run] = {}
            self._noted.set()
        self._changed[run].update(values)

    async def run(self) -> None:
        """Write what changes until cancelled."""
        while True:
            await self._noted.wait()
            await trio.sleep(SAVE_SECONDS)
            await self.save()

    async def save(self) -> None:
        """Write what has changed."""
        changed, self._changed = self._changed, {}
        self._noted = trio.Event()
        for run, values in changed.items():
            try:
                if not run.removed:
                    with trio.CancelScope(shield=True):
                        await trio.to_thread.run_sync(self._store.catalog.set_items, run.name, values, now_us())
            except LogdError as error:
                log.error("the catalog lacks what was reported of run %s: %s", run.name, error.message)
            self._hub.release(run)
