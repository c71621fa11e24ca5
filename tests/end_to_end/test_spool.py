"""Emitters that outlive the daemon, as whole processes: nothing is lost, and nothing is there twice."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bed import Bed, wait_until

from logd.client.delivery import SESSION, encode
from logd.paths import SPOOL_SUFFIX
from logd.protocol import Emit, Open

LINES = b"".join(b"%d %s\n" % (number, b"x" * 90) for number in range(200_000))
"""Twice what an emitter keeps in memory, and some."""


def spooled(bed: Bed) -> list[Path]:
    return sorted(bed.paths.spool_dir.glob("*"))


def spooled_bytes(bed: Bed) -> int:
    return sum(path.stat().st_size for path in spooled(bed))


def leave(bed: Bed, name: str, data: bytes) -> Path:
    """A file in the spool that no process holds."""
    bed.paths.spool_dir.mkdir(parents=True, exist_ok=True)
    path = bed.paths.spool_dir / f"{name}{SPOOL_SUFFIX}"
    path.write_bytes(data)
    return path


def frames(run: str, *batches: bytes, session: str = "s") -> bytes:
    """What an emitter leaves in the spool."""
    emits = [encode(Emit(SESSION, number, lines=lines)) for number, lines in enumerate(batches, 1)]
    return b"".join([encode(Open(SESSION, run, session)), *emits])


# The daemon goes while an emitter runs


def test_a_daemon_that_is_killed_amid_a_flood_and_back_later_has_all_of_it(daemon: Bed) -> None:
    with daemon.started("logctl", "emit", "flood") as emit:
        assert emit.stdin is not None
        emit.stdin.write(LINES[: len(LINES) // 4])
        wait_until(lambda: daemon.status()["records"])
        daemon.kill()
        _, err = emit.communicate(LINES[len(LINES) // 4 :], timeout=60)
    assert emit.returncode == 0
    assert b"the daemon is gone" in err
    assert b"bytes of the input wait in " + os.fsencode(daemon.paths.spool_dir) in err
    assert b"a daemon takes them in when it can" in err
    (path,) = spooled(daemon)
    assert path.name.startswith("flood.") and path.name.endswith(SPOOL_SUFFIX)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    daemon.run("logd", "start")
    assert daemon.raw("flood") == LINES
    assert spooled(daemon) == []


def test_a_daemon_that_comes_back_while_the_emitter_runs_is_sent_what_it_lacks(daemon: Bed) -> None:
    size = len(LINES) // 4
    with daemon.started("logctl", "emit", "comes-back") as emit:
        assert emit.stdin is not None
        for part in range(4):
            emit.stdin.write(LINES[part * size : (part + 1) * size] if part < 3 else LINES[part * size :])
            emit.stdin.flush()
            if part < 3:
                wait_until(lambda: daemon.status()["records"])
                if part:
                    daemon.kill()
                daemon.run("logd", "restart")
        emit.stdin.close()
        assert emit.wait(timeout=60) == 0
        assert emit.stderr is not None
        assert emit.stderr.read() == b""
    assert daemon.raw("comes-back") == LINES
    assert spooled(daemon) == []


def test_a_spool_is_delivered_by_its_emitter_when_the_daemon_is_back(daemon: Bed) -> None:
    with daemon.started("logctl", "emit", "back") as emit:
        assert emit.stdin is not None
        emit.stdin.write(b"first\n")
        emit.stdin.flush()
        wait_until(lambda: daemon.status()["records"] == 1)
        daemon.kill()
        emit.stdin.write(LINES)
        emit.stdin.flush()
        wait_until(lambda: spooled_bytes(daemon) > len(LINES) // 2)
        daemon.run("logd", "start")
        wait_until(lambda: spooled(daemon) == [])
        emit.stdin.close()
        assert emit.wait(timeout=60) == 0
    assert daemon.raw("back") == b"first\n" + LINES


def test_a_daemon_that_hangs_holds_up_nobody(daemon: Bed) -> None:
    pid = daemon.pid()
    with daemon.started("logctl", "emit", "held") as emit:
        assert emit.stdin is not None
        emit.stdin.write(b"first\n")
        emit.stdin.flush()
        wait_until(lambda: daemon.status()["records"] == 1)
        os.kill(pid, signal.SIGSTOP)
        try:
            emit.stdin.write(LINES)
            emit.stdin.flush()
            wait_until(lambda: spooled_bytes(daemon) > len(LINES) // 2)
        finally:
            os.kill(pid, signal.SIGCONT)
        emit.stdin.close()
        assert emit.wait(timeout=60) == 0
    assert daemon.raw("held") == b"first\n" + LINES
    assert spooled(daemon) == []


def test_an_emitter_that_is_killed_while_it_spools_leaves_what_it_had_taken_in(daemon: Bed) -> None:
    with daemon.started("logctl", "emit", "killed") as emit:
        assert emit.stdin is not None
        emit.stdin.write(b"first\n")
        emit.stdin.flush()
        wait_until(lambda: daemon.status()["records"] == 1)
        daemon.kill()
        emit.stdin.write(LINES)
        emit.stdin.flush()
        wait_until(lambda: spooled_bytes(daemon) > len(LINES) // 2)
        emit.kill()
        emit.wait()
    daemon.run("logd", "start")
    raw = daemon.raw("killed")
    assert len(raw) > len(LINES) // 2
    assert (b"first\n" + LINES).startswith(raw)
    assert spooled(daemon) == []


# No daemon


def test_without_a_daemon_what_is_emitted_waits_for_one(idle_bed: Bed) -> None:
    for number in range(3):
        done = idle_bed.run("logctl", "emit", "--no-autostart", "later", f"number {number}")
        assert b"9 bytes of the input wait in" in done.stderr
    idle_bed.run("logctl", "emit", "--no-autostart", "--format", "json", "json", stdin=b'{"msg": "m", "k": 1}\n')
    assert len(spooled(idle_bed)) == 4
    idle_bed.run("logd", "start")
    assert idle_bed.raw("later") == b"number 0\nnumber 1\nnumber 2\n"
    assert [(row["msg"], row["k"]) for row in idle_bed.rows("json")] == [("m", 1)]
    assert spooled(idle_bed) == []


def test_where_nothing_can_be_kept_it_is_said_with_how_much_is_lost(idle_bed: Bed) -> None:
    idle_bed.state_dir.mkdir()
    idle_bed.paths.spool_dir.write_text("no folder")
    failed = idle_bed.run("logctl", "emit", "--no-autostart", "x", "hello", status=75)
    assert b"cannot write" in failed.stderr
    assert b"6 bytes of the input are lost" in failed.stderr


def test_where_the_spool_cannot_be_written_the_job_waits_for_the_daemon(idle_bed: Bed) -> None:
    idle_bed.state_dir.mkdir()
    idle_bed.paths.spool_dir.write_text("no folder")
    with idle_bed.started("logctl", "emit", "--no-autostart", "waits") as emit, _writing(emit, LINES) as job:
        assert emit.stderr is not None
        assert b"no more input is read" in emit.stderr.readline()
        assert job.is_alive()
        idle_bed.run("logd", "start")
        assert emit.wait(timeout=60) == 0
        assert emit.stderr.read() == b""
    assert idle_bed.raw("waits") == LINES


@contextmanager
def _writing(process: subprocess.Popen[bytes], data: bytes) -> Iterator[threading.Thread]:
    """A job that writes to a process's standard input, as fast as that takes it."""
    assert process.stdin is not None
    stdin = process.stdin

    def write() -> None:
        with suppress(BrokenPipeError), stdin:
            stdin.write(data)

    job = threading.Thread(target=write)
    job.start()
    try:
        yield job
    finally:
        process.kill()
        job.join()


