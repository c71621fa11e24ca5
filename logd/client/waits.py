"""What a program's threads wait for of the sender: room in its queue, and that all is stored."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable

MAX_WAIT_SECONDS = 1.0
"""How long it is waited for room while none is made."""


class RoomWait:
    """One who waits for room, and does not give up while records are taken, though others were quicker to fill it.

    Args:
        taken: how many records were taken from the queue so far.
        clock: monotonic seconds.
    """

    def __init__(self, taken: Callable[[], int], clock: Callable[[], float] = time.monotonic) -> None:
        self._taken = taken
        self._clock = clock
        self._seen = taken()
        self._until = clock() + MAX_WAIT_SECONDS

    @property
    def is_over(self) -> bool:
        """Whether nothing was taken for so long that the record is to be dropped."""
        now, taken = self._clock(), self._taken()
        if taken != self._seen:
            self._seen, self._until = taken, now + MAX_WAIT_SECONDS
        return now >= self._until


class FlushWait:
    """One who waits until what was logged so far is stored.

    Args:
        dropped: how many records were by then.
    """

    def __init__(self, dropped: int) -> None:
        self.done = threading.Event()
        self.stored = False
        self.goal = math.inf
        """How many records are to be, of all that were ever taken in; it is known to the sender's next turn."""
        self.dropped = dropped


class Flushes:
    """All of those. Any thread adds one, and the sender's answers."""

    def __init__(self) -> None:
        self._waits: deque[FlushWait] = deque()

    def __bool__(self) -> bool:
        return bool(self._waits)

    def add(self, dropped: int) -> FlushWait:
        wait = FlushWait(dropped)
        self._waits.append(wait)
        return wait

    def all(self) -> list[FlushWait]:
        return list(self._waits)  # in one step: others may be added meanwhile

    def answer(self, up_to: float, *, stored: bool, dropped: int) -> None:
        """Tell those whose goal is reached whether all of it is stored, which it is not where more was dropped."""
        for wait in self.all():
            if wait.goal <= up_to:
                wait.stored = stored and wait.dropped == dropped
                wait.done.set()
                self._waits.remove(wait)
