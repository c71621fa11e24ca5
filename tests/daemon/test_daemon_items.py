"""What reports make of an item, against a plain model of merging, and what the daemon adds to it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logd.daemon.items import merged
from logd.daemon.refusal import RequestRefused
from logd.progress import STATES
from logd.protocol import ErrorCode
from logd.protocol.checks import (
    ITEM_STATES,
    MAX_BYTES_OF_ITEM,
    MAX_FIELDS_OF_ITEM,
    MAX_ITEM_BYTES,
    MAX_ITEM_NAMES,
    OWN_FIELDS,
    is_item,
    item_bytes,
)
from logd.record import MAX_TIME_US

SECOND = 1_000_000

amounts = st.integers(0, 2**53) | st.floats(0, 1e12)
given_fields = st.fixed_dictionaries(
    {},
    optional={
        "state": st.none() | st.sampled_from(STATES),
        "done": st.none() | amounts,
        "total": st.none() | amounts,
        "unit": st.none() | st.text(max_size=5),
        "status": st.none() | st.text(max_size=5),
        "retries": st.none() | st.integers(0, 9),
        "own": st.none() | st.booleans() | st.integers(-5, 5),
        "advance": st.integers(0, 9),
    },
)
reports = st.lists(st.tuples(given_fields, st.integers(-SECOND, 100 * SECOND)), max_size=12)


def reported(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name not in OWN_FIELDS}


@settings(max_examples=150, deadline=None)
@given(reports)
def test_fields_go_over_those_there_are_and_none_removes_one(reports: list[tuple[dict[str, Any], int]]) -> None:
    item: Mapping[str, Any] | None = None
    expected: dict[str, Any] = {}
    now_us = 10**15
    for given_now, step_us in reports:
        now_us += step_us
        before, item = item, merged("key", item, given_now, now_us)
        had = dict(expected)
        expected |= {name: value for name, value in given_now.items() if name != "advance"}
        if "advance" in given_now:
            expected["done"] = (expected.get("done") or 0) + given_now["advance"]
        expected = {name: value for name, value in expected.items() if value is not None}
        assert reported(item) == expected
        if before is not None and expected == had:
            assert item is before, "what changes nothing is not sent again"
        else:
            assert item["updated_us"] == now_us
        assert ("ended_us" in item) <= ("started_us" in item)
        assert ("moved_us" in item) == ("done" in item and item["done"] != 0) or item.get("done") == 0
        assert is_item(item)
        assert all(math.isfinite(item[name]) for name in OWN_FIELDS if name in item)


def test_what_the_daemon_adds_fits_what_is_left_free_for_it() -> None:
    own = dict.fromkeys(OWN_FIELDS, MAX_TIME_US) | dict.fromkeys(("rate", "rate_seconds"), -1.23456e-100)
    assert item_bytes(own) <= MAX_ITEM_BYTES - MAX_BYTES_OF_ITEM
    assert len(own) <= MAX_ITEM_NAMES - MAX_FIELDS_OF_ITEM
    largest = {f"{number:02}" + "x" * (MAX_BYTES_OF_ITEM // MAX_FIELDS_OF_ITEM - 3): 1 for number in range(16)}
    assert item_bytes(largest) == MAX_BYTES_OF_ITEM
    assert is_item({**largest, **own})
    assert item_bytes({**largest, **own}) <= MAX_ITEM_BYTES
    assert reported(merged("key", None, largest, 1)) == largest


def test_the_protocols_states_are_those_that_are_understood() -> None:
    assert ITEM_STATES == STATES


def test_its_times_are_those_of_what_it_did() -> None:
    item = merged("key", None, {"state": "pending", "total": 3}, 1)
    assert {name: item[name] for name in OWN_FIELDS if name in item} == {"updated_us": 1}
    item = merged("key", item, {"state": "running"}, 2)
    assert (item["started_us"], item["updated_us"]) == (2, 2)
    item = merged("key", item, {"done": 1}, 3)
    assert (item["started_us"], item["moved_us"]) == (2, 3)
    item = merged("key", item, {"status": "text"}, 4)
    assert (item["updated_us"], item["moved_us"]) == (4, 3)
    item = merged("key", item, {"state": "failed"}, 5)
    assert item["ended_us"] == 5
    item = merged("key", item, {"status": "why"}, 6)
    assert (item["updated_us"], item["ended_us"]) == (6, 5)
    item = merged("key", item, {"state": "running", "retries": 1}, 7)
    assert "ended_us" not in item
    assert item["started_us"] == 2
    item = merged("key", item, {"state": None, "done": 3}, 8)
    assert (item["ended_us"], item["moved_us"]) == (8, 8), "all of it is done"


@pytest.mark.parametrize("seconds", [0.001, 0.5, 10, 600])
def test_an_even_pace_is_measured_exactly_from_the_second_report_on(seconds: float) -> None:
    item = merged("key", None, {"done": 0}, 0)
    assert "rate" not in item
    for number in range(1, 50):
        item = merged("key", item, {"done": number * 3}, round(number * seconds * SECOND))
        assert item["rate"] == pytest.approx(3 / seconds, rel=1e-4)


def test_an_item_that_has_done_something_before_it_is_known_is_not_thought_fast() -> None:
    item = merged("key", None, {"done": 10_000}, 0)
    item = merged("key", item, {"done": 10_001}, SECOND)
    assert item["rate"] == 1.0


def test_an_item_that_falls_back_is_measured_anew() -> None:
    item = merged("key", None, {"done": 0}, 0)
    item = merged("key", item, {"done": 100}, SECOND)
    item = merged("key", item, {"done": 0}, 2 * SECOND)
    assert "rate" not in item
    item = merged("key", item, {"done": 5}, 3 * SECOND)
    assert item["rate"] == 5.0


def test_a_clock_that_is_set_back_harms_nothing() -> None:
    item = merged("key", None, {"done": 0}, 100 * SECOND)
    item = merged("key", item, {"done": 1}, 50 * SECOND)
    item = merged("key", item, {"done": 2}, 51 * SECOND)
    assert item["rate"] == 1.0


@pytest.mark.parametrize(
    "wrong",
    [
        {"state": "begun"},
        {"state": 1},
        {"state": True},
        {"done": -1},
        {"done": "47"},
        {"done": True},
        {"done": math.nan},
        {"total": math.inf},
        {"advance": "1"},
        {"advance": -1},
        {"advance": math.inf},
        {"advance": True},
        {"unit": 1},
        {"status": 1},
        {"gauge": "12"},
        {"gauge": False},
        {"retries": 1.5},
        {"retries": -1},
        {"own": math.nan},
        {"done": 2**64 - 1, "advance": 1},
        {"done": 1e308, "advance": 1e308},
        {"updated_us": 1},
        {"rate": None},
        {str(number): 1 for number in range(MAX_FIELDS_OF_ITEM + 1)},
        {"text": "x" * MAX_BYTES_OF_ITEM},
    ],
    ids=lambda wrong: repr(wrong)[:40],
)
def test_what_no_item_can_have_is_refused(wrong: dict[str, Any]) -> None:
    for before in (None, merged("key", None, {"done": 0, "state": "running"}, 1)):
        with pytest.raises(RequestRefused) as refused:
            merged("key", before, wrong, 2)
        assert refused.value.code == ErrorCode.BAD_ITEM
        assert refused.value.message.startswith("item key: ")
        assert len(refused.value.message) < 300


def test_it_cannot_be_filled_by_one_report_after_the_other() -> None:
    item = merged("key", None, {str(number): 1 for number in range(MAX_FIELDS_OF_ITEM)}, 1)
    with pytest.raises(RequestRefused):
        merged("key", item, {"more": 1}, 2)
    assert reported(merged("key", item, {"more": 1, "0": None}, 2)).keys() >= {"more", "1"}
