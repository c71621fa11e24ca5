"""The pager in a terminal, as a whole process: what its user sees, and how it leaves the terminal."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from bed import Bed
from pty_screen import PtyScreen


def attached(daemon: Bed, *arguments: str, rows: int = 24, columns: int = 80, **environ: str) -> PtyScreen:
    kept = {name: value for name, value in daemon.environ.items() if name not in ("NO_COLOR", "COLORTERM")}
    argv = daemon.argv("logctl", "attach", *arguments)
    return PtyScreen(argv, {**kept, "LANG": "C.UTF-8", **environ}, rows=rows, columns=columns)


def numbered(first: int, last: int) -> bytes:
    return b"".join(b"number %d of many\n" % number for number in range(first, last + 1))


class Job:
    """Something that emits into a run, for as long as it is open."""

    def __init__(self, emit: subprocess.Popen[bytes]) -> None:
        self._emit = emit

    def say(self, data: bytes) -> None:
        assert self._emit.stdin is not None
        self._emit.stdin.write(data)
        self._emit.stdin.flush()

    def end(self) -> None:
        self._emit.communicate(timeout=60)


@contextmanager
def job(daemon: Bed, run: str) -> Iterator[Job]:
    with daemon.started("logctl", "emit", run) as emit:
        yield Job(emit)


def shown_seqs(pager: PtyScreen) -> list[int]:
    """The numbers of the records on the screen, from above."""
    return [int(found[1]) for line in pager.lines[:-1] if (found := re.search(r"number (\d+) of", line))]


def test_a_whole_session(daemon: Bed) -> None:
    with job(daemon, "job") as emitter, attached(daemon, "job") as pager:
        # It waits, and then follows.
        pager.wait(lambda: "[x] Follow  no records" in pager.last)
        emitter.say(numbered(1, 100_000))
        pager.wait(lambda: shown_seqs(pager) == [*range(99_978, 100_001)])
        assert "[x] Follow  100,000/100,000 100%" in pager.last
        # Scrolling pauses; what comes then moves nothing, and is counted.
        pager.type("\x1b[5~")
        pager.wait(lambda: "Follow paused" in pager.last)
        read = shown_seqs(pager)
        assert read[-1] < 100_000
        emitter.say(numbered(100_001, 200_000))
        pager.wait(lambda: "[ ] Follow" in pager.last and "↓ 100,000 new" in pager.last)
        assert shown_seqs(pager) == read
        middle = next(line for line in pager.lines if line.startswith("▸"))
        # What was left out of the flood is read when one comes to it.
        pager.type("1000g")
        pager.wait(lambda: 1000 in shown_seqs(pager))
        pager.type("''")
        pager.wait(lambda: shown_seqs(pager) == read)
        pager.resize(40, 120)
        pager.wait(lambda: len(shown_seqs(pager)) >= 38 and middle in "\n".join(pager.lines))
        pager.resize(24, 80)
        pager.wait(lambda: shown_seqs(pager) == read)
        # Filtering, and back.
        pager.type("&77 of\r")
        pager.wait(lambda: "&/77 of/" in pager.last and all(seq % 100 == 77 for seq in shown_seqs(pager)))
        pager.type("&\r")
        pager.wait(lambda: "&/" not in pager.last and len(shown_seqs(pager)) >= 22)
        # Searching, within a filter too.
        pager.type("?number 12345 of\r")
        pager.wait(lambda: 12_345 in shown_seqs(pager))
        pager.type("&45 of\r")
        pager.wait(lambda: shown_seqs(pager)[:1] and all(seq % 100 == 45 for seq in shown_seqs(pager)))
        pager.type("/number 2..45 of\r")
        pager.wait(lambda: 20_045 in shown_seqs(pager))
        pager.type("&\r")
        pager.wait(lambda: "&/" not in pager.last and 20_046 in shown_seqs(pager))
        # Now is now, and not a replay.
        pager.type("F")
        pager.wait(lambda: shown_seqs(pager) == [*range(199_978, 200_001)])
        emitter.say(b"the last word\n")
        emitter.end()
        pager.wait(lambda: "job has ended" in pager.last)
        assert "the last word" in pager.lines[-2]
        pager.wait(lambda: "job ended  [ ] Follow" in pager.last)
        pager.type("q")
        assert os.waitstatus_to_exitcode(pager.wait_ended()) == 0
        assert pager.is_restored
        assert b"Traceback" not in pager.written


def test_a_run_that_starts_again_is_followed_again(daemon: Bed) -> None:
    daemon.emit("job", b"first\n")
    with attached(daemon, "job") as pager:
        pager.wait(lambda: "job ended  [ ] Follow" in pager.last)
        with job(daemon, "job") as emitter:
            emitter.say(b"second\n")
            pager.wait(lambda: any("started again" in line for line in pager.lines))
            pager.wait(lambda: "job running  [x] Follow  2/2" in pager.last)


def test_the_daemon_may_go_and_come_back(daemon: Bed) -> None:
    with job(daemon, "job") as emitter, attached(daemon, "job") as pager:
        emitter.say(numbered(1, 5000))
        pager.wait(lambda: 5000 in shown_seqs(pager))
        pager.type("\x1b[5~")
        pager.wait(lambda: "[ ] Follow" in pager.last)
        read = shown_seqs(pager)
        daemon.kill()
        pager.wait(lambda: "reconnecting…" in pager.last)
        assert shown_seqs(pager) == read
        pager.type("k")  # what is held can be read
        pager.wait(lambda: shown_seqs(pager) == [seq - 1 for seq in read])
        daemon.run("logd", "start")
        emitter.say(numbered(5001, 6000))
        pager.wait(lambda: "reconnecting…" not in pager.last and "↓ 1,000 new" in pager.last)
        assert shown_seqs(pager) == [seq - 1 for seq in read]
        pager.type("F")
        pager.wait(lambda: 6000 in shown_seqs(pager))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_and_the_terminal_is_as_it_was(shared_daemon: Bed, number: signal.Signals) -> None:
    shared_daemon.emit("signalled", numbered(1, 100))
    with attached(shared_daemon, "signalled") as pager:
        pager.wait(lambda: 100 in shown_seqs(pager))
        pager.type("\x1bOQ")  # F2: the mouse's modes are set, too
        pager.wait(lambda: b"\x1b[?1000h" in pager.written)
        assert not pager.is_restored
        os.kill(pager.pid, number)
        assert os.waitstatus_to_exitcode(pager.wait_ended()) == -number
        assert pager.is_restored


def test_a_terminal_that_is_closed_ends_it(shared_daemon: Bed) -> None:
    with job(shared_daemon, "hung-up") as emitter, attached(shared_daemon, "hung-up") as pager:
        emitter.say(numbered(1, 100))
        pager.wait(lambda: 100 in shown_seqs(pager))
        assert os.waitstatus_to_exitcode(pager.hang_up()) == -signal.SIGHUP


def test_a_terminal_that_takes_nothing_holds_up_neither_the_daemon_nor_the_end(shared_daemon: Bed) -> None:
    with job(shared_daemon, "stuck") as emitter, attached(shared_daemon, "stuck", rows=100, columns=300) as pager:

        def flood(until: int) -> None:
            """Have far more painted than a terminal's buffer takes, and read none of it."""
            for last in range(until - 900, until + 1, 100):
                emitter.say(b"".join(b"number %d of many %s\n" % (n, b"x" * 300) for n in range(last - 99, last + 1)))
                shared_daemon.run("logctl", "runs")

        emitter.say(numbered(1, 100))
        pager.wait(lambda: 100 in shown_seqs(pager))
        flood(1000)
        pager.wait(lambda: 1000 in shown_seqs(pager))
        flood(2000)
        os.kill(pager.pid, signal.SIGTERM)
        assert os.waitstatus_to_exitcode(pager.wait_ended(reads=False)) == -signal.SIGTERM
        assert b"\x18" in pager.written  # it did not take all
        assert pager.is_restored


