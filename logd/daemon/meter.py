"""Rates over the last few seconds. Pure: time is an argument."""

from __future__ import annotations

from collections import deque

WINDOW_SECONDS = 5


class RateMeter:
    """Events a second over `WINDOW_SECONDS`, kept by whole seconds."""

    def __init__(self) -> None:
        self._seconds: deque[tuple[int, int]] = deque()
        self.total = 0

    def add(self, count: int, now: float) -> None:
        """`now` is in monotonic seconds."""
        self.total += count
        second = int(now)
        if self._seconds and self._seconds[-1][0] == second:
            self._seconds[-1] = (second, self._seconds[-1][1] + count)
        else:
            self._seconds.append((second, count))
        self._forget(second)

    def rate(self, now: float) -> float:
        """Events a second, over the window that ends at `now`."""
        self._forget(int(now))
        return sum(count for _, count in self._seconds) / WINDOW_SECONDS

    def _forget(self, second: int) -> None:
        while self._seconds and self._seconds[0][0] <= second - WINDOW_SECONDS:
            self._seconds.popleft()
