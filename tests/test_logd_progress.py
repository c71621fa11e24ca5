"""What is derived of a board's items, against the pace that they really have: by a clock that only arithmetic moves."""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logd.daemon.items import merged
from logd.progress import (
    ITEMS,
    LEAST_KEPT,
    RANKED,
    RATE_SECONDS,
    STATES,
    STOPPED,
    Item,
    Overall,
    Rate,
    figures,
    overall,
    share_of,
    state_of,
)

SECOND = 1_000_000

seconds = st.floats(0.001, 10_000)


# Rates


@settings(deadline=None)
@given(st.floats(1e-6, 1e6), st.lists(seconds, min_size=1, max_size=30))
def test_an_even_pace_is_measured_exactly_however_unevenly_it_is_told_of(pace: float, gaps: list[float]) -> None:
    rate = Rate(0.0, 0.0)
    for gap in gaps:
        rate = rate.after(pace * gap, gap)
        assert rate.per_second == pytest.approx(pace)
        assert rate.seconds >= gap


@given(st.lists(st.tuples(st.floats(0, 1000), st.floats(0, 100)), max_size=30))
def test_a_rate_is_between_the_slowest_and_the_fastest_that_was_told(steps: list[tuple[float, float]]) -> None:
    rate, told = Rate(0.0, 0.0), []
    for count, gap in steps:
        if gap > 0.001:
            told.append(count / gap)
            rate = rate.after(count, gap)
            assert min(told) * 0.999 - 1e-9 <= rate.per_second <= max(told) * 1.001 + 1e-9
        else:
            assert Rate(0.0, 0.0).after(count, 0.0) == Rate(0.0, 0.0), "no time, no rate"


def test_it_turns_to_a_new_pace_within_some_time_or_some_steps() -> None:
    fast = Rate(0.0, 0.0)
    for _ in range(1000):
        fast = fast.after(10, 1.0)
    assert fast.seconds == pytest.approx(RATE_SECONDS, rel=0.05)
    for _ in range(60):
        fast = fast.after(1, 1.0)
    assert fast.per_second < 1 + 9 * 0.15
    seldom = Rate(0.0, 0.0)
    for _ in range(100):
        seldom = seldom.after(1, 1800.0)
    assert seldom.per_second == pytest.approx(1 / 1800)
    assert seldom.seconds == pytest.approx(1800 / (1 - LEAST_KEPT), rel=0.05)
    for _ in range(10):
        seldom = seldom.after(1, 600.0)
    assert seldom.per_second > 1 / 1000


@given(st.floats(0.001, 1000), st.floats(0.1, 5000), st.lists(st.floats(0, 1e6), min_size=2, max_size=9))
def test_a_rate_holds_for_as_long_as_is_usual_and_wears_off_then(
    per_second: float, measured: float, silences: list[float]
) -> None:
    rate = Rate(per_second, measured)
    held = [rate.held(silent) for silent in sorted(silences)]
    assert all(one >= other for one, other in pairwise(held))
    for silent, now in zip(sorted(silences), held, strict=True):
        assert (now == per_second) == (silent <= max(RATE_SECONDS, measured)) or now == pytest.approx(per_second)


# One item


@pytest.mark.parametrize(
    ("item", "state", "share"),
    [
        ({}, "pending", 0.0),
        ({"total": 5}, "pending", 0.0),
        ({"done": 0}, "running", None),
        ({"done": 2, "total": 5}, "running", 0.4),
        ({"done": 5, "total": 5}, "done", 1.0),
        ({"done": 5, "total": 0}, "running", None),
        ({"state": "done", "done": 2, "total": 5}, "done", 1.0),
        ({"state": "failed", "done": 2, "total": 5}, "failed", 0.4),
        ({"state": "failed"}, "failed", None),
        ({"state": "running"}, "running", None),
        ({"state": "running", "done": 9, "total": 5}, "running", 1.0),
        ({"state": "pending", "done": 2, "total": 5}, "pending", 0.4),
    ],
)
def test_states_and_shares(item: Item, state: str, share: float | None) -> None:
    assert state_of(item) == state
    assert share_of(item, state) == share


