"""Effects as messages, and messages as events, without a connection."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from logctl.pager.events import (
    Arrived,
    Board,
    CancelRead,
    Cleared,
    Counted,
    Event,
    Gap,
    PageRead,
    Piece,
    Presence,
    ReadFailed,
    ReadPage,
    Removed,
    RunEnded,
    RunStarted,
    RunWaiting,
    SetView,
    Subscribe,
    Truncated,
)
from logctl.pager.filters import Filter
from logctl.pager.watching import WINDOW_RECORDS, Watching
from logctl.presence import Present
from logd import protocol
from logd.errors import BadFilter
from logd.protocol import Attach, Batch, Detach, Error, Head, Items, Page, Read, Reply, View, Watch

NOW_US = 1_795_000_000_000_000
OWN_PID = 11


class Bench:
    """A Watching on a connection, with its clock."""

    def __init__(self, *runs: str, patterns: tuple[str, ...] = ()) -> None:
        self.now_us = NOW_US
        self.watching = Watching(runs, patterns, lambda: self.now_us, pid=OWN_PID)
        self.connect()
        self.subscribe()

    def connect(self) -> None:
        messages: list[Any] = self.watching.connect(itertools.count(1).__next__)
        self.topic, self.presence = [each.id for each in messages]

    def subscribe(self, epoch: int = 0, **options: Any) -> list[Any]:
        self.asked = self.watching.ask(Subscribe(epoch, options.pop("filter", Filter()), **options))
        self.subs = {each.run: each.id for each in self.asked if isinstance(each, Attach)}
        return self.asked

    def take(self, message: protocol.Message) -> list[Event]:
        return self.watching.take(message)

    def reply(self, run: str, next_seq: int, generation: int = 1) -> list[Event]:
        value = {"run": run, "head": next_seq - 1, "next": next_seq, "generation": generation}
        return self.take(Reply(self.subs[run], value))

    def batch(self, run: str, first_seq: int, count: int, **options: Any) -> list[Event]:
        next_seq = first_seq + count
        pieces = [[first_seq, count, self.now_us - 2_000_000, True]]
        return self.take(Batch(self.subs[run], pieces, next_seq, next_seq - 1, b"{}\n" * count, **options))

    def event(self, run: str, kind: str, **options: Any) -> list[Event]:
        return self.take(protocol.Event(self.subs[run], kind, **options))

    def runs(self, state: str, begun_us: int, run: str = "job") -> list[Event]:
        item = {"state": state, "begun_us": begun_us}
        return self.take(Items(self.topic, {run: item}))


def test_it_attaches_to_the_newest_records_and_goes_on_from_a_cursor() -> None:
    bench = Bench("job")
    assert isinstance(bench.asked[0], Attach)
    assert (bench.asked[0].last, bench.asked[0].mode, bench.asked[0].wait) == (WINDOW_RECORDS, "view", True)
    assert bench.reply("job", 11, generation=3) == []
    bench.batch("job", 11, 5)
    bench.connect()
    again = bench.subscribe(1, after={"job": 16}, paused=True, filter=Filter(("x",)))[0]
    assert (again.from_seq, again.generation, again.paused, again.filter) == (16, 3, True, {"pattern": "x"})


def test_another_subscription_takes_the_place_of_the_one_before() -> None:
    bench = Bench("job")
    before = dict(bench.subs)
    assert Detach(before["job"]) in bench.subscribe(1)
    assert bench.take(Batch(before["job"], [[1, 1, NOW_US, True]], 2, 1, b"{}\n")) == []
    (arrived,) = bench.batch("job", 1, 1)
    assert isinstance(arrived, Arrived)
    assert arrived.epoch == 1


def test_a_batch_is_what_arrived_and_old_records_have_no_lag() -> None:
    bench = Bench("job")
    (arrived,) = bench.batch("job", 5, 2, skipped=4)
    piece = Piece(5, 2, NOW_US - 2_000_000, b"{}\n{}\n")
    assert arrived == Arrived("job", (piece,), 7, 6, skipped=4, lag_seconds=0.0)
    bench.now_us += 10_000_000
    (late,) = bench.batch("job", 7, 1)
    assert isinstance(late, Arrived)
    assert late.lag_seconds == 2.0


def test_what_befalls_a_run() -> None:
    bench = Bench("job")
    assert bench.event("job", "waiting") == [RunWaiting("job")]
    assert bench.take(Head(bench.subs["job"], 3, 9)) == [Counted("job", 3, 9)]
    assert bench.event("job", "gap", seq=3, count=4) == [Gap("job", 3, 4)]
    assert bench.event("job", "cleared", seq=10, generation=2) == [Cleared("job")]
    assert bench.event("job", "truncated", seq=8) == [Truncated("job", 7)]
    assert bench.event("job", "removed") == [Removed("job")]
    assert Bench("job").event("job", "ended", seq=9, lost=True) == [RunEnded("job", 9, lost=True)]


def test_a_reply_before_the_cursor_says_that_records_are_gone_once() -> None:
    bench = Bench("job")
    bench.subscribe(1, after={"job": 100})
    assert bench.reply("job", 50, generation=2) == [Truncated("job", 49)]
    assert bench.event("job", "truncated", seq=50) == []


def test_a_run_that_ends_and_starts_again_is_attached_to_again() -> None:
    bench = Bench("job")
    assert bench.runs("running", NOW_US) == [RunStarted("job")]
    bench.reply("job", 1)
    bench.batch("job", 1, 9)
    bench.watching.take_replies()
    bench.now_us += 60_000_000
    assert bench.event("job", "ended", seq=9, exit_status=3) == [RunEnded("job", 9, 3, 60.0)]
    assert bench.runs("running", NOW_US) == []  # what was said before it ended
    assert bench.runs("ended", NOW_US) == []
    assert bench.runs("running", bench.now_us + 1) == [RunStarted("job")]
    (again,) = [each for each in bench.watching.take_replies() if isinstance(each, Attach)]
    assert (again.from_seq, again.generation) == (10, 1)


def test_a_run_runs_from_when_it_began_whatever_becomes_of_the_daemon() -> None:
    bench = Bench("job")
    bench.runs("running", NOW_US - 60_000_000)
    bench.connect()
    bench.subscribe(1)
    bench.runs("awaited", 0)
    bench.runs("running", NOW_US + 1)  # its session is back, at another daemon
    assert bench.event("job", "ended", seq=9) == [RunEnded("job", 9, None, 60.0)]
    assert bench.runs("running", NOW_US + 1) == []
    assert bench.runs("running", NOW_US + 2) == [RunStarted("job")]
    bench.now_us += 5_000_002
    bench.subs = {each.run: each.id for each in bench.watching.take_replies() if isinstance(each, Attach)}
    assert bench.event("job", "ended", seq=9) == [RunEnded("job", 9, None, 5.0)]


def test_a_run_that_is_removed_when_it_has_ended_is_noticed_by_its_board_or_by_reading() -> None:
    bench = Bench("job", "other")
    boards = {each.run: each.id for each in bench.asked if isinstance(each, Watch)}
    for name in bench.subs:
        bench.event(name, "ended", seq=9)
    assert bench.take(protocol.Event(boards["job"], "removed")) == [Removed("job")]
    assert bench.take(protocol.Event(boards["job"], "removed")) == []
    (read,) = bench.watching.ask(ReadPage(7, "other"))
    assert isinstance(read, Read)
    assert bench.take(Error("no_such_run", "no", read.id)) == [Removed("other"), PageRead(7, (), 1, 0, None)]
    # One of that name is another run, which counts from 1.
    assert bench.runs("running", NOW_US + 1) == [Truncated("job", 0), RunStarted("job")]
    attach, board = bench.watching.take_replies()
    assert isinstance(attach, Attach)
    assert (attach.run, attach.from_seq) == ("job", 1)
    assert isinstance(board, Watch)


def test_what_came_before_the_end_while_it_was_paused_comes_when_it_goes_on() -> None:
    bench = Bench("job")
    bench.reply("job", 1)
    bench.watching.ask(SetView(paused=True))
    assert bench.event("job", "ended", seq=9) == [Counted("job", 1, 9), RunEnded("job", 9)]
    (attach,) = bench.watching.ask(SetView(paused=False))
    assert isinstance(attach, Attach)
    assert attach.from_seq == 1
    bench.subs["job"] = attach.id
    bench.batch("job", 1, 9)
    assert bench.event("job", "ended", seq=9) == []  # which was said
    assert bench.watching.ask(SetView(paused=False)) == []


def test_pausing_and_going_on() -> None:
    bench = Bench("one", "two")
    views = bench.watching.ask(SetView(paused=True))
    assert [(each.sub, each.paused) for each in views if isinstance(each, View)] == [
        (bench.subs["one"], True),
        (bench.subs["two"], True),
    ]


def test_a_pattern_takes_in_runs_that_run_and_those_that_start() -> None:
    bench = Bench(patterns=("scrape-*",))
    assert bench.asked == []
    assert bench.runs("ended", 0, "scrape-0") == []
    assert bench.runs("running", NOW_US - 5, "build") == []
    assert bench.runs("running", NOW_US - 5, "scrape-1") == [RunStarted("scrape-1")]
    assert bench.runs("ended", NOW_US + 5, "scrape-2") == [RunStarted("scrape-2")]
    starts = [
        (each.run, each.last, each.from_time_us) for each in bench.watching.take_replies() if isinstance(each, Attach)
    ]
    assert starts == [("scrape-1", WINDOW_RECORDS, None), ("scrape-2", None, NOW_US)]


def test_the_board_of_a_run_that_a_pattern_takes_in_is_watched_and_its_duration_known() -> None:
    bench = Bench(patterns=("scrape-*",))
    bench.runs("running", NOW_US - 5_000_000, "scrape-1")
    attach, board = bench.watching.take_replies()
    assert isinstance(board, Watch)
    bench.subs = {"scrape-1": attach.id}  # type: ignore[attr-defined]
    assert bench.event("scrape-1", "ended", seq=3) == [RunEnded("scrape-1", 3, None, 5.0)]
    assert bench.take(protocol.Event(board.id, "removed")) == [Removed("scrape-1")]


def test_pages_answer_the_requests_that_are_waited_for() -> None:
    bench = Bench("job")
    (read,) = bench.watching.ask(ReadPage(7, "job", 100, backward=True, limit=3, filter=Filter(("a", "b"), 9)))
    assert isinstance(read, Read)
    assert read.filter == {"min_severity": 9, "pattern": "a", "also": {"pattern": "b"}}
    page = Page(read.id, [[98, 1, 5, True]], b"{}\n", 1, 200, 97)
    assert bench.take(page) == [PageRead(7, (Piece(98, 1, 5, b"{}\n"),), 1, 200, 97)]
    assert bench.take(page) == []
    (read,) = bench.watching.ask(ReadPage(8, "job"))
    assert isinstance(read, Read)
    bench.watching.ask(CancelRead(8))
    assert bench.take(Page(read.id, [], b"", 1, 200)) == []


@pytest.mark.parametrize(
    ("code", "told"), [("bad_filter", ReadFailed(7, "no")), ("no_such_run", PageRead(7, (), 1, 0, None))]
)
def test_reads_that_are_refused(code: str, told: Event) -> None:
    bench = Bench("job")
    (read,) = bench.watching.ask(ReadPage(7, "job"))
    assert isinstance(read, Read)
    assert bench.take(Error(code, "no", read.id)) == [told]


def test_a_first_filter_that_is_none_is_an_error_and_a_board_that_there_is_not_is_none() -> None:
    bench = Bench("job")
    (board,) = [each for each in bench.asked if isinstance(each, Watch)]
    assert bench.take(Error("no_such_run", "no", board.id)) == []
    with pytest.raises(BadFilter):
        bench.take(Error("bad_filter", "no", bench.subs["job"]))


def test_a_board_tells_how_far_all_of_it_is() -> None:
    bench = Bench("job")
    (board,) = [each for each in bench.asked if isinstance(each, Watch)]
    items: dict[str, Any] = {"a": {"done": 4499, "unit": "lines"}, "queue": {"gauge": 7}}
    assert bench.take(Items(board.id, items, whole=True)) == [Board("job", "4,499 lines")]
    items = {"p": {"done": 4, "total": 9, "unit": "pages"}, "q": {"done": 11, "total": 11, "unit": "pages"}}
    assert bench.take(Items(board.id, items)) == [Board("job", "pages 75%")]
    assert bench.take(Items(board.id, {"queue": {"gauge": 8}})) == []
    assert bench.take(Items(board.id, {"p": {"done": 9, "total": 9}, "q": None})) == [Board("job", "done 100%")]
    assert bench.take(Items(board.id, {}, whole=True)) == [Board("job")]


def test_it_is_told_who_else_is_there_of_the_runs_that_it_shows() -> None:
    bench = Bench("job", "other")
    own, anna, emitter = ({"pid": pid, "since_us": NOW_US + pid} for pid in (OWN_PID, 12, 13))
    items = {"job/viewer/1/1": own, "job/viewer/2/1": anna, "job/emitter/3/1": emitter, "third/viewer/2/2": anna}
    (presence,) = bench.take(Items(bench.presence, items, whole=True))
    assert presence == Presence((Present("job", "viewer", anna), Present("job", "emitter", emitter)))
    bench.connect()
    assert bench.take(Items(bench.presence, items, whole=True)) == [presence]
    assert bench.take(Items(bench.presence, {"job/viewer/2/1": None})) == [
        Presence((Present("job", "emitter", emitter),))
    ]
