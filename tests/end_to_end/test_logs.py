"""`logctl logs`, as a whole process."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress

import pytest
from bed import Bed, bed, wait_until
from installed import needs_re2

LINES = b"".join(b"%s line %d\n" % (b"error:" if number % 10 == 0 else b"plain", number) for number in range(1, 101))


@pytest.fixture(scope="module")
def stored() -> Iterator[Bed]:
    """A daemon with a run of a hundred lines, every tenth an error, and two that were written by turns."""
    with bed() as made:
        made.run("logd", "start")
        made.emit("hundred", LINES)
        for number in range(3):
            for run in ("turn-a", "turn-b"):
                made.emit(run, b"%d\n" % number, "--source", run[-1])
        yield made


def numbers(out: bytes) -> list[int]:
    return [int(line.split()[-1]) for line in out.splitlines()]


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ([], range(1, 101)),
        (["-n", "5"], range(96, 101)),
        (["-n", "1000"], range(1, 101)),
        (["--head", "5"], range(1, 6)),
        (["--from-seq", "98"], range(98, 101)),
        (["--from-seq", "98", "-n", "2"], range(99, 101)),
        (["--from-seq", "98", "--head", "2"], range(98, 100)),
        (["--reverse"], range(100, 0, -1)),
        (["--reverse", "-n", "2"], range(100, 98, -1)),
        (["--reverse", "--head", "2"], range(2, 0, -1)),
        (["--level", "error"], range(10, 101, 10)),
        (["--level", "error", "-n", "2"], range(90, 101, 10)),
        pytest.param(["--grep", r"line \d$"], range(1, 10), marks=needs_re2),
        pytest.param(["--grep", "LINE 99", "-iF"], [99], marks=needs_re2),
        pytest.param(["--grep", "^plain", "-v"], range(10, 101, 10), marks=needs_re2),
        (["--grep", "line 50", "-F", "-C", "1"], [49, 50, 51]),
        (["--grep", "line 50", "-F", "-B", "2"], [48, 49, 50]),
        (["--grep", "line 50", "-F", "-C", "2", "-A", "0"], [48, 49, 50]),
        (["--since", "1h"], range(1, 101)),
        (["--until", "now", "-n", "1"], [100]),
    ],
)
def test_what_is_asked_for_is_shown(stored: Bed, arguments: list[str], shown: range | list[int]) -> None:
    done = stored.run("logctl", "logs", "hundred", "-o", "raw", *arguments)
    assert (numbers(done.stdout), done.stderr) == (list(shown), b"")


@pytest.mark.parametrize(
    "arguments",
    [["--grep", "nothing", "-F"], ["--level", "fatal"], ["--since", "tomorrow"], ["--until", "@1"], ["--source", "x"]],
)
def test_where_nothing_matches_the_status_is_greps(stored: Bed, arguments: list[str]) -> None:
    done = stored.run("logctl", "logs", "hundred", *arguments, status=1)
    assert (done.stdout, done.stderr) == (b"", b"")


def test_an_empty_run_is_no_failure(stored: Bed) -> None:
    stored.emit("empty", b"")
    assert stored.run("logctl", "logs", "empty").stdout == b""


def test_groups_are_apart(stored: Bed) -> None:
    out = stored.run("logctl", "logs", "hundred", "-o", "raw", "--level", "error", "-n", "2", "-A1").stdout
    assert out == b"error: line 90\nplain line 91\n--\nerror: line 100\n"


def test_several_runs_are_shown_in_the_order_in_which_they_came(stored: Bed) -> None:
    rows = stored.run("logctl", "logs", "turn-*", "-o", "json").stdout
    records = [json.loads(line) for line in rows.splitlines()]
    assert all(next(iter(record)) == "run" for record in records)
    assert [(record["run"], record["msg"]) for record in records] == [
        (run, str(number)) for number in range(3) for run in ("turn-a", "turn-b")
    ]
    text = stored.run("logctl", "logs", "turn-a", "turn-b", "-n", "3").stdout.decode()
    assert [(line.split(" | ")[0], line[-1]) for line in text.splitlines()] == [
        ("turn-b", "1"),
        ("turn-a", "2"),
        ("turn-b", "2"),
    ]
    assert stored.run("logctl", "logs", "turn-?", "-o", "raw", "--reverse").stdout == b"2\n2\n1\n1\n0\n0\n"
    assert stored.run("logctl", "logs", "turn-[ab]", "-o", "raw", "--source", "b").stdout == b"0\n1\n2\n"


def test_a_pattern_says_of_its_only_run_too_whose_records_they_are(stored: Bed) -> None:
    (row,) = stored.run("logctl", "logs", "hun*", "-n1", "-o", "json").stdout.splitlines()
    assert json.loads(row)["run"] == "hundred"
    (row,) = stored.run("logctl", "logs", "hundred", "-n1", "-o", "json").stdout.splitlines()
    assert list(json.loads(row)) == ["time", "msg"] or json.loads(row)["level"] == "ERROR"


def test_csv(stored: Bed) -> None:
    stored.run("logctl", "emit", "table", "a, b", "--level", "warn", "--source", "w3", "--field", 'say="hi"')
    out = stored.run("logctl", "logs", "table", "-o", "csv").stdout.decode()
    header, (time, *columns) = csv.reader(io.StringIO(out, newline=""))
    assert header == ["time", "level", "source", "stream", "message", "fields"]
    assert time == stored.rows("table")[0]["time"]
    assert columns == ["WARN", "w3", "", "a, b", '{"say":"\\"hi\\""}']


def test_runs_that_there_are_not(stored: Bed) -> None:
    done = stored.run("logctl", "logs", "hundert", "turn-a", "x*", "-o", "raw", status=1)
    assert done.stdout == b"0\n1\n2\n"
    assert b"no run matches x*" in done.stderr
    assert b"there is no run hundert" in done.stderr
    assert b"closest are hundred" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["hundred", "--grep", "("], b"is not a pattern", marks=needs_re2),
        (["hundred", "--since", "soon"], b"'soon' is not a time"),
        (["hundred", "-v"], b"-v needs --grep"),
        (["hundred", "-n", "1", "--head", "1"], b"cannot be given together"),
        (["hundred", "-n", "0"], b"0 is not in the range"),
        (["bad name"], b"is not a run's name"),
        ([], b"Missing argument"),
    ],
)
def test_what_cannot_be(stored: Bed, arguments: list[str], said: bytes) -> None:
    assert said in stored.run("logctl", "logs", *arguments, status=2).stderr


def test_records_that_are_gone_are_said(daemon: Bed) -> None:
    daemon.emit("gone", b"".join(b"%d\n" % number for number in range(1, 101)))
    daemon.run("logctl", "clear", "-y", "gone")
    daemon.emit("gone", b"101\n")
    assert daemon.run("logctl", "logs", "gone", "-o", "raw").stderr == b""
    done = daemon.run("logctl", "logs", "gone", "-o", "raw", "--from-seq", "12")
    assert done.stdout == b"101\n"
    assert b"records 12 to 100 are not there any more" in done.stderr
    several = daemon.run("logctl", "logs", "gone", "gone*", "--from-seq", "100")
    assert several.stderr.endswith(b": record 100 is not there any more\n")


def test_a_running_run_is_shown_up_to_now(daemon: Bed) -> None:
    with daemon.started("logctl", "emit", "running") as emit:
        assert emit.stdin is not None
        emit.stdin.write(b"so far\n")
        emit.stdin.flush()
        wait_until(lambda: daemon.status()["records"] == 1)
        assert daemon.run("logctl", "logs", "running", "-o", "raw").stdout == b"so far\n"


@pytest.fixture(scope="module")
def large() -> Iterator[Bed]:
    """A daemon with a run of about 40 MB of text."""
    with bed() as made:
        made.run("logd", "start")
        made.emit("large", b"".join(b"%d %s\n" % (number, b"x" * 90) for number in range(400_000)))
        yield made


def test_a_reader_that_goes_ends_it_at_once(large: Bed) -> None:
    logs = " ".join(large.argv("logctl", "logs", "large", "-o", "raw"))
    done = subprocess.run(
        ["bash", "-c", f"{logs} | head -n 1 | cut -c 1; exit ${{PIPESTATUS[0]}}"],
        env=large.environ,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (128 + signal.SIGPIPE, b"0\n", b"")


PEAK = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
"""


