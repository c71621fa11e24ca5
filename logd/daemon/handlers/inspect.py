"""Looking at the daemon and its runs: `runs`, `stats` and `ping`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio

from logd import accel
from logd.fanout import Subscription
from logd.protocol import Ping, Pong, Reply, Runs, Sessions, Stats
from logd.record import now_us
from logd.states import ENDED, LOST, state_of
from logd.store import RunFigures, RunRow, SessionRow
from logd.version import __version__

if TYPE_CHECKING:
    from logd.daemon.peer import Peer
    from logd.daemon.run import LiveRun, Session
    from logd.daemon.server import Server


async def runs(peer: Peer, request: Runs) -> None:
    server = peer.server
    rows = await trio.to_thread.run_sync(server.store.page, request.after, request.limit)
    await peer.send(
        Reply(
            request.id,
            {
                "runs": [_describe_run(server, row) for row in rows],
                "next": rows[-1].name if len(rows) == request.limit else None,
            },
        )
    )


def _describe_run(server: Server, row: RunRow) -> dict[str, Any]:
    run = server.hub.live.get(row.name)
    figures = row.figures or RunFigures(1, 0, 0, None, None)
    state = _state(server, row, run)
    return {
        "name": row.name,
        "state": state,
        "exit_status": row.exit_status if state == ENDED else None,
        "records": figures.head + 1 - figures.first_seq,
        "bytes": figures.size_bytes,
        "warnings": row.warnings if run is None else run.warnings,
        "errors": row.errors if run is None else run.errors,
        "stalled": run.stalled if run is not None else "",
        "first_time_us": figures.first_time_us,
        "last_time_us": figures.last_time_us,
        "records_per_second": run.records.rate(trio.current_time()) if run is not None else 0.0,
        "max_bytes": row.max_bytes,
        "max_age_seconds": None if row.max_age_seconds is None else int(row.max_age_seconds),
    }


def _state(server: Server, row: RunRow, run: LiveRun | None) -> str:
    if row.figures is None:
        return "unreadable"
    silent_seconds = server.paces.config.silent_seconds
    if run is not None and (run.may_go_on or row.figures is not None):
        return run.state(silent_seconds)
    return state_of(
        goes_on=bool(server.hub.awaited.get(row.name)),
        lost=row.lost,
        quiet_seconds=0.0,
        silent_seconds=silent_seconds,
    )


def _seconds_since(time_us: int) -> float:
    return (now_us() - time_us) / 1e6


async def sessions(peer: Peer, request: Sessions) -> None:
    server = peer.server
    row = await trio.to_thread.run_sync(server.store.row, request.run)
    kept = await trio.to_thread.run_sync(server.store.catalog.sessions, request.run, request.limit)
    run = server.hub.live.get(request.run)
    open_sessions = run.sessions if run is not None else {}
    awaited = server.hub.awaited.get(request.run, set())
    silent_seconds = server.paces.config.silent_seconds
    listed = [
        _describe_session(each, open_sessions.get(each.key), awaited=each.key in awaited, silent_seconds=silent_seconds)
        for each in kept
    ]
    await peer.send(Reply(request.id, {"run": _describe_run(server, row), "sessions": listed}))


def _describe_session(
    row: SessionRow, session: Session | None, *, awaited: bool, silent_seconds: float
) -> dict[str, Any]:
    """A session as the catalog has it, and what is known of it while it is open."""
    goes_on = session is not None or awaited
    state = state_of(
        goes_on=goes_on,
        lost=row.state == LOST,
        quiet_seconds=_seconds_since(session.heard_us) if session is not None else 0.0,
        silent_seconds=silent_seconds,
    )
    return {
        "state": state,
        "exit_status": row.exit_status,
        "pid": row.pid,
        "uid": row.uid,
        "host": row.host,
        "command": row.command[:MAX_LISTED_CHARACTERS],
        "source": row.source,
        "started_us": row.started_us,
        "ended_us": None if goes_on else row.ended_us,
        "records": row.records + (session.records if session is not None else 0),
    }


async def stats(peer: Peer, request: Stats) -> None:
    server = peer.server
    now = trio.current_time()
    run_count, _ = await trio.to_thread.run_sync(server.store.catalog.totals)
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
                "removed_records": server.housekeeper.removed_records,
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
                    _describe_subscription(watching, subscription, now)
                    for watching in server.peers
                    for watcher in watching.watchers.values()
                    if (subscription := watcher.subscription) is not None
                ][:MAX_LISTED],
                "operations": accel.figures(),
            },
        )
    )


def _describe_subscription(peer: Peer, subscription: Subscription, now: float) -> dict[str, Any]:
    request, throttler = subscription.request, subscription.throttler
    return {
        "run": request.run,
        "pid": peer.credentials.pid,
        "uid": peer.credentials.uid,
        "client": peer.client,
        "mode": request.mode,
        "paused": subscription.paused,
        "filter": request.filter,
        "lag_records": subscription.lag_records,
        "lag_seconds": max(0.0, now - subscription.lagging_since),
        "interval_seconds": throttler.interval(now),
        "flushes": throttler.flushes,
        "sent_records": subscription.sent_records,
        "skipped_records": subscription.skipped_records,
    }


MAX_LISTED = 200
"""Sessions and subscriptions in one reply: what fits a frame."""
MAX_LISTED_CHARACTERS = 200
"""Of each one's command."""


async def ping(peer: Peer, request: Ping) -> None:
    await peer.send(Pong(request.id))
