"""One subscriber's way through a run: a cursor with a throttle.

    wait until the head is past the cursor  ->  wait until a flush is due  ->  send all up to the head  ->  again

While a send waits for a slow reader the head moves on, and the next flush carries more: nothing is queued. A *stream*
is sent every record in order. A *view*, when more than its window is pending, is sent only the newest window, and how
many were left out. While it is *paused* it is sent counters alone; when it goes on, that is at the head.

What befalls the run is told at once, and in its place: the last records of a run that ends are sent before its end.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Protocol

import trio

from logd.fanout.throttle import AdaptiveThrottler
from logd.protocol import Attach, Batch, Event, Head, Message, View
from logd.record import Stored

READ_BYTES = 512 * 1024
"""What one batch carries at the most, but for a single longer record; half a frame."""
MAX_BEHIND_RECORDS = 2_000_000
"""A view with a filter that cannot keep up looks through so many of the newest records, and counts those before."""
LOOK_SECONDS = 0.25
"""A view whose filter has looked for so long is sent what was found, and how far that is."""

Send = Callable[[Message], Awaitable[None]]
ReadBlocks = Callable[[int], Awaitable[tuple[list[Stored], int]]]
"""The next blocks from a seq on that are to be sent, about `READ_BYTES` of them; and the seq to go on from."""


class Source(Protocol):
    """A run, as a subscription sees it."""

    @property
    def first_seq(self) -> int: ...
    @property
    def head(self) -> int: ...
    @property
    def generation(self) -> int: ...
    @property
    def may_go_on(self) -> bool:
        """Whether more may come: somebody writes it, or is expected back."""

    @property
    def exit_status(self) -> int | None: ...
    @property
    def is_lost(self) -> bool:
        """Whether who wrote it last is gone without a word."""

    @property
    def stalled(self) -> str:
        """Why nothing can be stored at present; "" where it can."""

    @property
    def removed(self) -> bool: ...

    def turn(self) -> None:
        """Wake whoever waits."""

    async def wait_moved(self) -> None:
        """Return when the head has moved, or the run has turned; also for nothing."""

    async def wait_turned(self, until: float = math.inf) -> None:
        """Return when anything else of the above has changed, or at that time; also for nothing."""


class Subscription:
    """Sends one run to one subscriber.

    Args:
        request: what was asked for; its `id` names the subscription.
        read: where records come from; only those that match, where there is a filter.
        start_seq: the first record to send.
        generation: the run's, as its subscriber was told; by default as it is.
    """

    def __init__(
        self,
        request: Attach,
        source: Source,
        read: ReadBlocks,
        start_seq: int,
        throttler: AdaptiveThrottler,
        *,
        generation: int | None = None,
    ) -> None:
        self.request = request
        self.next_seq = start_seq
        """All before it is sent, or does not match."""
        self.throttler = throttler
        self.paused = request.paused
        self.window = request.window
        self.sent_records = 0
        self.skipped_records = 0
        self.lagging_since = math.inf
        """Since when something is stored that is not sent."""
        self._source = source
        self._read = read
        # What was there when it was made is sent whole, and without `follow` nothing else is.
        self._caught_up_seq = source.head
        self._counted_head = source.head
        self._generation = source.generation if generation is None else generation
        self._told_stalled = False
        self._told_counters: tuple[int, int] | None = None

    @property
    def lag_records(self) -> int:
        """How many stored records are not sent yet, or not looked at."""
        return max(0, self._source.head + 1 - self.next_seq)

    def view(self, request: View) -> None:
        """Pause or go on, as the subscriber asks."""
        self.paused = request.paused
        self.window = request.window or self.window
        self._told_counters = None
        self._source.turn()

    async def run(self, send: Send) -> None:
        """Send until the run has ended, or without `follow` until all that there was is sent."""
        while self.next_seq <= self._caught_up_seq:
            if self.paused and (self.request.mode == "view" or self.request.follow):
                break
            if self.paused:
                await self._source.wait_turned()
            else:
                await self._flush(send, self._caught_up_seq)
        await send(Event(self.request.id, "caught_up", seq=self.next_seq - 1))
        while self.request.follow:
            await self._tell_turns(send)
            now = trio.current_time()
            due = self._due(now)
            if due > now and self._source.may_go_on:
                # Nothing is sent before, so that nobody needs to know when in between there was something to send.
                await self._source.wait_turned(due)
            elif self._has_news:
                await self._flush_counted(send)
            else:
                self.lagging_since = math.inf
                if not self._holds_back and await self._tell_end(send):
                    return
                await self._source.wait_moved()

    @property
    def _counters(self) -> tuple[int, int]:
        return self._source.first_seq, self._source.head

    @property
    def _has_news(self) -> bool:
        if self.paused:
            return self._counters != self._told_counters
        return self._source.head >= self.next_seq

    @property
    def _holds_back(self) -> bool:
        """Whether records are to be sent yet, when it goes on: a stream has all of them before its end."""
        return self.paused and self.request.mode == "stream" and self._source.head >= self.next_seq

    def _due(self, now: float) -> float:
        """When the next flush may be, by what has come since it was asked last."""
        if self._has_news:
            self.lagging_since = min(self.lagging_since, now)
        self.throttler.count(max(0, self._source.head - self._counted_head), now)
        self._counted_head = self._source.head
        return self.throttler.due(now)

    async def _flush_counted(self, send: Send) -> None:
        """Send what there is, in as many batches as that takes."""
        started = trio.current_time()
        head = self._source.head
        if self.paused:
            await self._send_counters(send)
        while self.next_seq <= head and not self.paused:
            await self._flush(send, self._source.head if self.request.mode == "view" else head)
        self.throttler.flushed(started, trio.current_time())
        self.lagging_since = started if self._has_news else math.inf

    async def _send_counters(self, send: Send) -> None:
        self._told_counters = first_seq, head = self._counters
        await send(Head(self.request.id, first_seq=first_seq, head=head))

    # Batches

    async def _flush(self, send: Send, head: int) -> None:
        """Send one batch from the cursor on, up to `head` at the most."""
        await self._tell_cleared(send)
        if self.next_seq < self._source.first_seq and self.next_seq <= head:
            await self._tell_gap(send, min(self._source.first_seq, head + 1))
        if self.next_seq > head:
            return
        if self.request.filter:
            blocks, skipped = await self._look(head)
        else:
            blocks, skipped = await self._next(head)
            if blocks and blocks[0].rows.first_seq > self.next_seq:
                await self._tell_gap(send, max(self.next_seq, min(blocks[0].rows.first_seq, head + 1)))
            elif not blocks and self.next_seq <= head:
                await self._tell_gap(send, head + 1)
            blocks = _up_to(blocks, head)
            if not blocks and not skipped:
                return
            self.next_seq = max(self.next_seq, blocks[-1].rows.next_seq if blocks else 0)
        pieces = [*_pieces(blocks, times=self.request.times)]
        await send(
            Batch(
                self.request.id,
                pieces=pieces,
                next_seq=self.next_seq,
                head=self._source.head,
                rows=b"".join([block.rows.data for block in blocks]),
                skipped=skipped,
            )
        )
        self.sent_records += sum(block.rows.record_count for block in blocks)
        self.skipped_records += skipped

    async def _next(self, head: int) -> tuple[list[Stored], int]:
        """The blocks that go into the next batch; and how many records are left out before them."""
        skipped = self._skip_to(head + 1 - self.window)
        blocks, _ = await self._read(self.next_seq)
        # A block is a piece where it does not follow the one before: what is between was damaged, and is told of first.
        for number in range(1, len(blocks)):
            if blocks[number].rows.first_seq != blocks[number - 1].rows.next_seq:
                return blocks[:number], skipped
        return blocks, skipped

    async def _look(self, head: int) -> tuple[list[Stored], int]:
        """Of a stream the next blocks that match; of a view the newest window of what does, up to the head."""
        if self.request.mode == "stream":
            blocks, self.next_seq = await self._read(self.next_seq)
            blocks = _up_to(blocks, head)
            self.next_seq = min(self.next_seq, head + 1)
            return blocks, 0
        skipped = self._skip_to(head + 1 - MAX_BEHIND_RECORDS)
        found: deque[Stored] = deque()
        found_bytes = found_records = 0
        deadline = trio.current_time() + LOOK_SECONDS
        while self.next_seq <= head and trio.current_time() < deadline and not self.paused:
            blocks, self.next_seq = await self._read(self.next_seq)
            self.next_seq = min(self.next_seq, head + 1)
            for block in _up_to(blocks, head):
                found.append(block)
                found_bytes += len(block.rows.data)
                found_records += block.rows.record_count
            while len(found) > 1 and (
                found_records - found[0].rows.record_count >= self.window or found_bytes > READ_BYTES
            ):
                oldest = found.popleft().rows
                found_bytes -= len(oldest.data)
                found_records -= oldest.record_count
                skipped += oldest.record_count
        if found and found_records > self.window:
            rows = found[0].rows
            found[0] = found[0]._replace(rows=rows.after(rows.first_seq + found_records - self.window))
            skipped += found_records - self.window
        return list(found), skipped

    def _skip_to(self, seq: int) -> int:
        """Move a view's cursor on to a seq; how many records that leaves out."""
        if self.request.mode == "stream" or seq <= self.next_seq:
            return 0
        skipped, self.next_seq = seq - self.next_seq, seq
        return skipped

    # Events

    async def _tell_gap(self, send: Send, following_seq: int) -> None:
        """Say that the records up to `following_seq` are there no more, and go on from there."""
        if await self._tell_cleared(send):
            return
        seq = self.next_seq
        self.next_seq = following_seq
        await send(Event(self.request.id, "gap", seq=seq, count=following_seq - seq))

    async def _tell_turns(self, send: Send) -> None:
        """Say that the run was cleared, cannot be stored, or can again."""
        await self._tell_cleared(send)
        reason = self._source.stalled
        if bool(reason) != self._told_stalled:
            self._told_stalled = bool(reason)
            kind = "stalled" if reason else "resumed"
            await send(Event(self.request.id, kind, seq=self._source.head, reason=reason[:256]))

    async def _tell_cleared(self, send: Send) -> bool:
        """Say that all records were removed, where that is so: what comes is of another generation."""
        source, told = self._source, False
        while source.generation != self._generation:  # and may be again while that is sent
            told = True
            self._generation = source.generation
            self._told_counters = None
            unsent = max(0, source.first_seq - self.next_seq)
            self.next_seq += unsent
            seq, generation = source.first_seq, self._generation
            await send(Event(self.request.id, "cleared", seq=seq, count=unsent, generation=generation))
        return told

    async def _tell_end(self, send: Send) -> bool:
        """Say that the run was removed, or has ended, where that is so."""
        source, sub = self._source, self.request.id
        if source.removed:
            await send(Event(sub, "removed", seq=source.head))
        elif not source.may_go_on:
            await send(Event(sub, "ended", seq=source.head, exit_status=source.exit_status, lost=source.is_lost))
        return source.removed or not source.may_go_on


def _up_to(blocks: list[Stored], head: int) -> list[Stored]:
    """What of the blocks is not behind `head`."""
    kept = [block for block in blocks if block.rows.first_seq <= head]
    if kept and kept[-1].rows.next_seq > head + 1:
        kept[-1] = kept[-1]._replace(rows=kept[-1].rows.up_to(head))
    return kept


def _pieces(blocks: list[Stored], *, times: bool) -> list[list[object]]:
    """[first seq, count, time received in µs, True] of each stretch of consecutive records.

    Args:
        times: a stretch ends where the time changes, and not only where records are left out.
    """
    pieces: list[list[object]] = []
    first_seq = next_seq = time_us = 0
    for rows, received_us, _ in blocks:
        if next_seq and (rows.first_seq != next_seq or (times and received_us != time_us)):
            pieces.append([first_seq, next_seq - first_seq, time_us, True])
            next_seq = 0
        if not next_seq:
            first_seq, time_us = rows.first_seq, received_us
        next_seq = rows.next_seq
    if next_seq:
        pieces.append([first_seq, next_seq - first_seq, time_us, True])
    return pieces