@pytest.mark.parametrize("arguments", [[], ["--reverse"], ["-n", "390000"], ["large*", "-o", "json"]])
def test_memory_stays_bounded(large: Bed, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a run that is larger than the newest rows that are held while they are found."""
    logs = large.argv("logctl", "logs", "large", *arguments)
    done = subprocess.run([sys.executable, "-c", PEAK, *logs], env=large.environ, capture_output=True, check=True)
    assert int(done.stdout) < (160 if "-n" in arguments else 60)


@needs_re2
def test_progress_is_shown_on_a_terminal_and_interrupted_at_once(daemon: Bed) -> None:
    """In a search that takes far longer than the test: the pattern needs another state for each text."""
    texts = random.Random(1)
    daemon.emit("bits", b"".join(b"%s\n" % f"{texts.getrandbits(90):090b}".encode() for _ in range(200_000)))
    master, slave = pty.openpty()
    daemon.environ["TERM"] = "xterm"
    terminal = dict.fromkeys(("stdin", "stdout", "stderr"), slave)
    with daemon.started("logctl", "logs", "bits", "--grep", "0.{70}[2-9]", **terminal) as logs:
        os.close(slave)
        shown = b""
        while b"records match" not in shown:
            shown += os.read(master, 65536)
        logs.send_signal(signal.SIGINT)
        assert logs.wait(timeout=30) == -signal.SIGINT
        with suppress(OSError):  # a terminal whose programs have ended
            while data := os.read(master, 65536):
                shown += data
    os.close(master)
    assert b"%  0 records match" in shown
    assert shown.endswith(b"\x1b[K")
