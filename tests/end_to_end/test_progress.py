"""`logctl progress` against a real daemon: reporting from scripts, what is shown in a pipe, and live on a terminal."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from bed import Bed, wait_until
from pty_screen import PtyScreen

from logd.client import Client
from logd.protocol import Close, Detach, Event, Items, Open, Reply, Report, Watch


def board(daemon: Bed, run: str) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(daemon.run("logctl", "progress", run, "-o", "json").stdout)
    return shown


def items(daemon: Bed, run: str) -> dict[str, Any]:
    return {item["key"]: item for item in board(daemon, run)["items"]}


def text(daemon: Bed, *arguments: str) -> str:
    return daemon.run("logctl", "progress", *arguments).stdout.decode()


@contextmanager
def session(daemon: Bed, run: str) -> Iterator[Client]:
    """A client that has the run open, as a job's emitter has."""
    with daemon.client() as client:
        client.request(Open(999, run, session=f"session of {run}"))
        yield client


def close(client: Client, exit_status: int = 0) -> None:
    client.send(Close(999, exit_status))
    while not (isinstance(answer := client.receive(), Reply) and answer.id == 999):
        pass


def test_reports_from_a_script(shared_daemon: Bed) -> None:
    def report(*arguments: str) -> None:
        assert not shared_daemon.run("logctl", "progress", "script", *arguments).stdout

    report("pages", "--done", "47", "--total", "500", "--unit", "samples", "--status", "page 47")
    report("pages", "--advance", "3", "--field", "host=here")
    report("other", "--state", "failed", "--status", "no answer", "--retries", "2")
    report("--gauge", "queue_depth=12", "--gauge", "load=0.25")
    found = items(shared_daemon, "script")
    pages = found["pages"]
    assert (pages["done"], pages["total"], pages["unit"], pages["host"]) == (50, 500, "samples", "here")
    assert (pages["status"], pages["state"], pages["percent"]) == ("page 47", "running", 10)
    assert (found["other"]["state"], found["other"]["retries"]) == ("failed", 2)
    assert (found["queue_depth"]["gauge"], found["load"]["gauge"]) == (12, 0.25)
    whole = board(shared_daemon, "script")
    assert (whole["counts"], whole["unit"]) == ({"running": 1, "failed": 1}, "samples")
    lines = text(shared_daemon, "script").splitlines()
    assert lines[0].startswith("script  ")
    assert lines[1:3] == ["1 running  1 failed", "load 0.25  queue_depth 12"]
    assert lines[4].split() == ["STATE", "ITEM", "DONE", "%", "RATE", "LEFT", "TIME", "STATUS"]
    assert "50/500 samples  10%" in lines[5]
    assert lines[6].endswith("retry 2 · no answer")
    report("other", "--remove")
    report("--reset", "again", "--state", "pending")
    assert items(shared_daemon, "script").keys() == {"again"}
    report("--reset")
    assert items(shared_daemon, "script") == {}
    assert text(shared_daemon, "script") == "script\n"


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("none",), 1, "there is no run none"),
        (("bad name",), 2, "bad name"),
        (("refused", "key"), 2, "nothing is reported of key"),
        (("refused", "--done", "3"), 2, "needs a KEY"),
        (("refused", "key", "--done", "x"), 2, "not a number"),
        (("refused", "key", "--done", "nan"), 2, "not a number"),
        (("refused", "key", "--done", "-1"), 1, "done is -1"),
        (("refused", "key", "--state", "begun"), 2, "begun"),
        (("refused", "key", "--remove", "--done", "1"), 2, "--remove"),
        (("refused", "--gauge", "depth"), 2, "NAME=VALUE"),
        (("refused", "key", "--field", "=1"), 2, "NAME=VALUE"),
        (("refused", "key", "--field", "rate=1"), 1, "rate is the daemon's to say"),
        (("refused", "k" * 300, "--done", "1"), 2, "too large"),
        (("refused", "key", "--status", "x" * 2000), 2, "too large"),
    ],
)
def test_what_is_no_report_is_refused(shared_daemon: Bed, arguments: tuple[str, ...], status: int, said: str) -> None:
    done = shared_daemon.run("logctl", "progress", *arguments, status=status)
    assert said in done.stderr.decode()
    assert not done.stdout


