"""Subscriptions to runs that outlive the daemon.

Where the connection is lost it is made again, and each goes on exactly behind the last record that it was sent: of each
run a cursor is kept, which is the seq to go on from, and the generation that it was told in.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from logd.client.backoff import delays, may_pass
from logd.client.blocking import Client, refusal
from logd.errors import ConnectionLost, LogdError
from logd.protocol import Attach, Batch, Error, ErrorCode, Event, Items, Message, Reply, Watch
from logd.record import now_us
from logd.states import GOES_ON


class Came(NamedTuple):
    """A message of one run's subscription."""

    run: str
    message: Batch | Event


class _Cursor:
    def __init__(self, run: str, start: dict[str, Any], *, follow: bool) -> None:
        self.run = run
        self._last_events = ("ended", "removed") if follow else ("caught_up", "removed")
        self.start = start
        """Where it begins, and once it has been somewhere, where it goes on."""
        self.begun_seq: int | None = None
        """Where it began, when that is known."""
        self.over = False

    def note(self, message: Reply | Batch | Event) -> None:
        if isinstance(message, Reply):
            self.start = {"from_seq": message.value["next"], "generation": message.value["generation"]}
            if self.begun_seq is None:
                self.begun_seq = message.value["next"]
        elif isinstance(message, Batch):
            self.start["from_seq"] = max(message.next_seq, 1)
        elif message.kind == "gap":
            self.start["from_seq"] = message.seq + message.count
        elif message.kind == "cleared":
            self.start = {"from_seq": message.seq, "generation": message.generation}
        elif message.kind in self._last_events:
            self.over = True
            if message.kind == "removed":  # another of that name begins anew
                self.start = {"from_seq": 1}


