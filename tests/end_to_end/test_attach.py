"""`logctl attach` and `logctl runs`, as whole processes."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import signal
import subprocess
from contextlib import suppress

import pytest
from bed import Bed, wait_until

from logctl.terminal_text import SGR


def _subscribed(daemon: Bed, count: int = 1) -> bool:
    return len(daemon.status()["subscriptions"]) == count


def test_it_begins_with_the_newest_ten(shared_daemon: Bed) -> None:
    shared_daemon.emit("ten", b"".join(b"%d\n" % number for number in range(100)))
    done = shared_daemon.run("logctl", "attach", "ten", "-o", "raw")
    assert done.stdout == b"".join(b"%d\n" % number for number in range(90, 100))


@pytest.mark.parametrize(("last", "count"), [("0", 0), ("1", 1), ("99", 99), ("1000", 100), ("all", 100)])
def test_it_begins_where_it_is_told(shared_daemon: Bed, last: str, count: int) -> None:
    run = f"last-{last}"
    shared_daemon.emit(run, b"".join(b"%d\n" % number for number in range(100)))
    done = shared_daemon.run("logctl", "attach", run, "--no-follow", "-n", last, "-o", "raw")
    assert done.stdout == b"".join(b"%d\n" % number for number in range(100 - count, 100))


@pytest.mark.parametrize("last", ["-1", "few", "1.5", ""])
def test_a_number_of_lines_that_is_none(shared_daemon: Bed, last: str) -> None:
    refused = shared_daemon.run("logctl", "attach", "x", f"-n{last}" if last else "-n=", status=2)
    assert b"neither a number nor 'all'" in refused.stderr


def test_the_three_forms(shared_daemon: Bed) -> None:
    shared_daemon.run("logctl", "emit", "forms", "slow page", "--level", "warn", "--source", "w3", "--field", "url=/a")
    (row,) = shared_daemon.rows("forms")
    text = shared_daemon.run("logctl", "attach", "forms").stdout.decode()
    when = row["time"][:23].replace("T", " ")
    assert text == f"{when} WARN  [w3] slow page url=/a\n"
    assert shared_daemon.run("logctl", "attach", "forms", "-o", "raw").stdout == b"slow page\n"
    stored = shared_daemon.run("logctl", "attach", "forms", "-o", "json").stdout
    (path,) = (shared_daemon.state_dir / "runs" / "forms").glob("*.jsonl")
    assert stored == path.read_bytes()


def test_a_run_that_does_not_exist_yet_is_waited_for(shared_daemon: Bed) -> None:
    with shared_daemon.started("logctl", "attach", "later", "-o", "raw") as attach:
        assert attach.stderr is not None
        assert attach.stderr.readline() == b"main.py: waiting for run later\n"
        shared_daemon.emit("later", b"".join(b"%d\n" % number for number in range(1000)))
        out, err = attach.communicate(timeout=30)
    assert (attach.returncode, err) == (0, b"")
    assert out == b"".join(b"%d\n" % number for number in range(1000))


def test_without_waiting_it_names_the_runs_that_come_closest(shared_daemon: Bed) -> None:
    shared_daemon.emit("scrape-books", b"x\n")
    refused = shared_daemon.run("logctl", "attach", "--no-wait", "scrape-bok", status=1)
    assert b"there is no run scrape-bok" in refused.stderr
    assert b"scrape-books" in refused.stderr


def test_two_readers_see_the_same_in_the_same_order_until_the_run_ends(daemon: Bed) -> None:
    with daemon.started("logctl", "emit", "watched") as emit:
        assert emit.stdin is not None
        emit.stdin.write(b"0\n")
        emit.stdin.flush()
        wait_until(lambda: daemon.status()["records"] == 1)
        with (
            daemon.started("logctl", "attach", "watched", "-o", "raw") as one,
            daemon.started("logctl", "attach", "watched", "-o", "raw") as other,
        ):
            wait_until(lambda: _subscribed(daemon, 2))
            data = b"".join(b"%d\n" % number for number in range(1, 100_000))
            emit.stdin.write(data)
            emit.stdin.close()
            seen = [reader.communicate(timeout=60)[0] for reader in (one, other)]
    assert seen == [b"0\n" + data] * 2
    assert [one.returncode, other.returncode] == [0, 0]


def test_a_reader_that_goes_away_ends_it_silently(shared_daemon: Bed) -> None:
    shared_daemon.emit("headed", b"".join(b"%d\n" % number for number in range(300_000)))
    attach = " ".join(shared_daemon.argv("logctl", "attach", "headed", "-n", "all", "-o", "raw"))
    done = subprocess.run(
        ["bash", "-c", f"{attach} | head -n 1; exit ${{PIPESTATUS[0]}}"],
        env=shared_daemon.environ,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (128 + signal.SIGPIPE, b"0\n", b"")


def test_ctrl_c_ends_it_silently(shared_daemon: Bed) -> None:
    with shared_daemon.started("logctl", "attach", "never") as attach:
        assert attach.stderr is not None
        attach.stderr.readline()
        attach.send_signal(signal.SIGINT)
        out, err = attach.communicate(timeout=30)
    assert (attach.returncode, out, err) == (-signal.SIGINT, b"", b"")


def test_a_vanished_daemon_is_said_and_waited_for(daemon: Bed) -> None:
    with daemon.started("logctl", "emit", "x") as emit, daemon.started("logctl", "attach", "x", "-o", "raw") as attach:
        assert emit.stdin is not None
        assert attach.stderr is not None
        emit.stdin.write(b"before\n")
        emit.stdin.flush()
        wait_until(lambda: _subscribed(daemon) and daemon.status()["records"] == 1)
        daemon.kill()
        said = attach.stderr.readline()
        while b"waiting for run" in said:
            said = attach.stderr.readline()
        assert said == b"main.py: the daemon is gone; waiting for it to be back\n"
        daemon.run("logd", "start")
        assert attach.stderr.readline() == b"main.py: the daemon is back\n"
        emit.stdin.write(b"after\n")
        emit.stdin.close()
        out, err = attach.communicate(timeout=30)
    assert (attach.returncode, out, err) == (0, b"before\nafter\n", b"")


def test_ctrl_c_ends_it_while_it_waits_for_the_daemon(daemon: Bed) -> None:
    with daemon.started("logctl", "attach", "never") as attach:
        assert attach.stderr is not None
        assert b"waiting for run never" in attach.stderr.readline()
        daemon.run("logd", "stop")
        assert attach.stderr.readline() == b"main.py: the daemon is stopping; waiting for it to be back\n"
        attach.send_signal(signal.SIGINT)
        out, err = attach.communicate(timeout=30)
    assert (attach.returncode, out, err) == (-signal.SIGINT, b"", b"")


def _numbers(count: int) -> bytes:
    return b"".join(b"%d\n" % number for number in range(count))


def test_a_watcher_is_told_that_its_run_was_cleared(daemon: Bed) -> None:
    """It does not read on until it is: what it was sent before is less than it had to be sent."""
    with daemon.started("logctl", "emit", "job") as emit:
        assert emit.stdin is not None
        emit.stdin.write(_numbers(1_000_000))
        emit.stdin.flush()
        wait_until(lambda: daemon.status()["records"] > 900_000)
        with daemon.started("logctl", "attach", "job", "-n", "all", "-o", "raw") as attach:
            wait_until(lambda: _subscribed(daemon))
            daemon.run("logctl", "clear", "-y", "job")
            emit.stdin.write(b"last\n")
            emit.stdin.close()
            out, err = attach.communicate(timeout=60)
    assert attach.returncode == 0
    (count,) = re.findall(rb"run job was cleared; not shown yet were ([\d,]+) records\n", err)
    lines = out.splitlines()
    assert lines[-1] == b"last"
    first_gap = next(number for number, line in enumerate(lines) if line != b"%d" % number)
    after = lines[first_gap:-1]
    missing = (int(after[0]) if after else 1_000_000) - first_gap
    assert after == _numbers(1_000_000).splitlines()[first_gap + missing :]
    assert int(count.replace(b",", b"")) == missing > 0


def test_a_watcher_is_told_that_its_run_was_removed(daemon: Bed) -> None:
    daemon.emit("job", _numbers(1_000_000))
    with daemon.started("logctl", "attach", "job", "-n", "all", "-o", "raw") as attach:
        wait_until(lambda: _subscribed(daemon))
        daemon.run("logctl", "rm", "-y", "job")
        out, err = attach.communicate(timeout=60)
    assert attach.returncode == 0
    assert _numbers(1_000_000).startswith(out)
    assert err.endswith(b"run job was removed\n")


def test_a_watcher_is_told_that_nothing_can_be_stored(idle_bed: Bed) -> None:
    idle_bed.paths.config.write_text("[store]\nsegment_bytes = 4096\n")
    idle_bed.run("logd", "start")
    with idle_bed.started("logctl", "emit", "job") as emit:
        assert emit.stdin is not None
        emit.stdin.write(b"x" * 5000 + b"\n")
        emit.stdin.flush()
        wait_until(lambda: idle_bed.status()["records"] == 1)
        with idle_bed.started("logctl", "attach", "job") as attach:
            assert attach.stderr is not None
            wait_until(lambda: _subscribed(idle_bed))
            shutil.rmtree(idle_bed.state_dir / "runs" / "job")
            emit.stdin.write(b"y\n")
            emit.stdin.flush()
            said = attach.stderr.readline()
    idle_bed.kill()  # it would give what cannot be stored some time
    assert b"the daemon cannot store at present: " in said
    assert said.endswith(b"; what comes is kept by its emitters\n")


def _on_terminal(daemon: Bed, *arguments: str, **environ: str) -> str:
    """What a command prints on a terminal."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        daemon.argv("logctl", *arguments), env=daemon.environ | {"TERM": "xterm"} | environ, stdout=slave, stderr=slave
    )
    os.close(slave)
    out = b""
    with suppress(OSError):  # a terminal whose programs have ended
        while data := os.read(master, 65536):
            out += data
    os.close(master)
    assert process.wait(timeout=30) == 0
    return out.decode()


