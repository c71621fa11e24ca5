"""`logctl rm`, `clear`, `runs set` and `verify`, as whole processes."""

from __future__ import annotations

import json
import os
import pty
from contextlib import suppress

import pytest
from bed import Bed, wait_until


def names(daemon: Bed) -> list[str]:
    return [json.loads(line)["name"] for line in daemon.run("logctl", "runs", "-o", "json").stdout.splitlines()]


def typed(daemon: Bed, answer: bytes, *arguments: str, status: int) -> str:
    """What a command says on a terminal where a person answers its question."""
    master, slave = pty.openpty()
    terminal = dict.fromkeys(("stdin", "stdout", "stderr"), slave)
    shown = b""
    with daemon.started("logctl", *arguments, **terminal) as process:
        os.close(slave)
        with suppress(OSError):  # a terminal whose programs have ended
            while data := os.read(master, 65536):
                shown += data
                if b"[y/N]" in data:
                    os.write(master, answer)
        assert process.wait(timeout=30) == status, shown
    os.close(master)
    return shown.decode()


def test_runs_are_removed(daemon: Bed) -> None:
    for run in ("build", "scrape-1", "scrape-2"):
        daemon.emit(run, b"x\n")
    assert daemon.run("logctl", "rm", "scrape-*").stdout == b"removed scrape-1\nremoved scrape-2\n"
    assert names(daemon) == ["build"]
    assert not (daemon.state_dir / "runs" / "scrape-1").exists()
    done = daemon.run("logctl", "rm", "scrape-1", "build", "x*", "-y", status=1)
    assert done.stdout == b"removed build\n"
    assert b"there is no run scrape-1" in done.stderr
    assert b"no run matches x*" in done.stderr
    assert names(daemon) == []


def test_a_running_run_is_not_removed(daemon: Bed) -> None:
    daemon.emit("ended", b"x\n")
    with daemon.started("logctl", "emit", "running"):
        wait_until(lambda: "running" in names(daemon))
        done = daemon.run("logctl", "rm", "*", status=1)
        assert done.stdout == b"removed ended\n"
        assert b"run running is running, and is not removed" in done.stderr
        assert b"logctl clear running" in done.stderr
    assert names(daemon) == ["running"]


def test_a_person_is_asked(daemon: Bed) -> None:
    daemon.emit("one", b"x\ny\n")
    daemon.emit("two", b"z\n")
    for command in ("rm", "clear"):
        shown = typed(daemon, b"n\n", command, "*", "none", status=1)
        assert "these 2 runs? [y/N]" in shown
        assert [line.split()[:3] for line in shown.splitlines()[1:3]] == [["one", "ended", "2"], ["two", "ended", "1"]]
    assert daemon.raw("one") == b"x\ny\n"
    assert "Remove all records of this run? [y/N]" in typed(daemon, b"y\n", "clear", "one", status=0)
    assert daemon.raw("one") == b""
    assert "[y/N]" not in typed(daemon, b"", "rm", "one", "-y", status=0)
    assert "there is no run one" in typed(daemon, b"", "rm", "one", status=1)
    assert "removed two" in typed(daemon, b"y\n", "rm", "two", status=0)
    assert names(daemon) == []


def test_a_run_is_cleared_also_while_it_runs(daemon: Bed) -> None:
    with daemon.started("logctl", "emit", "job") as emit:
        assert emit.stdin is not None
        emit.stdin.write(b"1\n2\n3\n")
        emit.stdin.flush()
        wait_until(lambda: daemon.status()["records"] == 3)
        assert daemon.run("logctl", "clear", "job").stdout == b"removed 3 records of job\n"
        emit.stdin.write(b"4\n")
        emit.stdin.close()
        emit.wait(timeout=30)
    assert daemon.raw("job") == b"4\n"
    assert daemon.run("logctl", "logs", "job", "--from-seq", "4", "-o", "raw").stdout == b"4\n"


