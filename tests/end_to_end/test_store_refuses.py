"""A disk that says no: nobody is told a lie, nothing waits that need not, and it goes on when the disk does."""

from __future__ import annotations

import os
import shutil
import signal
import time

from bed import Bed, wait_until


def _stall(daemon: Bed, run: str) -> None:
    """Make the next rotation of a run fail: its folder takes no new files. Root is stopped by no permission."""
    folder = daemon.state_dir / "runs" / run
    shutil.move(folder, folder.with_name(f".{run}"))
    folder.with_name(f".{run}").rename(daemon.folder / run)
    shutil.rmtree(daemon.folder / run)


def test_one_run_that_cannot_be_stored_does_not_stop_the_others(idle_bed: Bed) -> None:
    idle_bed.paths.config.write_text("[store]\nsegment_bytes = 4096\n")
    idle_bed.run("logd", "start")
    with idle_bed.started("logctl", "emit", "stalled") as emit:
        assert emit.stdin is not None
        emit.stdin.write(b"x" * 5000 + b"\n")
        emit.stdin.flush()
        wait_until(lambda: idle_bed.status()["records"] == 1)
        _stall(idle_bed, "stalled")
        emit.stdin.write(b"y\n")
        emit.stdin.flush()
        wait_until(lambda: idle_bed.status()["store_error"])
        assert "STORE" in idle_bed.run("logd", "status").stdout.decode()
        listed = idle_bed.run("logctl", "runs")
        assert b" ! " in listed.stdout
        assert b"run stalled is not stored at present" in listed.stderr
        idle_bed.emit("other", b"stored\n")
        assert idle_bed.raw("other") == b"stored\n"
        assert emit.poll() is None
        emit.stdin.close()
        # It waits for the acknowledgement, and for no longer than its user wants.
        for _ in range(3):
            emit.send_signal(signal.SIGINT)
            time.sleep(0.1)
        assert emit.wait(timeout=30) == -signal.SIGINT
        assert emit.stderr is not None
        assert b"2 bytes of the input are not known to be stored" in emit.stderr.read()
    assert idle_bed.run("logd", "stop").stdout == b"logd stopped\n"


def test_a_stopped_daemon_does_not_hold_who_waits_for_it(daemon: Bed) -> None:
    pid = daemon.pid()
    with daemon.started("logctl", "emit", "held") as emit:
        assert emit.stdin is not None
        emit.stdin.write(b"stored\n")
        emit.stdin.flush()
        wait_until(lambda: daemon.status()["records"] == 1)
        os.kill(pid, signal.SIGSTOP)
        try:
            emit.stdin.write(b"held\n")
            emit.stdin.close()
            for _ in range(3):
                emit.send_signal(signal.SIGINT)
                time.sleep(0.1)
            assert emit.wait(timeout=30) == -signal.SIGINT
        finally:
            os.kill(pid, signal.SIGCONT)


def test_a_run_that_cannot_be_read_does_not_hide_the_others(daemon: Bed) -> None:
    daemon.emit("broken", b"x\n")
    daemon.emit("sound", b"x\n")
    for path in (daemon.state_dir / "runs" / "broken").glob("*.idx"):
        path.unlink()
    listed = daemon.run("logctl", "runs").stdout.decode().splitlines()[1:]
    assert [line.split()[:2] for line in listed] == [["broken", "unreadable"], ["sound", "ended"]]
    assert daemon.raw("broken") == b"x\n"
