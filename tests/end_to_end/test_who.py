"""`logctl who`, with viewers on terminals of their own that are killed as they stand."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from bed import Bed, wait_until


def present(daemon: Bed, *arguments: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in daemon.run("logctl", "who", *arguments, "-o", "json").stdout.splitlines()]


def viewers(daemon: Bed, *arguments: str) -> list[dict[str, Any]]:
    return [each for each in present(daemon, *arguments) if each["role"] == "viewer"]


@contextmanager
def watching(daemon: Bed, *arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A viewer on a terminal of its own, and that terminal's name."""
    master, slave = pty.openpty()
    name = os.ttyname(slave).removeprefix("/dev/")
    terminal = dict.fromkeys(("stdin", "stdout", "stderr"), slave)

    def take_over() -> None:
        os.setsid()
        import fcntl
        import termios

        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    with daemon.started("logctl", "attach", "--plain", *arguments, preexec_fn=take_over, **terminal) as process:
        os.close(slave)
        drain = threading.Thread(target=_drain, args=(master,), daemon=True)
        drain.start()
        yield process, name
        process.kill()
        drain.join(timeout=30)
    os.close(master)


def _drain(master: int) -> None:
    try:
        while os.read(master, 65536):
            pass
    except OSError:
        pass


def test_viewers_see_each_other_and_who_is_killed_is_gone(daemon: Bed) -> None:
    with ExitStack() as stack:
        emit = stack.enter_context(daemon.started("logctl", "emit", "job", "--source", "w3"))
        wait_until(lambda: present(daemon))
        one, one_terminal = stack.enter_context(watching(daemon, "job", "--level", "warn"))
        other, other_terminal = stack.enter_context(watching(daemon, "job"))
        wait_until(lambda: len(viewers(daemon, "job")) == 2)
        (emitter, *both) = present(daemon, "jo*")
        assert (emitter["role"], emitter["job_pid"], emitter["source"]) == ("emitter", emit.pid, "w3")
        assert {(each["pid"], each["terminal"], each["filter"]) for each in both} == {
            (one.pid, one_terminal, "level>=WARN"),
            (other.pid, other_terminal, ""),
        }
        assert all(each["uid"] == os.getuid() and not each["paused"] for each in both)
        follow = stack.enter_context(daemon.started("logctl", "who", "--follow", "-o", "json"))
        assert follow.stdout is not None
        said = [json.loads(follow.stdout.readline()) for _ in range(3)]
        assert {each["event"] for each in said} == {"present"}
        one.send_signal(signal.SIGKILL)
        gone = json.loads(follow.stdout.readline())
        assert (gone["event"], gone["role"], gone["pid"]) == ("leave", "viewer", one.pid)
        assert [each["pid"] for each in viewers(daemon)] == [other.pid]
        emit.send_signal(signal.SIGKILL)
        gone = json.loads(follow.stdout.readline())
        assert (gone["event"], gone["role"], gone["pid"]) == ("leave", "emitter", emit.pid)


def test_nobody_is_said(daemon: Bed) -> None:
    daemon.emit("job", b"x\n")
    done = daemon.run("logctl", "who", "job")
    assert (done.stdout, done.stderr) == (b"", b"nobody emits or watches\n")
    assert b"there is no run jib" in daemon.run("logctl", "who", "jib", status=1).stderr
    assert b"is not a run's name" in daemon.run("logctl", "who", "a b", status=2).stderr


def test_it_outlives_the_daemon(daemon: Bed) -> None:
    daemon.emit("job", b"x\n")
    with daemon.started("logctl", "who", "-f") as follow:
        assert follow.stdout is not None
        assert follow.stderr is not None
        assert follow.stderr.readline() == b"nobody emits or watches\n"
        daemon.run("logd", "restart")
        assert b"waiting for it to be back" in follow.stderr.readline()
        assert b"the daemon is back" in follow.stderr.readline()
        with daemon.started("logctl", "emit", "job"):
            assert b" emits\n" in follow.stdout.readline()
