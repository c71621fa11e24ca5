"""Tables that the daemon makes of itself, for whoever watches: the runs in use, who is present, and totals.

They are made again when an interval is over or something has stirred them, however many look, and not at all while
nobody does. Who comes and goes is told soon; how much they did is told at an interval of its own, which is longer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import trio

from logd.errors import StoreError
from logd.fanout import Table
from logd.progress import is_gauge, overall
from logd.record import now_us, rfc3339, severity_from_number

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

ITEMS_A_SECOND = 2000
"""How many items of a board are looked at for the run's progress, on the average: of a large one that is seldom."""
MAX_LEFT_SECONDS = 10 * 365 * 86400
"""What takes longer than ten years is said to take so long."""
TOTALS_KEY = "daemon"

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
            self._remake(now)
        return self._due()

    def catch_up(self) -> None:
        """Have it as it is now, for who comes only now: what he did before he asked is in it."""
        if self._is_stale:
            self._remake(trio.current_time())

    def _remake(self, now: float) -> None:
        self._made_at, self._is_stale = now, False
        self.table.replace(self._make(now))

    def _due(self) -> float:
        return self._made_at + (REFRESH_SECONDS if self._is_stale else max(REFRESH_SECONDS, self._interval()))


class Topics:
    """The tables `runs`, `presence` and `totals`."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._runs = _Made(self._make_runs, self._runs_interval)
        self._presence = _Made(self._make_presence, self._counts_interval)
        self._totals = _Made(self._make_totals, self._runs_interval)
        self.runs, self.presence, self.totals = self._runs.table, self._presence.table, self._totals.table
        self.refresh_runs, self.refresh_presence = self._runs.refresh, self._presence.refresh
        self.refresh_totals = self._totals.refresh
        self._by_name = {"runs": self._runs, "presence": self._presence, "totals": self._totals}
        self._counts_at = -math.inf
        self._progress: dict[str, _Progress] = {}
        """Of the runs that have a board in use."""

    def stir(self) -> None:
        """A run has begun or ended, or somebody has come, gone or paused."""
        self._runs.stir()
        self._presence.stir()
        self._totals.stir()

    def catch_up(self, topic: str) -> None:
        """Have a table as it is now, as somebody asks for it only now."""
        self._by_name[topic].catch_up()

    def run_of(self, key: str) -> str:
        """Whose run a key of `presence` is."""
        return key.partition("/")[0]

    # Runs

    def _runs_interval(self) -> float:
        return self._server.paces.config.runs_interval_seconds

    def _make_runs(self, now: float) -> Items:
        viewers = self._viewers_of_runs()
        silent_seconds = self._server.paces.config.silent_seconds
        live = self._server.hub.live
        self._progress = {name: self._progress_of(run, now) for name, run in live.items() if run.board}
        return {
            name: {
                "state": run.state(silent_seconds),
                **_run(run, now),
                "viewers": viewers.get(name, 0),
                **self._progress.get(name, _NO_PROGRESS).told(),
            }
            for name, run in live.items()
        }

    def _progress_of(self, run: LiveRun, now: float) -> _Progress:
        known, board = self._progress.get(run.name), run.board
        if board is None or (known is not None and known.board is board and now < known.due):
            return known or _NO_PROGRESS
        items = [item for _, item in board.items()]
        whole = overall(items, now_us(), None if run.may_go_on else run.ended_us)
        queues = [item["gauge"] for key, item in board.items() if is_gauge(item) and "queue" in key.lower()]
        return _Progress(
            board, now + len(items) / ITEMS_A_SECOND, whole.share, whole.eta_seconds, sum(queues) if queues else None
        )

    def _viewers_of_runs(self) -> dict[str, int]:
        viewers: dict[str, int] = {}
        for peer in self._server.peers:
            for watcher in peer.watchers.values():
                if watcher.subscription is not None:
                    name = watcher.request.run
                    viewers[name] = viewers.get(name, 0) + 1
        return viewers

    # Totals

    def _make_totals(self, now: float) -> Items:
        server = self._server
        committer, live = server.committer, server.hub.live.values()
        try:
            free_bytes: int | None = server.store.free_bytes()
        except StoreError:
            free_bytes = None
        return {
            TOTALS_KEY: {
                "records_per_second": committer.records.rate(now),
                "bytes_per_second": committer.bytes.rate(now),
                "pending_bytes": committer.pending_bytes,
                "emitters": sum(len(run.sessions) for run in live),
                "viewers": sum(self._viewers_of_runs().values()),
                "connections": len(server.peers),
                "free_bytes": free_bytes,
                "store_error": _cut(committer.store_error.message) if committer.store_error else "",
            }
        }

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


class _Progress(NamedTuple):
    """How far a run is, by its board."""

    board: Table | None
    due: float
    """When it is to be looked at again."""
    share: float | None
    eta_seconds: float | None
    queue: float | None

    def told(self) -> dict[str, Any]:
        return {
            "progress": None if self.share is None else round(self.share, 4),
            "left_seconds": None if self.eta_seconds is None else round(min(self.eta_seconds, MAX_LEFT_SECONDS)),
            "queue": self.queue,
        }


_NO_PROGRESS = _Progress(None, 0.0, None, None, None)


def _run(run: LiveRun, now: float) -> dict[str, Any]:
    return {
        "first_seq": run.first_seq,
        "head": run.head,
        "generation": run.generation,
        "exit_status": run.exit_status,
        "records_per_second": run.records.rate(now),
        "begun_us": run.begun_us,
        "begun_seq": run.begun_seq,
        "last_time_us": run.store.newest_time_us,
        "warnings": run.warnings,
        "errors": run.errors,
        "stalled": _cut(run.stalled),
        "emitters": len(run.sessions),
    }