def test_what_was_running_when_its_run_ended_has_stopped_and_what_was_told_later_has_not() -> None:
    item = merged("k", None, {"state": "running", "done": 5, "total": 10}, 10 * SECOND)
    assert state_of(item, None) == "running"
    assert state_of(item, 12 * SECOND) == STOPPED
    assert state_of(item, 9 * SECOND) == "running", "a script reports on, though no session is open"
    shown = figures(item, 100 * SECOND, 12 * SECOND)
    assert (shown.state, shown.eta_seconds, shown.elapsed_seconds) == (STOPPED, None, 2.0)
    assert state_of({"gauge": 1, "updated_us": 5}, 10) == ""
    assert state_of(merged("k", None, {"state": "pending"}, 5), 10) == "pending"


def test_figures_of_an_item_on_its_way() -> None:
    item = merged("k", None, {"state": "running", "total": 100}, 0)
    assert figures(item, SECOND) == ("running", 0.0, None, None, 1.0)
    item = merged("k", item, {"done": 10}, 20 * SECOND)
    assert figures(item, 20 * SECOND) == ("running", 0.1, 0.5, 180.0, 20.0)
    assert figures(item, 40 * SECOND).eta_seconds == 180.0, "it holds for a while"
    assert figures(item, 80 * SECOND).per_second == 0.25, "and wears off when nothing comes"
    item = merged("k", item, {"state": "done"}, 40 * SECOND)
    assert figures(item, 90 * SECOND) == ("done", 1.0, 0.25, None, 40.0)
    assert figures({"gauge": 5, "updated_us": 1}, 9).state == ""


# All items


def job(
    count: int, workers: int, mean_seconds: float, steps: int, *, even: bool = False
) -> Iterator[tuple[float, dict[str, Item]]]:
    """A run's items at each second; each item takes a random time, and tells how far it is in so many steps."""
    dice = random.Random(1)
    items: dict[str, Item] = {f"i{number}": merged("k", None, {"state": "pending"}, 0) for number in range(count)}
    todo, events = iter(list(items)), list[tuple[float, str, int]]()

    def begin(now: float) -> None:
        key = next(todo, None)
        if key is not None:
            length = mean_seconds if even else dice.uniform(0.3, 1.7) * mean_seconds
            given = {"state": "running", **({"done": 0, "total": steps} if steps > 1 else {})}
            items[key] = merged("k", items[key], given, int(now * SECOND))
            for step in range(1, steps + 1):
                heapq.heappush(events, (now + length * step / steps, key, step))

    for number in range(workers):
        begin(number * mean_seconds / workers if even else 0.0)
    second = 1.0
    while events:
        now, key, step = heapq.heappop(events)
        while second < now:
            yield second, items
            second += 1
        given: dict[str, Any] = {"state": "done"} if step == steps else {}
        items[key] = merged("k", items[key], given | ({"done": step} if steps > 1 else {}), int(now * SECOND))
        if step == steps:
            begin(now)
    yield now, items


@pytest.mark.parametrize("steps", [1, 10])
def test_what_is_left_is_told_well_and_does_not_jump(steps: int) -> None:
    told: list[tuple[float, Overall]] = []
    for now, items in job(200, 8, 3.0, steps):
        told.append((now, overall(items.values(), int(now * SECOND))))
    end, last = told[-1]
    assert (last.share, last.counts, last.is_on, last.eta_seconds) == (1.0, {"done": 200}, False, None)
    assert last.elapsed_seconds == pytest.approx(end, abs=0.01)
    later = [(now, each.eta_seconds) for now, each in told if end * 0.15 < now < end]
    assert all(eta is not None and abs(eta - (end - now)) < 0.15 * end for now, eta in later)
    for (_, one), (_, other) in pairwise(later):
        assert one is not None
        assert other is not None
        assert abs(other - (one - 1)) < 0.25 * (one + 5)


