"""Tables against what each subscriber makes of what it is sent: whoever has it all has the table."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import cycle, pairwise
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from logd.fanout import AdaptiveThrottler, Pace, Table, TableSubscription, table
from logd.fanout.table import LEAST_SECONDS, WHOLE_SECONDS
from logd.protocol import MAX_ITEMS_IN_FRAME, Items, Message

keys = st.sampled_from("abcdef")
values = st.one_of(st.none(), st.builds(lambda number: {"n": number}, st.integers(0, 3)))
changes = st.lists(st.tuples(keys, values), max_size=40)


def apply(mine: dict[str, Any], items: dict[str, Any], *, whole: bool) -> dict[str, Any]:
    """What a subscriber has when it is sent this."""
    return {key: value for key, value in {**({} if whole else mine), **items}.items() if value is not None}


@settings(max_examples=150, deadline=None)
@given(changes, st.lists(st.integers(0, 5), min_size=1, max_size=5), st.sampled_from([0, 1, 3, 1000]))
def test_whoever_asks_for_what_has_changed_has_the_table(
    changes: list[tuple[str, Any]], paces: list[int], max_removed: int
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(table, "MAX_REMOVED", max_removed)
        made, expected = Table(), dict[str, Any]()
        versions, mine = [0] * len(paces), [dict[str, Any]() for _ in paces]
        for step, (key, value) in enumerate(changes):
            made.set(key, value)
            expected = apply(expected, {key: value}, whole=False)
            assert dict(made.items()) == expected
            assert len(made) == len(expected)
            assert [each for each in "abcdef" if each in made] == sorted(expected)
            assert len(made._entries) - len(made) <= max_removed
            for number, pace in enumerate(paces):
                if step % (pace + 1) == 0:
                    found = made.since(versions[number])
                    versions[number] = found.version
                    mine[number] = apply(mine[number], found.items, whole=found.whole)
                    assert mine[number] == expected
                    assert made.since(found.version).items == {}, "it has all there is"


@given(changes)
def test_what_has_not_changed_is_not_sent(changes: list[tuple[str, Any]]) -> None:
    made = Table()
    for key, value in changes:
        before, version = dict(made.items()).get(key), made.version
        made.set(key, value)
        assert (made.version == version) == (before == value)
        assert made.since(version).items == ({} if before == value else {key: value})


def test_the_last_value_alone_is_sent_and_in_the_order_of_the_changes() -> None:
    made = Table()
    for number in range(100):
        for key in "abc":
            made.set(key, {"n": number})
    made.set("a", {"n": -1})
    assert list(made.since(1).items.items()) == [("b", {"n": 99}), ("c", {"n": 99}), ("a", {"n": -1})]


@given(st.dictionaries(keys, st.just({"n": 1})), st.dictionaries(keys, st.sampled_from([{"n": 1}, {"n": 2}])))
def test_replacing_all_has_these_and_no_others(before: dict[str, Any], after: dict[str, Any]) -> None:
    made = Table()
    made.replace(before)
    version = made.version
    made.replace(after)
    assert dict(made.items()) == after
    changed = made.since(version)
    assert apply(before, changed.items, whole=changed.whole) == after
    assert changed.whole == (version == 0 < made.version)


def test_removed_keys_are_forgotten_and_who_lacks_them_is_sent_the_whole() -> None:
    made = Table()
    made.set("kept", {})
    behind = made.version
    for number in range(table.MAX_REMOVED + 1):
        made.set(f"k{number}", {})
        made.set(f"k{number}", None)
    assert len(made._entries) == 1
    assert made.since(behind) == ({"kept": {}}, made.version, True)
    up_to_date = made.version
    made.set("new", {})
    assert made.since(up_to_date).items["new"] == {}


# Subscriptions


class Watcher:
    """Takes what it is sent, in as much time as is said in turn, and has the table of it."""

    def __init__(self, *send_seconds: float) -> None:
        self.messages: list[Items] = []
        self.times: list[float] = []
        self.mine: dict[str, Any] = {}
        self._send_seconds = cycle(send_seconds or (0.0,))

    async def send(self, message: Message) -> None:
        assert isinstance(message, Items)
        assert message.sub == 7
        self.times.append(trio.current_time())
        await trio.sleep(next(self._send_seconds))
        self.messages.append(message)
        self.mine = apply(self.mine, message.items, whole=message.whole)


def watching(made: Table, interval_seconds: float = 1.0, **settings: Any) -> TableSubscription:
    return TableSubscription(7, made, AdaptiveThrottler(Pace(interval_seconds, interval_seconds)), **settings)


steps = st.lists(st.tuples(st.sampled_from([0.0, 0.01, 0.7, 3.0, 61.0]), keys, values), max_size=8)


@settings(max_examples=25, deadline=None)
@given(steps, st.lists(st.sampled_from([0.0, 0.1, 5.0]), min_size=1, max_size=3), st.sampled_from([0.0, 0.3, 2.0]))
def test_a_watcher_has_the_table_in_the_end_and_is_not_sent_to_too_often(
    steps: list[tuple[float, str, Any]], sends: list[float], interval: float
) -> None:
    made, watcher = Table(), Watcher(*sends)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watching(made, interval).run, watcher.send)
            for seconds, key, value in steps:
                await trio.sleep(seconds)
                made.set(key, value)
            await trio.sleep(max(sends) * 2 + interval + LEAST_SECONDS + 0.01)
            assert watcher.mine == dict(made.items())
            nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    assert watcher.messages[0].whole
    assert all(other - one >= max(interval, LEAST_SECONDS) - 1e-9 for one, other in pairwise(watcher.times))


async def test_at_first_and_now_and_then_it_is_sent_the_whole(autojump_clock: object) -> None:
    made, watcher = Table(), Watcher()
    made.set("a", {"n": 1})
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watching(made).run, watcher.send)
        await trio.sleep(10)
        made.set("b", {"n": 1})
        await trio.sleep(WHOLE_SECONDS)
        nursery.cancel_scope.cancel()
    assert [(message.items, message.whole) for message in watcher.messages] == [
        ({"a": {"n": 1}}, True),
        ({"b": {"n": 1}}, False),
        ({"a": {"n": 1}, "b": {"n": 1}}, True),
    ]


async def test_an_empty_table_is_said_to_be_empty(autojump_clock: object) -> None:
    made, watcher = Table(), Watcher()
    with trio.move_on_after(1):
        await watching(made).run(watcher.send)
    assert watcher.messages == [Items(7, items={}, whole=True)]


async def test_a_change_after_quiet_is_sent_within_the_least_time(autojump_clock: object) -> None:
    made, watcher = Table(), Watcher()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watching(made, 5.0).run, watcher.send)
        await trio.sleep(20)
        changed_at = trio.current_time()
        made.set("a", {})
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    assert watcher.times[-1] - changed_at <= LEAST_SECONDS + 1e-9


async def test_what_is_not_wanted_is_not_sent_and_it_is_refreshed_before(autojump_clock: object) -> None:
    made, watcher = Table(), Watcher()
    refreshed: list[float] = []

    def refresh() -> float:
        refreshed.append(trio.current_time())
        made.set("wanted", {"n": len(refreshed) // 100})
        made.set("other", {"n": len(refreshed)})
        return refreshed[-1] + 0.05

    with trio.move_on_after(20):
        await watching(made, 1.0, refresh=refresh, wanted=lambda key: key == "wanted").run(watcher.send)
    assert [message.items for message in watcher.messages] == [{"wanted": {"n": number}} for number in range(4)]
    assert all(other - one >= LEAST_SECONDS - 1e-9 for one, other in pairwise(refreshed))


async def test_a_table_that_nothing_stirs_is_seldom_looked_at(autojump_clock: object) -> None:
    made, watcher = Table(), Watcher()
    looks: list[float] = []

    def refresh() -> float:
        looks.append(trio.current_time())
        return math.inf

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watching(made, 0.1, refresh=refresh).run, watcher.send)
        await trio.sleep(WHOLE_SECONDS - 1)
        assert len(looks) <= WHOLE_SECONDS / table.LOOK_SECONDS
        count = len(looks)
        made.stir()
        await trio.sleep(LEAST_SECONDS)
        assert len(looks) == count + 1
        assert len(watcher.messages) == 1, "nothing has changed"
        nursery.cancel_scope.cancel()


async def test_what_hurries_is_sent_at_once_and_no_oftener_than_the_interval(autojump_clock: object) -> None:
    made, watcher = Table(), Watcher()
    subscription = watching(made, 1.0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(subscription.run, watcher.send)
        for number in range(30):
            await trio.sleep(0.1)
            made.set("a", {"n": number})
            subscription.hurry()
            if number == 2:
                assert watcher.mine == {"a": {"n": 0}}, "it hurries once in an interval"
        nursery.cancel_scope.cancel()
    assert watcher.times[1] - watcher.times[0] == pytest.approx(0.1)
    assert len(watcher.times) <= 7


async def test_how_the_run_is_is_sent_when_it_has_changed_and_with_the_whole(autojump_clock: object) -> None:
    made, watcher = Table(), Watcher()
    made.set("b", {})
    run = {"state": "running"}
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watching(made, of_run=lambda: dict(run)).run, watcher.send)
        await trio.sleep(10)
        made.set("a", {})
        await trio.sleep(10)
        run["state"] = "ended"
        await trio.sleep(WHOLE_SECONDS)
        nursery.cancel_scope.cancel()
    assert [(message.items, message.run) for message in watcher.messages] == [
        ({"b": {}}, {"state": "running"}),
        ({"a": {}}, None),
        ({}, {"state": "ended"}),
        ({"a": {}, "b": {}}, {"state": "ended"}),
    ]


@pytest.mark.parametrize("count", [0, 1, MAX_ITEMS_IN_FRAME, MAX_ITEMS_IN_FRAME + 1, 3 * MAX_ITEMS_IN_FRAME])
async def test_many_items_are_sent_in_parts_that_fit(autojump_clock: object, count: int) -> None:
    made, watcher = Table(), Watcher()
    made.replace({f"k{number}": {} for number in range(count)})
    with trio.move_on_after(1):
        await watching(made).run(watcher.send)
    assert [message.whole for message in watcher.messages] == [True] + [False] * (len(watcher.messages) - 1)
    assert [message.more for message in watcher.messages] == [True] * (len(watcher.messages) - 1) + [False]
    assert watcher.mine == dict(made.items())
    assert len(watcher.messages) == max(1, math.ceil(count / MAX_ITEMS_IN_FRAME))


async def test_one_who_never_reads_costs_nothing(autojump_clock: object) -> None:
    made = Table()
    await_sent: Callable[[Message], Any] = Watcher(math.inf).send
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watching(made).run, await_sent)
        for number in range(10_000):
            made.set(f"k{number % 10}", {"n": number})
            made.set(f"gone{number}", {})
            made.set(f"gone{number}", None)
        await trio.sleep(10)
        assert len(made._entries) <= 10 + table.MAX_REMOVED
        nursery.cancel_scope.cancel()