def test_a_board_outlives_the_daemon_also_when_that_is_killed(daemon: Bed) -> None:
    daemon.run("logctl", "progress", "job", "pages", "--done", "0", "--total", "10")
    daemon.run("logctl", "progress", "job", "pages", "--advance", "5")
    before = items(daemon, "job")["pages"]
    daemon.run("logd", "restart")
    after = items(daemon, "job")["pages"]
    assert {name: after[name] for name in ("done", "rate", "started_us", "moved_us")} == {
        name: before[name] for name in ("done", "rate", "started_us", "moved_us")
    }
    daemon.run("logctl", "progress", "job", "pages", "--advance", "1")
    with closing(sqlite3.connect(f"file:{daemon.state_dir / 'catalog.sqlite'}?mode=ro", uri=True)) as catalog:
        wait_until(lambda: '"done": 6' in catalog.execute("SELECT value FROM items WHERE run = 'job'").fetchone()[0])
    daemon.kill()
    assert items(daemon, "job")["pages"]["done"] == 6


def test_10000_items_fit_and_a_report_over_the_bound_is_refused_as_a_whole(shared_daemon: Bed) -> None:
    with shared_daemon.client() as client:
        for start in range(0, 10_000, 500):
            client.request(Report(client.new_id(), "full", {f"k{start + at}": {"done": at} for at in range(500)}))
    done = shared_daemon.run("logctl", "progress", "full", "--gauge", "one=1", status=1)
    assert "10001 items" in done.stderr.decode()
    whole = board(shared_daemon, "full")
    assert len(whole["items"]) == 10_000
    assert whole["counts"] == {"running": 10_000}
    shared_daemon.run("logctl", "progress", "full", "k0", "--remove")
    shared_daemon.run("logctl", "progress", "full", "--gauge", "one=1")


def test_a_viewer_is_sent_one_message_an_interval_and_the_end_at_once(daemon: Bed) -> None:
    """882 items, each of them begun and done: 1,764 updates."""
    daemon.run("logctl", "throttle", "board_interval_seconds=0.3")
    with session(daemon, "scan") as job, daemon.client() as viewer:
        viewer.send(Watch(1, "board", run="scan"))
        began = time.monotonic()
        for number in range(882):
            key = f"file-{number}"
            job.request(Report(job.new_id(), "scan", {key: {"state": "running"}}))
            job.request(Report(job.new_id(), "scan", {key: {"state": "done"}}))
        close(job)
        took_seconds = time.monotonic() - began
        messages: list[Items] = []
        state = None
        while state != "ended" or messages[-1].more:
            message = viewer.receive()
            if isinstance(message, Items):
                messages.append(message)
                state = message.run["state"] if message.run is not None else state
    seen: dict[str, Any] = {}
    for message in messages:
        seen |= message.items
    assert len(seen) == 882
    assert all(item["state"] == "done" for item in seen.values()), "what was there at the end came with it"
    frames = sum(1 for message in messages if not message.more)
    assert frames <= took_seconds / 0.3 + 3


# On a terminal


def shown(daemon: Bed, *arguments: str, rows: int = 24, columns: int = 80, **environ: str) -> PtyScreen:
    kept = {name: value for name, value in daemon.environ.items() if name not in ("NO_COLOR", "COLORTERM")}
    argv = daemon.argv("logctl", "progress", *arguments)
    return PtyScreen(argv, {**kept, "LANG": "C.UTF-8", **environ}, rows=rows, columns=columns)


