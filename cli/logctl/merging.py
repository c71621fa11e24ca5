"""Records of several runs, as they come, in the order that the daemon received them in.

What comes is held for an interval, and shown in order then. What comes with an earlier time than what is shown already
is late: it is shown where it came, and marked.
"""

from __future__ import annotations

import math

from logctl.reading import Chunk

MERGE_SECONDS = 0.1
"""How long a record is held for others that were received before it."""
MAX_HELD_BYTES = 4 * 1024 * 1024
"""More is shown at once."""


class Merger:
    """Pure: time is an argument, in monotonic seconds."""

    def __init__(self) -> None:
        self.due = math.inf
        """When what is held is to be shown."""
        self._held: list[Chunk] = []
        self._held_bytes = 0
        self._shown_us = 0

    def add(self, chunk: Chunk, now: float) -> None:
        if not self._held:
            self.due = now + MERGE_SECONDS
        self._held.append(chunk)
        self._held_bytes += len(chunk.rows.data)
        if self._held_bytes > MAX_HELD_BYTES:
            self.due = now

    def take(self) -> list[Chunk]:
        """All that is held, in order."""
        held = sorted(self._held, key=lambda chunk: chunk.time_us)
        self._held, self._held_bytes, self.due = [], 0, math.inf
        chunks = [chunk._replace(late=chunk.time_us < self._shown_us) for chunk in held]
        self._shown_us = max([self._shown_us, *(chunk.time_us for chunk in held)])
        return chunks
