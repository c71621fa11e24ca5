"""A session that a program's own threads feed, and one in the background sends: what LogHandler and Run stand on.

    any thread --append--> queue --(50 records, 1 s, or an ERROR)--> sender: encode, batch, deliver --> daemon
                                                                        |
                                                                        +--(unavailable)--> spool

Whoever logs appends a tuple to a deque, and looks whether that are as many as the sender waits for. No lock is taken on
that way, so that it may be gone from within a signal's handler, `__del__`, or a process that was just forked. It wakes
the sender by a byte in a pipe; `wake_at` says when: at the first record while the sender sleeps, at the fiftieth while
it gathers, and while it works only when the queue is full.

Nothing here raises into the program. What is dropped, as neither the daemon nor the disk takes it, or the program ends
before they do, is counted in `dropped`, and said in the run itself as soon as that can be.
"""

from __future__ import annotations

import math
import os
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from itertools import chain, repeat, starmap
from typing import Any

from logd.client.autostart import DaemonStart
from logd.client.board import Item
from logd.client.children import close_last, ends_untold, when_child
from logd.client.emitter import GRACE_SECONDS, Emitter
from logd.client.fields import ENCODED_FIELDS, SEVERITIES, Encoded, encode_fields
from logd.client.waits import Flushes, RoomWait
from logd.client.wakeup import Wakeup
from logd.errors import LogdError
from logd.paths import Paths
from logd.protocol import MAX_RECORDS_IN_FRAME
from logd.protocol.records import EncodedRecords, encode_records
from logd.record import check_run_name

BATCH_RECORDS = 50
"""So many are sent without waiting for more."""
GATHER_SECONDS = 1.0
"""How long fewer are waited with."""
REST_SECONDS = 0.1
"""How long after a batch the next one is sent at the earliest, unless `HASTE_RECORDS` have come or one is urgent. In a
flood, each batch takes the interpreter from those who log."""
HASTE_RECORDS = 8192
REPORT_SECONDS = 0.1
"""How long values for the board are, so that a hundred workers that report cost what one does."""
MAX_QUEUED_RECORDS = 16_384
"""Over it, whoever logs waits: the sender is slower than the program logs, or the daemon and the spool take nothing."""
MAX_QUEUED_LONG = 256
"""The same where a record with a long text is to be added."""
LONG_CHARACTERS = 4096
STALL_SECONDS = 0.25
"""How long a daemon may store nothing, while all that is to be in memory is, before the rest goes to the spool."""
FLUSH_SECONDS = 2.0
CLOSE_SECONDS = 3.0
"""How long a program's end waits for a daemon that stores nothing, beside `FLUSH_SECONDS`. Then the rest is spooled."""
MAX_CLOSE_SECONDS = 10.0
"""How long it waits for one that does."""
AGAIN_SECONDS = 30.0
"""How long after the daemon would not have the session, for a reason that stays, another one is tried."""

MAX_BATCH_BYTES = 512 * 1024
"""Records that take more are sent in halves."""

MAX_TEXT_CHARACTERS = 64 * 1024
"""Of one record; the rest of a text is further records."""

URGENT_LEVEL = 40
"""Of `logging`: ERROR. What is as bad is sent at once."""
_WARNING = 30

Row = tuple[float, int, str, str | Encoded]
"""A record: time in seconds since the epoch, level of `logging`, text, and its logger's name, or its fields encoded."""

_FULL = MAX_QUEUED_RECORDS + 1
_POLL_SECONDS = 0.001
_FLUSH_POLL_SECONDS = 0.02


