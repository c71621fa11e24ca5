"""Emitting into a run: bytes of lines in, batches out, whatever becomes of the daemon.

A batch is sent at once while nothing is under way. While something is, lines gather until they fill a block, the
acknowledgement comes, or a second is over: a line typed at a terminal is stored as it is typed, and a flood goes in
large blocks, without a setting (after Nagle's algorithm, RFC 896).

What is not acknowledged is kept. When the window of what is kept in memory is full, there is no room, and who feeds the
emitter waits for the daemon. But where that is *unavailable*, as it is gone or has stored nothing for some seconds,
what comes goes to the spool, or is dropped, or waits all the same, as is asked for.
"""

from __future__ import annotations

import math
import os
import select
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from logd.client.backlog import Backlog
from logd.client.blocking import Client
from logd.client.board import Item, PendingBoard
from logd.client.delivery import SESSION, STALL_SECONDS, Delivery, encode
from logd.client.lines import LineCutter
from logd.errors import StoreError
from logd.protocol import MAX_RECORDS_IN_FRAME, Close, Emit, Open
from logd.protocol.records import EncodedRecords
from logd.record import now_us

if TYPE_CHECKING:  # and else where they are needed, which is seldom
    from logd.client.dropped import Dropped
    from logd.client.spool import Spool

GRACE_SECONDS = 1.0
"""How long a daemon that was there is tried for again when the input has ended."""
STALLED_END_SECONDS = 10.0
"""How long a daemon that is there and stores nothing is waited for then."""
SPILL_RETRY_SECONDS = 2.0

Parse = Callable[[bytes], list[list[Any]]]
"""Whole lines to structured records, as `Emit.records` has them."""


class Left:
    """What of an emitter's input is not known to be stored when it is closed."""

    def __init__(self, spooled_bytes: int, lost_bytes: int, reason: str) -> None:
        self.spooled_bytes = spooled_bytes
        """For the daemon to take in."""
        self.lost_bytes = lost_bytes
        self.reason = reason
        """Why it is lost, or else why the daemon does not have it; empty where that is not known."""