HOSTILE = b"\x1b]0;owned\x07\x1b[2Jclear\x1b[31mred\x1b[0m\ttab\rover \xc2\x9b1m \xe2\x80\xae bidi \x7f\n"


def test_what_would_command_the_terminal_is_shown(shared_daemon: Bed) -> None:
    shared_daemon.emit("hostile", HOSTILE)
    out = _on_terminal(shared_daemon, "attach", "hostile")
    assert "^[]0;owned^G^[[2Jclear" in out
    assert "\x1b[31mred\x1b[0m" in out
    assert "\ttab^Mover" in out
    assert "<U+202E> bidi" in out
    assert not set(SGR.sub("", out)) & set("\x1b\x07\x9b\x7f\u202e")


def test_no_color_is_respected_and_pipes_are_plain(shared_daemon: Bed) -> None:
    shared_daemon.emit("plain", HOSTILE + b"ERROR bad\n")
    assert "\x1b[" in _on_terminal(shared_daemon, "attach", "plain")
    assert "\x1b" not in _on_terminal(shared_daemon, "attach", "plain", NO_COLOR="1")
    assert "\x1b" not in _on_terminal(shared_daemon, "attach", "plain", TERM="dumb")
    piped = shared_daemon.run("logctl", "attach", "plain").stdout
    assert HOSTILE.rstrip(b"\n") in piped
    assert b"ERROR ERROR bad\n" in piped


