"""States of runs and their sessions, as whole processes show them, with kills that are real."""

from __future__ import annotations

import json
import os
import signal
from typing import Any

from bed import Bed, wait_until

from logd.client import Client
from logd.protocol import Attach, Close, Event, Items, Open, Reply, Watch


def state_of(daemon: Bed, run: str) -> str:
    runs = [json.loads(line) for line in daemon.run("logctl", "runs", "-o", "json").stdout.splitlines()]
    return next((str(each["state"]) for each in runs if each["name"] == run), "")


def shown(daemon: Bed, run: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(daemon.run("logctl", "runs", "show", run, "-o", "json").stdout)
    return value


def opened(daemon: Bed, run: str, session: str, **values: Any) -> Client:
    client = daemon.client()
    client.request(Open(1, run, session, **values))
    return client


def close(client: Client, exit_status: int) -> None:
    client.send(Close(1, exit_status))
    while not isinstance(client.receive(), Reply):
        pass


def test_a_killed_emitters_run_is_lost_until_it_returns(daemon: Bed) -> None:
    with daemon.started("logctl", "emit", "job", "--source", "w3") as emit:
        assert emit.stdin is not None
        emit.stdin.write(b"one\n")
        emit.stdin.flush()
        wait_until(lambda: state_of(daemon, "job") == "running")
        (session,) = shown(daemon, "job")["sessions"]
        assert (session["pid"], session["uid"], session["source"]) == (emit.pid, os.getuid(), "w3")
        assert (session["state"], session["ended_us"]) == ("running", None)
        emit.send_signal(signal.SIGKILL)
        wait_until(lambda: state_of(daemon, "job") == "lost")
    value = shown(daemon, "job")
    assert (value["run"]["state"], value["sessions"][0]["state"], value["sessions"][0]["records"]) == (
        "lost",
        "lost",
        1,
    )
    daemon.emit("job", b"two\n")
    assert state_of(daemon, "job") == "ended"
    assert [each["state"] for each in shown(daemon, "job")["sessions"]] == ["ended", "lost"]


def test_who_attaches_is_told_that_a_run_is_lost(daemon: Bed) -> None:
    with daemon.started("logctl", "emit", "job") as emit:
        wait_until(lambda: state_of(daemon, "job") == "running")
        with daemon.started("logctl", "attach", "--plain", "job") as attach:
            wait_until(lambda: b"viewer" in daemon.run("logctl", "who").stdout)
            emit.send_signal(signal.SIGKILL)
            _, said = attach.communicate(timeout=30)
    assert said.partition(b": ")[2] == b"run job is lost: who emitted into it last is gone without a word\n"


def test_a_session_that_returns_is_not_lost_any_more_and_its_watchers_are_told(daemon: Bed) -> None:
    with opened(daemon, "job", "s"), daemon.client() as watcher:
        watcher.request(Attach(1, "job"))
    with daemon.client() as watcher:
        wait_until(lambda: state_of(daemon, "job") == "lost")
        watcher.send(Attach(1, "job"))
        events: list[Event] = []
        while "ended" not in [event.kind for event in events]:
            message = watcher.receive()
            events += [message] if isinstance(message, Event) else []
        assert events[-1].lost
    with opened(daemon, "job", "s") as client:
        assert state_of(daemon, "job") == "running"
        close(client, 3)
    assert state_of(daemon, "job") == "ended"
    (session,) = shown(daemon, "job")["sessions"]
    assert (session["state"], session["exit_status"]) == ("ended", 3)
    assert b"job  ended 3" in daemon.run("logctl", "runs").stdout
    assert b"ended 3" in daemon.run("logctl", "runs", "show", "job").stdout.splitlines()[-1]


def test_how_a_run_ended_outlives_the_daemon_and_a_kill_of_it(daemon: Bed) -> None:
    with opened(daemon, "good", "s") as client:
        close(client, 0)
    opened(daemon, "bad", "s").close()
    wait_until(lambda: state_of(daemon, "bad") == "lost")
    with opened(daemon, "open", "s"):
        daemon.kill()
    daemon.run("logd", "start")
    assert [state_of(daemon, run) for run in ("good", "bad", "open")] == ["ended", "lost", "running"]
    assert shown(daemon, "open")["sessions"][0]["state"] == "running", "it is expected back"


def test_a_run_goes_on_through_a_restart_since_it_began(daemon: Bed) -> None:
    def begun_us() -> int:
        with daemon.client() as client:
            client.send(Watch(1, "runs", run="job"))
            while True:
                message = client.receive()
                if isinstance(message, Items) and (value := message.items.get("job")) and value["emitters"]:
                    return int(value["begun_us"])

    with daemon.started("logctl", "emit", "job") as emit:
        assert emit.stdin is not None
        emit.stdin.write(b"one\n")
        emit.stdin.flush()
        began_us = begun_us()
        daemon.run("logd", "restart")
        assert begun_us() == began_us
        daemon.kill()
        daemon.run("logd", "start")
        assert begun_us() == began_us
        emit.communicate(timeout=60)
    daemon.emit("job", b"another\n")
    with daemon.started("logctl", "emit", "job") as emit:
        wait_until(lambda: begun_us() > began_us)
        emit.communicate(timeout=60)


def test_a_run_that_nothing_comes_of_is_silent(daemon: Bed) -> None:
    daemon.run("logctl", "throttle", "silent_seconds=1")
    with opened(daemon, "job", "s"):
        wait_until(lambda: state_of(daemon, "job") == "silent")
        assert shown(daemon, "job")["sessions"][0]["state"] == "silent"
    wait_until(lambda: state_of(daemon, "job") == "lost")


def test_sessions_of_a_run_that_there_is_not(shared_daemon: Bed) -> None:
    assert b"there is no run nothing" in shared_daemon.run("logctl", "runs", "show", "nothing", status=1).stderr
    assert b"is not a run's name" in shared_daemon.run("logctl", "runs", "show", "a b", status=2).stderr


def test_what_was_left_over_says_how_it_ended(daemon: Bed) -> None:
    """An emitter that ends while there is no daemon has said so in its spool; one that is killed has not."""
    with daemon.started("logctl", "emit", "killed") as killed, daemon.started("logctl", "emit", "ended") as ended:
        wait_until(lambda: (state_of(daemon, "killed"), state_of(daemon, "ended")) == ("running", "running"))
        daemon.run("logd", "stop")
        for emit in (killed, ended):
            assert emit.stdin is not None
            emit.stdin.write(b"x\n" * 6_000_000)
            emit.stdin.flush()
        killed.send_signal(signal.SIGKILL)
        assert ended.stdin is not None
        ended.stdin.close()
        ended.wait(timeout=60)
    daemon.run("logd", "start")
    wait_until(lambda: (state_of(daemon, "killed"), state_of(daemon, "ended")) == ("lost", "ended"))
