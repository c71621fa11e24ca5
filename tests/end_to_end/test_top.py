"""`logctl top` on a terminal of its own, in a pipe, and over a daemon that goes and comes back."""

from __future__ import annotations

import json
import os
import signal
from contextlib import ExitStack
from typing import Any

import pytest
from bed import Bed, wait_until
from pty_screen import PtyScreen

from logd.protocol import Close, Emit, Open, Reply, Report


def line_of(top: PtyScreen, run: str) -> str:
    return next((line for line in top.lines[2:-1] if f"{run} " in line[:30]), "")


def snapshot(daemon: Bed, *arguments: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(daemon.run("logctl", "top", "-o", "json", *arguments).stdout)
    return value


def test_runs_are_shown_live_and_one_is_attached_to_and_left(daemon: Bed) -> None:
    daemon.emit("nightly", b"done\n")
    with (
        daemon.started("logctl", "emit", "scrape") as emit,
        PtyScreen(daemon.argv("logctl", "top"), daemon.environ) as top,
    ):
        assert emit.stdin is not None
        top.wait(lambda: "running" in line_of(top, "scrape") and "ended" in line_of(top, "nightly"))
        assert "2 runs: 1 running, 1 ended" in top.lines[0]
        emit.stdin.write(b"page 1\nWARNING slow\nERROR bad\n")
        emit.stdin.flush()
        top.wait(lambda: line_of(top, "scrape").split()[2:5] != [] and " 1    1" in line_of(top, "scrape"))
        top.type("j")
        top.wait(lambda: line_of(top, "nightly").startswith("▸"))
        top.type("k\r")
        top.wait(lambda: "ERROR bad" in "\n".join(top.lines) and "Follow" in top.last)
        top.type("q")
        top.wait(lambda: "by state" in top.last)
        assert line_of(top, "scrape").startswith("▸"), "it is where it was"
        emit.send_signal(signal.SIGKILL)
        top.wait(lambda: "lost" in line_of(top, "scrape"))
        top.type("h")
        top.wait(lambda: top.lines[0] == "Keys")
        top.type("qq")
        assert top.wait_ended() == 0
        assert top.is_restored


def test_the_daemon_may_go_and_come_back(daemon: Bed) -> None:
    daemon.emit("one", b"x\n")
    with PtyScreen(daemon.argv("logctl", "top"), daemon.environ) as top:
        top.wait(lambda: "ended" in line_of(top, "one"))
        daemon.kill()
        top.wait(lambda: "reconnecting" in top.last)
        daemon.run("logd", "start")
        daemon.emit("two", b"x\n")
        top.wait(lambda: "reconnecting" not in top.last and line_of(top, "two"))
        assert "ended" in line_of(top, "one")
        top.type("\x03")
        assert top.wait_ended() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_and_the_terminal_is_as_it_was(shared_daemon: Bed, number: signal.Signals) -> None:
    with PtyScreen(shared_daemon.argv("logctl", "top"), shared_daemon.environ) as top:
        top.wait(lambda: "h help" in top.last)
        os.kill(top.pid, number)
        assert os.WTERMSIG(top.wait_ended()) == number
        assert top.is_restored


def test_a_run_that_is_gone_when_it_is_attached_to_is_said(daemon: Bed) -> None:
    daemon.emit("one", b"x\n")
    with PtyScreen(daemon.argv("logctl", "top"), daemon.environ) as top:
        top.wait(lambda: line_of(top, "one"))
        daemon.run("logctl", "rm", "-y", "one")
        top.type("\r")
        top.wait(lambda: "no run" in top.last and "one" in top.last)
        top.type("q")
        assert top.wait_ended() == 0


def test_a_snapshot_has_what_is_known(daemon: Bed) -> None:
    with ExitStack() as stack:
        client = stack.enter_context(daemon.client())
        client.request(Open(1, "scan", "s"))
        client.send(Emit(1, 1, lines=b"a\nWARNING b\nERROR c\nFATAL d\n"))
        client.request(Report(2, "scan", {"files": {"done": 1, "total": 4}, "queue": {"gauge": 3}}))
        viewer = stack.enter_context(daemon.started("logctl", "attach", "scan", "-o", "raw"))
        assert viewer.stdout is not None
        assert viewer.stdout.readline() == b"a\n"
        daemon.emit("other", b"x\n", "--level", "warn")
        (other, scan) = sorted(snapshot(daemon)["runs"], key=lambda run: str(run["name"]))
        assert (other["state"], other["warnings"], other["errors"], other["records"]) == ("ended", 1, 0, 1)
        assert (scan["state"], scan["warnings"], scan["errors"], scan["records"]) == ("running", 1, 2, 4)
        assert (scan["progress"], scan["queue"], scan["emitters"], scan["viewers"]) == (0.25, 3, 1, 1)
        totals = snapshot(daemon, "s*")["totals"]
        assert (totals["emitters"], totals["viewers"], totals["store_error"]) == (1, 1, "")
        client.send(Close(1, 3))
        while not isinstance(client.receive(), Reply):
            pass
    assert b"ended 3" in daemon.run("logctl", "top", "--plain", "scan").stdout
    assert b"other" not in daemon.run("logctl", "top", "scan").stdout
    assert b"is not a run's name" in daemon.run("logctl", "top", "a b", status=2).stderr


def test_counts_outlive_the_daemon_and_go_with_what_is_cleared(daemon: Bed) -> None:
    def counts() -> tuple[int, int]:
        (run,) = snapshot(daemon)["runs"]
        return run["warnings"], run["errors"]

    daemon.emit("job", b"x\nWARNING y\nERROR z\n")
    daemon.emit("job", b"ERROR z\n")
    assert counts() == (1, 2)
    daemon.run("logd", "restart")
    assert counts() == (1, 2)
    daemon.emit("job", b"ERROR z\n")
    assert counts() == (1, 3)
    daemon.run("logctl", "clear", "-y", "job")
    wait_until(lambda: counts() == (0, 0))
