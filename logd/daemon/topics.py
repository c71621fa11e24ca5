"""Tables that the daemon makes of itself, for whoever watches: the runs in use, and who emits and who watches.

They are made again before they are looked at, a few times a second at the most, however many look.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import trio

from logd.fanout import Table

if TYPE_CHECKING:
    from logd.daemon.peer import Peer
    from logd.daemon.run import LiveRun
    from logd.daemon.server import Server

REFRESH_SECONDS = 0.2
MAX_SAID_BYTES = 256
"""Of each text that a peer said of itself, so that all of them fit an item."""


class Topics:
    """The tables `runs` and `presence`."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.runs = Table()
        self.presence = Table()
        self._runs_due = self._presence_due = 0.0

    def refresh_runs(self) -> None:
        now = trio.current_time()
        if now >= self._runs_due:
            self._runs_due = now + REFRESH_SECONDS
            viewers = self._viewers_of_runs()
            silent_seconds = self._server.paces.config.silent_seconds
            self.runs.replace(
                {
                    name: _run(run, viewers.get(name, 0), now, run.state(silent_seconds))
                    for name, run in self._server.hub.live.items()
                }
            )

    def refresh_presence(self) -> None:
        now = trio.current_time()
        if now >= self._presence_due:
            self._presence_due = now + REFRESH_SECONDS
            self.presence.replace(dict(self._present(now)))

    def run_of(self, key: str) -> str:
        """Whose run a key of `presence` is."""
        return key.partition("/")[0]

    def _viewers_of_runs(self) -> dict[str, int]:
        viewers: dict[str, int] = {}
        for peer in self._server.peers:
            for watcher in peer.watchers.values():
                if watcher.subscription is not None:
                    name = watcher.request.run
                    viewers[name] = viewers.get(name, 0) + 1
        return viewers

    def _present(self, now: float) -> Iterator[tuple[str, dict[str, Any]]]:
        for peer in self._server.peers:
            for number, session in peer.sessions.items():
                yield (
                    f"{session.run.name}/emitter/{peer.number}/{number}",
                    {
                        **_who(peer),
                        "command": _cut(session.opened.command),
                        "source": _cut(session.opened.source),
                        "since_us": session.started_us,
                        "records": session.records,
                    },
                )
            for number, watcher in peer.watchers.items():
                subscription = watcher.subscription
                if subscription is not None:
                    request = subscription.request
                    yield (
                        f"{request.run}/viewer/{peer.number}/{number}",
                        {
                            **_who(peer),
                            "client": _cut(peer.client),
                            "since_us": watcher.since_us,
                            "mode": request.mode,
                            "paused": subscription.paused,
                            "filtered": bool(request.filter),
                            "lag_records": subscription.lag_records,
                            "lag_seconds": round(max(0.0, now - subscription.lagging_since), 1),
                        },
                    )


def _cut(text: str) -> str:
    """As much of a text as has MAX_SAID_BYTES."""
    return text.encode()[:MAX_SAID_BYTES].decode(errors="ignore")


def _who(peer: Peer) -> dict[str, Any]:
    return {"pid": peer.credentials.pid, "uid": peer.credentials.uid}


def _run(run: LiveRun, viewers: int, now: float, state: str) -> dict[str, Any]:
    return {
        "state": state,
        "first_seq": run.first_seq,
        "head": run.head,
        "generation": run.generation,
        "exit_status": run.exit_status,
        "records_per_second": run.records.rate(now),
        "begun_us": run.begun_us,
        "begun_seq": run.begun_seq,
        "emitters": len(run.sessions),
        "viewers": viewers,
        "stalled": _cut(run.stalled),
    }
