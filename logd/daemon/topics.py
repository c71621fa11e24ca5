"""Tables that the daemon makes of itself, for whoever watches: the runs in use, and who emits and who watches.

They are made again when an interval is over or something has stirred them, however many look, and not at all while
nobody does. Who comes and goes is told soon; how much they did is told at an interval of its own, which is longer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import trio

from logd.fanout import Table
from logd.record import rfc3339, severity_from_number

if TYPE_CHECKING:
    from logd.daemon.peer import Peer
    from logd.daemon.run import LiveRun, Session
    from logd.daemon.server import Server
    from logd.fanout import Subscription

REFRESH_SECONDS = 0.2
"""Between two times that a table is made, at the least."""
MAX_SAID_BYTES = 256
"""Of each text that a peer said of itself, so that all of them fit an item."""
MAX_CLIENT_BYTES = 64
"""Of what an emitter's client is, beside three of those texts."""
COUNTS = ("records", "lag_records", "lag_seconds")
"""Of what is told of who is present: what changes all the time, and is told at the interval of `presence`."""

Items = dict[str, dict[str, Any]]


class _Made:
    """A table that is made from something else.

    Args:
        make: gives all that it has, at a time.
        interval: how long what it has holds, in seconds, if nothing stirs it.
    """

    def __init__(self, make: Callable[[float], Items], interval: Callable[[], float]) -> None:
        self.table = Table()
        self._make = make
        self._interval = interval
        self._made_at = -math.inf
        self._is_stale = False

    def stir(self) -> None:
        """What it is made from has changed."""
        self._is_stale = True
        self.table.stir()

    def refresh(self) -> float:
        """Make it again where that is due; the time at which it is due next."""
        now = trio.current_time()
        if now >= self._due():
            self._made_at, self._is_stale = now, False
            self.table.replace(self._make(now))
        return self._due()

    def _due(self) -> float:
        return self._made_at + (REFRESH_SECONDS if self._is_stale else max(REFRESH_SECONDS, self._interval()))


class Topics:
    """The tables `runs` and `presence`."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._runs = _Made(self._make_runs, lambda: server.paces.config.runs_interval_seconds)
        self._presence = _Made(self._make_presence, self._counts_interval)
        self.runs, self.presence = self._runs.table, self._presence.table
        self.refresh_runs, self.refresh_presence = self._runs.refresh, self._presence.refresh
        self._counts_at = -math.inf

    def stir(self) -> None:
        """A run has begun or ended, or somebody has come, gone or paused."""
        self._runs.stir()
        self._presence.stir()

    def run_of(self, key: str) -> str:
        """Whose run a key of `presence` is."""
        return key.partition("/")[0]

    # Runs

    def _make_runs(self, now: float) -> Items:
        viewers = self._viewers_of_runs()
        silent_seconds = self._server.paces.config.silent_seconds
        return {
            name: _run(run, viewers.get(name, 0), now, run.state(silent_seconds))
            for name, run in self._server.hub.live.items()
        }

    def _viewers_of_runs(self) -> dict[str, int]:
        viewers: dict[str, int] = {}
        for peer in self._server.peers:
            for watcher in peer.watchers.values():
                if watcher.subscription is not None:
                    name = watcher.request.run
                    viewers[name] = viewers.get(name, 0) + 1
        return viewers

    # Presence

    def _counts_interval(self) -> float:
        return self._server.paces.config.presence_interval_seconds

    def _make_presence(self, now: float) -> Items:
        made = dict(self._present(now))
        if now >= self._counts_at + max(REFRESH_SECONDS, self._counts_interval()):
            self._counts_at = now
        else:
            for key, item in made.items():
                before = self.presence.get(key)
                if before is not None:
                    item.update({name: before[name] for name in COUNTS if name in before})
        return made

    def _present(self, now: float) -> Iterator[tuple[str, dict[str, Any]]]:
        for peer in self._server.peers:
            for number, session in peer.sessions.items():
                yield f"{session.run.name}/emitter/{peer.number}/{number}", _emitter(peer, session)
            for number, watcher in peer.watchers.items():
                subscription = watcher.subscription
                if subscription is not None:
                    key = f"{subscription.request.run}/viewer/{peer.number}/{number}"
                    yield key, _viewer(peer, watcher.since_us, subscription, now)


def _cut(text: str, max_bytes: int = MAX_SAID_BYTES) -> str:
    """As much of a text as has so many bytes."""
    return text.encode()[:max_bytes].decode(errors="ignore")


def _emitter(peer: Peer, session: Session) -> dict[str, Any]:
    opened = session.opened
    return {
        "pid": peer.credentials.pid,
        "uid": peer.credentials.uid,
        "job_pid": session.pid,
        "client": _cut(peer.client, MAX_CLIENT_BYTES),
        "host": _cut(opened.host),
        "command": _cut(opened.command),
        "source": _cut(opened.source),
        "since_us": session.started_us,
        "records": session.records,
    }


def _viewer(peer: Peer, since_us: int, subscription: Subscription, now: float) -> dict[str, Any]:
    return {
        "pid": peer.credentials.pid,
        "uid": peer.credentials.uid,
        "terminal": peer.terminal,
        "client": _cut(peer.client),
        "since_us": since_us,
        "mode": subscription.request.mode,
        "paused": subscription.paused,
        "filter": _cut(said_filter(subscription.request.filter or {})),
        "lag_records": subscription.lag_records,
        "lag_seconds": round(max(0.0, now - subscription.lagging_since), 1),
    }


def said_filter(criteria: Mapping[str, Any]) -> str:
    """A filter for people to read: "level>=WARN /timed? ?out/i source=w3"; "" for none."""
    parts = []
    if pattern := criteria.get("pattern"):
        quote = '"' if criteria.get("fixed") else "/"
        ignored = "i" if criteria.get("ignore_case") else ""
        parts.append(f"{'!' if criteria.get('invert') else ''}{quote}{pattern}{quote}{ignored}")
    if severity := criteria.get("min_severity"):
        parts.append(f"level>={severity_from_number(severity).name}")
    parts += [f"{name}={criteria[name]}" for name in ("stream", "source") if criteria.get(name)]
    parts += [f"{name}={rfc3339(criteria[f'{name}_us'])}" for name in ("since", "until") if f"{name}_us" in criteria]
    if also := criteria.get("also"):
        parts.append(said_filter(also))
    return " ".join(parts)


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