def test_it_follows_again_at_the_bottom_where_that_is_asked_for(shared_daemon: Bed) -> None:
    with (
        job(shared_daemon, "bottom") as emitter,
        attached(shared_daemon, "bottom", "--resume", "at-bottom") as pager,
    ):
        emitter.say(numbered(1, 100))
        pager.wait(lambda: 100 in shown_seqs(pager))
        pager.type("kk")
        pager.wait(lambda: "[ ] Follow" in pager.last and 98 in shown_seqs(pager)[-1:])
        pager.type("j")
        pager.wait(lambda: 99 in shown_seqs(pager)[-1:])
        emitter.say(numbered(101, 101))
        pager.wait(lambda: "↓ 1 new" in pager.last)
        assert shown_seqs(pager)[-1] == 99
        pager.type("jjj")  # a divider is above what is new
        pager.wait(lambda: "[x] Follow" in pager.last)
        emitter.say(numbered(102, 102))
        pager.wait(lambda: 102 in shown_seqs(pager)[-1:])


def test_a_pattern_waits_for_runs_and_a_removed_one_is_said_to_be(shared_daemon: Bed) -> None:
    with attached(shared_daemon, "pattern-*") as pager:
        pager.wait(lambda: "waiting for pattern-* to start" in pager.last)
        shared_daemon.emit("pattern-1", numbered(1, 3))
        pager.wait(lambda: shown_seqs(pager) == [1, 2, 3] and "pattern-1 ended" in pager.last)
        shared_daemon.run("logctl", "rm", "-y", "pattern-1")
        pager.wait(lambda: "pattern-1 removed  [ ] Follow" in pager.last)
        assert shown_seqs(pager) == []
        shared_daemon.emit("pattern-1", numbered(7, 8))
        pager.wait(lambda: shown_seqs(pager) == [7, 8])


