"""Following runs through a daemon that goes and comes back, without sockets: what it is asked for, and what it says."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logd.client import Client, Following
from logd.errors import ConnectionLost, DaemonUnavailable, NotPermitted, Refused
from logd.protocol import Attach, Batch, Error, ErrorCode, Event, Items, Message, Reply, Watch

ROW = b'{"time":"2026-11-21T10:20:30.000000Z","msg":"x"}\n'
NOW_US = 1_000_000


class ScriptedClient(Client):
    """Notes what is sent, and gives what it is told to; when there is nothing more, the daemon is gone."""

    def __init__(self, *, takes: int = 10**6) -> None:
        self.sent: list[Message] = []
        self.answers: deque[Message] = deque()
        self.closed = False
        self.takes = takes
        """How many messages can be sent before the daemon is gone."""
        self.on_send: Callable[[Message], None] = lambda message: None
        self._ids = itertools.count(1)

    def send(self, message: Message) -> None:
        if len(self.sent) >= self.takes:
            raise ConnectionLost("the daemon is gone")
        self.sent.append(message)
        self.on_send(message)

    def receive(self) -> Message:
        if not self.answers:
            raise ConnectionLost("the daemon is gone")
        return self.answers.popleft()

    def receive_within(self, seconds: float) -> Message | None:
        return self.answers.popleft() if self.answers else None

    def close(self) -> None:
        self.closed = True

    @property
    def attached(self) -> list[Attach]:
        return [message for message in self.sent if isinstance(message, Attach)]

    def id_of(self, run: str) -> int:
        """Of the last subscription to it."""
        return [message.id for message in self.attached if message.run == run][-1]

    # What a daemon says

    def replied(self, run: str, next_seq: int = 1, generation: int = 1) -> None:
        value = {"run": run, "head": next_seq - 1, "next": next_seq, "generation": generation}
        self.answers.append(Reply(self.id_of(run), value))

    def batch(self, run: str, first_seq: int, count: int, next_seq: int | None = None) -> None:
        end_seq = first_seq + count
        pieces: list[Any] = [[first_seq, count, 0, True]] if count else []
        self.answers.append(Batch(self.id_of(run), pieces, next_seq or end_seq, end_seq, ROW * count))

    def event(self, run: str, kind: str, **values: Any) -> None:
        self.answers.append(Event(self.id_of(run), kind, **values))

    def runs(self, **values: dict[str, Any] | None) -> None:
        (watch, *_) = (message for message in reversed(self.sent) if isinstance(message, Watch))
        self.answers.append(Items(watch.id, values))


class Daemon:
    """Gives a client for each connection, or says that there is none."""

    def __init__(self, *clients: ScriptedClient | Exception) -> None:
        self.clients = deque(clients)
        self.lost: list[str] = []
        self.back = 0

    def connect(self) -> Client:
        client = self.clients.popleft()
        if isinstance(client, Exception):
            raise client
        return client

    def note_back(self) -> None:
        self.back += 1

    def following(self, client: ScriptedClient, **options: Any) -> Following:
        return Following(
            client, self.connect, {"follow": True, **options}, on_lost=self.lost.append, on_back=self.note_back
        )


@pytest.fixture(autouse=True)
def delays(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was waited between connections; the clock stands still."""
    waited: list[float] = []
    monkeypatch.setattr("logd.client.following.time.sleep", waited.append)
    monkeypatch.setattr("logd.client.following.now_us", lambda: NOW_US)
    return waited


def cursor_of(attach: Attach) -> tuple[str, int | None, int | None]:
    return attach.run, attach.from_seq, attach.generation


def run_of(state: str, begun_us: int) -> dict[str, Any]:
    return {"state": state, "begun_us": begun_us}


def drain(following: Following) -> list[tuple[str, str]]:
    """What comes without waiting: each message by its run and kind."""
    came = []
    while (each := following.receive(0)) is not None:
        came.append((each.run, each.message.kind if isinstance(each.message, Event) else each.message.t))
    return came


