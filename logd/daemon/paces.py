"""How often subscribers are sent what is new: the configuration's settings, which can be changed at any time."""

from __future__ import annotations

from typing import Any

from logd.config import FanoutConfig
from logd.fanout import AdaptiveThrottler, Pace

KINDS = ("view", "stream", "counters", "runs", "board", "presence")
"""What is sent at a pace of its own."""

ARRIVAL_SECONDS = 0.25
"""Between two changes of who is present, as `arrivals`: what `presence` has an interval for is how much they did."""


class Paces:
    """The paces of all kinds, and the throttles that keep them."""

    def __init__(self, config: FanoutConfig) -> None:
        self.config = config
        self._throttlers: dict[AdaptiveThrottler, tuple[str, float]] = {}

    def pace(self, kind: str) -> Pace:
        config = self.config
        if kind == "arrivals":
            interval: float | None = min(ARRIVAL_SECONDS, config.presence_interval_seconds)
        else:
            interval = getattr(config, f"{kind}_interval_seconds", None)
        least = getattr(config, f"{kind}_min_interval_seconds") if interval is None else interval
        greatest = getattr(config, f"{kind}_max_interval_seconds") if interval is None else interval
        return Pace(least, greatest, config.rate_window_seconds, config.adaptive)

    def throttler(self, kind: str, interval_seconds: float = 0.0) -> AdaptiveThrottler:
        """A throttle of some kind; `forget` it when it is not used any more.

        Args:
            interval_seconds: its subscriber asks not to be sent to more often.
        """
        throttler = AdaptiveThrottler(self.pace(kind).no_faster_than(interval_seconds))
        self._throttlers[throttler] = kind, interval_seconds
        return throttler

    def turn(self, throttler: AdaptiveThrottler, kind: str) -> None:
        """Have a throttle keep the pace of another kind."""
        _, interval_seconds = self._throttlers[throttler]
        self._throttlers[throttler] = kind, interval_seconds
        throttler.pace = self.pace(kind).no_faster_than(interval_seconds)

    def forget(self, throttler: AdaptiveThrottler) -> None:
        del self._throttlers[throttler]

    def change(self, changes: dict[str, Any]) -> None:
        """Change settings, for all throttles there are as well. ConfigError where that cannot be."""
        self.config = self.config.changed(changes)
        for throttler, (kind, _) in list(self._throttlers.items()):
            self.turn(throttler, kind)
