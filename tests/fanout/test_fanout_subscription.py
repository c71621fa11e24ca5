"""Subscriptions to a run in memory, by a clock that jumps to whatever is waited for next."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest
import trio
import trio.testing
from fake_run import HITS, STREAM, VIEW, FakeRun, Subscriber, is_hit
from hypothesis import example, given, settings
from hypothesis import strategies as st

from logd.fanout import Pace, sieve, subscription
from logd.protocol import Batch, Event, Head, View

SLACK = 1e-9
FAR_SECONDS = 1000.0

Step = tuple[str, float]


@pytest.fixture(autouse=True, scope="module")
def _without_threads() -> Iterator[None]:
    """The clock would jump while one works."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sieve, "THREAD_BYTES", math.inf)
        yield


def simulated(main: Callable[[], Awaitable[None]]) -> None:
    """Run it under a clock of its own, which jumps."""

    async def timed() -> None:
        with trio.fail_after(1_000_000):
            await main()

    trio.run(timed, clock=trio.testing.MockClock(autojump_threshold=0))


def follow(run: FakeRun, subscriber: Subscriber, steps: list[Step]) -> None:
    """Have all that happen to a run that is followed, and then its end."""

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(subscriber.run)
            for name, value in steps:
                await _take_step(run, subscriber, name, value)
            await _take_step(run, subscriber, "go on", 0)
            run.end(3)

    simulated(main)


async def _take_step(run: FakeRun, subscriber: Subscriber, name: str, value: float) -> None:
    match name:
        case "wait":
            await trio.sleep(value)
        case "store":
            run.store(int(value))
        case "large":
            run.store(int(value), pad=700)
        case "clear":
            run.clear()
        case "retain":
            run.retain(int(value))
        case "damage":
            run.damage(int(value))
        case "stall":
            run.stall("full" * int(value))
        case "pause" | "go on":
            subscriber.subscription.view(View(1, 7, paused=name == "pause"))


waits = st.tuples(st.just("wait"), st.sampled_from([0.0, 0.001, 0.02, 0.3, 5.0]))
stores = st.tuples(st.sampled_from(["store", "large"]), st.integers(1, 40))
losses = st.one_of(
    st.tuples(st.just("clear"), st.just(0)),
    st.tuples(st.just("retain"), st.integers(0, 3)),
    st.tuples(st.just("damage"), st.integers(0, 5)),
)
turns = st.tuples(st.just("stall"), st.integers(0, 1))
views = st.tuples(st.sampled_from(["pause", "go on"]), st.just(0))
quiet_steps = st.lists(st.one_of(waits, stores), max_size=25)
rough_steps = st.lists(st.one_of(waits, stores, stores, losses, turns), max_size=30)
viewed_steps = st.lists(st.one_of(waits, stores, stores, losses, views), max_size=30)
sends = st.lists(st.sampled_from([0.0, 0.001, 0.1, 2.0]), min_size=1, max_size=4)
paces = st.sampled_from([VIEW, STREAM, Pace(0.05, 0.05), Pace(0.0, 0.0), Pace(0.01, 0.1, enabled=False)])
read_bytes = st.sampled_from([1, 300, 2000, 100_000])


def ended_whole(run: FakeRun, subscriber: Subscriber) -> None:
    """All that there is was sent, or was said to be gone; the end comes last."""
    last = subscriber.messages[-1]
    assert isinstance(last, Event)
    assert (last.kind, last.seq, last.exit_status) == ("ended", run.head, 3)
    assert subscriber.cursor == run.head + 1
    assert len(subscriber.seqs) + subscriber.skipped + subscriber.gone == run.head + 1 - subscriber.start_seq


# Streams


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 30), rough_steps, sends, paces, read_bytes, st.sampled_from([0.0, 0.05]), st.booleans())
@example(1, [("store", 1), ("clear", 0), ("wait", 0.0), ("store", 1), ("retain", 0)], [0.0], VIEW, 1, 0.0, False)
def test_a_stream_is_sent_every_record_once_and_in_order(
    before: int, steps: list[Step], sends: list[float], pace: Pace, read_bytes: int, read_seconds: float, times: bool
) -> None:
    run = FakeRun(before, read_bytes=read_bytes)
    run.read_seconds = read_seconds
    subscriber = run.subscribe(pace=pace, times=times).takes(*sends)
    follow(run, subscriber, steps)
    ended_whole(run, subscriber)
    assert set(range(1, run.head + 1)) - set(subscriber.seqs) <= run.lost


