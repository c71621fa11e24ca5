"""The newest rows of a run, kept in memory for the subscribers that are at its head."""

from __future__ import annotations

from collections import deque

from logd.record import Rows

RECENT_BYTES = 1024 * 1024
"""For each run in use. What is older is read from its segment, which the system has in its cache most of the time."""


class RecentRows:
    """The newest blocks of one run, as they were stored; the oldest go when they are over `RECENT_BYTES`."""

    def __init__(self) -> None:
        self._blocks: deque[Rows] = deque()
        self._bytes = 0

    def add(self, rows: Rows) -> None:
        if self._blocks and self._blocks[-1].next_seq != rows.first_seq:
            self._blocks.clear()
            self._bytes = 0
        self._blocks.append(rows)
        self._bytes += len(rows.data)
        while self._bytes > RECENT_BYTES and len(self._blocks) > 1:
            self._bytes -= len(self._blocks.popleft().data)

    def read(self, seq: int, max_bytes: int) -> Rows | None:
        """Rows from record `seq` on, `max_bytes` of them or one record; None where they are not all held."""
        if not self._blocks or not self._blocks[0].first_seq <= seq < self._blocks[-1].next_seq:
            return None
        taken: list[Rows] = []
        taken_bytes = 0
        # From the newest back: a subscriber at the head wants the last block or two of possibly thousands.
        for block in reversed(self._blocks):
            taken.append(block)
            if block.first_seq <= seq:
                break
        taken.reverse()
        if taken[0].first_seq < seq:
            taken[0] = taken[0].after(seq)
        for number, block in enumerate(taken):
            taken_bytes += len(block.data)
            if taken_bytes > max_bytes and number:
                del taken[number:]
                break
        if len(taken) == 1:
            return taken[0].within(max_bytes)
        return Rows(seq, taken[-1].next_seq - seq, b"".join([block.data for block in taken]))
