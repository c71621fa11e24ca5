"""What is reported to a board arrives merged, as last values, whatever becomes of the connection."""

from __future__ import annotations

from typing import Any

import pytest
from fake_daemon import Clock, FakeDaemon
from hypothesis import given, settings
from hypothesis import strategies as st

from logd.client.backoff import MAX_DELAY_SECONDS
from logd.client.board import MAX_REPORTED_ITEMS, RETRY_SECONDS, PendingBoard
from logd.client.emitter import Emitter
from logd.protocol import ErrorCode, Report
from logd.protocol.checks import (
    MAX_FIELDS_OF_ITEM,
    MAX_ITEMS_IN_FRAME,
)


class Bench:
    def __init__(self, **options: Any) -> None:
        self.daemon = FakeDaemon()
        self.clock = Clock()
        self.said: list[str] = []
        self.emitter = Emitter(self.daemon.connect, "run", say=self.said.append, clock=self.clock, **options)

    def pump(self) -> None:
        before = -1
        while before != (before := self.daemon.exchanged):
            self.emitter.pump()

    def advance(self, seconds: float) -> None:
        self.clock.now += seconds
        self.pump()


def test_a_report_arrives() -> None:
    bench = Bench()
    bench.emitter.report({"a": {"state": "running", "done": 1, "total": 3}})
    bench.pump()
    assert bench.daemon.board == {"a": {"state": "running", "done": 1, "total": 3}}


def test_what_comes_while_one_is_under_way_goes_together() -> None:
    bench = Bench()
    bench.pump()
    bench.daemon.stores = False
    bench.emitter.report({"a": {"done": 0}})
    bench.pump()
    for _ in range(50):
        bench.emitter.report({"a": {"advance": 2}, "b": {"status": "x"}})
        bench.pump()
    bench.daemon.stores = True
    bench.pump()
    assert [report.items for report in bench.daemon.reports] == [
        {"a": {"done": 0}},
        {"a": {"done": 100}, "b": {"status": "x"}},
    ]


def test_fields_and_items_are_removed_and_a_board_is_begun_anew() -> None:
    bench = Bench()
    bench.emitter.report({"a": {"done": 1, "status": "x"}, "b": {"done": 1}, "c": {"gauge": 3.5}})
    bench.pump()
    bench.emitter.report({"a": {"status": None}, "b": None})
    bench.pump()
    assert bench.daemon.board == {"a": {"done": 1}, "c": {"gauge": 3.5}}
    bench.emitter.report({"c": None})
    bench.emitter.report({"c": {"status": "another"}})
    bench.pump()
    assert bench.daemon.board == {"a": {"done": 1}, "c": {"status": "another"}}
    bench.emitter.report({"d": {}}, reset=True)
    bench.pump()
    assert bench.daemon.board == {"d": {}}


def test_it_is_sent_before_the_session_is_closed() -> None:
    bench = Bench()
    keys = [str(number) for number in range(2 * MAX_ITEMS_IN_FRAME + 1)]
    bench.emitter.report({key: {"done": 1} for key in keys})
    bench.emitter.feed(b"line\n")
    bench.emitter.end(0)
    bench.pump()
    assert bench.emitter.ended
    assert list(bench.daemon.board) == keys
    assert [len(report.items) for report in bench.daemon.reports] == [MAX_ITEMS_IN_FRAME, MAX_ITEMS_IN_FRAME, 1]


def test_it_is_sent_again_on_the_next_connection_below_what_is_newer() -> None:
    bench = Bench()
    bench.pump()
    bench.daemon.stores = False
    bench.emitter.report({"a": {"done": 1, "total": 9}, "b": {"done": 1}}, reset=True)
    bench.pump()
    bench.daemon.kill()
    bench.pump()
    bench.emitter.report({"a": {"advance": 1}})
    bench.daemon.board = {"old": {}}
    bench.daemon.stores = True
    bench.daemon.start()
    bench.advance(MAX_DELAY_SECONDS)
    assert bench.daemon.board == {"a": {"done": 2, "total": 9}, "b": {"done": 1}}