def test_what_is_asked_for_is_what_it_is_told() -> None:
    client = ScriptedClient()
    following = Daemon().following(client, filter={"pattern": "x"}, times=True)
    following.follow("a", last=10)
    following.follow("b", from_seq=7)
    assert [(each.run, each.last, each.from_seq) for each in client.attached] == [("a", 10, None), ("b", None, 7)]
    assert all(each.filter == {"pattern": "x"} and each.times and each.follow for each in client.attached)


def test_what_comes_is_told_by_run_until_all_are_over() -> None:
    client = ScriptedClient()
    following = Daemon().following(client)
    for run in ("a", "b"):
        following.follow(run, last=10)
        client.replied(run)
        client.batch(run, 1, 2)
        client.event(run, "caught_up", seq=2)
    assert drain(following) == [("a", "batch"), ("a", "caught_up"), ("b", "batch"), ("b", "caught_up")]
    client.event("a", "ended", seq=2)
    client.event("b", "removed", seq=2)
    assert drain(following)[:1] == [("a", "ended")]
    assert following.over


@pytest.mark.parametrize(("follow", "last"), [(True, "ended"), (False, "caught_up")])
def test_without_follow_it_is_over_with_what_there_was(follow: bool, last: str) -> None:
    client = ScriptedClient()
    following = Daemon().following(client, follow=follow)
    following.follow("a")
    for kind in ("caught_up", "ended"):
        assert not following.over
        client.event("a", kind)
        drain(following)
        if kind == last:
            break
    assert following.over


# Coming back


Told = tuple[str, int]
told = st.lists(
    st.tuples(st.sampled_from(["batch", "empty", "gap", "cleared", "stalled", "caught_up"]), st.integers(1, 9)),
    max_size=12,
)


@settings(max_examples=100, deadline=None)
@given(st.lists(told, min_size=1, max_size=4))
def test_it_goes_on_exactly_behind_what_it_was_told(connections: list[list[Told]]) -> None:
    clients = [ScriptedClient() for _ in connections]
    last = ScriptedClient()
    daemon = Daemon(*clients[1:], last)
    places = [(100, 4)]
    for client, messages in zip(clients, connections, strict=True):
        client.on_send = _scripted(client, messages, *places[-1])
        places.append(_place_after(messages, *places[-1]))
    following = daemon.following(clients[0])
    following.follow("a", last=0)
    with pytest.raises(IndexError):  # there are no more connections
        while following.receive():
            pass
    for client, place in zip([*clients[1:], last], places[1:], strict=True):
        assert [cursor_of(each) for each in client.attached] == [("a", *place)]


def _scripted(client: ScriptedClient, messages: list[Told], seq: int, generation: int) -> Callable[[Message], None]:
    def answer(attach: Message) -> None:
        client.replied("a", seq, generation)
        for number, (kind, count) in enumerate(messages):
            at, now = _place_after(messages[:number], seq, generation)
            if kind == "batch":
                client.batch("a", at, count)
            elif kind == "empty":
                client.batch("a", at, 0, at + count)
            elif kind == "cleared":
                client.event("a", "cleared", seq=at + count, count=count, generation=now + 1)
            else:
                client.event("a", kind, seq=at, count=count if kind == "gap" else 0)

    return answer


def _place_after(messages: list[Told], seq: int, generation: int) -> tuple[int, int]:
    moves = [count for kind, count in messages if kind in ("batch", "empty", "gap", "cleared")]
    return seq + sum(moves), generation + sum(kind == "cleared" for kind, _ in messages)


def test_the_daemon_is_waited_for_ever_longer_and_it_is_said_once(delays: list[float]) -> None:
    client, back = ScriptedClient(), ScriptedClient()
    busy = Refused(ErrorCode.TOO_MANY_CONNECTIONS, "full")
    daemon = Daemon(*[DaemonUnavailable("none")] * 6, ConnectionLost("gone"), busy, back)
    following = daemon.following(client)
    following.follow("a", last=3)
    with pytest.raises(IndexError):
        following.receive()
    assert [(each.run, each.last) for each in back.attached] == [("a", 3)], "nothing was told: it begins again"
    assert client.closed
    assert daemon.lost[0] == "the daemon is gone"
    assert daemon.back == 1
    assert delays[:9] == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0]


