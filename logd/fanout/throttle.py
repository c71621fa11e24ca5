"""How often a subscriber is sent what is new: at once after quiet, seldom in a flood.

The interval between two flushes follows the rate of what comes, and how long it takes to send it:

    interval
      max |                 .--------      flood: nobody can read faster than this anyway
          |            .-'
          |       .-'                      in between the interval grows with the rate's logarithm
      min |------'                         quiet: each event goes out as it comes
          +------|----------|-------->     events a second
            QUIET_RATE  FLOOD_RATE

Nothing is queued here: whoever flushes sends all that there is then, in order. So no event waits longer than the
interval, and the first after quiet does not wait at all, as its interval has passed long since. Times that are waited
for are on a grid, so that subscribers of one run come to be sent to together.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

QUIET_RATE = 100.0
"""Events a second up to which the interval is the least."""
FLOOD_RATE = 10_000.0
"""And from which on it is the greatest."""
SEND_SHARE = 0.5
"""A flush that took long is followed by one no sooner than so that this share of the time goes into sending."""
_SAMPLES = 16
"""The window's resolution: what comes within a sixteenth of it is counted together."""
_ROUNDING = 1e-6
"""A time on the grid is not taken for one just before."""


@dataclass(frozen=True)
class Pace:
    """The bounds of a throttle.

    Raises:
        ValueError: the intervals or the window are negative, or the least interval is over the greatest.
    """

    min_interval_seconds: float
    max_interval_seconds: float
    rate_window_seconds: float = 2.0
    """Over how long events are counted for their rate."""
    enabled: bool = True
    """Otherwise the interval is always the least."""

    def __post_init__(self) -> None:
        if not 0 <= self.min_interval_seconds <= self.max_interval_seconds < math.inf:
            raise ValueError("an interval is 0 seconds or more, and the least is not over the greatest")
        if not 0 < self.rate_window_seconds < math.inf:
            raise ValueError("the rate's window is more than 0 seconds")

    def no_faster_than(self, interval_seconds: float) -> Pace:
        """The same for a subscriber that asks not to be sent to more often."""
        return Pace(
            max(self.min_interval_seconds, interval_seconds),
            max(self.max_interval_seconds, interval_seconds),
            self.rate_window_seconds,
            self.enabled,
        )


class AdaptiveThrottler:
    """Says when the next flush is due. All times are monotonic seconds, given by the caller, and never go back."""

    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        """May be replaced at any time."""
        self.flushes = 0
        self._samples: deque[tuple[float, int]] = deque()
        """When events began to be counted together, and how many they are."""
        self._events = 0
        self._last_start = self._last_end = -math.inf
        self._send_seconds = 0.0

    def count(self, events: int, now: float) -> None:
        """So many events have come."""
        width = self.pace.rate_window_seconds / _SAMPLES
        if self._samples and now - self._samples[-1][0] < width:
            since, counted = self._samples[-1]
            self._samples[-1] = since, counted + events
        else:
            self._samples.append((now, events))
        self._events += events

    def rate(self, now: float) -> float:
        """Events a second over the window."""
        while self._samples and self._samples[0][0] <= now - self.pace.rate_window_seconds:
            self._events -= self._samples.popleft()[1]
        return self._events / self.pace.rate_window_seconds

    def interval(self, now: float) -> float:
        """The time between two flushes as it is now, in seconds."""
        pace = self.pace
        if not pace.enabled:
            return pace.min_interval_seconds
        load = math.log(max(self.rate(now), QUIET_RATE) / QUIET_RATE) / math.log(FLOOD_RATE / QUIET_RATE)
        span = pace.max_interval_seconds - pace.min_interval_seconds
        by_rate = pace.min_interval_seconds + span * min(load, 1.0)
        return min(max(by_rate, self._send_seconds / SEND_SHARE), pace.max_interval_seconds)

    def due(self, now: float) -> float:
        """The earliest time for the next flush, `now` where that is past."""
        interval = self.interval(now)
        due = self._on_grid(self._last_start + interval, interval)
        return max(now, due, self._last_end + self.pace.min_interval_seconds)

    def _on_grid(self, due: float, interval: float) -> float:
        """The time before, on a grid that all throttles of this pace have in a flood: the greatest interval is a cell.

        So many subscribers of one run are sent to at the same time, and thereby the same. At lesser intervals a cell is
        halved until it is none too long: what goes earlier goes by half the interval at the most.
        """
        if not interval or due == -math.inf:
            return due
        halvings = math.ceil(math.log2(self.pace.max_interval_seconds / interval))
        cell = math.ldexp(self.pace.max_interval_seconds, -halvings)
        return math.floor(due / cell + _ROUNDING) * cell

    def flushed(self, started: float, ended: float) -> None:
        """A flush was made that took from one time to the other: what makes it slow wears off with each later one."""
        self.flushes += 1
        self._last_start, self._last_end = started, ended
        self._send_seconds = max(ended - started, self._send_seconds / 2)