def test_runs_lists_what_there_is(daemon: Bed) -> None:
    nothing = daemon.run("logctl", "runs")
    assert (nothing.stdout, nothing.stderr) == (b"", b"there are no runs yet\n")
    assert daemon.run("logctl", "runs", "-o", "json").stdout == b""
    daemon.emit("alpha", b"one\ntwo\n")
    with daemon.started("logctl", "emit", "beta") as emit:
        assert emit.stdin is not None
        emit.stdin.write(b"x\n")
        emit.stdin.flush()
        wait_until(lambda: daemon.status()["records"] == 3)
        runs = [json.loads(line) for line in daemon.run("logctl", "runs", "-o", "json").stdout.splitlines()]
        text = daemon.run("logctl", "runs").stdout.decode()
    assert [(run["name"], run["state"], run["records"]) for run in runs] == [
        ("alpha", "ended", 2),
        ("beta", "running", 1),
    ]
    assert runs[0]["bytes"] == sum(path.stat().st_size for path in daemon.state_dir.glob("runs/alpha/*"))
    assert runs[0]["first_time_us"] <= runs[0]["last_time_us"]
    assert runs[1]["records_per_second"] > 0
    assert [line.split()[:3] for line in text.splitlines()[1:]] == [["alpha", "ended", "2"], ["beta", "running", "1"]]


def test_more_runs_than_one_page_holds(idle_bed: Bed) -> None:
    for number in range(1100):
        (idle_bed.state_dir / "runs" / f"run-{number:04d}").mkdir(parents=True, mode=0o700)
    runs = [json.loads(line) for line in idle_bed.run("logctl", "runs", "-o", "json").stdout.splitlines()]
    assert [run["name"] for run in runs] == [f"run-{number:04d}" for number in range(1100)]


def test_rows_that_escapes_make_longer_than_a_frame_reach_a_reader_at_the_head(daemon: Bed) -> None:
    data = b"".join(b"\x01" * 90 + b"\n" for _ in range(3000))
    with (
        daemon.started("logctl", "emit", "bells") as emit,
        daemon.started("logctl", "attach", "bells", "-o", "raw") as attach,
    ):
        wait_until(lambda: _subscribed(daemon))
        assert emit.stdin is not None
        emit.stdin.write(data)
        emit.stdin.close()
        out, _ = attach.communicate(timeout=30)
    assert attach.returncode == 0
    assert out == data