def test_told_to_block_it_waits_for_the_daemon_and_touches_no_disk(idle_bed: Bed) -> None:
    with (
        idle_bed.started("logctl", "emit", "--no-autostart", "--on-unavailable=block", "blocks") as emit,
        _writing(emit, LINES) as job,
    ):
        assert emit.stderr is not None
        time.sleep(0.3)  # nothing tells that it waits
        assert job.is_alive()
        assert not idle_bed.state_dir.exists()
        idle_bed.run("logd", "start")
        assert emit.wait(timeout=60) == 0
        assert emit.stderr.read() == b""
    assert idle_bed.raw("blocks") == LINES


def test_told_to_block_it_waits_at_the_end_until_it_is_interrupted(idle_bed: Bed) -> None:
    with idle_bed.started("logctl", "emit", "--no-autostart", "--on-unavailable=block", "waits", "hello") as emit:
        assert emit.stderr is not None
        time.sleep(1)  # nothing tells that it waits, which it does not before it has begun
        assert emit.poll() is None
        emit.send_signal(signal.SIGINT)
        assert emit.wait(timeout=30) == -signal.SIGINT
        assert b"interrupted; 6 bytes of the input are not known to be stored\n" in emit.stderr.read()
    assert not idle_bed.state_dir.exists()


def test_told_to_drop_it_says_how_much(idle_bed: Bed) -> None:
    done = idle_bed.run("logctl", "emit", "--no-autostart", "--on-unavailable=drop", "drops", stdin=LINES)
    lines, size_bytes = LINES.count(b"\n"), len(LINES)
    assert f"dropped {lines:,} records ({size_bytes:,} bytes of the input)" in done.stderr.decode()
    assert not idle_bed.state_dir.exists()