def test_viewers_see_each_other_come_and_go(daemon: Bed) -> None:
    with job(daemon, "job") as emitter, attached(daemon, "job") as pager:
        emitter.say(numbered(1, 3))
        pager.wait(lambda: shown_seqs(pager) == [1, 2, 3])
        with attached(daemon, "job") as other:
            other.wait(lambda: "1 other watches" in other.last)
            pager.wait(lambda: b") watches" in pager.written)
            pager.wait(lambda: "1 other watches" in pager.last)
            pager.type("P")
            pager.wait(lambda: any(line.endswith("following") for line in pager.lines))
            pager.type("q")
            os.kill(other.pid, signal.SIGKILL)
            pager.wait(lambda: b") watches no more" in pager.written)


def test_ctrl_c_is_a_key_and_sigint_ends_it(shared_daemon: Bed) -> None:
    with job(shared_daemon, "interrupted") as emitter, attached(shared_daemon, "interrupted") as pager:
        emitter.say(numbered(1, 100))
        pager.wait(lambda: "[x] Follow  100/100" in pager.last)
        pager.type("\x03")
        pager.wait(lambda: "[ ] Follow" in pager.last)
        os.kill(pager.pid, signal.SIGINT)
        assert os.waitstatus_to_exitcode(pager.wait_ended()) == -signal.SIGINT
        assert pager.is_restored


def test_the_mouse_clicks_when_it_is_captured(shared_daemon: Bed) -> None:
    with job(shared_daemon, "clicked") as emitter, attached(shared_daemon, "clicked") as pager:
        emitter.say(numbered(1, 100))
        pager.wait(lambda: "[x] Follow" in pager.last)
        pager.type("\x1bOQ\x1b[<64;5;5M")
        pager.wait(lambda: 97 in shown_seqs(pager) and 100 not in shown_seqs(pager))
        pager.wait(lambda: "[ ] Follow" in pager.last)
        column = pager.last.index("[ ]") + 2
        pager.type(f"\x1b[<0;{column};24M\x1b[<0;{column};24m")
        pager.wait(lambda: "[x] Follow" in pager.last)


def test_the_list_of_runs_is_live(daemon: Bed) -> None:
    def listed(name: str) -> list[str]:
        return next((line.replace("▸", " ").split() for line in pager.lines if f" {name} " in line), [])

    daemon.emit("first", numbered(1, 3))
    with attached(daemon, "first") as pager:
        pager.wait(lambda: 3 in shown_seqs(pager))
        pager.type("T")
        pager.wait(lambda: listed("first")[:3] == ["first", "ended", "3"])
        with job(daemon, "second") as emitter:
            pager.wait(lambda: listed("second")[:2] == ["second", "running"])
            emitter.say(numbered(1, 5))
            pager.wait(lambda: listed("second")[2:3] == ["5"])
            pager.wait(lambda: listed("second")[4:5] == ["B"])  # its size is read later
            daemon.kill()
            pager.wait(lambda: "reconnecting…" in pager.last)
            daemon.run("logd", "start")
            emitter.say(numbered(6, 9))
            pager.wait(lambda: "reconnecting…" not in pager.last and listed("second")[2:3] == ["9"])
            daemon.run("logctl", "rm", "-y", "first")
            emitter.end()
        pager.wait(lambda: listed("second")[:2] == ["second", "ended"])
        pager.wait(lambda: not listed("first") and "1 run " in pager.last)
        assert listed("second") and any(line.startswith("▸ second") for line in pager.lines)
        pager.type("\r")
        pager.wait(lambda: shown_seqs(pager) == [*range(1, 10)] and "second ended" in pager.last)