@settings(max_examples=60, deadline=None)
@given(rough_steps, sends, st.integers(1, 40), read_bytes)
def test_a_filters_batches_hold_exactly_what_matches(
    steps: list[Step], sends: list[float], start_seq: int, read_bytes: int
) -> None:
    run = FakeRun(40, read_bytes=read_bytes)
    subscriber = run.subscribe(start_seq=start_seq, filter=HITS).takes(*sends)
    looked: list[tuple[int, int]] = []
    subscriber.on_sent = lambda message: looked.append((subscriber.cursor, len(subscriber.seqs)))
    follow(run, subscriber, steps)
    assert subscriber.cursor == run.head + 1
    assert all(map(is_hit, subscriber.seqs))
    wanted = {seq for seq in range(start_seq, run.head + 1) if is_hit(seq)}
    assert wanted - set(subscriber.seqs) <= run.lost
    for cursor, found in looked:
        assert all(seq >= cursor for seq in subscriber.seqs[found:]), "what is said to be looked through is"
        assert {seq for seq in wanted if seq < cursor} - set(subscriber.seqs[:found]) <= run.lost


def test_a_stream_whose_filter_matches_nothing_says_how_far_it_looked() -> None:
    run = FakeRun(1)
    subscriber = run.subscribe(filter={"pattern": "nothing", "fixed": True})
    follow(run, subscriber, [("store", 10), ("wait", 1.0), ("store", 10), ("wait", 1.0)])
    assert [batch.next_seq for batch in subscriber.batches] == [2, 12, 22]
    assert subscriber.seqs == []


@settings(max_examples=60, deadline=None)
@given(st.data(), quiet_steps)
def test_one_without_follow_is_sent_what_there_was(data: st.DataObject, steps: list[Step]) -> None:
    run = FakeRun(20)
    mode = data.draw(st.sampled_from(["stream", "view"]))
    criteria = data.draw(st.sampled_from([None, HITS]))
    start_seq = data.draw(st.integers(1, 21))
    subscriber = run.subscribe(start_seq=start_seq, follow=False, mode=mode, filter=criteria, window=1000)
    run.read_seconds = 0.01

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(subscriber.run)
            for name, value in steps:
                await _take_step(run, subscriber, name, value)

    simulated(main)
    assert subscriber.seqs == [seq for seq in range(start_seq, 21) if criteria is None or is_hit(seq)]
    assert subscriber.messages[-1] == Event(7, "caught_up", seq=20)


# Views


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 30), viewed_steps, sends, st.sampled_from([1, 3, 25, 1000]), read_bytes)
def test_what_a_view_is_sent_and_what_it_is_not_add_up(
    before: int, steps: list[Step], sends: list[float], window: int, read_bytes: int
) -> None:
    run = FakeRun(before, read_bytes=read_bytes)
    subscriber = run.subscribe(mode="view", window=window).takes(*sends)
    follow(run, subscriber, steps)
    ended_whole(run, subscriber)
    assert all(sum(piece[1] for piece in batch.pieces) <= window for batch in subscriber.batches)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(waits, stores, views), max_size=30), sends, st.sampled_from([1, 3, 25, 1000]), read_bytes)
def test_what_matches_of_a_view_is_sent_or_counted(
    steps: list[Step], sends: list[float], window: int, read_bytes: int
) -> None:
    run = FakeRun(30, read_bytes=read_bytes)
    subscriber = run.subscribe(mode="view", window=window, filter=HITS).takes(*sends)
    follow(run, subscriber, steps)
    assert all(map(is_hit, subscriber.seqs))
    assert len(subscriber.seqs) + subscriber.skipped == sum(map(is_hit, range(1, run.head + 1)))
    assert all(sum(piece[1] for piece in batch.pieces) <= window for batch in subscriber.batches)


def test_a_view_that_is_behind_is_sent_the_newest_window() -> None:
    run = FakeRun(100)
    subscriber = run.subscribe(mode="view", window=10)
    follow(run, subscriber, [("store", 5), ("wait", 1), ("store", 25)])
    assert subscriber.seqs == [*range(91, 106), *range(121, 131)]
    assert [batch.skipped for batch in subscriber.batches] == [90, 0, 15]
    assert subscriber.subscription.skipped_records == 105
    assert subscriber.subscription.sent_records == 25


def test_a_view_whose_filter_cannot_keep_up_looks_at_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscription, "MAX_BEHIND_RECORDS", 30)
    run = FakeRun(100)
    subscriber = run.subscribe(mode="view", filter=HITS)
    follow(run, subscriber, [])
    assert subscriber.seqs == [seq for seq in range(71, 101) if is_hit(seq)]
    assert subscriber.skipped == 70