def test_a_stopping_daemon_is_waited_for_too() -> None:
    client, back = ScriptedClient(), ScriptedClient()
    daemon = Daemon(back)
    following = daemon.following(client)
    following.follow("a")
    client.answers.append(Error(ErrorCode.STOPPING, "stopping"))
    back.on_send = lambda message: back.event("a", "ended")
    came = following.receive()
    assert came is not None
    assert came.run == "a"
    assert daemon.lost == ["the daemon is stopping"]


@pytest.mark.parametrize("takes", [0, 1, 2])
def test_one_that_goes_again_while_it_is_asked_loses_no_run(takes: int) -> None:
    client, short, back = ScriptedClient(), ScriptedClient(takes=takes), ScriptedClient()
    daemon = Daemon(short, back)
    following = daemon.following(client)
    for run in ("a", "b", "c"):
        following.follow(run)
        client.replied(run, 5)
    following.wait_begun()
    with pytest.raises(IndexError):
        following.receive()
    assert [cursor_of(each) for each in back.attached] == [("a", 5, 1), ("b", 5, 1), ("c", 5, 1)]


def test_what_is_over_is_not_asked_for_again() -> None:
    client, back = ScriptedClient(), ScriptedClient()
    following = Daemon(back).following(client)
    for run in ("a", "b"):
        following.follow(run)
        client.replied(run)
    client.event("a", "ended")
    drain(following)
    with pytest.raises(IndexError):
        following.receive()
    assert [each.run for each in back.attached] == ["b"]


def test_a_run_that_was_removed_meanwhile_is_said_to_be() -> None:
    client, back = ScriptedClient(), ScriptedClient()
    following = Daemon(back).following(client)
    following.follow("a")
    client.replied("a")
    back.on_send = lambda message: back.answers.append(Error(ErrorCode.NO_SUCH_RUN, "no run", 1))
    came = following.receive()
    assert came is not None
    assert isinstance(came.message, Event)
    assert (came.run, came.message.kind) == ("a", "removed")
    assert following.over


def test_a_refusal_to_begin_with_is_raised() -> None:
    client = ScriptedClient()
    following = Daemon().following(client)
    following.follow("a")
    client.answers.append(Error(ErrorCode.NO_SUCH_RUN, "there is no run a", 1))
    with pytest.raises(Refused, match="there is no run a"):
        following.receive()
    assert following.refused == "a"


@pytest.mark.parametrize("error", [NotPermitted("another user's"), Refused(ErrorCode.BAD_FILTER, "none")])
def test_a_daemon_that_is_not_one_to_go_on_with_is_raised(error: Exception) -> None:
    following = Daemon(DaemonUnavailable("none"), error).following(ScriptedClient())
    following.follow("a")
    with pytest.raises(type(error)):
        following.receive()


# Where runs begin


def test_where_they_begin_is_waited_for_and_what_comes_meanwhile_is_kept() -> None:
    client = ScriptedClient()
    following = Daemon().following(client)
    following.follow("a", last=0)
    following.follow("b", last=0)
    client.replied("a", 5)
    client.batch("a", 5, 2)
    client.replied("b", 9)
    assert following.wait_begun() == {"a": 5, "b": 9}, "what is kept is yet to be shown"
    client.batch("b", 9, 1)
    assert drain(following) == [("a", "batch"), ("b", "batch")]


def test_the_daemon_may_go_while_it_is_waited_for() -> None:
    client, back = ScriptedClient(), ScriptedClient()
    daemon = Daemon(back)
    following = daemon.following(client)
    following.follow("a", last=0)
    back.on_send = lambda message: back.replied("a", 5)
    assert following.wait_begun() == {"a": 5}
    assert daemon.back == 1


