"""The newest blocks of runs, kept in memory for the subscribers that are at their heads.

Each run in use keeps its own; together they are bounded, too. What is older is read from its segment, which the system
has in its cache most of the time.
"""

from __future__ import annotations

from collections import OrderedDict, deque

from logd.record import Stored

RECENT_BYTES = 1024 * 1024
"""For each run in use. The oldest blocks go."""
MAX_RECENT_BYTES = 32 * 1024 * 1024
"""For all runs together. The oldest go of the run that was written longest ago."""
_BLOCK_BYTES = 256
"""What a block takes beside its text: most are a line each, of a job that says something now and then."""


class Shelf:
    """What all runs keep together."""

    def __init__(self, max_bytes: int = MAX_RECENT_BYTES) -> None:
        self.size_bytes = 0
        self._max_bytes = max_bytes
        self._runs: OrderedDict[RecentBlocks, None] = OrderedDict()

    def note(self, run: RecentBlocks, added_bytes: int) -> None:
        """A run keeps so much more, or less."""
        self.size_bytes += added_bytes
        if added_bytes > 0:
            self._runs[run] = None
            self._runs.move_to_end(run)
            while self.size_bytes > self._max_bytes and len(self._runs) > 1:
                next(iter(self._runs)).drop_oldest()
        elif not run.size_bytes:
            self._runs.pop(run, None)


class RecentBlocks:
    """The newest blocks of one run, as they were stored; the oldest go when they are over `RECENT_BYTES`."""

    def __init__(self, shelf: Shelf) -> None:
        self.size_bytes = 0
        self._shelf = shelf
        self._blocks: deque[Stored] = deque()
        self._answer: tuple[tuple[int, int, int], tuple[list[Stored], int]] | None = None
        """What was asked for last, and found: other subscribers want the same."""

    def add(self, block: Stored) -> None:
        """Keep a block that follows those before it, which go where it does not."""
        if self._blocks and self._blocks[-1].rows.next_seq != block.rows.first_seq:
            self.clear()
        self._blocks.append(block)
        self._answer = None
        self._note(_size_bytes(block))
        while self.size_bytes > RECENT_BYTES and len(self._blocks) > 1:
            self.drop_oldest()

    def drop_oldest(self) -> None:
        self._answer = None
        self._note(-_size_bytes(self._blocks.popleft()))

    def clear(self) -> None:
        self._blocks.clear()
        self._answer = None
        self._note(-self.size_bytes)

    def _note(self, added_bytes: int) -> None:
        self.size_bytes += added_bytes
        self._shelf.note(self, added_bytes)

    def read(self, seq: int, max_bytes: int, level_mask: int) -> tuple[list[Stored], int] | None:
        """The blocks from record `seq` on that have one of the levels, `max_bytes` of them or one record.

        Returns:
            The blocks, and the seq to go on from; None where not all from `seq` on are held.
        """
        if not self._blocks or not self._blocks[0].rows.first_seq <= seq < self._blocks[-1].rows.next_seq:
            return None
        asked = seq, max_bytes, level_mask
        if self._answer is None or self._answer[0] != asked:
            self._answer = asked, self._find(*asked)
        return self._answer[1]

    def _find(self, seq: int, max_bytes: int, level_mask: int) -> tuple[list[Stored], int]:
        found: list[Stored] = []
        # From the newest back: a subscriber at the head wants the last block or two of possibly thousands.
        for block in reversed(self._blocks):
            found.append(block)
            if block.rows.first_seq <= seq:
                break
        taken: list[Stored] = []
        room_bytes = max_bytes
        for block in reversed(found):
            if block.level_mask & level_mask:
                wanted = block if block.rows.first_seq >= seq else block._replace(rows=block.rows.after(seq))
                if taken and len(wanted.rows.data) > room_bytes:
                    break
                taken.append(wanted._replace(rows=wanted.rows.within(max_bytes)))
                room_bytes -= len(wanted.rows.data)
                if room_bytes < 0:
                    return taken, taken[-1].rows.next_seq
            seq = block.rows.next_seq
        return taken, seq


def _size_bytes(block: Stored) -> int:
    return len(block.rows.data) + _BLOCK_BYTES
