"""A session's frames on their way to the daemon: sent in order, kept until they are acknowledged, sent again if not.

A frame is encoded once, and is the same on every connection. On a new one the daemon says which batch it has stored
last, and all that come after it are sent again. Reports to the run's board go between them, before what waits, and all
of them before the `close`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from logd.client.backlog import Backlog, Frame
from logd.client.blocking import Client
from logd.client.board import REPORT, PendingBoard
from logd.client.link import Link
from logd.errors import ConnectionLost
from logd.protocol import Ack, Close, Emit, Error, ErrorCode, Open, Reply, Report
from logd.protocol.codec import emit_parts, encode_parts
from logd.protocol.framing import frame
from logd.protocol.records import EncodedRecords

STALL_SECONDS = 2.0
"""With a full window and no acknowledgement for so long, the daemon is unavailable: its disk is full, or it hangs."""

SESSION = 1
"""The session's id on every connection: it has each to itself."""


class Delivery:
    """One session, over connections that come and go. Nothing in it waits.

    Args:
        connect: makes a client that has not waited for anything.
        opening: the encoded `open`.
        backlog: where frames are kept.
        board: what is to be reported.
        say: told why a report was refused.
        clock: monotonic seconds.
        stall_seconds: with a full window and no acknowledgement for so long the daemon is unavailable.
    """

    def __init__(
        self,
        connect: Callable[[], Client],
        opening: bytes,
        backlog: Backlog,
        board: PendingBoard,
        *,
        say: Callable[[str], object],
        clock: Callable[[], float],
        stall_seconds: float = STALL_SECONDS,
    ) -> None:
        self.link = Link(connect, opening, self._begin_again, clock)
        self.backlog = backlog
        self.board = board
        self.closed = False
        """Whether all of it is stored, and the session closed."""
        self.next_batch = 1
        self._close_number: int | None = None
        self._say = say
        self._clock = clock
        self._stall_seconds = stall_seconds
        self._outgoing = memoryview(b"")
        """The rest of the frame that is being sent."""
        self.waiting_since = 0.0
        """Since when nothing was acknowledged though something is under way."""

    @property
    def sending(self) -> bool:
        """Whether something could be sent if the daemon took it."""
        return self.link.is_open and (bool(self._outgoing) or self._reports or self._has_next)

    @property
    def _reports(self) -> bool:
        return self.board.ready and self._clock() >= self.board.due

    @property
    def _has_next(self) -> bool:
        """Whether a frame may be sent: the `close` is not before the daemon has all reports."""
        number = self.backlog.unsent_number
        return number is not None and not (number == self._close_number and self.board)

    @property
    def available(self) -> bool:
        """Whether the daemon can be expected to take more in time."""
        return self.link.is_open and (self.backlog.has_room or self._clock() < self._stalled_at)

    @property
    def _stalled_at(self) -> float:
        return self.waiting_since + self._stall_seconds

    @property
    def due(self) -> float:
        """When to `receive` by the clock, or to look whether it is still available."""
        # Also where that is over already: it may have come since it was last looked whether there is anything to send.
        report_at = self.board.due if self.link.is_open and self.board.ready and not self._outgoing else math.inf
        stalled_at = math.inf if self.backlog.has_room or not self.available else self._stalled_at
        return min(self.link.due, report_at, stalled_at)

    def append(self, message: Emit | Close, input_bytes: int) -> None:
        """Take the next batch, which has the number `next_batch`, or the `close`, in which so much of the input is."""
        if isinstance(message, Close):
            self._close_number = self.next_batch
        self._append(encode(message), input_bytes)

    def append_records(self, records: EncodedRecords) -> None:
        """Take the next batch, as records that are encoded already; each counts as one byte of the input."""
        count = records.record_count
        self._append(frame(*emit_parts(SESSION, self.next_batch, count, records.items)), count)

    def _append(self, data: bytes, input_bytes: int) -> None:
        if not self.backlog:
            self.waiting_since = self._clock()
        self.backlog.append(Frame(self.next_batch, data, input_bytes))
        self.next_batch += 1

    def receive(self) -> None:
        """Take in what has come; also connect, where that is due. Raises as `Link.receive` does."""
        for message in self.link.receive():
            if isinstance(message, Ack):
                self._acknowledge(message.batch)
                self.link.settle()
            elif isinstance(message, Error):
                self._refused(message)
            elif isinstance(message, Reply) and message.id == REPORT:
                self.board.taken()
            elif isinstance(message, Reply):  # to `close`
                self._acknowledge(self.next_batch)
                self.closed = True

    def send(self) -> None:
        """Send as much as the daemon takes. Raises as `receive` does."""
        try:
            while self._send_some():
                pass
        except ConnectionLost as error:
            self.receive()  # it may have said why
            self.link.drop(error.message)

    def _send_some(self) -> bool:
        """Send what the daemon takes of one frame; False where there is no more to do at present."""
        if not self.link.is_open:
            return False
        if not self._outgoing:
            self._outgoing = memoryview(self._next_data())
            if not self._outgoing:
                return False
        self._outgoing = self._outgoing[self.link.send(self._outgoing) :]
        return not self._outgoing

    def _next_data(self) -> bytes:
        report = self.board.next_report(self._clock())
        if report is not None:
            return encode(report)
        unsent = self.backlog.next_unsent() if self._has_next else None
        return b"" if unsent is None else unsent.data

    def _refused(self, error: Error) -> None:
        """The daemon will not have a report. That is no reason to lose the session: boards are to be looked at."""
        if error.code == ErrorCode.STORE_FAILED:
            self.board.postpone(self._clock())
            return
        self.board.taken()
        self._say(f"the board lacks some of what was reported: {error.message}")

    def _begin_again(self, stored_batch: int) -> None:
        self._acknowledge(stored_batch)
        self.backlog.rewind()
        self.board.lost()
        self._outgoing = memoryview(b"")

    def _acknowledge(self, number: int) -> None:
        self.backlog.acknowledge(number)
        self.waiting_since = self._clock()


def encode(message: Open | Emit | Close | Report) -> bytes:
    """A message as one frame."""
    return frame(*encode_parts(message))
