"""One filter over one run, for all who ask for the same: each stretch of records is looked through once.

Those who follow a run with the same filter are at about the same place in it. The first of them that comes to a stretch
has it looked through, the others wait for that, and find what it found.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import trio

from logd.fanout.filter import Filter
from logd.record import Stored

SIFT_BYTES = 512 * 1024
"""What is looked through at once."""
THREAD_BYTES = 32 * 1024
"""More than this is looked through in a thread: the event loop has others to serve."""
KEPT_BYTES = 512 * 1024
"""What was found last and is kept, of one filter over one run; the oldest goes."""
MAX_KEPT = 64
"""In so many stretches at the most."""

Read = Callable[[int, int, int], Awaitable[tuple[list[Stored], int]]]
"""Blocks from a seq on, so many bytes of them, that have one of some levels; and the seq to go on from."""


class _Sifted(NamedTuple):
    first_seq: int
    next_seq: int
    found: list[Stored]
    found_bytes: int


class Sieve:
    """Looks through a run's blocks, as `read` gives them, for the records that match a filter."""

    def __init__(self, criteria: Filter, read: Read) -> None:
        self.users = 0
        self.sifted_bytes = 0
        """How much was looked through."""
        self._criteria = criteria
        self._read = read
        self._kept: deque[_Sifted] = deque()
        self._kept_bytes = 0
        self._looking = trio.Lock()

    async def blocks(self, seq: int) -> tuple[list[Stored], int]:
        """What matches of the next stretch from record `seq` on, and the seq that it was looked through up to.

        StoreError where the disk says no.
        """
        async with self._looking:
            for sifted in reversed(self._kept):
                if sifted.first_seq <= seq < sifted.next_seq:
                    return [_from(block, seq) for block in sifted.found if block.rows.next_seq > seq], sifted.next_seq
            blocks, next_seq = await self._read(seq, SIFT_BYTES, self._criteria.level_mask)
            size_bytes = sum(len(block.rows.data) for block in blocks)
            self.sifted_bytes += size_bytes
            if size_bytes > THREAD_BYTES:
                found = await trio.to_thread.run_sync(self._sift, blocks)
            else:
                found = self._sift(blocks)
            self._keep(_Sifted(seq, next_seq, found, sum(len(block.rows.data) for block in found)))
            return found, next_seq

    def _sift(self, blocks: list[Stored]) -> list[Stored]:
        return [block._replace(rows=rows) for block in blocks for rows in self._criteria.select(block.rows)]

    def _keep(self, sifted: _Sifted) -> None:
        self._kept.append(sifted)
        self._kept_bytes += sifted.found_bytes
        while len(self._kept) > MAX_KEPT or (self._kept_bytes > KEPT_BYTES and len(self._kept) > 1):
            self._kept_bytes -= self._kept.popleft().found_bytes


def _from(block: Stored, seq: int) -> Stored:
    return block if block.rows.first_seq >= seq else block._replace(rows=block.rows.after(seq))
