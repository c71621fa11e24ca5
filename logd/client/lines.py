"""Bytes of input as they come, to blocks of whole lines, at a few copies for each block and nothing for each line.

A line goes at once where the caller does not want lines to gather. Where it does, they go when they are many, or have
gathered for a second: a line's time is the one at which it goes, and is to be about the one at which it came.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from logd.record import MAX_TEXT_BYTES, cut

MIN_BLOCK_BYTES = 64 * 1024
"""So many bytes of lines gather no longer."""
MAX_BLOCK_BYTES = 256 * 1024
GATHER_SECONDS = 1.0

Block = tuple[bytes, bool]
"""Whole lines, and whether they are one that goes on with the text that the last line before had begun."""


class LineCutter:
    """What was fed and has not gone: some lines, and the beginning of one.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._input = b""
        self._in_long_line = False
        self._finished = False
        self.due = math.inf
        """When lines have gathered for long enough."""

    def __len__(self) -> int:
        """How many bytes there are."""
        return len(self._input)

    def feed(self, data: bytes | memoryview) -> None:
        # In one copy: each costs a block as much as sending it does.
        self._input = b"".join((self._input, data))

    def finish(self) -> None:
        """Nothing more is fed: a last line without its newline is whole, too, and nothing gathers any more."""
        if self._input and not self._input.endswith(b"\n"):
            self._input += b"\n"
        self._finished = True

    def next_block(self, *, gather: bool) -> Block | None:
        """The lines that go next; with `gather`, where it is time. A line whose end is not in sight goes in pieces."""
        end = self._input.rfind(b"\n", 0, MAX_BLOCK_BYTES) + 1
        if not end:
            self.due = math.inf
            return self._next_piece() if len(self._input) > MAX_TEXT_BYTES else None
        gathers = gather and not self._finished and end < MIN_BLOCK_BYTES and len(self._input) < MAX_BLOCK_BYTES
        if gathers and self._clock() < self.due:
            self.due = min(self.due, self._clock() + GATHER_SECONDS)
            return None
        if self._in_long_line:
            end = self._input.index(b"\n") + 1
            if end > MAX_TEXT_BYTES + 1:
                return self._next_piece()
        cont, self._in_long_line = self._in_long_line, False
        lines, self._input = self._input[:end], self._input[end:]
        return lines, cont

    def _next_piece(self) -> Block:
        piece = cut(self._input[: MAX_TEXT_BYTES + 1])[0]
        self._input = self._input[len(piece) :]
        cont, self._in_long_line = self._in_long_line, True
        return piece + b"\n", cont
