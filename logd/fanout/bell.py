"""A bell that wakes all who wait for it, those who wait until some time at that time too.

Who waits until the same time waits together: the first has the timer, and wakes the others. Being woken by another
task is several times cheaper than by a timer of one's own, and many subscribers of a run are due at the same time.
"""

from __future__ import annotations

import math

import trio


class Bell:
    """Whoever waits is also woken now and then for nothing, and is to look again."""

    def __init__(self) -> None:
        self._waiting: dict[float, trio.Event] = {}

    def ring(self) -> None:
        """Wake all who wait."""
        waiting, self._waiting = self._waiting, {}
        for event in waiting.values():
            event.set()

    async def wait(self, until: float = math.inf) -> None:
        """Return at the next ring, or at that time on trio's clock."""
        event = self._waiting.get(until)
        if event is not None:
            await event.wait()
            return
        event = self._waiting[until] = trio.Event()
        try:
            with trio.CancelScope(deadline=until):
                await event.wait()
        finally:
            if self._waiting.get(until) is event:
                del self._waiting[until]
            event.set()
