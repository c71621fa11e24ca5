"""A run in memory whose head is moved by a test, and a subscriber that holds what it is sent to what was stored."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import cycle
from typing import Any

import trio

from logd.client import pieces_of
from logd.fanout import AdaptiveThrottler, Bell, Filter, Pace, Sieve, Subscription
from logd.protocol import Attach, Batch, Event, Head, Message
from logd.record import ANY_LEVEL, Rows, Stored

SUB = 7
VIEW = Pace(0.010, 0.100)
STREAM = Pace(0.0, 0.250)


def row(seq: int, pad: int = 0) -> bytes:
    """A record that says its seq, and whether it is one that `HITS` finds."""
    return b'{"time":"2026-11-21T10:20:30.000000Z","msg":"%d %s%s"}\n' % (seq, b"x" * pad, b"hit" * is_hit(seq))


def is_hit(seq: int) -> bool:
    return seq % 3 == 0 or 20 <= seq < 30


HITS = {"pattern": "hit", "fixed": True}


def block(first_seq: int, count: int, time_us: int = 0, level_mask: int = ANY_LEVEL, pad: int = 0) -> Stored:
    data = b"".join(row(seq, pad) for seq in range(first_seq, first_seq + count))
    return Stored(Rows(first_seq, count, data), time_us, level_mask)


class FakeRun:
    """A `Source`, and where its records are read from.

    Args:
        read_bytes: what is read at once, if no block is longer.
    """

    def __init__(self, records: int = 0, *, read_bytes: int = 2000) -> None:
        self.first_seq = 1
        self.head = 0
        self.generation = 1
        self.may_go_on = True
        self.exit_status: int | None = None
        self.is_lost = False
        self.stalled = ""
        self.removed = False
        self.read_bytes = read_bytes
        self.read_seconds = 0.0
        self.reads = 0
        self.stored_at: dict[int, float] = {}
        """When each record was stored."""
        self.lost: set[int] = set()
        """Records that are there no more."""
        self.rows: dict[int, bytes] = {}
        """All that there ever were."""
        self._blocks: list[Stored] = []
        self._moved = Bell()
        self._turned = Bell()
        for _ in range(records):
            self.store()

    async def wait_moved(self) -> None:
        await self._moved.wait()

    async def wait_turned(self, until: float = math.inf) -> None:
        await self._turned.wait(until)

    def turn(self) -> None:
        self._turned.ring()
        self._moved.ring()

    def store(self, count: int = 1, *, pad: int = 0) -> None:
        self._blocks.append(block(self.head + 1, count, self.head, pad=pad))
        self.rows.update({seq: row(seq, pad) for seq in range(self.head + 1, self.head + 1 + count)})
        if self._is_running:
            self.stored_at.update(dict.fromkeys(range(self.head + 1, self.head + 1 + count), trio.current_time()))
        self.head += count
        self._moved.ring()

    @property
    def _is_running(self) -> bool:
        try:
            trio.lowlevel.current_task()
        except RuntimeError:
            return False
        return True

    def _lose(self, blocks: list[Stored]) -> None:
        for each in blocks:
            self._blocks.remove(each)
            self.lost.update(range(each.rows.first_seq, each.rows.next_seq))

    def clear(self) -> None:
        self._lose(self._blocks[:])
        self.first_seq = self.head + 1
        self.generation += 1
        self.turn()

    def retain(self, blocks: int) -> None:
        """Let the oldest blocks go, but for so many."""
        self._lose(self._blocks[: max(0, len(self._blocks) - blocks)])
        self.first_seq = self._blocks[0].rows.first_seq if self._blocks else self.head + 1

    def damage(self, number: int) -> None:
        """Lose a block between others; the first is still counted as there."""
        if self._blocks:
            self._lose([self._blocks[number % len(self._blocks)]])

    def stall(self, reason: str) -> None:
        self.stalled = reason
        self.turn()

    def end(self, exit_status: int | None = 0) -> None:
        self.may_go_on, self.exit_status = False, exit_status
        self.turn()

    def remove(self) -> None:
        self.removed, self.may_go_on = True, False
        self.turn()

    async def blocks(self, seq: int, max_bytes: int = 0, level_mask: int = ANY_LEVEL) -> tuple[list[Stored], int]:
        """As a `LiveRun` has it."""
        self.reads += 1
        await trio.sleep(self.read_seconds)
        seq = max(seq, self.first_seq)
        taken: list[Stored] = []
        room_bytes = self.read_bytes
        for stored in self._blocks:
            if stored.rows.next_seq > seq and stored.level_mask & level_mask:
                rows = stored.rows if stored.rows.first_seq >= seq else stored.rows.after(seq)
                if taken and len(rows.data) > room_bytes:
                    return taken, taken[-1].rows.next_seq
                taken.append(stored._replace(rows=rows))
                room_bytes -= len(rows.data)
        return taken, self.head + 1

    def subscribe(
        self, *, start_seq: int = 1, pace: Pace | None = None, sieve: Sieve | None = None, **request: Any
    ) -> Subscriber:
        asked = Attach(SUB, "run", **request)
        if sieve is None and asked.filter:
            sieve = self.sieve(asked.filter)
        throttler = AdaptiveThrottler(pace or (VIEW if asked.mode == "view" else STREAM))
        read = sieve.blocks if sieve is not None else self.blocks
        return Subscriber(self, Subscription(asked, self, read, start_seq, throttler))

    def sieve(self, criteria: dict[str, Any] = HITS) -> Sieve:
        return Sieve(Filter.of(criteria), self.blocks)


class Subscriber:
    """Takes what it is sent, in as much time as `send_seconds` says in turn, and counts it up.

    Every message is held to what was stored, and to what was said before it.
    """

    def __init__(self, run: FakeRun, subscription: Subscription) -> None:
        self._source = run
        self.subscription = subscription
        self.messages: list[Message] = []
        self.times: list[float] = []
        self.on_sent: Callable[[Message], None] = lambda message: None
        self.seqs: list[int] = []
        """Of all records that were sent."""
        self.sent_at: dict[int, float] = {}
        self.skipped = self.gone = 0
        self.cursor = subscription.next_seq
        self.start_seq = subscription.next_seq
        self._send_seconds = cycle([0.0])

    def takes(self, *send_seconds: float) -> Subscriber:
        self._send_seconds = cycle(send_seconds)
        return self

    async def run(self) -> None:
        await self.subscription.run(self._send)

    async def _send(self, message: Message) -> None:
        started = trio.current_time()
        await trio.sleep(next(self._send_seconds))
        self.messages.append(message)
        self.times.append(started)
        self._check(message, started)
        self.on_sent(message)

    def _check(self, message: Message, started: float) -> None:
        assert message.to_map()["sub"] == SUB
        if isinstance(message, Batch):
            self._check_batch(message, started)
        elif isinstance(message, Event) and message.kind in ("gap", "cleared"):
            gone = range(message.seq, message.seq + message.count)
            if message.kind == "cleared":
                gone = range(message.seq - message.count, message.seq)
            assert set(gone) <= self._source.lost, "what is said to be gone is"
            if self.subscription.request.mode == "stream":
                assert gone.start == self.cursor, "and it is said in its place"
            self.gone += message.count
            self.cursor = gone.stop

    def _check_batch(self, batch: Batch, started: float) -> None:
        found = [(rows, [*range(rows.first_seq, rows.next_seq)]) for rows, _, _ in pieces_of(batch)]
        for rows, seqs in found:
            assert rows.data == b"".join([self._source.rows[seq] for seq in seqs])
            assert not self.seqs or seqs[0] > self.seqs[-1], "in order, and none twice"
            self.seqs += seqs
            self.sent_at.update(dict.fromkeys(seqs, started))
        self.skipped += batch.skipped
        if self.subscription.request.filter:
            assert batch.next_seq >= self.cursor
        elif self.subscription.request.mode == "stream":
            assert found[0][1][0] == self.cursor, "nothing is left out"
            assert len(found) == 1 or self.subscription.request.times
            assert batch.skipped == 0
        if found:
            assert found[-1][1][-1] < batch.next_seq
        self.cursor = batch.next_seq

    @property
    def batches(self) -> list[Batch]:
        return [message for message in self.messages if isinstance(message, Batch)]

    @property
    def kinds(self) -> list[str]:
        """What came, in order: events by their kind, others by type; what comes several times in a row is said once."""
        kinds: list[str] = []
        for message in self.messages:
            kind = message.kind if isinstance(message, Event) else message.t
            if not kinds or kinds[-1] != kind:
                kinds.append(kind)
        return kinds

    @property
    def heads(self) -> list[int]:
        return [message.head for message in self.messages if isinstance(message, Head)]

    def event(self, kind: str) -> Event:
        (event,) = (message for message in self.messages if isinstance(message, Event) and message.kind == kind)
        return event