def test_told_to_drop_and_interrupted_it_does_not_say_that_all_is_stored(daemon: Bed) -> None:
    pid = daemon.pid()
    with daemon.started("logctl", "emit", "--on-unavailable=drop", "drops") as emit:
        assert emit.stdin is not None and emit.stderr is not None
        emit.stdin.write(b"first\n")
        emit.stdin.flush()
        wait_until(lambda: daemon.status()["records"] == 1)
        os.kill(pid, signal.SIGSTOP)
        try:
            emit.stdin.write(b"second\n")
            emit.stdin.close()
            for _ in range(3):
                emit.send_signal(signal.SIGINT)
                time.sleep(0.1)
            assert emit.wait(timeout=30) == -signal.SIGINT
            dropped, interrupted = emit.stderr.read().splitlines()
        finally:
            os.kill(pid, signal.SIGCONT)
    assert b"dropped 1 record (7 bytes of the input)" in dropped
    assert b"interrupted; what was not dropped is stored" in interrupted


def test_interrupted_it_leaves_in_the_spool_what_is_not_stored(daemon: Bed) -> None:
    pid = daemon.pid()
    with daemon.started("logctl", "emit", "interrupted") as emit:
        assert emit.stdin is not None and emit.stderr is not None
        emit.stdin.write(b"first\n")
        emit.stdin.flush()
        wait_until(lambda: daemon.status()["records"] == 1)
        os.kill(pid, signal.SIGSTOP)
        try:
            emit.stdin.write(b"second\n")
            emit.stdin.close()
            for _ in range(3):
                emit.send_signal(signal.SIGINT)
                time.sleep(0.1)
            assert emit.wait(timeout=30) == -signal.SIGINT
            assert b"7 bytes of the input are not known to be stored and wait in" in emit.stderr.read()
        finally:
            os.kill(pid, signal.SIGCONT)
    daemon.run("logd", "restart")
    assert daemon.raw("interrupted") == b"first\nsecond\n"
    assert spooled(daemon) == []


# What was left over


def test_what_is_stored_already_is_not_taken_in_again(daemon: Bed) -> None:
    with daemon.client() as client:
        client.request(Open(1, "known", "s"))
        for number, lines in enumerate([b"one\n", b"two\n"], 1):
            client.send(Emit(1, number, lines=lines))
            client.receive()
    leave(daemon, "known.s", frames("known", b"one\n", b"two\n", b"three\n"))
    leave(daemon, "known.t", frames("known", b"one\n", session="t"))
    daemon.run("logd", "restart")
    assert daemon.raw("known") == b"one\ntwo\nthree\none\n"
    assert spooled(daemon) == []


def test_a_daemon_that_is_killed_while_it_takes_in_goes_on_the_next_time(idle_bed: Bed) -> None:
    lines = LINES.splitlines(keepends=True)
    batches = [b"".join(lines[start : start + 1000]) for start in range(0, len(lines), 1000)]
    leave(idle_bed, "large.s", frames("large", *batches))
    with idle_bed.started("logd", "start", "--foreground") as process:
        wait_until(lambda: any((idle_bed.state_dir / "runs" / "large").glob("*.jsonl")))
        process.kill()
        process.wait()
    idle_bed.run("logd", "start")
    assert idle_bed.raw("large") == LINES
    assert spooled(idle_bed) == []