# Patterns


def matching(client: ScriptedClient, *patterns: str, daemon: Daemon | None = None, last: int | None = 10) -> Following:
    following = (daemon or Daemon()).following(client)
    following.follow_matching(patterns, last)
    return following


def test_runs_that_are_running_are_followed_from_their_newest_and_new_ones_from_their_begin() -> None:
    client = ScriptedClient()
    following = matching(client, "s-*", "x?")
    client.runs(
        **{
            "s-1": run_of("running", NOW_US - 5),
            "s-2": run_of("ended", NOW_US - 5),
            "s-3": run_of("lost", 0),
            "other": run_of("running", NOW_US - 5),
            "x1": run_of("running", NOW_US + 5),
            "s-4": run_of("ended", NOW_US + 5),
        }
    )
    assert drain(following) == []
    assert [(each.run, each.last, each.from_time_us) for each in client.attached] == [
        ("s-1", 10, None),
        ("x1", None, NOW_US),
        ("s-4", None, NOW_US),
    ]
    assert not following.over


@pytest.mark.parametrize(("patterns", "asked"), [(("s-*",), "s-*"), (("s-*", "x*"), "")])
def test_the_daemon_is_asked_for_one_pattern_or_for_all(patterns: tuple[str, ...], asked: str) -> None:
    client = ScriptedClient()
    matching(client, *patterns)
    assert [each.run for each in client.sent if isinstance(each, Watch)] == [asked]


def test_a_run_is_followed_once_and_again_when_it_begins_again() -> None:
    client = ScriptedClient()
    following = matching(client, "*")
    for begun_us in (1, 1, 2, 2):
        client.runs(a=run_of("running", NOW_US + begun_us))
    drain(following)
    assert len(client.attached) == 1
    client.replied("a")
    client.batch("a", 1, 5)
    client.event("a", "ended", seq=5)
    client.runs(a=run_of("ended", NOW_US + 2))
    client.runs(a=None)
    drain(following)
    assert len(client.attached) == 1
    client.runs(a=run_of("ended", NOW_US + 3))
    drain(following)
    assert [cursor_of(each) for each in client.attached[1:]] == [("a", 6, 1)], "where it was, not where that begins"


def test_another_run_of_a_removed_ones_name_is_followed_from_its_begin() -> None:
    client = ScriptedClient()
    following = matching(client, "*")
    client.runs(a=run_of("running", NOW_US + 1))
    drain(following)
    client.replied("a")
    client.batch("a", 1, 500)
    client.event("a", "removed", seq=500)
    client.runs(a=run_of("running", NOW_US + 2))
    drain(following)
    assert [cursor_of(each) for each in client.attached[1:]] == [("a", 1, None)]


def test_one_that_is_followed_by_name_is_not_followed_twice() -> None:
    client = ScriptedClient()
    following = matching(client, "*")
    following.follow("a", last=0)
    client.runs(a=run_of("running", NOW_US - 5))
    drain(following)
    assert len(client.attached) == 1


def test_patterns_outlive_the_daemon_and_so_do_the_places_of_runs_that_had_ended() -> None:
    client, back = ScriptedClient(), ScriptedClient()
    daemon = Daemon(back)
    following = matching(client, "*", daemon=daemon)
    client.runs(a=run_of("running", NOW_US + 1), b=run_of("running", NOW_US + 1))
    drain(following)
    for run in ("a", "b"):
        client.replied(run)
        client.batch(run, 1, 5)
    client.event("a", "ended", seq=5)
    drain(following)
    with pytest.raises(IndexError):
        following.receive()
    assert [cursor_of(each) for each in back.attached] == [("b", 6, 1)]
    back.runs(a=run_of("running", NOW_US + 9), b=run_of("running", NOW_US + 9))
    drain(following)
    assert [cursor_of(each) for each in back.attached] == [("b", 6, 1), ("a", 6, 1)]
