"""Runs whose blocks are in memory, and a client to a daemon that reads them, in the same process."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator
from typing import Any

from logd.client import Client
from logd.daemon import paging
from logd.errors import ConnectionLost
from logd.protocol import Error, ErrorCode, Message, Read, Reply, Runs
from logd.record import Rows, Stored
from logd.store import Extent, Reader


class MemoryReader(Reader):
    """Blocks as a store has them, some of which may be missing."""

    def __init__(self, blocks: list[Stored]) -> None:
        self._blocks = blocks

    def find_time(self, extent: Extent, time_us: int) -> int:
        return next((each.rows.first_seq for each in self._blocks if each.time_us >= time_us), extent.head + 1)

    def scan(
        self, extent: Extent, seq: int, *, wanted: Any = None, can_hold: Any = None, backward: bool = False
    ) -> Iterator[tuple[Stored | None, int]]:
        for block in reversed(self._blocks) if backward else self._blocks:
            rows = block.rows
            if backward and rows.first_seq < seq:
                yield Stored(rows.up_to(min(rows.next_seq, seq) - 1), block.time_us), rows.first_seq
            elif not backward and rows.next_seq > seq:
                yield Stored(rows.after(max(rows.first_seq, seq)), block.time_us), rows.next_seq


class MemoryRun:
    """A run that the daemon has.

    Args:
        head: its newest record's seq; by default that of its last block.
    """

    def __init__(self, blocks: list[Stored], head: int | None = None, first_seq: int = 1) -> None:
        newest = blocks[-1].rows.next_seq - 1 if blocks else 0
        self.blocks = blocks
        self.extent = Extent(segments=(first_seq,), head=newest if head is None else head)


class MemoryClient(Client):
    """Answers a request when its answer is waited for; `answers` come before those."""

    def __init__(self, **runs: MemoryRun) -> None:
        self.runs = runs
        self.requests: list[Message] = []
        self.answers: deque[Message] = deque()
        self._ids = itertools.count(1)
        self._asked: deque[Message] = deque()

    def send(self, message: Message) -> None:
        self.requests.append(message)
        self._asked.append(message)

    def receive(self) -> Message:
        if self.answers:
            return self.answers.popleft()
        if not self._asked:
            raise ConnectionLost("nobody answers")
        request = self._asked.popleft()
        if isinstance(request, Runs):
            return Reply(request.id, {"runs": [{"name": name} for name in self.runs], "next": None})
        assert isinstance(request, Read)
        run = self.runs.get(request.run)
        if run is None:
            return Error(ErrorCode.NO_SUCH_RUN, f"there is no run {request.run}", request.id)
        return paging.read_page(MemoryReader(run.blocks), run.extent, request)


def row(seq: int, message: str = "") -> bytes:
    return f'{{"time":"2026-11-21T10:20:30.000000Z","msg":"{message}{seq}"}}\n'.encode()


def blocks_of(
    messages: list[str],
    sizes: list[int],
    *,
    first_time_us: int = 1000,
    step_us: int = 1,
    missing: frozenset[int] = frozenset(),
) -> list[Stored]:
    """Records as blocks of these sizes, again and again, but for the blocks of the numbers that are missing."""
    blocks: list[Stored] = []
    seq = 1
    for number, size in enumerate(itertools.cycle(sizes)):
        lines = [row(seq + at, message) for at, message in enumerate(messages[seq - 1 : seq - 1 + size])]
        if not lines:
            return blocks
        if number not in missing:
            blocks.append(Stored(Rows(seq, len(lines), b"".join(lines)), first_time_us + number * step_us))
        seq += len(lines)
    return blocks
