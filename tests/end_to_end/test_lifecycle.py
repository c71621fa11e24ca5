"""`logd start`, `stop`, `restart` and `status`, as whole processes."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
from pathlib import Path

import pytest
from bed import Bed, alive, wait_until


def test_start_returns_when_the_daemon_answers_and_stop_when_it_is_gone(idle_bed: Bed) -> None:
    started = idle_bed.run("logd", "start")
    pid = idle_bed.pid()
    assert started.stdout.decode() == f"logd started (pid {pid})\n"
    assert idle_bed.run("logd", "stop").stdout == b"logd stopped\n"
    assert not alive(pid)
    assert not idle_bed.paths.socket.exists()


def test_started_twice_it_says_so_and_touches_nothing(daemon: Bed) -> None:
    pid, before = daemon.pid(), daemon.paths.socket.lstat()
    again = daemon.run("logd", "start")
    assert again.stdout.decode() == f"logd runs already (pid {pid})\n"
    assert daemon.pid() == pid
    assert daemon.paths.socket.lstat() == before


def test_many_starts_at_once_make_one_daemon(idle_bed: Bed) -> None:
    starts = [
        subprocess.Popen(
            idle_bed.argv("logd", "start"), env=idle_bed.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(8)
    ]
    answers = [process.communicate(timeout=60) for process in starts]
    assert [process.returncode for process in starts] == [0] * 8, answers
    pid = idle_bed.pid()
    assert all(f"(pid {pid})" in out.decode() for out, _ in answers)
    assert sum(b"started" in out for out, _ in answers) >= 1


def test_it_runs_in_a_session_of_its_own_without_a_terminal_or_our_streams(daemon: Bed) -> None:
    pid = daemon.pid()
    assert os.getsid(pid) not in (os.getsid(0), pid)  # a grandchild: not even a session's leader
    assert [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in range(3)] == [os.devnull] * 3
    assert os.readlink(f"/proc/{pid}/cwd") == "/"


def test_only_its_user_may_come_near(daemon: Bed) -> None:
    daemon.emit("private", b"secret\n")
    daemon.run("logd", "stop")
    daemon.run("logd", "start")
    assert stat.S_IMODE(daemon.paths.socket.stat().st_mode) == 0o600
    for folder, _, files in os.walk(daemon.state_dir):
        assert stat.S_IMODE(Path(folder).stat().st_mode) == 0o700, folder
        for name in files:
            assert stat.S_IMODE((Path(folder) / name).stat().st_mode) == 0o600, name


def test_a_stale_socket_is_replaced(daemon: Bed) -> None:
    daemon.kill()
    assert daemon.paths.socket.is_socket()
    daemon.run("logd", "start")
    assert daemon.status()["pid"] == daemon.pid()


def test_what_is_no_socket_is_refused_untouched(idle_bed: Bed) -> None:
    idle_bed.paths.socket.write_text("precious")
    refused = idle_bed.run("logd", "start", status=2)
    assert b"is no socket; it is left as it is" in refused.stderr
    assert idle_bed.paths.socket.read_text() == "precious"


def test_another_daemons_state_directory_is_refused(daemon: Bed) -> None:
    refused = daemon.run("logd", "--socket", str(daemon.folder / "other"), "start", status=None)
    assert refused.returncode != 0
    assert f"another logd (pid {daemon.pid()}) serves {daemon.state_dir}" in refused.stderr.decode()


def test_a_path_too_long_for_a_socket_is_said(idle_bed: Bed) -> None:
    refused = idle_bed.run("logd", "--socket", f"/tmp/{'x' * 120}", "start", status=2)
    assert b"bytes long" in refused.stderr
    assert b"--socket" in refused.stderr


def test_someone_elses_program_at_the_socket_is_not_taken_for_a_daemon(idle_bed: Bed) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(idle_bed.paths.socket))
        listener.listen()
        listener.settimeout(10)
        with idle_bed.started("logd", "status") as process:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"220 smtp.example.org ESMTP\r\n")
                process.wait(timeout=20)
        assert process.returncode not in (0, None)


def test_stop_and_status_without_a_daemon(idle_bed: Bed) -> None:
    assert idle_bed.run("logd", "stop").stdout == b"logd does not run\n"
    unavailable = idle_bed.run("logd", "status", status=69)
    assert b"no daemon answers" in unavailable.stderr
    assert b"logd start" in unavailable.stderr


def test_restart_keeps_what_is_stored(daemon: Bed) -> None:
    daemon.emit("kept", b"before\n")
    before = daemon.pid()
    daemon.run("logd", "restart")
    assert daemon.pid() != before
    daemon.emit("kept", b"after\n")
    assert daemon.raw("kept") == b"before\nafter\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_when_it_has_stored_what_was_sent(daemon: Bed, number: signal.Signals) -> None:
    pid = daemon.pid()
    with daemon.started("logctl", "emit", "draining") as emit:
        assert emit.stdin is not None
        emit.stdin.write(b"one\ntwo\n")
        emit.stdin.flush()
        wait_until(lambda: daemon.raw("draining") == b"one\ntwo\n" if _exists(daemon, "draining") else False)
        emit.stdin.write(b"three\n")
        emit.stdin.flush()
        wait_until(lambda: daemon.raw("draining").endswith(b"three\n"))
        os.kill(pid, number)
        wait_until(lambda: not alive(pid))
    daemon.run("logd", "start")
    assert daemon.raw("draining") == b"one\ntwo\nthree\n"


def _exists(daemon: Bed, run: str) -> bool:
    return any((daemon.state_dir / "runs" / run).glob("*.jsonl"))


def test_status_shows_who_is_there(daemon: Bed) -> None:
    with daemon.started("logctl", "emit", "--source", "w3", "busy") as emit, daemon.started("logctl", "attach", "busy"):
        assert emit.stdin is not None
        emit.stdin.write(b"line\n")
        emit.stdin.flush()
        wait_until(lambda: daemon.status()["subscriptions"] and daemon.status()["records"] == 1)
        status = daemon.status()
        assert [session["run"] for session in status["sessions"]] == ["busy"]
        assert status["sessions"][0]["pid"] == emit.pid
        assert status["sessions"][0]["source"] == "w3"
        assert [subscription["run"] for subscription in status["subscriptions"]] == ["busy"]
        text = daemon.run("logd", "status").stdout.decode()
        assert f"busy  pid {emit.pid}" in text
        assert str(daemon.paths.socket) in text


def test_its_own_diagnostics_go_to_its_log(daemon: Bed) -> None:
    daemon.run("logd", "stop")
    log = daemon.paths.log.read_text()
    assert f"serving at {daemon.paths.socket}" in log
    assert "stopping on SIGTERM" in log


def test_in_the_foreground_it_logs_to_standard_error(idle_bed: Bed) -> None:
    with idle_bed.started("logd", "start", "--foreground") as process:
        wait_until(lambda: idle_bed.run("logd", "status", status=None).returncode == 0)
        process.terminate()
        _, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert b"serving at" in err
    assert b"stopped" in err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[store]\nsegment_bytes = 1\n", "segment_bytes is 1; it can be at least 4096"),
        ("[store]\nsegments = 1\n", "has no setting 'segments'"),
        ("[shop]\n", "there is no section [shop]"),
        ("segment_bytes", "is not TOML"),
        ('[store]\nsegment_bytes = "much"\n', "it is a number"),
    ],
)
def test_a_mistake_in_the_configuration_is_said_with_its_file(idle_bed: Bed, text: str, said: str) -> None:
    idle_bed.paths.config.write_text(text)
    refused = idle_bed.run("logd", "start", status=2)
    assert said in refused.stderr.decode()
    assert str(idle_bed.paths.config) in refused.stderr.decode()


def test_a_configuration_that_is_named_and_not_there_is_told(idle_bed: Bed) -> None:
    idle_bed.paths.config.unlink()
    refused = idle_bed.run("logd", "start", status=2)
    assert f"there is no file {idle_bed.paths.config}" in refused.stderr.decode()
    assert "--config" in refused.stderr.decode()


def test_a_mistake_in_the_configuration_does_not_cost_the_running_daemon(daemon: Bed) -> None:
    pid = daemon.pid()
    daemon.paths.config.write_text("nonsense")
    daemon.run("logd", "restart", status=2)
    assert daemon.pid() == pid
