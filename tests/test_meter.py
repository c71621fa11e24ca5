"""The rate meter against a plain sum over what was added."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logd.daemon.meter import WINDOW_SECONDS, RateMeter

steps = st.lists(st.tuples(st.floats(0, 4), st.integers(0, 10**6)), max_size=40)


def test_a_new_meter_has_seen_nothing() -> None:
    meter = RateMeter()
    assert meter.rate(0.0) == meter.rate(1e9) == meter.total == 0


def test_a_rate_is_over_the_whole_window() -> None:
    meter = RateMeter()
    meter.add(100, 10.0)
    meter.add(100, 10.9)
    assert meter.rate(10.9) == 200 / WINDOW_SECONDS


def test_what_is_older_than_the_window_does_not_count() -> None:
    meter = RateMeter()
    meter.add(100, 10.5)
    assert meter.rate(14.99) == 100 / WINDOW_SECONDS
    assert meter.rate(15.0) == 0
    assert meter.total == 100


def test_a_steady_flow_is_measured_as_it_is() -> None:
    meter = RateMeter()
    for tenth in range(1000):
        meter.add(7, tenth / 10)
    assert meter.rate(99.95) == pytest.approx(70)


@given(steps, st.floats(0, 10), st.floats(0, 1e9))
def test_any_flow_is_the_sum_of_its_last_whole_seconds(
    steps: list[tuple[float, int]], silence: float, start: float
) -> None:
    meter, now, added = RateMeter(), start, []
    for pause, count in steps:
        now += pause
        meter.add(count, now)
        added.append((int(now), count))
    now += silence
    recent = sum(count for second, count in added if second > int(now) - WINDOW_SECONDS)
    assert meter.rate(now) == recent / WINDOW_SECONDS
    assert meter.total == sum(count for _, count in added)