def test_an_even_pace_of_items_is_told_exactly() -> None:
    """Items that come to their end one at a time, each second."""
    for now, items in job(120, 1, 1.0, 1, even=True):
        whole = overall(items.values(), int(now * SECOND) + 1)
        if 1 < now < 119:
            assert whole.per_second == pytest.approx(1.0, rel=0.02)
            assert whole.eta_seconds == pytest.approx(120 - now, abs=2.5)


def test_totals_of_one_unit_weigh_and_those_of_several_do_not() -> None:
    def share(*items: dict[str, Any]) -> Any:
        made = [merged("k", None, item, 1) for item in items]
        whole = overall(made, 2)
        return whole.share, whole.done, whole.total, whole.unit

    assert share({"done": 9, "total": 90}, {"done": 1, "total": 10}) == (0.1, 10, 100, "")
    large, small = {"done": 0, "total": 90, "unit": "MB"}, {"done": 10, "total": 10, "unit": "MB"}
    assert share(large, small) == (0.1, 10, 100, "MB")
    assert share(large, {**small, "unit": "pages"}) == (0.5, 1, 2, ITEMS)
    assert share({"state": "done"}, {"state": "pending"}, {"state": "running"}) == (pytest.approx(1 / 3), 1, 3, ITEMS)
    assert share({"state": "failed", "done": 1, "total": 4}) == (1.0, 1, 4, ""), "it comes no further"
    assert share({"state": "done", "total": 4}, {"state": "pending"}) == (0.5, 4, 8, ""), (
        "as the others, on the average"
    )
    assert share({"done": 7}, {"done": 8}) == (None, 15, None, ""), "counters have no end"
    assert share({"done": 7, "unit": "lines"}, {"gauge": 3}) == (None, 7, None, "lines")
    assert share({"gauge": 3}) == share() == (None, 0, None, "")


def test_what_is_left_is_no_less_than_the_slowest_item_needs() -> None:
    slow = merged("k", None, {"state": "running", "done": 0, "total": 1000}, 0)
    slow = merged("k", slow, {"done": 10}, 10 * SECOND)
    quick = [merged("k", None, {"state": "done"}, number * SECOND) for number in range(1, 10)]
    whole = overall([slow, *quick], 10 * SECOND)
    assert whole.eta_seconds == pytest.approx(990, rel=0.01)


items_of_any_kind = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "state": st.sampled_from(STATES),
            "done": st.integers(0, 100),
            "total": st.integers(0, 100) | st.floats(0, 1),
            "unit": st.sampled_from(["", "a", "b"]),
            "gauge": st.integers(0, 9),
        },
    ),
    max_size=12,
)


@settings(max_examples=200, deadline=None)
@given(items_of_any_kind, items_of_any_kind, st.integers(0, 200 * SECOND), st.none() | st.integers(0, 200 * SECOND))
def test_whatever_is_on_a_board_the_figures_are_possible(
    first: list[dict[str, Any]], then: list[dict[str, Any]], now_us: int, ended_us: int | None
) -> None:
    items: dict[int, Item] = {}
    for at_us, given_items in ((10 * SECOND, first), (20 * SECOND, then)):
        for key, given_item in enumerate(given_items):
            items[key] = merged("k", items.get(key), given_item, at_us)
    whole = overall(items.values(), now_us, ended_us)
    assert sum(whole.counts.values()) == sum("gauge" not in item for item in items.values())
    assert list(whole.counts) == [state for state in RANKED if state in whole.counts]
    assert whole.share is None or 0 <= whole.share <= 1
    ended = whole.counts.keys() <= {"done", "failed"}
    if whole.share is not None and ended:
        assert whole.share == pytest.approx(1.0)
    for figure in (whole.per_second, whole.eta_seconds, whole.elapsed_seconds):
        assert figure is None or 0 <= figure < float("inf")
    assert whole.eta_seconds is None or whole.is_on
    for item in items.values():
        of = figures(item, now_us, ended_us)
        assert of.share is None or 0 <= of.share <= 1
        assert all(figure is None or 0 <= figure < float("inf") for figure in of[2:])
