"""One subscriber's way through a run: a cursor with a pace.

    wait until the head is past the cursor  ->  wait for the interval  ->  read from the cursor  ->  send  ->  again

While a send waits for a slow reader the head moves on, and the next read carries more: nothing is queued. A *stream*
is sent every record in order. A *view*, when more than its window is pending, is sent only the newest window, and how
many were left out.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

import trio

from logd.protocol import Attach, Batch, Event, Message
from logd.record import Rows

READ_BYTES = 512 * 1024
"""What one batch carries at the most, but for a single longer record; half a frame."""

Send = Callable[[Message], Awaitable[None]]


class RowSource(Protocol):
    """A run, as a subscription sees it."""

    @property
    def first_seq(self) -> int: ...
    @property
    def head(self) -> int: ...
    @property
    def running(self) -> bool: ...
    @property
    def exit_status(self) -> int | None: ...
    @property
    def stalled(self) -> str:
        """Why nothing can be stored at present; "" where it can."""

    @property
    def removed(self) -> bool: ...

    async def wait_changed(self) -> None:
        """Return when the head has moved, or anything else of the above has changed."""

    async def read(self, seq: int, max_bytes: int) -> Rows:
        """Rows from `seq` on, or from the next that is there; none where there are no more."""


class Subscription:
    """Sends one run to one subscriber.

    Args:
        request: what was asked for; its `id` names the subscription.
        start_seq: the first record to send.
        interval_seconds: the least time between two sends.
    """

    def __init__(self, request: Attach, source: RowSource, start_seq: int, interval_seconds: float) -> None:
        self.request = request
        self.next_seq = start_seq
        self.sent_records = 0
        self.skipped_records = 0
        self._source = source
        self._interval_seconds = interval_seconds
        # What was there when it was made is sent whole, and without `follow` nothing else is.
        self._caught_up_seq = source.head
        self._told_stalled = False

    @property
    def lag_records(self) -> int:
        """How many stored records are not sent yet."""
        return max(0, self._source.head + 1 - self.next_seq)

    async def run(self, send: Send) -> None:
        """Send until the run has ended, or without `follow` until all that there was is sent."""
        source, sub = self._source, self.request.id
        flush_due = trio.current_time()
        while self.next_seq <= self._caught_up_seq:
            await self._flush(send, self._caught_up_seq)
        await send(Event(sub, "caught_up", seq=self.next_seq - 1))
        while self.request.follow:
            while source.head < self.next_seq:
                if source.removed:
                    await send(Event(sub, "removed", seq=source.head))
                    return
                if not source.running:
                    await send(Event(sub, "ended", seq=source.head, exit_status=source.exit_status))
                    return
                await self._tell_whether_stalled(send)
                await source.wait_changed()
            if source.running:
                await trio.sleep_until(flush_due)
            flush_due = trio.current_time() + self._interval_seconds
            await self._flush(send, source.head)

    async def _tell_whether_stalled(self, send: Send) -> None:
        reason = self._source.stalled
        if bool(reason) != self._told_stalled:
            self._told_stalled = bool(reason)
            kind = "stalled" if reason else "resumed"
            await send(Event(self.request.id, kind, seq=self._source.head, reason=reason[:256]))

    async def _flush(self, send: Send, head: int) -> None:
        """Send one batch from the cursor on, up to `head` at the most."""
        skipped = 0
        if self.request.mode == "view" and head - self.next_seq >= self.request.window:
            skipped = head - self.request.window + 1 - self.next_seq
            self.next_seq += skipped
        rows = await self._source.read(self.next_seq, READ_BYTES)
        if rows.first_seq > self.next_seq:
            await self._tell_gap(send, min(rows.first_seq, head + 1))
            if rows.first_seq > head or not rows.record_count:
                return
        if rows.next_seq > head + 1:
            rows = rows.up_to(head)
        await send(
            Batch(
                self.request.id,
                first_seq=rows.first_seq,
                count=rows.record_count,
                head=self._source.head,
                rows=rows.data,
                skipped=skipped,
            )
        )
        self.next_seq = rows.next_seq
        self.sent_records += rows.record_count
        self.skipped_records += skipped

    async def _tell_gap(self, send: Send, following_seq: int) -> None:
        """Say that the records up to `following_seq` are there no more, and go on from there."""
        seq = self.next_seq
        self.next_seq = following_seq
        await send(Event(self.request.id, "gap", seq=seq, count=following_seq - seq))