class Emitter:
    """One session with a run, over connections that come and go.

    Nothing blocks but `wait` and `finish`: `feed`, `emit` and `report` take in, `pump` moves on, `end` says that this
    was all, and `close` leaves.

    Args:
        connect: makes a client that has not waited for anything.
        run: the run's name; it is made where there is none.
        spool_folder: says where to spool what comes while the daemon is unavailable and the window is full.
        drop: drop it instead, by whole lines and records; or with a spool, what that cannot take. With neither, there
            is no room for it.
        say: told, in a sentence, what a person is to know.
        severity: every record's OpenTelemetry number, or None to have levels detected in the lines.
        stream: what every record carries that is not said to be of another.
        source, fields: what every record carries.
        sync: count as stored only what is on the disk itself, whatever the daemon's policy.
        pid: of the process that does the work, where that is not this one.
        parse: makes structured records of lines; without it they are plain text.
        stall_seconds: with a full window and nothing stored for so long the daemon is unavailable.
        report_seconds: how long after a report to the board the next one is sent at the earliest.
        clock: monotonic seconds.

    Raises:
        NotPermitted: the daemon is another user's, or will not have the session; and
        Refused: it will not for another reason that stays: both from `connect`, `pump`, `end` and `finish`.
        StoreError: the spool cannot be read; from the last three, too.
    """

    def __init__(
        self,
        connect: Callable[[], Client],
        run: str,
        *,
        spool_folder: Callable[[], Path] | None = None,
        drop: bool = False,
        say: Callable[[str], object] = lambda sentence: None,
        severity: int | None = None,
        stream: str = "",
        source: str = "",
        fields: dict[str, Any] | None = None,
        sync: bool = False,
        command: str = "",
        pid: int | None = None,
        parse: Parse | None = None,
        stall_seconds: float = STALL_SECONDS,
        report_seconds: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        session = os.urandom(16).hex()
        host = socket.gethostname()[:256]
        opening = encode(
            Open(SESSION, run, session, command[:4096], pid or os.getpid(), host, source, fields=fields, sync=sync)
        )
        self._severity = severity
        self._default_stream = self._stream = stream
        self._parse = parse
        self._say = say
        self._clock = clock
        self._lines = LineCutter(clock)
        """Of the stream that was fed last. Of others there are no whole lines, as their order is that of the input."""
        self._of_streams = {stream: self._lines}
        self._spools = spool_folder is not None
        self._backlog = Backlog(_spool_opener(spool_folder, f"{run}.{session}", opening) if spool_folder else None)
        self._board = PendingBoard(run, report_seconds)
        self._delivery = Delivery(
            connect, opening, self._backlog, self._board, say=say, clock=clock, stall_seconds=stall_seconds
        )
        self._dropped = _new_dropped() if drop else None
        self._spill_at = -math.inf
        """When spooling may be tried again, where it has failed."""
        self._said_why = False
        self._ending_at = math.inf
        self._exit_status: int | None = None

    # What its owner asks

    @property
    def has_room(self) -> bool:
        """Whether more may be fed."""
        if self._backlog.has_room:
            return True
        takes_more = self._dropped is not None or (self._spools and not self._backlog.overflows)
        return takes_more and not self._delivery.available

    @property
    def unavailable(self) -> bool:
        """Whether the daemon is not there, as far as is known, or has stored nothing for some time."""
        return not (self._delivery.available or self._delivery.link.connecting)

    @property
    def reports(self) -> bool:
        """Whether something was reported that the daemon is not known to have."""
        return bool(self._board)

    @property
    def unstored_bytes(self) -> int:
        """How much of the input was taken in, and is not known to be stored."""
        return self._backlog.input_bytes + sum(map(len, self._of_streams.values()))

    @property
    def is_open(self) -> bool:
        """Whether the daemon has the session open at present."""
        return self._delivery.link.is_open

    @property
    def ended(self) -> bool:
        """After `end`: whether all of it is stored, or nobody is waited for any more and the rest is for `close`."""
        return self._delivery.closed or self._clock() >= self._leave_at

    @property
    def due(self) -> float:
        """When to `pump` by the clock, though nothing comes."""
        return min(
            self._delivery.due, self._lines.due, self._leave_at, self._spill_at if self._must_spill else math.inf
        )

    # What its owner does

    def connect(self, start: Callable[[], object] | None = None) -> None:
        """Begin to connect, and `start` a daemon where nobody listens. Where that is in vain, `pump` tries again."""
        self._delivery.link.connect(start)

    def fileno(self) -> int | None:
        """For who waits otherwise than by `wait`: what to `pump` at when it can be read, or written while `sending`."""
        return self._delivery.link.fileno()

    @property
    def sending(self) -> bool:
        """Whether there is something to send when the daemon takes it."""
        return self._delivery.sending

    def feed(self, data: bytes, *, stream: str | None = None) -> None:
        """Take bytes of input as they come; a line is sent when it is whole."""
        self._turn_to(stream)
        end = data.rfind(b"\n") + 1
        self._lines.feed(memoryview(data)[:end])
        self._take_lines()
        self._lines.feed(memoryview(data)[end:])
        self._take_lines()
        self._spill()

    def emit(self, records: list[list[Any]], *, stream: str | None = None) -> None:
        """Take structured records in, behind all lines that are whole."""
        self._turn_to(stream)
        self._take_lines(gather=False)
        self._take_records(records)
        self._spill()

    def _take_records(self, records: list[list[Any]]) -> None:
        for start in range(0, len(records), MAX_RECORDS_IN_FRAME):
            batch = records[start : start + MAX_RECORDS_IN_FRAME]
            self._take(sum(len(record[2]) for record in batch), records=batch)

    def emit_encoded(self, records: EncodedRecords) -> None:
        """Take records in that are encoded already. Each counts as one byte of input: for one that gets no other."""
        self._delivery.append_records(records)
        self._spill()

    def report(self, items: Mapping[str, Item | None], *, reset: bool = False) -> None:
        """Take in values for the run's board: the last ones by key are kept until they can be sent, in memory only.

        Args:
            items: by key, fields to be merged into the item, of which one that is None is removed; None for an item
                that is to be removed. `advance` is added to the `done` that this emitter reported of the item last.
            reset: remove all items first, whoever reported them.

        Raises:
            ValueError: an item is none that a board can have, or has an `advance` and no `done` that was reported;
                nothing is taken in then.
        """
        left_out = self._board.left_out
        self._board.report(items, reset=reset)
        if self._board.left_out and not left_out:
            self._say("the board has as many items as it can have; others are left out")

    def pump(self) -> None:
        """Connect, send, take in what has come, and spool, as far as it goes without waiting."""
        self._delivery.receive()
        if self._lines:
            self._take_lines()
        self._delivery.send()
        self._spill()
        if self._delivery.available:
            self._said_why = False
            if self._dropped is not None and (news := self._dropped.news()):
                self._say(news)

    def wait(self, *other_fds: int, until: float = math.inf) -> list[int]:
        """Wait until there is something to pump, one of `other_fds` can be read, or `until`; return those that can."""
        own_fd = self._delivery.link.fileno()
        poll = select.poll()  # `select.select` has no descriptors from 1024 on, which a job may have
        for fd in other_fds:
            poll.register(fd, select.POLLIN)
        if own_fd is not None:
            poll.register(own_fd, select.POLLIN | (select.POLLOUT if self.sending else 0))
        due = min(self.due, until)
        # Rounded up to whole milliseconds, or else it would be waited for in vain just before.
        timeout_ms = None if due == math.inf else max(0, math.ceil((due - self._clock()) * 1000))
        return [fd for fd, _ in poll.poll(timeout_ms) if fd != own_fd]

    def end(self, exit_status: int | None = None) -> None:
        """Nothing more is fed: send what is left, a last line without its newline too, and close the session."""
        self._take_rest()
        self._board.hurry()
        self._exit_status = exit_status
        self._delivery.append(Close(SESSION, exit_status), 0)
        self._ending_at = self._clock()
        self._delivery.link.hurry()
        self.pump()

    def finish(self, exit_status: int | None = None) -> None:
        """End, and return when it has `ended`."""
        self.end(exit_status)
        while not self.ended:
            self.wait()
            self.pump()

    def close(self) -> Left:
        """Hang up, and leave in the spool what is not known to be stored. To be called once, also after an error."""
        self._take_rest()
        reason = "the daemon stores nothing at present" if self._delivery.link.is_open else self._delivery.link.reason
        self._delivery.link.drop()
        if self._dropped is not None:
            if not self._spools:
                self._dropped.add_frames(self._backlog.in_memory())
            if sentence := self._dropped.sentence():
                self._say(sentence)
            if not self._spools:
                return Left(0, 0, reason)
        input_bytes = self._backlog.input_bytes
        keep = self._spools and not self._delivery.closed and (input_bytes > 0 or self._exit_status is not None)
        if keep:
            try:
                self._backlog.spill()
            except StoreError as error:
                reason = error.message
        lost_bytes = self._backlog.unspooled_bytes
        self._backlog.close(keep=keep)
        return Left(input_bytes - lost_bytes, lost_bytes, reason)

    def abandon(self) -> None:
        """Leave everything as it is to another process that has the same, from which this one was forked."""
        self._delivery.link.drop()
        self._backlog.abandon()

    # From lines to batches

    def _turn_to(self, stream: str | None) -> None:
        """Take what comes next for a stream's; lines of another one that gather go before that."""
        stream = self._default_stream if stream is None else stream
        if stream != self._stream:
            self._take_lines(gather=False)
            self._stream = stream
            self._lines = self._of_streams.setdefault(stream, LineCutter(self._clock))

    def _take_lines(self, *, gather: bool = True) -> None:
        while block := self._lines.next_block(gather=gather and bool(self._backlog)):
            lines, cont = block
            if self._parse is None or cont:
                self._take(len(lines), lines=lines, cont=cont, severity=self._severity)
            else:
                self._take_records(self._parse(lines))

    def _take_rest(self) -> None:
        for stream in list(self._of_streams):
            self._turn_to(stream)
            self._lines.finish()
            self._take_lines()

    def _take(self, input_bytes: int, **content: Any) -> None:
        batch = Emit(SESSION, self._delivery.next_batch, time_us=now_us(), stream=self._stream, **content)
        if self._dropped is not None:
            self._spill()
        spills = self._spools and not self._backlog.overflows
        keeps = spills or self._backlog.has_room or self._delivery.available
        if self._dropped is None or not self._dropped.offer(batch, input_bytes, has_room=keeps):
            self._delivery.append(batch, input_bytes)

    # While the daemon is unavailable

    @property
    def _must_spill(self) -> bool:
        return self._spools and self._backlog.overflows and not self._delivery.available

    def _spill(self) -> None:
        if not self._must_spill or self._clock() < self._spill_at:
            return
        try:
            self._backlog.spill()
        except StoreError as error:
            self._spill_at = self._clock() + SPILL_RETRY_SECONDS
            if not self._said_why:
                then = "no more input is read" if self._dropped is None else "what comes is dropped"
                self._say(f"{error.message}: {then} until it can be, or a daemon takes what waits")
            self._said_why = True

    @property
    def _leave_at(self) -> float:
        """When nobody is waited for any more."""
        link = self._delivery.link
        waits = not self._spools and self._dropped is None
        if waits or self._ending_at == math.inf or link.connecting:
            return math.inf
        if link.is_open:
            return max(self._ending_at, self._delivery.waiting_since) + STALLED_END_SECONDS
        return max(self._ending_at, link.lost_at) + GRACE_SECONDS if link.was_reached else self._ending_at


def _new_dropped() -> Dropped:
    from logd.client.dropped import Dropped

    return Dropped()


def _spool_opener(folder: Callable[[], Path], name: str, opening: bytes) -> Callable[[], Spool]:
    def open_spool() -> Spool:
        from logd.client.spool import Spool

        return Spool(folder, name, opening)

    return open_spool