def test_a_record_is_copied_and_shown_in_an_editor(shared_daemon: Bed) -> None:
    shared_daemon.emit("edited", b"a word\n")
    editor = "sh -c 'cat $0; echo edited; read answer'"
    with attached(shared_daemon, "edited", VISUAL=editor) as pager:
        pager.wait(lambda: any("a word" in line for line in pager.lines))
        pager.type("c")
        pager.wait(lambda: b"\x1b]52;c;" in pager.written)
        pager.type("v")
        pager.wait(lambda: b"edited\r\n" in pager.written)
        assert pager.is_restored
        pager.type("\r")
        pager.wait(lambda: "edited ended" in pager.last)
        assert not pager.is_restored


def test_what_is_shown_is_saved(shared_daemon: Bed, tmp_path: Path) -> None:
    shared_daemon.emit("saved", numbered(1, 1000))
    path = tmp_path / "saved.txt"
    with attached(shared_daemon, "saved", "--grep", "9 of") as pager:
        pager.wait(lambda: 999 in shown_seqs(pager))
        pager.type(f":save {path}\r")
        pager.wait(lambda: "saved.txt has 100 records" in pager.last or path.exists())
    assert [line.split()[-3] for line in path.read_text().splitlines()] == [str(n) for n in range(9, 1000, 10)]


def test_no_color_has_no_colours(shared_daemon: Bed) -> None:
    shared_daemon.emit("plain", b"ERROR red \x1b[31mred\x1b[0m\n")
    with attached(shared_daemon, "plain", NO_COLOR="1") as pager:
        pager.wait(lambda: any("ERROR red red" in line for line in pager.lines))
        pager.type("q")
        pager.wait_ended()
    colours = {
        int(code) for codes in re.findall(rb"\x1b\[([0-9;]*)m", pager.written) for code in codes.split(b";") if code
    }
    assert colours <= {0, 1, 4, 7, 39, 49}


def test_lines_are_printed_where_no_pager_is_asked_for(shared_daemon: Bed) -> None:
    shared_daemon.emit("lines", b"a word\n")
    for arguments, environ in ((["--plain"], {}), (["--no-follow"], {}), (["-o", "raw"], {}), ([], {"TERM": "dumb"})):
        argv = shared_daemon.argv("logctl", "attach", "lines", *arguments)
        if environ:
            argv = ["env", "TERM=dumb", *argv]
        with PtyScreen(argv, shared_daemon.environ) as shown:
            assert os.waitstatus_to_exitcode(shown.wait_ended()) == 0
            assert b"a word\r\n" in shown.written
            assert b"\x1b[?1049h" not in shown.written


def test_a_filter_that_is_none_is_said_on_the_restored_terminal(shared_daemon: Bed) -> None:
    shared_daemon.emit("filtered", b"a word\n")
    with attached(shared_daemon, "filtered", "--grep", "(") as pager:
        assert os.waitstatus_to_exitcode(pager.wait_ended()) == 2
        assert pager.is_restored
        assert b"'(' is not a pattern" in pager.written


def test_an_error_of_its_own_is_a_sentence_on_the_restored_terminal(shared_daemon: Bed, tmp_path: Path) -> None:
    shared_daemon.emit("mistaken", b"a word\n")
    fails = "import logctl.pager.app as app, logctl.main; app.view = lambda state: 1 / 0; logctl.main.main()"
    argv = [sys.executable, "-c", fails, "attach", "mistaken"]
    with PtyScreen(argv, {**shared_daemon.environ, "TMPDIR": str(tmp_path)}) as pager:
        assert os.waitstatus_to_exitcode(pager.wait_ended()) == 70
        assert pager.is_restored
        assert b"ended by ZeroDivisionError: division by zero" in pager.written
        assert b"Traceback" not in pager.written
    (path,) = tmp_path.iterdir()
    assert "ZeroDivisionError" in path.read_text()


def test_a_run_that_is_not_to_be_waited_for(shared_daemon: Bed) -> None:
    with attached(shared_daemon, "nobody", "--no-wait") as pager:
        assert os.waitstatus_to_exitcode(pager.wait_ended()) == 1
        assert b"there is no run nobody" in pager.written
