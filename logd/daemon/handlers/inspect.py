"""Looking at the daemon and its runs: `runs`, `stats` and `ping`."""

from __future__ import annotations

import logging
from bisect import bisect_right
from typing import TYPE_CHECKING, Any

import trio

from logd.errors import NotFound, StoreError
from logd.protocol import Ping, Pong, Reply, Runs, Stats
from logd.store import RunSummary, Store
from logd.version import __version__

if TYPE_CHECKING:
    from logd.daemon.peer import Peer
    from logd.daemon.server import Server

log = logging.getLogger(__name__)


async def runs(peer: Peer, request: Runs) -> None:
    server = peer.server
    summaries, more = await trio.to_thread.run_sync(_page, server.store, request.after, request.limit)
    await peer.send(
        Reply(
            request.id,
            {
                "runs": [_describe_run(server, summary) for summary in summaries],
                "next": summaries[-1].name if more else None,
            },
        )
    )


def _page(store: Store, after: str, limit: int) -> tuple[list[RunSummary], bool]:
    names = store.names()
    start = bisect_right(names, after)
    summaries = []
    for name in names[start : start + limit]:
        try:
            summaries.append(store.summary(name))
        except NotFound:
            continue  # removed since it was listed
        except StoreError as error:
            log.warning("run %s cannot be read: %s", name, error.message)
            summaries.append(RunSummary(name, 0, 0, None, None, readable=False))
    return summaries, bool(summaries) and len(names) > start + limit


def _describe_run(server: Server, summary: RunSummary) -> dict[str, Any]:
    run = server.hub.live.get(summary.name)
    running = run is not None and run.running
    return {
        "name": summary.name,
        "state": "running" if running else "ended" if summary.readable else "unreadable",
        "exit_status": server.exit_statuses.get(summary.name),
        "records": summary.records,
        "bytes": summary.size_bytes,
        "first_time_us": summary.first_time_us,
        "last_time_us": summary.last_time_us,
        "records_per_second": run.records.rate(trio.current_time()) if run is not None else 0.0,
    }


async def stats(peer: Peer, request: Stats) -> None:
    server = peer.server
    now = trio.current_time()
    run_count = len(await trio.to_thread.run_sync(server.store.names))
    committer = server.committer
    await peer.send(
        Reply(
            request.id,
            {
                "version": __version__,
                "pid": server.pid,
                "uptime_seconds": now - server.started,
                "socket": str(server.paths.socket),
                "state_dir": str(server.paths.state_dir),
                "runs": run_count,
                "records": committer.records.total,
                "bytes": committer.bytes.total,
                "records_per_second": committer.records.rate(now),
                "bytes_per_second": committer.bytes.rate(now),
                "pending_bytes": committer.pending_bytes,
                "store_error": committer.store_error.message if committer.store_error else None,
                "connections": len(server.peers),
                "sessions": [
                    {
                        "run": session.run.name,
                        "pid": session.credentials.pid,
                        "uid": session.credentials.uid,
                        "command": session.opened.command[:MAX_LISTED_CHARACTERS],
                        "source": session.opened.source,
                        "started_us": session.started_us,
                        "records": session.records,
                    }
                    for run in server.hub.live.values()
                    for session in run.sessions.values()
                ][:MAX_LISTED],
                "subscriptions": [
                    {
                        "run": subscription.request.run,
                        "pid": watcher.credentials.pid,
                        "uid": watcher.credentials.uid,
                        "client": watcher.client,
                        "mode": subscription.request.mode,
                        "lag_records": subscription.lag_records,
                        "sent_records": subscription.sent_records,
                        "skipped_records": subscription.skipped_records,
                    }
                    for subscription, watcher in server.subscriptions.items()
                ][:MAX_LISTED],
            },
        )
    )


MAX_LISTED = 200
"""Sessions and subscriptions in one reply: what fits a frame."""
MAX_LISTED_CHARACTERS = 200
"""Of each one's command."""


async def ping(peer: Peer, request: Ping) -> None:
    await peer.send(Pong(request.id))