def test_a_whole_session_on_a_terminal(daemon: Bed) -> None:
    daemon.run("logctl", "throttle", "board_interval_seconds=0.1")
    with session(daemon, "scan") as job:

        def report(**items: Any) -> None:
            job.request(Report(job.new_id(), "scan", items))

        report(a={"state": "running", "done": 1, "total": 4}, b={"state": "pending"}, depth={"gauge": 7})
        with shown(daemon, "scan") as screen:
            screen.wait(lambda: "running  a" in screen.lines[4])
            assert screen.lines[0].startswith("scan  running")
            assert "1 running  1 pending    depth 7" in screen.lines[2]
            sign = screen.lines[4][1]
            screen.wait(lambda: screen.lines[4][1] != sign)
            report(a={"advance": 1}, b={"state": "failed", "status": "no\x1b[2Janswer"})
            screen.wait(lambda: "2/4" in screen.lines[4] and "✗ failed   b" in screen.lines[5])
            assert "no^[[2Janswer" in screen.lines[5]
            screen.type("jj")
            screen.wait(lambda: screen.lines[5].startswith("▸"))
            screen.type("/b\r")
            screen.wait(lambda: "/b/" in screen.last and "failed   b" in screen.lines[4])
            screen.resize(30, 120)
            screen.wait(lambda: "/b/" in screen.last)
            screen.type("\x1b")
            screen.wait(lambda: "/b/" not in screen.last)
            screen.type("h")
            screen.wait(lambda: screen.lines[0] == "Keys")
            screen.type("q")
            daemon.run("logd", "stop")
            screen.wait(lambda: "reconnecting" in screen.last)
            daemon.run("logd", "start")
            screen.wait(lambda: "reconnecting" not in screen.last and "running" in screen.lines[0])
            screen.type("q")
            assert os.waitstatus_to_exitcode(screen.wait_ended()) == 0
            assert screen.is_restored


def test_what_ran_when_its_run_ended_has_stopped_on_the_screen(daemon: Bed) -> None:
    with session(daemon, "job") as job:
        job.request(Report(job.new_id(), "job", {"a": {"state": "running"}}))
        with shown(daemon, "job") as screen:
            screen.wait(lambda: "running  a" in screen.lines[4])
            close(job, 3)
            screen.wait(lambda: "job  ended 3" in screen.lines[0] and "■ stopped  a" in screen.lines[4])
            screen.type("\x03")
            assert os.waitstatus_to_exitcode(screen.wait_ended()) == -signal.SIGINT
            assert screen.is_restored
    assert "stopped  a" in text(daemon, "job")


def test_a_screen_of_no_colours_and_one_that_is_ended(shared_daemon: Bed) -> None:
    shared_daemon.run("logctl", "progress", "plain", "a", "--state", "failed")
    with shown(shared_daemon, "plain", NO_COLOR="1") as screen:
        screen.wait(lambda: "✗ failed   a" in screen.lines[4])
        assert not any(b"\x1b[%d" % colour in screen.written for colour in range(31, 38))
        os.kill(screen.pid, signal.SIGTERM)
        assert os.waitstatus_to_exitcode(screen.wait_ended()) == -signal.SIGTERM
        assert screen.is_restored
    with shown(shared_daemon, "plain", "--plain") as screen:
        assert os.waitstatus_to_exitcode(screen.wait_ended()) == 0
        assert "failed  a" in "\n".join(screen.lines)
    with shown(shared_daemon, "nobody", "--plain") as screen:
        assert os.waitstatus_to_exitcode(screen.wait_ended()) == 1
        assert "there is no run nobody" in "\n".join(screen.lines)


def test_a_run_that_there_is_not_yet_is_waited_for(daemon: Bed) -> None:
    with shown(daemon, "later") as screen:
        screen.wait(lambda: "waiting for later to start" in "\n".join(screen.lines))
        daemon.run("logd", "restart")
        daemon.run("logctl", "progress", "later", "a", "--done", "1")
        screen.wait(lambda: "running  a" in screen.lines[4])
        screen.type("q")
        assert os.waitstatus_to_exitcode(screen.wait_ended()) == 0
        assert screen.is_restored


def test_who_waits_for_a_board_is_told_so_and_can_give_it_up(shared_daemon: Bed) -> None:
    with shared_daemon.client() as client:
        for sub in (1, 2):
            client.send(Watch(sub, "board", run="awaited", wait=True))
            assert [client.receive(), client.receive()] == [Reply(sub, {}), Event(sub, "waiting")]
        client.send(Detach(1))
        assert client.receive() == Reply(1, {})
        shared_daemon.run("logctl", "progress", "awaited", "a", "--done", "1")
        items = client.receive()
        assert isinstance(items, Items) and (items.sub, items.whole) == (2, True)