class Sender:
    """One session with a run, and the thread that serves it, which begins with the first record.

    Args:
        run: the run's name.
        source, fields: what every record carries.
        paths: where the daemon is.
        autostart: start one where none runs.
        spool: keep on disk what it does not take in time; without, that is dropped.

    Raises:
        UsageError: that is no run's name.
        ValueError: source or fields are not what a session can have.
    """

    def __init__(
        self,
        run: str,
        *,
        source: str = "",
        fields: Mapping[str, Any] | None = None,
        paths: Paths | None = None,
        autostart: bool = True,
        spool: bool = True,
    ) -> None:
        self.run = check_run_name(run)
        self.dropped = 0
        """How many records were, since the program began."""
        self._source = source
        self._fields = dict(fields) if fields else None
        self._paths = paths or Paths.resolve()
        self._autostart = autostart
        self._spool = spool
        self._begin()
        _senders.add(self)

    def _begin(self) -> None:
        """What a process has of its own."""
        self.queue: deque[Row] = deque()
        self.wake_at = 1
        """How many records are to be in the queue for `wake` to be called."""
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._wakeup: Wakeup | None = None
        self._emitter = self._new_emitter()
        self._hurries = False
        """Whether no record is to wait for others."""
        self._urgent = False
        self._gather_until = math.inf
        self._rest_until = 0.0
        self._reports_wake = True
        """Whether the sender is to be woken by a report."""
        self._daemon_start: DaemonStart | None = None
        self._closing_at = math.inf
        self._patience_seconds = CLOSE_SECONDS
        self._exit_status: int | None = None
        self._closed = False
        self._refusing = False
        self._taken = 0
        self._flushes = Flushes()
        self._told_dropped = self.dropped

    def _new_emitter(self) -> Emitter:
        return Emitter(
            self._connect,
            self.run,
            spool_folder=(lambda: self._paths.spool_dir) if self._spool else None,
            say=_say,
            source=self._source,
            fields=self._fields,
            command=" ".join(getattr(sys, "argv", [])).encode("utf-8", "replace").decode(),
            stall_seconds=STALL_SECONDS,
            report_seconds=REPORT_SECONDS,
        )

    def _connect(self) -> Any:
        from logd.client.blocking import Client

        return Client(self._paths, "python", wait=False)

    # From the program's threads

    def put(self, row: Row) -> None:
        """Take a record in."""
        urgent = row[1] >= URGENT_LEVEL
        self.queue.append(row)
        if len(self.queue) >= self.wake_at or urgent:
            self.wake(urgent=urgent)
        if len(row[2]) > LONG_CHARACTERS and len(self.queue) > MAX_QUEUED_LONG:
            self._wait_room(MAX_QUEUED_LONG)

    def put_text(self, seconds: float, level: int, text: str, fields: Mapping[str, Any]) -> None:
        """Take a record in, of any length: a text that does not fit a batch is cut into several records."""
        encoded = encode_fields(fields)
        self.put((seconds, level, text[:MAX_TEXT_CHARACTERS], encoded))
        if len(text) > MAX_TEXT_CHARACTERS:
            encoded = encode_fields({**fields, "continued": True})
            for start in range(MAX_TEXT_CHARACTERS, len(text), MAX_TEXT_CHARACTERS):
                self.put((seconds, level, text[start : start + MAX_TEXT_CHARACTERS], encoded))

    def report(self, items: Mapping[str, Item | None], *, reset: bool = False) -> None:
        """Take values for the board in. ValueError as of `Emitter.report`."""
        if self._closed:
            return
        self._emitter.report(items, reset=reset)
        if self._reports_wake:
            self._reports_wake = False
            if self._thread is None:
                self._start()
            self._nudge()

    def wake(self, *, urgent: bool = False) -> None:
        """Have the sender look at the queue, which has as many records as it waits for; all at once if `urgent`.

        Where the queue is full this waits, for a bounded time, and then drops the newest record.
        """
        if self._closed:
            self._drop(self.queue)
            return
        self._urgent = self._urgent or urgent
        if self._thread is None:
            self._start()
        if len(self.queue) > MAX_QUEUED_RECORDS:
            self._wait_room(MAX_QUEUED_RECORDS)
        elif self._thread is not None:
            self.wake_at = _FULL
            self._nudge()

    def _nudge(self) -> None:
        if self._wakeup is not None:
            self._wakeup.ring()

    def _wait_room(self, limit: int) -> None:
        wait = self.new_wait()
        self._urgent = True
        self._nudge()
        while len(self.queue) > limit:
            if self._refusing or wait.is_over or not self._works:
                self._refusing = True
                with suppress(IndexError):
                    self.queue.pop()
                    self.dropped += 1
                return
            time.sleep(_POLL_SECONDS)

    def new_wait(self) -> RoomWait:
        """For one who waits for room in the queue, from now on."""
        return RoomWait(lambda: self._taken)

    @property
    def _works(self) -> bool:
        """Whether another thread is to make room."""
        if self._thread is None:
            return self._starting.locked()
        return self._thread.is_alive() and threading.current_thread() is not self._thread

    def _start(self) -> None:
        if not self._starting.acquire(blocking=False):
            return  # another thread does, or the one that was interrupted here
        try:
            if self._thread is None:
                self._wakeup = Wakeup()
                thread = threading.Thread(target=self._serve, name=f"logd-{self.run}", daemon=True)
                thread.start()
                self._thread = thread
                when_child(self, Sender._begin_child)
        except (RuntimeError, OSError):
            self._close_wakeup()  # at the interpreter's end, or without descriptors: `close` sends what there is
        finally:
            self._starting.release()

    def _begin_child(self) -> None:
        """In a child of `multiprocessing`, which ends in ways of its own."""
        self._nudge()
        close_last(self._end_child)

    def _end_child(self, *, threads_go_on: bool) -> None:
        if threads_go_on:
            self.flush(CLOSE_SECONDS)
            self._hurries = True  # nothing tells when they end
            self._nudge()
        else:
            self.close()

    def _close_wakeup(self) -> None:
        if self._wakeup is not None:
            self._wakeup.close()
        self._wakeup = None

    def flush(self, seconds: float = FLUSH_SECONDS) -> bool:
        """Wait until all that was taken in is stored, for a bounded time; not where no daemon is there.

        Returns:
            Whether it is.
        """
        if self._thread is None and not (self.queue or self._emitter.reports):
            return True
        if self._closed or threading.current_thread() is self._thread:
            return False
        flush = self._flushes.add(self.dropped)
        self.wake(urgent=True)
        self._nudge()
        return flush.done.wait(seconds) and flush.stored

    def close(self, exit_status: int | None = None, seconds: float = CLOSE_SECONDS) -> None:
        """Send what is left, and end the session; what the daemon does not take in time is left in the spool.

        Args:
            exit_status: the job's, which its run ends with.
            seconds: how long to wait for a daemon that stores nothing.
        """
        if self._closed:
            return
        self._exit_status = exit_status
        self._patience_seconds = seconds
        self._closing_at = time.monotonic() + seconds
        if self._thread is None and (self.queue or self._emitter.reports):
            self._start()
        if self._thread is not None:
            self._nudge()
            if threading.current_thread() is not self._thread:
                self._thread.join(max(seconds, MAX_CLOSE_SECONDS) + 1.0)
        elif self.queue or self._emitter.reports or exit_status is not None:
            self._serve()
        self._closed = True
        self.wake_at = 0
        self._drop(self.queue)
        _senders.discard(self)
        if self.dropped:
            _say(_said_dropped(self.dropped, f" of run {self.run}"))

    def leave(self) -> None:
        """The same, without waiting for it."""
        self._closing_at = time.monotonic() + CLOSE_SECONDS
        self._nudge()

    def after_fork(self) -> None:
        """In the child: all that there was is the parent's to send."""
        if not self._closed:
            with suppress(Exception):
                self._emitter.abandon()
                self._close_wakeup()
            self.dropped = 0
            self._begin()

    def _drop(self, rows: deque[Row]) -> None:
        while rows:
            with suppress(IndexError):
                rows.pop()
                self.dropped += 1

    # In the sender's thread

    def _serve(self) -> None:
        try:
            while not self._session():
                self._emitter = self._new_emitter()
        except Exception as error:
            _say(f"sending to run {self.run} has failed, and ends: {type(error).__name__}: {error}")
            with suppress(Exception):
                self.dropped += self._emitter.close().lost_bytes
            self._closed, self.wake_at = True, 0
            self._drop(self.queue)
        finally:
            self._refuse_flushes()

    def _session(self) -> bool:
        """One session, to its end; False where the daemon will not have it, and another is to be tried."""
        emitter = self._emitter
        try:
            emitter.connect()
            if self._autostart and emitter.unavailable:
                self._daemon_start = DaemonStart(self._paths, _say, self._nudge)
            while self._closing_at == math.inf:
                self._turn(emitter)
            self._end(emitter)
        except LogdError as error:
            _say(f"run {self.run}: {error.message}")
            self.dropped += emitter.close().lost_bytes
            return self._wait_again()
        self.dropped += emitter.close().lost_bytes
        return True

    def _turn(self, emitter: Emitter) -> None:
        """Take in what is due, move on, and wait until there is more to do."""
        # Before the queue is looked at: what is urgent, and what a flush is for, is in it by then.
        urgent, self._urgent = self._urgent, False
        self._hurries = self._hurries or ends_untold()
        flushes = self._flushes.all()
        queued = len(self.queue)
        for flush in flushes:
            flush.goal = min(flush.goal, self._taken + queued)
        now = time.monotonic()
        rests = now < self._rest_until and queued < HASTE_RECORDS
        is_due = (
            urgent
            or self._hurries
            or bool(self._flushes)
            or now >= self._gather_until
            or (queued >= BATCH_RECORDS and not rests)
        )
        if queued and is_due:
            while self.queue and emitter.has_room and queued > 0:
                queued -= self._take(emitter)
            self._gather_until, self._rest_until, rests = math.inf, now + REST_SECONDS, True
            self._urgent = queued > 0  # there was no room for all of it
        if self.dropped > self._told_dropped and emitter.has_room and not emitter.unavailable:
            self._tell_dropped(emitter)
        emitter.pump()
        self._answer_flushes(emitter)
        self._wait(emitter, now, rests=rests)

    def _wait(self, emitter: Emitter, now: float, *, rests: bool) -> None:
        queued = len(self.queue)
        self._gather_until = min(self._gather_until, now + GATHER_SECONDS) if queued else math.inf
        until = self._gather_until
        if self._urgent and not emitter.has_room:
            self.wake_at, until = _FULL, math.inf
        elif queued >= BATCH_RECORDS:
            self.wake_at, until = HASTE_RECORDS, self._rest_until
        else:
            self.wake_at = BATCH_RECORDS if queued else 1
        if self._flushes:
            until = min(until, now + _FLUSH_POLL_SECONDS)
        self._reports_wake = True
        self._reports_wake = not emitter.reports  # what is known of goes by itself when it is time
        if self.wake_at <= len(self.queue) or self._wakeup is None:
            return  # so many came before they were told that they are waited for
        in_no_hurry = emitter.is_open and not (self._hurries or self._flushes or emitter.sending or emitter.reports)
        if rests and emitter.has_room and in_no_hurry:
            # Acknowledgements can wait until then: for each the interpreter would be taken from those who log.
            self._wakeup.wait(min(until, self._rest_until))
        elif emitter.wait(self._wakeup.fileno(), until=until):
            self._wakeup.drain()

    def _take(self, emitter: Emitter) -> int:
        """Batch records from the queue, as many as fit one frame, and say how many."""
        self.wake_at, self._refusing = _FULL, False
        rows: list[Row] = []
        with suppress(IndexError):  # whoever finds no room takes one out; what was taken before that is in the list
            rows.extend(starmap(self.queue.popleft, repeat((), min(len(self.queue), MAX_RECORDS_IN_FRAME))))
        if rows:
            self._emit(emitter, rows)
        self._taken += len(rows)
        return len(rows)

    def _tell_dropped(self, emitter: Emitter) -> None:
        """Record that records are missing."""
        count, self._told_dropped = self.dropped - self._told_dropped, self.dropped
        fields = encode_fields({"dropped": count})
        self._emit(emitter, [(time.time(), _WARNING, _said_dropped(count), fields)])

    def _emit(self, emitter: Emitter, rows: list[Row]) -> None:
        try:
            encoded = _encoded(rows)
        except Exception:  # a record is of what none can be, such as a level that is no number
            encoded = None
            self.dropped += len(rows) == 1
        if len(rows) > 1 and (encoded is None or len(encoded.items) > MAX_BATCH_BYTES):
            self._emit(emitter, rows[: len(rows) // 2])
            self._emit(emitter, rows[len(rows) // 2 :])
        elif encoded is not None:
            self.dropped += encoded.left_out
            if encoded.record_count:
                emitter.emit_encoded(encoded)

    def _answer_flushes(self, emitter: Emitter) -> None:
        if not emitter.reports:
            self._flushes.answer(self._taken - emitter.unstored_bytes, stored=True, dropped=self.dropped)
        if emitter.unavailable and not self._starts_daemon:
            self._flushes.answer(self._taken, stored=False, dropped=self.dropped)

    def _refuse_flushes(self) -> None:
        self._flushes.answer(math.inf, stored=False, dropped=self.dropped)

    @property
    def _starts_daemon(self) -> bool:
        return self._daemon_start is not None and self._daemon_start.is_under_way

    def _end(self, emitter: Emitter) -> None:
        left = len(self.queue)  # others may go on for ever
        while self.queue and left > 0:
            left -= self._take(emitter)
        while self._starts_daemon and time.monotonic() < self._closing_at:
            time.sleep(_POLL_SECONDS)
        emitter.end(self._exit_status)
        until, unstored = self._closing_at, emitter.unstored_bytes
        if not self._spool and emitter.unavailable:
            until = min(until, time.monotonic() + GRACE_SECONDS)
        while not emitter.ended and (now := time.monotonic()) < until:
            if emitter.unstored_bytes < unstored:
                until, unstored = now + self._patience_seconds, emitter.unstored_bytes
            until = min(until, self._closing_at - self._patience_seconds + MAX_CLOSE_SECONDS)
            emitter.wait(until=until)
            emitter.pump()

    def _wait_again(self) -> bool:
        """Wait until another session is to be tried. True where the program ends before that."""
        until = time.monotonic() + AGAIN_SECONDS
        self.wake_at = _FULL
        while self._closing_at == math.inf and time.monotonic() < until:
            self._refuse_flushes()
            if self._wakeup is not None:
                self._wakeup.wait(until)
        return self._closing_at < math.inf


def _encoded(rows: list[Row]) -> EncodedRecords:
    values: list[Any] = list(chain.from_iterable(rows))
    severities = list(map(SEVERITIES.__getitem__, values[1::4]))
    fields = list(map(ENCODED_FIELDS.__getitem__, values[3::4]))
    return encode_records(values[0::4], severities, values[2::4], fields)


def _said_dropped(count: int, where: str = "") -> str:
    return f"1 record{where} was dropped" if count == 1 else f"{count} records{where} were dropped"


def _say(sentence: str) -> None:
    """Tell a person. Where standard error is gone, nobody is told."""
    with suppress(Exception):
        print(f"logd: {sentence}", file=sys.stderr, flush=True)


_senders: weakref.WeakSet[Sender] = weakref.WeakSet()


def _after_fork() -> None:
    for sender in list(_senders):
        sender.after_fork()


os.register_at_fork(after_in_child=_after_fork)
