"""`logctl run` at a terminal: what is typed, keys that signal, the window, and the terminal as it was afterwards."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import termios
from collections.abc import Iterator

import pytest
from bed import Bed, wait_until
from pty_screen import PtyScreen

COUNTING = 'n=0; echo begun; while read -r x; do n=$((n+1)); echo "$x $n"; done; exit 9'


def ran(daemon: Bed, *words: str, rows: int = 24, columns: int = 80) -> PtyScreen:
    return PtyScreen(daemon.argv("logctl", "run", *words), daemon.environ, rows=rows, columns=columns)


def text(screen: PtyScreen) -> str:
    return "\n".join(screen.lines)


def exit_status(screen: PtyScreen) -> int:
    return os.waitstatus_to_exitcode(screen.wait_ended())


def is_as_before(screen: PtyScreen) -> bool:
    return termios.tcgetattr(screen._fd) == screen.settings


def stored(daemon: Bed, run: str) -> dict[str, list[str]]:
    streams: dict[str, list[str]] = {}
    for row in daemon.rows(run):
        streams.setdefault(row["stream"], []).append(row["msg"])
    return streams


def test_both_streams_are_terminals_and_apart(shared_daemon: Bed) -> None:
    code = "test -t 0 && test -t 1 && test -t 2 && stty size && tty </dev/tty >/dev/null && echo '\33[31mred\33[0m' >&2"
    with ran(shared_daemon, "--name", "apart", "--", "sh", "-c", code, rows=30, columns=100) as screen:
        assert exit_status(screen) == 0
        assert "red" in text(screen)
        assert is_as_before(screen)
    assert stored(shared_daemon, "apart") == {"stdout": ["30 100"], "stderr": ["\33[31mred\33[0m"]}


def test_what_is_typed_goes_to_the_command_and_ends_it(shared_daemon: Bed) -> None:
    with ran(shared_daemon, "--", "sh", "-c", COUNTING) as screen:
        screen.wait(lambda: "begun" in screen.lines)
        screen.type("hello\n")
        screen.wait(lambda: "hello 1" in screen.lines)
        screen.type("\4")
        assert exit_status(screen) == 9
        assert is_as_before(screen)


@pytest.mark.parametrize("option", ["--pty", "--no-pty"])
def test_a_key_interrupts_the_command(shared_daemon: Bed, option: str) -> None:
    with ran(shared_daemon, option, "--", "sh", "-c", "echo begun; exec sleep 600") as screen:
        screen.wait(lambda: "begun" in screen.lines)
        screen.type("\3")
        assert exit_status(screen) == -signal.SIGINT, "so that a script around it ends, too"
        assert is_as_before(screen)


@pytest.mark.parametrize("option", ["--pty", "--no-pty"])
def test_a_key_ends_the_script_around_it_too(shared_daemon: Bed, option: str) -> None:
    run = shlex.join(shared_daemon.argv("logctl", "run", option, "--", "sh", "-c", "echo begun; exec sleep 600"))
    with PtyScreen(["bash", "-c", f"{run}; echo went on"], shared_daemon.environ) as screen:
        screen.wait(lambda: "begun" in screen.lines)
        screen.type("\3")
        assert exit_status(screen) == -signal.SIGINT
        assert "went on" not in text(screen)


@pytest.mark.parametrize("option", ["--pty", "--no-pty"])
def test_a_key_interrupts_it_once(shared_daemon: Bed, option: str) -> None:
    """So that a command which ends in good order at the first ^C is not cut short by a second one."""
    code = (
        "import signal, time\n"
        "got = []\n"
        "signal.signal(signal.SIGINT, lambda *_: got.append(1))\n"
        "print('begun', flush=True)\n"
        "while not got: time.sleep(0.01)\n"
        "time.sleep(0.3)\n"
        "print('got', len(got))"
    )
    with ran(shared_daemon, option, "--", sys.executable, "-c", code) as screen:
        screen.wait(lambda: "begun" in screen.lines)
        screen.type("\3")
        screen.wait_ended()
        assert "got 1" in text(screen)


def test_the_window_is_passed_on(shared_daemon: Bed) -> None:
    with ran(
        shared_daemon, "--", "sh", "-c", "trap 'stty size' WINCH; echo begun; while :; do sleep 0.05; done"
    ) as screen:
        screen.wait(lambda: "begun" in screen.lines)
        screen.resize(30, 100)
        screen.wait(lambda: "30 100" in screen.lines)
        screen.type("\3")
        screen.wait_ended()


@pytest.fixture
def shell(shared_daemon: Bed) -> Iterator[PtyScreen]:
    environ = {**shared_daemon.environ, "PS1": "> ", "BASH_SILENCE_DEPRECATION_WARNING": "1"}
    with PtyScreen(["bash", "--norc", "--noprofile", "-i"], environ, columns=200) as screen:
        screen.wait(lambda: ">" in screen.lines)
        yield screen
        screen.type("exit\n")
        screen.type("exit\n")
        screen.wait_ended()


def is_at_prompt(shell: PtyScreen) -> bool:
    return [line for line in shell.lines if line][-1] == ">"


@pytest.mark.parametrize("option", ["--pty", "--no-pty"])
def test_a_key_stops_it_and_the_shell_has_it_go_on(shared_daemon: Bed, shell: PtyScreen, option: str) -> None:
    words = shared_daemon.argv("logctl", "run", option, "--", "sh", "-c", COUNTING)
    shell.type(f"{shlex.join(words)}\n")
    shell.wait(lambda: "begun" in shell.lines)
    shell.type("\x1a")
    shell.wait(lambda: "Stopped" in text(shell) and is_at_prompt(shell))
    shell.type("echo in the shell\n")
    shell.wait(lambda: "in the shell" in shell.lines)
    shell.type("fg\n")
    shell.wait(lambda: text(shell).count("logctl.main run") > 2)
    shell.type("hello\n")
    shell.wait(lambda: "hello 1" in shell.lines)
    shell.type("\4")
    shell.wait(lambda: is_at_prompt(shell))
    shell.type("echo status $?\n")
    shell.wait(lambda: "status 9" in shell.lines)


def test_in_the_background_it_does_not_touch_the_terminal(shared_daemon: Bed, shell: PtyScreen) -> None:
    words = shared_daemon.argv("logctl", "run", "--name", "aside", "--", "sh", "-c", "echo aside; exit 3")
    shell.type(f"{shlex.join(words)} & wait $!; echo status $?\n")
    shell.wait(lambda: "status 3" in shell.lines)
    assert stored(shared_daemon, "aside") == {"stdout": ["aside"]}


def test_a_terminal_that_goes_away_ends_it_as_usual(shared_daemon: Bed) -> None:
    with ran(shared_daemon, "--name", "hung-up", "--", "sh", "-c", "echo begun; sleep 600") as screen:
        screen.wait(lambda: "begun" in screen.lines)
        os.kill(screen.pid, signal.SIGHUP)
        assert exit_status(screen) == 128 + signal.SIGHUP
    wait_until(lambda: b"ended 129" in shared_daemon.run("logctl", "runs").stdout)
