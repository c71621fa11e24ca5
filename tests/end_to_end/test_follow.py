"""Following runs as they go: several at once, through restarts of the daemon, and what a client is sent of them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import IO, Any

import pytest
from bed import Bed, wait_until

from logd.client import Client, list_runs, pieces_of
from logd.errors import Refused
from logd.protocol import (
    Attach,
    Batch,
    Detach,
    ErrorCode,
    Event,
    Head,
    Items,
    Message,
    Reply,
    Report,
    Stats,
    Throttle,
    View,
    Watch,
)
from logd.protocol.checks import OWN_FIELDS


class Lines:
    """What a process writes, as it comes."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.lines: list[str] = []
        self._thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._thread.start()

    def _read(self, stream: IO[bytes]) -> None:
        for line in stream:
            self.lines.append(line.decode().rstrip("\n"))

    def wait(self, count: int) -> list[str]:
        wait_until(lambda: len(self.lines) >= count)
        return self.lines

    def wait_for(self, text: str) -> None:
        wait_until(lambda: any(text in line for line in self.lines))

    def end(self) -> list[str]:
        self._thread.join(timeout=30)
        return self.lines


class Attached:
    """A `logctl attach` that goes on."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        self.process = process
        self.out = Lines(process.stdout)
        self.err = Lines(process.stderr)

    def wait_ended(self) -> list[str]:
        assert self.process.wait(timeout=60) == 0, self.err.lines
        self.err.end()
        return self.out.end()

    def interrupt(self) -> list[str]:
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(timeout=30) == -signal.SIGINT, self.err.lines
        self.err.end()
        return self.out.end()


@contextmanager
def attached(daemon: Bed, *arguments: str) -> Iterator[Attached]:
    with daemon.started("logctl", "attach", *arguments, stdin=subprocess.DEVNULL) as process:
        yield Attached(process)


class Emitting:
    """A `logctl emit` that is given lines."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process

    def say(self, *lines: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("".join(f"{line}\n" for line in lines).encode())
        self.process.stdin.flush()

    def end(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.wait(timeout=60) == 0


@contextmanager
def emitting(daemon: Bed, run: str) -> Iterator[Emitting]:
    with daemon.started("logctl", "emit", run, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        yield Emitting(process)


def stats(daemon: Bed) -> dict[str, Any]:
    with daemon.client() as client:
        return client.request(Stats(client.new_id()))


def stored(daemon: Bed, **runs: int) -> bool:
    """Whether runs have so many records."""
    with daemon.client() as client:
        records = {run["name"]: run["records"] for run in list_runs(client)}
    return all(records.get(run.replace("_", "-")) == count for run, count in runs.items())


def subscribed(daemon: Bed, *runs: str) -> bool:
    return sorted(each["run"] for each in stats(daemon)["subscriptions"]) == sorted(runs)


def watching(daemon: Bed) -> bool:
    """Whether somebody is connected, as one who waits for runs that match: nothing else says so."""
    return bool(stats(daemon)["connections"] > 1)


def numbers(count: int, start: int = 0, *, prefix: str = "") -> list[str]:
    return [f"{prefix}{number}" for number in range(start, start + count)]


# Several runs


def test_several_runs_are_shown_together_with_their_names(shared_daemon: Bed) -> None:
    with emitting(shared_daemon, "one") as one, emitting(shared_daemon, "two") as two:
        one.say("a0", "a1")
        two.say("b0")
        wait_until(lambda: stored(shared_daemon, one=2, two=1))
        with attached(shared_daemon, "one", "two") as attach:
            attach.out.wait(3)
            wait_until(lambda: subscribed(shared_daemon, "one", "two"))
            for number in range(1, 4):
                one.say(f"a{number + 1}")
                attach.out.wait(2 * number + 2)
                two.say(f"b{number}")
                attach.out.wait(2 * number + 3)
            one.end()
            two.end()
            lines = attach.wait_ended()
    shown = [re.sub(r" \| .* ", " ", line) for line in lines]
    assert sorted(shown[:3]) == ["one a0", "one a1", "two b0"]
    assert shown[3:] == ["one a2", "two b1", "one a3", "two b2", "one a4", "two b3"]
    assert attach.err.lines == []


def test_a_flood_of_several_runs_has_every_record_once_and_each_runs_order(shared_daemon: Bed) -> None:
    runs = [f"f{number}" for number in range(3)]
    with ExitStack() as stack:
        emits = [stack.enter_context(emitting(shared_daemon, run)) for run in runs]
        for emit in emits:
            emit.say("begin")
        wait_until(lambda: stored(shared_daemon, f0=1, f1=1, f2=1))
        attach = stack.enter_context(attached(shared_daemon, "f*", "-n", "all", "-o", "json"))
        wait_until(lambda: subscribed(shared_daemon, *runs))
        for number in range(20):
            for emit in emits:
                emit.say(*numbers(500, 500 * number))
        for emit in emits:
            emit.end()
        attach.out.wait(3 * 10_001)
        records = [json.loads(line) for line in attach.interrupt()]
    for run in runs:
        assert [each["msg"] for each in records if each["run"] == run] == ["begin", *numbers(10_000)]


def test_runs_that_start_later_are_picked_up_from_their_begin(shared_daemon: Bed) -> None:
    shared_daemon.emit("s-old", b"old\n")
    with emitting(shared_daemon, "s-now") as now:
        now.say(*numbers(20, prefix="n"))
        wait_until(lambda: stored(shared_daemon, s_now=20))
        with attached(shared_daemon, "s-*", "x?", "-n", "2", "-o", "json") as attach:
            attach.out.wait(2)
            shared_daemon.emit("other", b"other\n")
            shared_daemon.emit("s-new", b"0\n1\n2\n")
            shared_daemon.emit("xy", b"0\n")
            attach.out.wait(6)
            now.say("n20")
            attach.out.wait(7)
            shared_daemon.emit("s-old", b"new\n")
            attach.out.wait(8)
            shared_daemon.emit("s-new", b"3\n")
            attach.out.wait(9)
            records = [json.loads(line) for line in attach.interrupt()]
    shown: dict[str, list[str]] = {}
    for each in records:
        shown.setdefault(each["run"], []).append(each["msg"])
    assert shown == {
        "s-now": ["n18", "n19", "n20"],
        "s-new": ["0", "1", "2", "3"],
        "xy": ["0"],
        "s-old": ["new"],
    }


def test_a_run_that_is_begun_several_times_at_once_is_shown_from_the_first(shared_daemon: Bed) -> None:
    """As by a script that emits line by line, each with an emitter of its own."""
    with attached(shared_daemon, "t-*", "-o", "raw") as attach:
        wait_until(lambda: watching(shared_daemon))
        with shared_daemon.client() as client:
            client.request(Report(client.new_id(), "t-1", {}))
        for number in range(3):
            shared_daemon.emit("t-1", b"%d\n" % number)
        shared_daemon.emit("t-2", b"end\n")
        attach.out.wait_for("end")
        assert attach.interrupt() == ["0", "1", "2", "end"]


def test_all_is_all_that_run_or_start(shared_daemon: Bed) -> None:
    with attached(shared_daemon, "--all", "-o", "json") as attach:
        wait_until(lambda: watching(shared_daemon))
        shared_daemon.emit("all-a", b"0\n")
        shared_daemon.emit("all-b", b"1\n")
        attach.out.wait(2)
        assert sorted(json.loads(line)["run"] for line in attach.interrupt()) == ["all-a", "all-b"]
    shared_daemon.run("logctl", "attach", "--all", "x", status=2)
    shared_daemon.run("logctl", "attach", status=2)


def test_a_missing_run_among_several_is_named(shared_daemon: Bed) -> None:
    shared_daemon.emit("there", b"x\n")
    refused = shared_daemon.run("logctl", "attach", "--no-wait", "there", "missing", status=1)
    assert b"there is no run missing" in refused.stderr


def test_without_follow_a_pattern_stands_for_what_there_is(shared_daemon: Bed) -> None:
    for run in ("nf-1", "nf-2"):
        shared_daemon.emit(run, b"x\ny\n")
    done = shared_daemon.run("logctl", "attach", "--no-follow", "nf-*", "-n", "3", "-o", "json")
    assert [(each["run"], each["msg"]) for each in map(json.loads, done.stdout.splitlines())] == [
        ("nf-1", "y"),
        ("nf-2", "x"),
        ("nf-2", "y"),
    ]
    none = shared_daemon.run("logctl", "attach", "--no-follow", "none-*", status=1)
    assert (none.stdout, none.stderr) == (b"", b"main.py: no run matches none-*\n")


# Filters


@pytest.mark.parametrize(("key", "names"), [("p", ["1"]), ("q", ["1", "2"]), ("r", ["*"])])
def test_a_filter_picks_what_was_and_what_comes(shared_daemon: Bed, key: str, names: list[str]) -> None:
    is_pattern = names == ["*"]
    with emitting(shared_daemon, f"{key}1") as one, emitting(shared_daemon, f"{key}2") as two:
        one.say(*numbers(100))
        wait_until(lambda: stored(shared_daemon, **{f"{key}1": 100}))
        two.say(*numbers(100))
        wait_until(lambda: stored(shared_daemon, **{f"{key}2": 100}))
        runs = [f"{key}{name}" for name in names]
        with attached(shared_daemon, *runs, "--grep", "7", "-F", "-n", "3", "-o", "raw") as attach:
            followed = [f"{key}1", f"{key}2"] if is_pattern else runs
            wait_until(lambda: subscribed(shared_daemon, *followed))
            before = ["97", "97"] if is_pattern else ["79", "87", "97"]  # of a pattern each run's newest records
            attach.out.wait(len(before))
            for emit in (one, two):
                emit.say(*numbers(80, 100))
                emit.end()
            wanted = [str(number) for number in range(100, 180) if "7" in str(number)] * len(followed)
            attach.out.wait(len(before) + len(wanted))
            lines = attach.interrupt() if is_pattern else attach.wait_ended()
    assert lines[: len(before)] == before
    assert sorted(lines[len(before) :]) == sorted(wanted)


# The daemon goes and comes back


def restart(daemon: Bed, how: str) -> None:
    if how == "kill":
        daemon.kill()
    else:
        daemon.run("logd", "stop")
    daemon.run("logd", "start")


@pytest.mark.parametrize(
    ("how", "names"), [("kill", ("job",)), ("stop", ("job",)), ("stop", ("job", "other")), ("kill", ("j*",))]
)
def test_through_restarts_no_record_is_missing_and_none_comes_twice(
    daemon: Bed, how: str, names: tuple[str, ...]
) -> None:
    with emitting(daemon, "job") as job, emitting(daemon, "other") as other:
        job.say("begin")
        other.say("x")
        wait_until(lambda: stored(daemon, job=1, other=1))
        with attached(daemon, *names, "-n", "all", "-o", "json") as attach:
            attach.out.wait(len(names))
            count = 0
            for round in range(2):
                for _ in range(5):
                    job.say(*numbers(300, count))
                    count += 300
                restart(daemon, how)
                for _ in range(5):
                    job.say(*numbers(300, count))
                    count += 300
                wait_until(lambda rounds=round + 1: attach.err.lines.count("main.py: the daemon is back") == rounds)  # type: ignore[misc]
                attach.out.wait(len(names) + count)
            job.end()
            other.end()
            lines = attach.interrupt() if names == ("j*",) else attach.wait_ended()
    records = [json.loads(line) for line in lines]
    assert [each["msg"] for each in records if each.get("run", "job") == "job"] == ["begin", *numbers(count)]
    assert [each["msg"] for each in records if each.get("run") == "other"] == ["x"] * (len(names) - 1)
    gone = "is stopping" if how == "stop" else "is gone"
    told = [line for line in attach.err.lines if "the daemon" in line]
    assert len(told) == 4
    assert all(re.fullmatch(f"main.py: the daemon {gone}.*; waiting for it to be back", line) for line in told[::2])


def test_a_clear_while_it_was_away_is_not_repeated(daemon: Bed) -> None:
    """The cursor is of another generation: what is shown is what is new."""
    with emitting(daemon, "job") as job:
        job.say(*numbers(10))
        with attached(daemon, "job", "-n", "all", "-o", "raw") as attach:
            attach.out.wait(10)
            daemon.run("logctl", "clear", "-y", "job")
            job.say(*numbers(10, 10))
            attach.out.wait(20)
            daemon.kill()
            daemon.run("logd", "start")
            job.say(*numbers(10, 20))
            attach.out.wait(30)
            job.end()
            assert attach.wait_ended() == numbers(30)


# Views, and counters, by the client


def next_of(client: Client, *kinds: type[Message]) -> Any:
    while not isinstance(message := client.receive(), kinds):
        pass
    return message


def seqs_of(batch: Batch) -> list[int]:
    return [seq for rows, _, _ in pieces_of(batch) for seq in range(rows.first_seq, rows.next_seq)]


def test_a_view_is_paused_and_goes_on_at_the_head(shared_daemon: Bed) -> None:
    with emitting(shared_daemon, "viewed") as job, shared_daemon.client() as client:
        job.say(*numbers(50))
        wait_until(lambda: stored(shared_daemon, viewed=50))
        client.send(Attach(1, "viewed", mode="view", window=10))
        assert next_of(client, Reply).value["head"] == 50
        batch = next_of(client, Batch)
        assert (seqs_of(batch), batch.skipped, batch.next_seq) == ([*range(41, 51)], 40, 51)
        client.send(View(2, sub=1, paused=True))
        assert next_of(client, Head).head == 50
        job.say(*numbers(100, 50))
        while (message := client.receive()).t == "head" and isinstance(message, Head) and message.head < 150:
            pass
        assert isinstance(message, Head)
        client.send(View(3, sub=1, window=5))
        batch = next_of(client, Batch)
        assert (seqs_of(batch), batch.skipped) == ([*range(146, 151)], 95)
        client.send(Detach(1))
        assert next_of(client, Reply).id in (3, 1)
        job.say("more")


def test_a_subscription_that_asks_for_slower_is_sent_to_less_often(shared_daemon: Bed) -> None:
    with emitting(shared_daemon, "slower") as job, shared_daemon.client() as client:
        job.say("0")
        wait_until(lambda: stored(shared_daemon, slower=1))
        client.send(Attach(1, "slower", interval_ms=3_600_000))
        assert seqs_of(next_of(client, Batch)) == [1]
        for number in range(1, 20):
            job.say(str(number))
        job.end()
        sent = []
        while (message := next_of(client, Batch, Event)).t == "batch" or message.kind == "caught_up":
            sent += [seqs_of(message)] if isinstance(message, Batch) else []
        assert [seq for seqs in sent for seq in seqs] == [*range(2, 21)]
        assert len(sent) <= 2, "what came first, and the rest at the end"
        assert message.kind == "ended"


# Throttle and status


def test_the_throttle_is_shown_and_changed_while_it_runs(daemon: Bed) -> None:
    shown = dict(line.split() for line in daemon.run("logctl", "throttle").stdout.decode().splitlines())
    assert shown["SETTING"] == "VALUE"
    assert shown["view_max_interval_seconds"] == "0.1"
    assert shown["adaptive"] == "true"
    with emitting(daemon, "job") as job, attached(daemon, "job") as attach:
        job.say("x")
        attach.out.wait(1)
        changed = daemon.run(
            "logctl", "throttle", "stream-max-interval-seconds=2", "stream_min_interval_seconds=2", "adaptive=off"
        )
        assert b"2\n" in changed.stdout
        now = json.loads(daemon.run("logctl", "throttle", "-o", "json").stdout)
        assert (now["stream_min_interval_seconds"], now["adaptive"]) == (2.0, False)
        (status,) = json.loads(daemon.run("logctl", "status", "-o", "json").stdout)
        assert status["interval_seconds"] == 2.0
    restart(daemon, "stop")
    assert json.loads(daemon.run("logctl", "throttle", "-o", "json").stdout)["stream_min_interval_seconds"] == 0.0


@pytest.mark.parametrize(
    ("setting", "status", "said"),
    [
        ("nonsense", 2, b"is not of the form NAME=VALUE"),
        ("view_max_interval_seconds=soon", 2, b"neither a number nor true or false"),
        ("view_min_interval_seconds=5", 1, b"no more than view_max_interval_seconds"),
        ("view_min_interval_seconds=on", 1, b"it is a number"),
        ("view_max_interval_seconds=61", 1, b"0 to 60"),
        ("view_max_interval_seconds=nan", 1, b"0 to 60"),
        ("adaptive=1", 1, b"it is true or false"),
        ("no_such=1", 1, b"no_such"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_and_changes_nothing(
    shared_daemon: Bed, setting: str, status: int, said: bytes
) -> None:
    before = shared_daemon.run("logctl", "throttle", "-o", "json").stdout
    refused = shared_daemon.run("logctl", "throttle", setting, status=status)
    assert said in refused.stderr
    assert shared_daemon.run("logctl", "throttle", "-o", "json").stdout == before


def test_status_shows_each_subscription(daemon: Bed) -> None:
    empty = daemon.run("logctl", "status")
    assert b"RUN" in empty.stdout or not empty.stdout
    with emitting(daemon, "job") as job, daemon.client() as client:
        job.say(*numbers(2000))
        wait_until(lambda: stored(daemon, job=2000))
        criteria = {"pattern": "\x1b[2J7", "fixed": True}
        client.send(Attach(1, "job", mode="view", window=10))
        client.send(Attach(2, "job", filter=criteria))
        client.send(Attach(3, "job", mode="view", paused=True))
        events = [next_of(client, Event) for _ in range(3)]
        assert {each.kind for each in events} == {"caught_up"}
        one, two, three = json.loads(daemon.run("logctl", "status", "-o", "json").stdout)
        assert (one["mode"], one["sent_records"], one["skipped_records"]) == ("view", 10, 1990)
        assert (one["lag_records"], one["lag_seconds"], one["pid"]) == (0, 0.0, os.getpid())
        assert (two["mode"], two["filter"], two["sent_records"]) == ("stream", criteria, 0)
        assert (three["paused"], three["lag_records"]) == (True, 2000)
        text = daemon.run("logctl", "status").stdout.decode()
        header, *rows = text.splitlines()
        assert header.split()[:4] == ["RUN", "PID", "CLIENT", "MODE"]
        assert len(rows) == 3
        assert "\x1b" not in text
        assert re.search(r"^job +\d+ +test \S+ +paused ", rows[2])


# Tables


def items_until(client: Client, sub: int, holds: Any) -> dict[str, Any]:
    """The table that is watched, when it has come to what is waited for."""
    mine: dict[str, Any] = {}
    while True:
        message = next_of(client, Items)
        if message.sub == sub:
            mine = {**({} if message.whole else mine), **message.items}
            mine = {key: value for key, value in mine.items() if value is not None}
            if not message.more and holds(mine):
                return mine


def reported(items: dict[str, Any]) -> dict[str, Any]:
    """Items without what the daemon adds to them."""
    return {
        key: item and {name: value for name, value in item.items() if name not in OWN_FIELDS}
        for key, item in items.items()
    }


def test_a_board_is_kept_over_a_restart_and_its_watchers_are_told_what_changes(daemon: Bed) -> None:
    with daemon.client() as client:
        client.request(Report(1, "job", {"pages": {"done": 1, "of": 9}, "w1": {"state": "running"}}))
        client.send(Watch(2, "board", run="job", interval_ms=1))
        first = {"pages": {"done": 1, "of": 9}, "w1": {"state": "running"}}
        assert reported(items_until(client, 2, bool)) == first
        client.send(Report(3, "job", {"pages": {"done": 2, "of": 9}, "w1": None}))
        assert reported(next_of(client, Items).items) == {"pages": {"done": 2, "of": 9}, "w1": None}
    restart(daemon, "stop")
    with daemon.client() as client:
        client.send(Watch(2, "board", run="job"))
        assert reported(items_until(client, 2, bool)) == {"pages": {"done": 2, "of": 9}}
        client.send(Report(3, "job", {"new": {}}, reset=True))
        assert reported(items_until(client, 2, lambda items: "new" in items)) == {"new": {}}


def test_a_run_that_is_removed_soon_after_its_report_does_not_harm_the_daemon(daemon: Bed) -> None:
    pid = daemon.pid()
    with daemon.client() as client:
        client.request(Report(1, "job", {"pages": {"done": 1}}))
    daemon.run("logctl", "rm", "-y", "job")
    with daemon.client() as client:
        client.request(Report(1, "next", {"pages": {"done": 1}}))
        client.send(Watch(2, "runs", interval_ms=1))
        items_until(client, 2, lambda items: not items)  # when all is written, no run is in use
    assert daemon.pid() == pid


def test_the_board_of_a_run_that_is_made_again_is_another(shared_daemon: Bed) -> None:
    with shared_daemon.client() as client:
        client.request(Report(1, "again", {"old": {}}))
        shared_daemon.run("logctl", "rm", "-y", "again")
        client.request(Report(2, "again", {"new": {}}))
        client.send(Watch(3, "board", run="again"))
        assert reported(items_until(client, 3, bool)) == {"new": {}}


def test_runs_and_who_is_present_are_told(daemon: Bed) -> None:
    daemon.run("logctl", "throttle", "presence_interval_seconds=0.1", "runs_interval_seconds=0.1")
    with daemon.client() as client, daemon.client() as other:
        client.send(Watch(1, "runs", run="w-*"))
        other.send(Watch(2, "presence", run="w-*"))
        assert items_until(client, 1, lambda items: not items) == {}
        with emitting(daemon, "w-1") as emit, emitting(daemon, "other"), attached(daemon, "w-1"):
            emit.say("x")
            runs = items_until(client, 1, lambda items: items.get("w-1", {}).get("viewers"))
            assert set(runs) == {"w-1"}
            assert (runs["w-1"]["state"], runs["w-1"]["emitters"], runs["w-1"]["viewers"]) == ("running", 1, 1)
            present = items_until(other, 2, lambda items: len(items) == 2)
            kinds = {key.split("/")[1]: value for key, value in present.items()}
            assert kinds["emitter"]["pid"] == emit.process.pid
            assert kinds["viewer"]["mode"] == "stream"
            emit.end()
        assert set(present) - {key for key in present if key.startswith("w-1/")} == set()


def test_settings_are_refused_by_their_code(shared_daemon: Bed) -> None:
    with shared_daemon.client() as client, pytest.raises(Refused) as refused:
        client.request(Throttle(1, {"view_max_interval_seconds": -1}))
    assert refused.value.code == ErrorCode.BAD_SETTING