def test_limits_are_set_and_shown(daemon: Bed) -> None:
    daemon.emit("job", b"x\n")

    def shown(*arguments: str) -> str:
        return daemon.run("logctl", "runs", "set", "job", *arguments).stdout.decode()

    assert shown() == "job: of any size, of any age\n"
    assert shown("--max-bytes", "500M") == "job: at most 500.0 MiB, of any age\n"
    assert shown("--max-age", "1d12h") == "job: at most 500.0 MiB, at most 1 d 12 h old\n"
    assert shown() == "job: at most 500.0 MiB, at most 1 d 12 h old\n"
    assert shown("--max-bytes", "0") == "job: of any size, at most 1 d 12 h old\n"
    assert shown("--max-age", "default") == "job: of any size, of any age\n"
    (run,) = daemon.run("logctl", "runs", "-o", "json").stdout.splitlines()
    assert (json.loads(run)["max_bytes"], json.loads(run)["max_age_seconds"]) == (0, None)
    assert b"job  ended" in daemon.run("logctl", "runs").stdout


def test_what_is_over_a_limit_is_removed_and_counted(idle_bed: Bed) -> None:
    idle_bed.paths.config.write_text("[store]\nsegment_bytes = 4096\ncompress = false\n")
    idle_bed.run("logd", "start")
    for _ in range(6):
        idle_bed.emit("job", b"x" * 3000 + b"\n")
    assert idle_bed.status()["removed_records"] == 0
    idle_bed.run("logctl", "runs", "set", "job", "--max-bytes", "8K")
    wait_until(lambda: idle_bed.status()["removed_records"])
    removed = idle_bed.status()["removed_records"]
    assert len(idle_bed.raw("job").splitlines()) == 6 - removed
    assert f"removed       {removed} record" in idle_bed.run("logd", "status").stdout.decode()


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["jobs"], 1, b"there is no run jobs"),
        (["a b"], 2, b"is not a run's name"),
        (["job", "--max-bytes", "much"], 2, b"'much' is not like 500M or 2GiB"),
        (["job", "--max-age", "7"], 2, b"'7' is not like 7d or 12h"),
        (["job", "--max-bytes", "999999T"], 2, b"is not like"),
    ],
)
def test_limits_that_cannot_be(shared_daemon: Bed, arguments: list[str], status: int, said: bytes) -> None:
    assert said in shared_daemon.run("logctl", "runs", "set", *arguments, status=status).stderr


def test_sound_runs_are_said_where_it_is_asked_for(daemon: Bed) -> None:
    assert daemon.run("logctl", "verify").stdout == b""
    daemon.emit("a", b"1\n2\n")
    daemon.emit("bc", b"1\n")
    assert daemon.run("logctl", "verify").stdout == b""
    shown = daemon.run("logctl", "verify", "-v").stdout.decode().splitlines()
    assert [line.split()[:4] for line in shown] == [["a", "sound", "2", "records"], ["bc", "sound", "1", "record"]]
    (found,) = map(json.loads, daemon.run("logctl", "verify", "b*", "-o", "json").stdout.splitlines())
    assert (found["run"], found["problem_count"], found["records"], found["segments"]) == ("bc", 0, 1, 1)
    assert b"there is no run x" in daemon.run("logctl", "verify", "x", "a", status=1).stderr


def test_damage_is_found_and_repaired(daemon: Bed) -> None:
    for run in ("sound", "hurt"):
        daemon.emit(run, b"1\n2\n")
    daemon.run("logd", "restart")
    (path,) = (daemon.state_dir / "runs" / "hurt").glob("*.jsonl")
    data = bytearray(path.read_bytes())
    data[30] ^= 1
    path.write_bytes(data)
    done = daemon.run("logctl", "verify", status=1)
    first, second, *_ = done.stdout.decode().splitlines()
    assert first.split()[:3] == ["hurt", "1", "problem;"]
    assert second.startswith("  segment 1, byte 0: ")
    json_line = daemon.run("logctl", "verify", "hurt", "-o", "json", status=1).stdout
    assert json.loads(json_line)["problem_count"] == 1
    repaired = daemon.run("logctl", "verify", "--repair", status=1).stdout.decode()
    assert "1 segment repaired" in repaired
    assert "sound" in daemon.run("logctl", "verify", "-v").stdout.decode()