def test_a_view_that_looks_for_long_is_told_how_far() -> None:
    run = FakeRun(40, read_bytes=1)
    run.read_seconds = 0.1
    subscriber = run.subscribe(mode="view", filter=HITS)
    follow(run, subscriber, [])
    assert [batch.next_seq for batch in subscriber.batches] == [*range(4, 41, 3), 41]


@pytest.mark.parametrize("mode", ["view", "stream"])
@pytest.mark.parametrize("criteria", [None, HITS])
def test_what_is_paused_is_sent_counters_only(mode: str, criteria: dict[str, Any] | None) -> None:
    run = FakeRun(30)
    subscriber = run.subscribe(mode=mode, window=4, filter=criteria)
    steps: list[Step] = [("pause", 0), ("wait", 1)]
    for _ in range(20):
        steps += [("store", 5), ("wait", 1)]
    follow(run, subscriber, steps)
    counted = [message for message in subscriber.messages if isinstance(message, Head)]
    assert [message.head for message in counted] == [*range(30, 131, 5)]
    (first, *_), (*_, last) = (
        [number for number, message in enumerate(subscriber.messages) if isinstance(message, Head)] for _ in range(2)
    )
    assert last - first == 20, "and nothing in between"
    after = [seq for batch in subscriber.batches for seq in subscriber.seqs if subscriber.messages.index(batch) > last]
    assert after


def test_a_view_that_goes_on_does_so_at_the_head_and_a_stream_where_it_was() -> None:
    for mode, seqs, skipped in (("view", [7, 8, 9, 10, 107, 108, 109, 110], 6 + 96), ("stream", [*range(1, 111)], 0)):
        run = FakeRun(10)
        subscriber = run.subscribe(mode=mode, window=4)
        follow(run, subscriber, [("wait", 1), ("pause", 0), ("store", 100), ("wait", 1)])
        assert subscriber.seqs == seqs
        assert subscriber.skipped == skipped