def test_a_refused_report_costs_no_record() -> None:
    bench = Bench()
    bench.daemon.report_refusal = ErrorCode.BOARD_FULL
    bench.emitter.report({"a": {"done": 1}})
    bench.emitter.feed(b"line\n")
    bench.pump()
    assert bench.said == ["the board lacks some of what was reported: refused"]
    assert bench.daemon.lines == b"line\n"
    bench.daemon.report_refusal = ErrorCode.STORE_FAILED
    bench.emitter.report({"b": {"done": 1}})
    bench.pump()
    bench.daemon.report_refusal = None
    bench.pump()
    assert bench.emitter.due == bench.clock.now + RETRY_SECONDS
    bench.advance(RETRY_SECONDS)
    assert bench.daemon.board == {"b": {"done": 1}}


@pytest.mark.parametrize(
    "item",
    [
        {"advance": 1},
        {"list": [1]},
        {"status": "x" * 2000},
        {str(number): 1 for number in range(MAX_FIELDS_OF_ITEM + 1)},
    ],
)
def test_what_no_board_takes_is_refused_at_once(item: dict[str, Any]) -> None:
    emitter = Bench().emitter
    with pytest.raises(ValueError, match=r"item|advance"):
        emitter.report({"good": {}, "bad": item})


def test_fields_that_are_too_many_together_are_refused() -> None:
    emitter = Bench().emitter
    emitter.report({"a": {f"a{number}": 1 for number in range(MAX_FIELDS_OF_ITEM)}})
    with pytest.raises(ValueError, match="too many"):
        emitter.report({"a": {"b": 1}})


def test_what_is_over_the_bound_is_left_out_and_said_once() -> None:
    bench = Bench()
    bench.emitter.report({str(number): {} for number in range(MAX_REPORTED_ITEMS)})
    bench.emitter.report({"more": {}, "and more": {}})
    bench.emitter.report({"0": {"done": 1}, "others": {}})
    bench.pump()
    assert len(bench.daemon.board) == MAX_REPORTED_ITEMS
    assert bench.daemon.board["0"] == {"done": 1}
    assert bench.said == ["the board has as many items as it can have; others are left out"]


KEYS = st.sampled_from("abc")
ITEMS = st.dictionaries(
    KEYS, st.none() | st.dictionaries(st.sampled_from(["done", "total"]), st.none() | st.integers(0, 9)), max_size=3
)


@settings(max_examples=100)
@given(st.lists(st.sampled_from(["send", "take", "lose"]) | st.tuples(ITEMS, st.booleans()), max_size=20))
def test_whatever_is_lost_the_board_ends_as_it_was_reported(steps: list[Any]) -> None:
    """A report that is lost may have been taken, or not: here every second one was."""
    told, expected, pending = FakeDaemon(), FakeDaemon(), PendingBoard("run")
    under_way: Report | None = None
    for number, step in enumerate([*steps, *["send", "take"] * 4]):
        if step == "send":
            under_way = pending.next_report(0.0) or under_way
        elif isinstance(step, str):
            if under_way is not None and (step == "take" or number % 2):
                told.report(under_way)
            if under_way is not None:
                (pending.taken if step == "take" else pending.lost)()
            under_way = None
        else:
            items, reset = step
            items = {key: item if item is None or item else {"done": 1} for key, item in items.items()}
            pending.report(items, reset=reset)
            expected.report(Report(1, "run", items, reset))
    assert not pending
    assert told.board == expected.board


def test_a_report_whose_time_has_come_is_due() -> None:
    """Its time may come between two looks: whoever waits until `due` is not to wait for ever."""
    bench = Bench(report_seconds=5.0)
    bench.emitter.report({"a": {"done": 1}})
    bench.pump()
    bench.emitter.report({"a": {"done": 2}})
    bench.pump()
    assert bench.daemon.board == {"a": {"done": 1}}
    due = bench.emitter.due
    assert due == bench.clock.now + 5
    bench.clock.now = due + 1
    assert bench.emitter.due == due
    bench.pump()
    assert bench.daemon.board == {"a": {"done": 2}}


def test_the_last_report_waits_for_nothing() -> None:
    bench = Bench(report_seconds=5.0)
    for done in (1, 2):
        bench.emitter.report({"a": {"done": done}})
        bench.pump()
    bench.emitter.end()
    bench.pump()
    assert bench.emitter.ended
    assert bench.daemon.board == {"a": {"done": 2}}