class Following:
    """Follows runs, by name or by pattern, until they are over.

    Args:
        client: a connection of its own.
        connect: makes another, where one is lost; DaemonUnavailable while there is no daemon.
        options: what every `attach` has beside run and start.
        on_lost: called with the reason when the daemon is gone, and it is waited for.
        on_back: called when it is back.
    """

    def __init__(
        self,
        client: Client,
        connect: Callable[[], Client],
        options: dict[str, Any],
        *,
        on_lost: Callable[[str], None] = lambda reason: None,
        on_back: Callable[[], None] = lambda: None,
    ) -> None:
        self._client = client
        self._connect = connect
        self._options = options
        self._on_lost = on_lost
        self._on_back = on_back
        self._cursors: dict[int, _Cursor] = {}
        self._patterns: tuple[str, ...] = ()
        self._since_us = 0
        """Runs that were begun before are followed only while they are running."""
        self._last: int | None = None
        self._begun_us: dict[str, int] = {}
        """When each run was begun, as was last heard."""
        self._watch_id = 0
        self._was_back = False
        self.refused = ""
        """The run that cannot be followed, when that was raised."""
        self._came: deque[Came] = deque()

    @property
    def over(self) -> bool:
        """Whether nothing more can come."""
        return not self._patterns and all(cursor.over for cursor in self._cursors.values())

    def wait_begun(self) -> dict[str, int]:
        """Return when it is known of all runs that are followed where that begins: the seqs, by run.

        Errors as of `receive`.
        """
        while True:
            begins = {cursor.run: cursor.begun_seq for cursor in self._cursors.values()}
            known = {run: seq for run, seq in begins.items() if seq is not None}
            if len(known) == len(begins):
                return known
            try:
                came = self._take(self._client.receive())
                if came is not None:
                    self._came.append(came)
            except ConnectionLost as error:
                self._reconnect(error.message)

    def follow(self, run: str, **start: Any) -> None:
        """Follow a run, from where `start` says as `attach` does."""
        number = self._client.new_id()
        self._cursors[number] = cursor = _Cursor(run, start, follow=self._options["follow"])
        self._attach(number, cursor)

    def _attach(self, number: int, cursor: _Cursor) -> None:
        self._client.send(Attach(number, cursor.run, **self._options, **cursor.start))

    def follow_matching(self, patterns: Collection[str], last: int | None) -> None:
        """Follow also runs that match one of the patterns.

        Those that are running are followed from their newest `last` records on, others from when somebody begins to
        emit into them.
        """
        self._last = last
        self._patterns = tuple(patterns)
        self._since_us = now_us()
        self._watch()

    def _watch(self) -> None:
        self._watch_id = self._client.new_id()
        self._client.send(Watch(self._watch_id, "runs", run=self._patterns[0] if len(self._patterns) == 1 else ""))

    def receive(self, seconds: float | None = None) -> Came | None:
        """What comes next, or None where that takes longer.

        Raises:
            Refused: a run cannot be followed, or its filter is none.
            NotPermitted, RemoteProtocolError: the daemon is not one to go on with.
        """
        deadline = None if seconds is None else time.monotonic() + seconds
        while not self._came:
            try:
                if deadline is None:
                    message: Message | None = self._client.receive()
                else:
                    message = self._client.receive_within(max(0.0, deadline - time.monotonic()))
                if message is None:
                    return None
                came = self._take(message)
                if came is not None:
                    return came
            except ConnectionLost as error:
                self._reconnect(error.message)
        return self._came.popleft()

    def _take(self, message: Message) -> Came | None:
        if isinstance(message, Items):
            self._follow_new(message)
        elif isinstance(message, Reply):
            if (cursor := self._cursors.get(message.id)) is not None:
                cursor.note(message)
        elif isinstance(message, Error):
            return self._take_error(message)
        elif isinstance(message, Batch | Event) and (cursor := self._cursors.get(message.sub)) is not None:
            cursor.note(message)
            return Came(cursor.run, message)
        return None

    def _take_error(self, message: Error) -> Came | None:
        cursor = self._cursors.get(message.id or 0)
        if cursor is not None and self._was_back and message.code == ErrorCode.NO_SUCH_RUN:
            removed = Event(message.id or 0, "removed")
            cursor.note(removed)
            return Came(cursor.run, removed)
        self.refused = cursor.run if cursor is not None else ""
        raise refusal(message)

    def _follow_new(self, items: Items) -> None:
        for run, value in items.items.items():
            # One that ends soon after it begins may never be seen running.
            begun_us = value["begun_us"] if value else 0
            if begun_us <= self._begun_us.get(run, self._since_us) and not (value and value["state"] in GOES_ON):
                continue
            self._begun_us[run] = begun_us
            cursors = {number: cursor for number, cursor in self._cursors.items() if cursor.run == run}
            if self._matches(run) and all(cursor.over for cursor in cursors.values()):
                starts = [self._cursors.pop(number).start for number in cursors]
                is_new = begun_us > self._since_us
                self.follow(run, **(starts[-1] if starts else self._start_of(is_new=is_new)))

    def _start_of(self, *, is_new: bool) -> dict[str, Any]:
        return {"from_time_us": self._since_us} if is_new else {"last": self._last}

    def _matches(self, run: str) -> bool:
        return any(fnmatchcase(run, pattern) for pattern in self._patterns)

    def _reconnect(self, reason: str) -> None:
        self._client.close()
        self._on_lost(reason)
        for delay_seconds in delays():
            time.sleep(delay_seconds)
            try:
                self._client = self._connect()
                self._resume()
            except LogdError as error:
                if not may_pass(error):
                    raise
                continue
            self._was_back = True
            self._on_back()
            return

    def _resume(self) -> None:
        # All have their new ids before any is asked for: the daemon may be gone again by then.
        self._cursors = {self._client.new_id(): cursor for cursor in self._cursors.values()}
        for number, cursor in self._cursors.items():
            if not cursor.over:
                self._attach(number, cursor)
        if self._patterns:
            self._watch()

    def close(self) -> None:
        self._client.close()
