"""The tables of runs and of who is present, made of a server that is none."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import trio

from logd.config import FanoutConfig
from logd.daemon.topics import ITEMS_A_SECOND, MAX_SAID_BYTES, REFRESH_SECONDS, Topics, said_filter
from logd.fanout import Table
from logd.protocol.checks import is_items


def live_run(name: str, **values: Any) -> SimpleNamespace:
    given: dict[str, Any] = {
        "first_seq": 1,
        "head": 9,
        "generation": 1,
        "exit_status": None,
        "records": SimpleNamespace(rate=lambda now: 2.5),
        "begun_us": 7,
        "begun_seq": 3,
        "sessions": {},
        "stalled": "",
        "warnings": 5,
        "errors": 2,
        "store": SimpleNamespace(newest_time_us=8),
        "board": None,
        "ended_us": None,
        "may_go_on": True,
    }
    state = values.pop("state", "running")
    return SimpleNamespace(name=name, state=lambda silent_seconds: state, **{**given, **values})


def watcher(run: str, *, waits: bool = False, **request: Any) -> SimpleNamespace:
    asked = SimpleNamespace(run=run, mode="view", filter=request.get("filter"))
    subscription = SimpleNamespace(request=asked, paused=False, lag_records=4, lagging_since=trio.current_time() - 2)
    return SimpleNamespace(request=asked, since_us=5, subscription=None if waits else subscription)


def peer(number: int, sessions: dict[int, Any], watchers: dict[int, Any]) -> SimpleNamespace:
    credentials = SimpleNamespace(pid=100 + number, uid=1000)
    return SimpleNamespace(
        number=number, client="test 1", terminal="pts/3", credentials=credentials, sessions=sessions, watchers=watchers
    )


def session(run: SimpleNamespace, command: str = "scrape") -> SimpleNamespace:
    opened = SimpleNamespace(command=command, source="w3", host="h")
    return SimpleNamespace(run=run, opened=opened, started_us=11, records=6, pid=4711)


def topics_of(runs: list[SimpleNamespace], peers: list[SimpleNamespace]) -> Topics:
    hub = SimpleNamespace(live={run.name: run for run in runs})
    server: Any = SimpleNamespace(hub=hub, peers=peers, paces=SimpleNamespace(config=FanoutConfig()))
    return Topics(server)


async def test_runs_in_use_are_told_with_who_watches_them(autojump_clock: object) -> None:
    one, other = live_run("one", sessions={5: None}), live_run("other", state="ended", exit_status=3)
    away = live_run("away", state="lost", stalled="x" * 1000)
    peers = [peer(1, {}, {1: watcher("one"), 2: watcher("one"), 3: watcher("one", waits=True)})]
    topics = topics_of([one, other, away], peers)
    topics.refresh_runs()
    runs = dict(topics.runs.items())
    assert runs["one"] == {
        "state": "running",
        "first_seq": 1,
        "head": 9,
        "generation": 1,
        "exit_status": None,
        "records_per_second": 2.5,
        "begun_us": 7,
        "begun_seq": 3,
        "last_time_us": 8,
        "warnings": 5,
        "errors": 2,
        "stalled": "",
        "emitters": 1,
        "viewers": 2,
        "progress": None,
        "left_seconds": None,
        "queue": None,
    }
    assert (runs["other"]["state"], runs["other"]["exit_status"], runs["other"]["viewers"]) == ("ended", 3, 0)
    assert (runs["away"]["state"], len(runs["away"]["stalled"])) == ("lost", 256)
    assert is_items(runs)


async def test_who_emits_and_who_watches_is_told(autojump_clock: object) -> None:
    one = live_run("one")
    long = session(one, "x" * 4096)
    peers = [
        peer(1, {4: session(one)}, {}),
        peer(2, {1: long}, {9: watcher("two", filter={"pattern": "x", "min_severity": 13})}),
    ]
    topics = topics_of([one], peers)
    topics.refresh_presence()
    present = dict(topics.presence.items())
    assert present["one/emitter/1/4"] == {
        "pid": 101,
        "uid": 1000,
        "job_pid": 4711,
        "client": "test 1",
        "host": "h",
        "command": "scrape",
        "source": "w3",
        "since_us": 11,
        "records": 6,
    }
    assert present["one/emitter/2/1"]["command"] == "x" * MAX_SAID_BYTES
    viewer = present["two/viewer/2/9"]
    assert (viewer["filter"], viewer["lag_records"], viewer["lag_seconds"]) == ("/x/ level>=WARN", 4, 2.0)
    assert (viewer["terminal"], viewer["paused"]) == ("pts/3", False)
    assert {topics.run_of(key) for key in present} == {"one", "two"}
    assert is_items(present)


@pytest.mark.parametrize("character", ["\U0001f600", "\x00", '"'])
async def test_whatever_an_emitter_says_of_itself_can_be_sent(autojump_clock: object, character: str) -> None:
    one = live_run("one", stalled=character * 256)
    emitter = session(one, character * 4096)
    emitter.opened.source = emitter.opened.host = character * 256
    viewer = peer(1, {1: emitter}, {2: watcher("one", filter={"pattern": character * 256})})
    viewer.client, viewer.terminal = character * 256, character * 64
    topics = topics_of([one], [viewer])
    topics.refresh_runs()
    topics.refresh_presence()
    assert is_items(dict(topics.runs.items()))
    assert is_items(dict(topics.presence.items()))


async def test_they_are_made_again_now_and_then_however_many_look(autojump_clock: object) -> None:
    runs = [live_run("one")]
    topics = topics_of(runs, [])
    for refresh, table in ((topics.refresh_runs, topics.runs), (topics.refresh_presence, topics.presence)):
        refresh()
        version = table.version
        runs[0].head += 1
        for _ in range(10):
            refresh()
        assert table.version == version
    await trio.sleep(FanoutConfig.runs_interval_seconds)
    topics.refresh_runs()
    assert dict(topics.runs.items())["one"]["head"] == runs[0].head


async def test_who_asks_for_one_has_it_as_it_is_then(autojump_clock: object) -> None:
    one = live_run("one")
    peers: list[SimpleNamespace] = []
    topics = topics_of([one], peers)
    topics.refresh_presence()
    peers.append(peer(1, {1: session(one)}, {}))
    topics.stir()
    topics.catch_up("presence")
    assert set(dict(topics.presence.items())) == {"one/emitter/1/1"}
    version = topics.presence.version
    topics.catch_up("presence")
    assert topics.presence.version == version, "nothing has stirred it"


async def test_who_is_gone_is_removed(autojump_clock: object) -> None:
    one = live_run("one")
    peers = [peer(1, {1: session(one)}, {})]
    topics = topics_of([one], peers)
    topics.refresh_presence()
    version = topics.presence.version
    peers.clear()
    topics.stir()
    await trio.sleep(REFRESH_SECONDS)
    topics.refresh_presence()
    assert topics.presence.since(version).items == {"one/emitter/1/1": None}


async def test_counts_are_told_more_seldom_than_who_comes_and_goes(autojump_clock: object) -> None:
    one = live_run("one")
    first = session(one)
    peers = [peer(1, {1: first}, {2: watcher("one")})]
    topics = topics_of([one], peers)
    topics.refresh_presence()
    first.records += 1
    peers.append(peer(2, {1: session(one)}, {}))
    topics.stir()
    await trio.sleep(REFRESH_SECONDS)
    version = topics.presence.version
    due = topics.refresh_presence()
    assert set(topics.presence.since(version).items) == {"one/emitter/2/1"}
    peers[0].watchers[2].subscription.paused = True
    topics.stir()
    await trio.sleep(REFRESH_SECONDS)
    topics.refresh_presence()
    assert dict(topics.presence.items())["one/viewer/1/2"]["paused"]
    await trio.sleep(due - trio.current_time() + REFRESH_SECONDS)
    topics.refresh_presence()
    assert dict(topics.presence.items())["one/emitter/1/1"]["records"] == first.records


@pytest.mark.parametrize(
    ("criteria", "said"),
    [
        ({}, ""),
        ({"pattern": "timed? out", "ignore_case": True}, "/timed? out/i"),
        ({"pattern": "a b", "fixed": True, "invert": True}, '!"a b"'),
        ({"min_severity": 13, "stream": "stderr", "source": "w3"}, "level>=WARN stream=stderr source=w3"),
        ({"since_us": 0, "also": {"pattern": "x"}}, "since=1970-01-01T00:00:00.000000Z /x/"),
    ],
)
def test_a_filter_is_said_in_short(criteria: dict[str, Any], said: str) -> None:
    assert said_filter(criteria) == said


async def test_how_far_a_run_is_is_told_by_its_board(autojump_clock: object) -> None:
    board = Table()
    board.set("pages", {"done": 10, "total": 40})
    board.set("queue_depth", {"gauge": 7})
    board.set("retry-queue", {"gauge": 2})
    board.set("workers", {"gauge": 99})
    one, empty = live_run("one", board=board), live_run("empty", board=Table())
    topics = topics_of([one, empty], [])
    topics.refresh_runs()
    runs = dict(topics.runs.items())
    assert (runs["one"]["progress"], runs["one"]["left_seconds"], runs["one"]["queue"]) == (0.25, None, 9)
    assert (runs["empty"]["progress"], runs["empty"]["queue"]) == (None, None)
    board.set("pages", {"done": 40, "total": 40})
    await trio.sleep(FanoutConfig.runs_interval_seconds)
    topics.refresh_runs()
    assert dict(topics.runs.items())["one"]["progress"] == 1.0


async def test_a_large_board_is_seldom_looked_at(autojump_clock: object) -> None:
    board = Table()
    for number in range(10 * ITEMS_A_SECOND):
        board.set(f"i{number}", {"done": 0, "total": 1})
    topics = topics_of([live_run("one", board=board)], [])
    topics.refresh_runs()
    board.set("i0", {"done": 1, "total": 1})
    for seconds, share in ((5, 0.0), (6, 0.0001)):
        await trio.sleep(seconds)
        topics.refresh_runs()
        assert dict(topics.runs.items())["one"]["progress"] == pytest.approx(share, abs=1e-4)
