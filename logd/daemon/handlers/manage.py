"""Changing what is stored of a run: `clear`, `remove`, `limits` and `verify`."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

import trio

from logd.errors import NotFound
from logd.protocol import Clear, Limits, Progress, Remove, Reply, Verify
from logd.record import check_run_name, now_us
from logd.store import Report

if TYPE_CHECKING:
    from logd.daemon.peer import Peer

log = logging.getLogger(__name__)

PROGRESS_SECONDS = 0.1
"""How often progress is told, at the most."""
MAX_LISTED_PROBLEMS = 200
"""In one reply: what fits a frame. All are counted."""


async def clear(peer: Peer, request: Clear) -> None:
    async with peer.server.hub.using(request.run) as run:
        count = await trio.to_thread.run_sync(lambda: run.store.drop_before(run.store.extent.head + 1, now_us()))
        run.warnings = run.errors = 0
        peer.server.tally.note(run)
        run.turn()
        log.info("run %s: %d records cleared by pid %d", run.name, count, peer.credentials.pid)
        await peer.send(Reply(request.id, {"records": count, "next": run.store.extent.head + 1}))


async def remove(peer: Peer, request: Remove) -> None:
    await peer.server.hub.remove(check_run_name(request.run))
    log.info("run %s: removed by pid %d", request.run, peer.credentials.pid)
    await peer.send(Reply(request.id, {}))


async def set_limits(peer: Peer, request: Limits) -> None:
    server, name = peer.server, check_run_name(request.run)
    catalog = server.store.catalog
    if await trio.to_thread.run_sync(catalog.row, name) is None:
        raise NotFound(f"there is no run {name}")
    await trio.to_thread.run_sync(catalog.set_limits, name, request.max_bytes, request.max_age_seconds)
    server.housekeeper.note(name)
    limits = await trio.to_thread.run_sync(server.store.limits, name)
    await peer.send(Reply(request.id, {"max_bytes": limits.max_bytes, "max_age_seconds": int(limits.max_age_seconds)}))


async def verify(peer: Peer, request: Verify) -> None:
    async with peer.server.hub.using(request.run) as run:
        tell = _Teller(peer, request.id)
        report = await trio.to_thread.run_sync(run.store.verify, tell)
        repaired = 0
        if request.repair and report.problem_count:
            for segment in dict.fromkeys(problem.segment for problem in report.problems):
                lost = await trio.to_thread.run_sync(run.store.repair, segment)
                repaired += 1
                log.warning("run %s: segment %d repaired; %d records left out", run.name, segment, lost)
            run.turn()
        await peer.send(Reply(request.id, {**_describe(report), "repaired": repaired}))


class _Teller:
    """Tells the peer how far its request is; called in the thread, which ends here when the peer is gone."""

    def __init__(self, peer: Peer, number: int) -> None:
        self._peer = peer
        self._number = number
        self._due = time.monotonic() + PROGRESS_SECONDS

    def __call__(self, done: int, total: int) -> None:
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + PROGRESS_SECONDS
            trio.from_thread.run(self._peer.send, Progress(self._number, done, total))


def _describe(report: Report) -> dict[str, Any]:
    return {
        "segments": report.segments,
        "blocks": report.blocks,
        "records": report.records,
        "bytes": report.text_bytes,
        "problem_count": report.problem_count,
        "problems": [
            {
                "segment": problem.segment,
                "what": problem.what,
                "offset": problem.offset,
                "first_seq": problem.first_seq,
                "record_count": problem.record_count,
            }
            for problem in report.problems[:MAX_LISTED_PROBLEMS]
        ],
        "notes": report.notes,
    }
