"""The adaptive throttle, with a clock of its own."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logd.fanout.throttle import FLOOD_RATE, QUIET_RATE, AdaptiveThrottler, Pace

VIEW = Pace(0.010, 0.100)
STREAM = Pace(0.0, 0.250)
SLACK = 1e-9
RIPPLE = 0.002
"""What is counted leaves the window in samples."""


class Clocked:
    """A subscriber whose sends take no time, or as long as is said: all that it was sent, and when."""

    def __init__(self, pace: Pace) -> None:
        self.throttler = AdaptiveThrottler(pace)
        self.now = 0.0
        self.send_seconds = 0.0
        self.pending: list[float] = []
        self.flushed: list[tuple[float, list[float]]] = []
        self.intervals: list[float] = []

    def events(self, times: list[float]) -> Clocked:
        """Events at those times, in order, each flushed as soon as it is due."""
        for time in [*times, math.inf]:
            while self.pending and (due := self.throttler.due(self.now)) < time:
                self.now = due
                self._flush()
            if time < math.inf:
                self.now = max(self.now, time)
                self.pending.append(time)
                self.throttler.count(1, self.now)
        return self

    def _flush(self) -> None:
        self.intervals.append(self.throttler.interval(self.now))
        self.flushed.append((self.now, self.pending))
        self.pending = []
        started, self.now = self.now, self.now + self.send_seconds
        self.throttler.flushed(started, self.now)


def at_rate(rate: float, seconds: float, start: float = 0.0) -> list[float]:
    return [start + number / rate for number in range(int(rate * seconds))]


bursts = st.lists(
    st.tuples(st.floats(0, 5), st.integers(1, 40), st.sampled_from([0.0, 1e-5, 1e-3, 0.01, 0.5])),
    min_size=1,
    max_size=8,
)
paces = st.sampled_from([VIEW, STREAM, Pace(0.05, 0.05), Pace(0.010, 0.100, enabled=False), Pace(1.0, 1.0)])


@settings(max_examples=150, deadline=None)
@given(paces, bursts)
def test_no_event_waits_longer_than_the_interval_nor_is_any_flush_sooner(
    pace: Pace, bursts: list[tuple[float, int, float]]
) -> None:
    times, now = [], 0.0
    for pause, count, between in bursts:
        now += pause
        for _ in range(count):
            times.append(now)
            now += between
    clocked = Clocked(pace).events(times)
    assert [event for _, events in clocked.flushed for event in events] == times, "the order is kept, and all is there"
    for (one, _), (next_one, _) in pairwise(clocked.flushed):
        assert next_one - one >= pace.min_interval_seconds - SLACK
    for time, events in clocked.flushed:
        assert time - events[0] <= pace.max_interval_seconds + SLACK
    for (one, _), (next_one, _), interval in zip(
        clocked.flushed, clocked.flushed[1:], clocked.intervals[1:], strict=False
    ):
        assert next_one - one >= interval / 2 - SLACK, "the grid takes no more off"
    quiet = pace.max_interval_seconds
    for (before, _), (time, events) in pairwise([(-math.inf, [0.0]), *clocked.flushed]):
        if events[0] - before >= quiet:
            assert time == events[0], "the first after quiet passes at once"


@pytest.mark.parametrize("pace", [VIEW, STREAM])
@pytest.mark.parametrize("rate", [1, 10, 90])
def test_what_comes_seldom_is_sent_as_it_comes(pace: Pace, rate: float) -> None:
    clocked = Clocked(pace).events(at_rate(rate, 5))
    assert [time for time, _ in clocked.flushed] == [events[0] for _, events in clocked.flushed]


@pytest.mark.parametrize("pace", [VIEW, STREAM])
def test_a_flood_is_sent_at_the_greatest_interval(pace: Pace) -> None:
    clocked = Clocked(pace).events(at_rate(2 * FLOOD_RATE, 4))
    last_second = [time for time, _ in clocked.flushed if time >= 3]
    assert len(last_second) <= 1 / pace.max_interval_seconds + 1


@pytest.mark.parametrize("pace", [VIEW, STREAM])
def test_in_a_flood_those_that_began_at_different_times_come_to_be_sent_to_together(pace: Pace) -> None:
    flushed = []
    for began in (0.0, 0.0123, 0.31, 1.07):
        clocked = Clocked(pace).events(at_rate(2 * FLOOD_RATE, 5 - began, start=began))
        flushed.append([round(time, 6) for time, _ in clocked.flushed if 3.5 < time < 4.9])
    assert flushed[0]
    assert all(times == flushed[0] for times in flushed)


def test_the_interval_glides_up_and_down_again() -> None:
    clocked = Clocked(VIEW).events(at_rate(5000, 4))
    widening = clocked.intervals
    assert all(-RIPPLE <= after - before < 0.03 for before, after in pairwise(widening))
    assert widening[-1] < VIEW.max_interval_seconds
    clocked.intervals.clear()
    clocked.events(at_rate(50, 4, start=clocked.now))
    assert clocked.intervals[-1] == VIEW.min_interval_seconds
    assert all(-0.03 < after - before <= RIPPLE for before, after in pairwise(clocked.intervals))


def test_between_quiet_and_flood_it_grows_with_the_rate() -> None:
    intervals = []
    for rate in (QUIET_RATE, 300, 1000, 3000, FLOOD_RATE, 10 * FLOOD_RATE):
        throttler = AdaptiveThrottler(VIEW)
        throttler.count(int(rate * VIEW.rate_window_seconds), 0.0)
        intervals.append(throttler.interval(1.0))
    assert intervals[0] == VIEW.min_interval_seconds
    assert intervals[2] == pytest.approx(0.055)
    assert intervals[-2:] == [VIEW.max_interval_seconds] * 2
    assert intervals == sorted(intervals)


def test_slow_sends_widen_it_which_wears_off() -> None:
    clocked = Clocked(VIEW).events(at_rate(20, 1))
    assert clocked.intervals[-1] == VIEW.min_interval_seconds
    clocked.send_seconds = 0.030
    clocked.events(at_rate(20, 1, start=2))
    assert clocked.intervals[-1] == pytest.approx(0.060)
    clocked.send_seconds = 10.0
    clocked.events([4.0])
    clocked.events([20.0])
    assert clocked.intervals[-1] == VIEW.max_interval_seconds, "but not past its bound"
    clocked.send_seconds = 0.0
    clocked.events(at_rate(20, 2, start=40))
    assert clocked.intervals[-1] == VIEW.min_interval_seconds


def test_it_can_be_turned_off_and_changed_while_it_is_used() -> None:
    clocked = Clocked(Pace(0.010, 0.100, enabled=False)).events(at_rate(20_000, 1))
    assert set(clocked.intervals) == {0.010}
    clocked.throttler.pace = Pace(0.5, 0.5)
    clocked.events([clocked.now + 0.1])
    assert clocked.flushed[-1][0] - clocked.flushed[-2][0] == pytest.approx(0.5)


def test_a_subscriber_may_ask_for_slower_and_not_for_faster() -> None:
    assert VIEW.no_faster_than(0.05) == Pace(0.05, 0.100)
    assert VIEW.no_faster_than(3.0) == Pace(3.0, 3.0)
    assert VIEW.no_faster_than(0.0) == VIEW


@pytest.mark.parametrize("values", [(-1, 1, 2), (1, 0.5, 2), (0, math.inf, 2), (0, 1, 0), (0, 1, math.nan)])
def test_a_pace_that_cannot_be_is_refused(values: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="seconds"):
        Pace(*values)


def test_what_it_remembers_is_bounded() -> None:
    throttler = AdaptiveThrottler(VIEW)
    for number in range(100_000):
        throttler.count(1, number / 1000)
        throttler.rate(number / 1000)
    assert len(throttler._samples) <= 17