async def test_counters_are_sent_again_at_each_request_and_when_they_change(autojump_clock: object) -> None:
    run = FakeRun(9)
    subscriber = run.subscribe(mode="view", start_seq=10, paused=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(subscriber.run)
        await trio.sleep(1)
        subscriber.subscription.view(View(1, 7, paused=True, window=3))
        await trio.sleep(1)
        run.store()
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    assert [message for message in subscriber.messages if not isinstance(message, Event)] == [
        Head(7, first_seq=1, head=9),
        Head(7, first_seq=1, head=9),
        Head(7, first_seq=1, head=10),
    ]
    assert subscriber.subscription.window == 3


async def test_a_pause_takes_effect_before_the_flush_that_is_due(autojump_clock: object) -> None:
    run = FakeRun()
    subscriber = run.subscribe(mode="view", pace=Pace(10, 10))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(subscriber.run)
        await trio.sleep(1)
        run.store()
        await trio.sleep(1)
        run.store()
        await trio.sleep(1)
        subscriber.subscription.view(View(1, 7, paused=True))
        await trio.sleep(60)
        assert (subscriber.seqs, subscriber.heads) == ([1], [2])
        subscriber.subscription.view(View(1, 7))
        await trio.sleep(60)
        assert subscriber.seqs == [1, 2]
        nursery.cancel_scope.cancel()


# When


@settings(max_examples=100, deadline=None)
@given(quiet_steps, paces, st.sampled_from(["view", "stream"]), st.sampled_from([None, HITS]))
def test_flushes_are_no_sooner_than_the_least_interval_and_no_later_than_the_greatest(
    steps: list[Step], pace: Pace, mode: str, criteria: dict[str, Any] | None
) -> None:
    run = FakeRun()
    subscriber = run.subscribe(pace=pace, mode=mode, filter=criteria)
    follow(run, subscriber, [*steps, ("wait", FAR_SECONDS)])
    times = sorted(
        {time for message, time in zip(subscriber.messages, subscriber.times, strict=True) if message.t == "batch"}
    )
    for one, other in pairwise(times):
        assert other - one >= pace.min_interval_seconds - SLACK
    for seq, time in subscriber.sent_at.items():
        assert time - run.stored_at[seq] <= pace.max_interval_seconds + SLACK
    for before, time in pairwise([-math.inf, *times]):
        oldest = min((run.stored_at[seq] for seq, sent in subscriber.sent_at.items() if sent == time), default=before)
        if oldest - before >= pace.max_interval_seconds + SLACK:
            assert time == oldest, "the first after quiet is sent at once"


@pytest.mark.parametrize("mode", ["view", "stream"])
@pytest.mark.parametrize("criteria", [None, HITS])
def test_the_last_records_are_sent_at_once_and_the_end_behind_them(mode: str, criteria: dict[str, Any] | None) -> None:
    run = FakeRun()
    subscriber = run.subscribe(mode=mode, pace=Pace(30, 30), filter=criteria)
    follow(run, subscriber, [("store", 3), ("wait", 1), ("store", 3), ("wait", 1)])
    assert subscriber.seqs == ([3, 6] if criteria else [1, 2, 3, 4, 5, 6])
    assert subscriber.kinds == ["caught_up", "batch", "ended"]
    assert subscriber.times[-2:] == [2.0 + subscriber.times[0]] * 2


def test_the_interval_widens_in_a_flood_and_with_slow_sends() -> None:
    for rate, send_seconds, most in ((10, 0.0, 10), (50_000, 0.0, 12), (100, 0.05, 12)):
        run = FakeRun(read_bytes=10**6)
        subscriber = run.subscribe(mode="view", window=1000).takes(send_seconds)
        at_once = max(1, rate // 200)
        follow(run, subscriber, [("store", at_once), ("wait", at_once / rate)] * int(5 * rate / at_once))
        last_second = [time for time in subscriber.times if time > subscriber.times[-1] - 1]
        assert 8 <= len(last_second) <= most + 2, (rate, send_seconds)


def test_what_lags_says_since_when() -> None:
    run = FakeRun()
    subscriber = run.subscribe().takes(0.0, 4.0, 0.0)
    lags: list[tuple[int, float]] = []

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(subscriber.run)
            for _ in range(8):
                await trio.sleep(1)
                run.store()
                await trio.testing.wait_all_tasks_blocked()
                lags.append((subscriber.subscription.lag_records, subscriber.subscription.lagging_since))
            await trio.sleep(20)
            assert subscriber.subscription.lagging_since == math.inf
            nursery.cancel_scope.cancel()

    simulated(main)
    assert max(lag for lag, _ in lags) == 3
    assert all(lag == 0 or since < math.inf for lag, since in lags)


# What befalls a run


def events(subscriber: Subscriber) -> list[tuple[str, int, int]]:
    return [(message.kind, message.seq, message.count) for message in subscriber.messages if isinstance(message, Event)]


def test_a_clear_is_told_with_what_was_not_sent() -> None:
    run = FakeRun(10)
    subscriber = run.subscribe(pace=Pace(1, 1))
    follow(run, subscriber, [("store", 5), ("wait", 0.5), ("store", 5), ("clear", 0), ("store", 2)])
    assert events(subscriber) == [("caught_up", 10, 0), ("cleared", 21, 5), ("ended", 22, 0)]
    assert subscriber.event("cleared").generation == 2
    assert subscriber.seqs == [*range(1, 16), 21, 22]


@pytest.mark.parametrize("criteria", [None, HITS])
@pytest.mark.parametrize("mode", ["view", "stream"])
def test_what_is_cleared_behind_a_slow_reader_is_told_once(criteria: dict[str, Any] | None, mode: str) -> None:
    """More is stored and cleared than there was when the flush began in which that is noticed."""
    run = FakeRun(read_bytes=100)
    subscriber = run.subscribe(filter=criteria, mode=mode).takes(0.0, 5.0, 0.0)
    follow(
        run,
        subscriber,
        [
            ("store", 50),
            ("store", 1),
            ("wait", 1),
            ("store", 100),
            ("clear", 0),
            ("wait", 60),
            ("store", 3),
            ("wait", 60),
        ],
    )
    assert [kind for kind, _, _ in events(subscriber)] == ["caught_up", "cleared", "ended"]
    assert subscriber.cursor == 155


def test_a_clear_that_leaves_nothing_unsent_is_told_at_once() -> None:
    run = FakeRun(10)
    subscriber = run.subscribe(pace=Pace(1, 1))
    follow(run, subscriber, [("wait", 5), ("clear", 0), ("wait", 5), ("clear", 0), ("wait", 5)])
    assert events(subscriber)[1:] == [("cleared", 11, 0), ("cleared", 11, 0), ("ended", 10, 0)]
    assert [time - subscriber.times[0] for time in subscriber.times[-3:]] == [5, 10, 15]


def test_what_retention_takes_is_a_gap() -> None:
    run = FakeRun(10)
    subscriber = run.subscribe(pace=Pace(1, 1), filter=HITS)
    follow(run, subscriber, [("store", 1), ("wait", 0.5), *[("store", 1.0)] * 9, ("retain", 4), ("wait", 5)])
    assert events(subscriber) == [("caught_up", 10, 0), ("gap", 12, 5), ("ended", 20, 0)]


def test_what_is_damaged_is_a_gap_in_its_place() -> None:
    run = FakeRun(10)
    for number in (9, 4, 4, 0):
        run.damage(number)
    subscriber = run.subscribe()
    follow(run, subscriber, [("store", 2)])
    assert subscriber.kinds == ["gap", "batch", "gap", "batch", "gap", "caught_up", "batch", "ended"]
    assert events(subscriber) == [("gap", 1, 1), ("gap", 5, 2), ("gap", 10, 1), ("caught_up", 10, 0), ("ended", 12, 0)]


def test_a_stall_is_told_once_and_so_is_its_end() -> None:
    run = FakeRun(3)
    subscriber = run.subscribe()
    follow(
        run, subscriber, [("wait", 1), ("stall", 1), ("wait", 1), ("stall", 2), ("wait", 1), ("stall", 0), ("wait", 1)]
    )
    assert subscriber.kinds == ["batch", "caught_up", "stalled", "resumed", "ended"]
    assert subscriber.event("stalled").reason == "full"


@pytest.mark.parametrize("paused", [False, True])
async def test_a_removed_run_is_told_of_at_once(autojump_clock: object, paused: bool) -> None:
    run = FakeRun(3)
    subscriber = run.subscribe(mode="view", pace=Pace(30, 30), paused=paused)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(subscriber.run)
        await trio.sleep(1)
        removed_at = trio.current_time()
        run.remove()
    assert subscriber.event("removed").seq == 3
    assert subscriber.times[-1] == removed_at


async def test_a_stream_that_is_paused_when_its_run_ends_still_has_its_last_records(autojump_clock: object) -> None:
    run = FakeRun(3)
    subscriber = run.subscribe(paused=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(subscriber.run)
        await trio.sleep(1)
        run.end(3)
        await trio.sleep(1)
        subscriber.subscription.view(View(1, 7))
    assert subscriber.seqs == [1, 2, 3]


# Sharing and bounds


@pytest.mark.parametrize("count", [1, 5])
def test_those_with_the_same_filter_share_the_looking(count: int) -> None:
    run = FakeRun(200)
    shared = run.sieve()
    subscribers = [run.subscribe(filter=HITS, sieve=shared, mode=mode) for mode in ("stream", "view") * count]

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for subscriber in subscribers:
                nursery.start_soon(subscriber.run)
            for _ in range(100):
                await trio.sleep(0.03)
                run.store(7)
            run.end()

    simulated(main)
    for subscriber in subscribers:
        assert subscriber.seqs == [seq for seq in range(1, 901) if is_hit(seq)]
    assert shared.sifted_bytes == sum(map(len, run.rows.values()))


@pytest.mark.parametrize("mode", ["view", "stream"])
async def test_a_subscriber_that_never_reads_costs_no_memory_that_grows(autojump_clock: object, mode: str) -> None:
    run = FakeRun()
    stuck = run.subscribe(mode=mode).takes(math.inf)
    plain = run.subscribe(mode="view", paused=True, pace=Pace(1, 1))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stuck.run)
        nursery.start_soon(plain.run)
        run.store()
        await trio.sleep(1)
        grown = []
        tracemalloc.start()
        try:
            for _ in range(3):
                for _ in range(300):
                    run.head += 1000
                    run._moved.ring()
                    await trio.sleep(0.001)
                grown.append(tracemalloc.get_traced_memory()[0])
        finally:
            tracemalloc.stop()
        assert stuck.subscription.lag_records >= 900_000
        assert grown[-1] - grown[0] < 20_000
        nursery.cancel_scope.cancel()


def test_a_batch_fits_a_frame_and_says_when_its_pieces_came() -> None:
    run = FakeRun(read_bytes=10**6)
    run.store(3)
    run.store(2)
    for times, pieces in ((False, [[1, 5, 0, True]]), (True, [[1, 3, 0, True], [4, 2, 3, True]])):
        subscriber = run.subscribe(times=times, follow=False)
        simulated(subscriber.run)
        (batch,) = subscriber.batches
        assert batch == Batch(7, pieces=pieces, next_seq=6, head=5, rows=batch.rows)
