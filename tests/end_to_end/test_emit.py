"""`logctl emit` and what comes back of it, as whole processes."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from bed import Bed, wait_until

from logd.record import MAX_TEXT_BYTES

LINES = b"".join(b"%d\n" % number for number in range(1, 200_001))


def test_what_goes_in_comes_out(shared_daemon: Bed) -> None:
    shared_daemon.emit("numbers", LINES)
    assert shared_daemon.raw("numbers") == LINES


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("nul", b"a\0b\n\0\n"),
        ("latin", b"caf\xe9\n\xff\xfe\n"),
        ("del", b"a\x7fb\nplain\n"),
        ("empty-lines", b"\n\n\nx\n\n"),
        ("returns", b"a\r\nb\rc\n"),
        ("escapes", b"\x1b[31mred\x1b[0m\x1b]0;title\x07\n"),
        ("astral", "\U0001f600 日本語\n".encode()),
        ("quotes", b'"\\ \' {"a":1}\n'),
        ("long", b"x" * (3 * MAX_TEXT_BYTES + 17) + b"\nshort\n"),
        ("long-utf8", "é".encode() * MAX_TEXT_BYTES + b"\nshort\n"),
        ("long-binary", b"\xff" * (2 * MAX_TEXT_BYTES) + b"\n" + b"y" * MAX_TEXT_BYTES + b"\n"),
    ],
)
def test_any_bytes_come_back(shared_daemon: Bed, name: str, data: bytes) -> None:
    shared_daemon.emit(name, data)
    assert shared_daemon.raw(name) == data


def test_a_last_line_without_its_newline_is_kept(shared_daemon: Bed) -> None:
    shared_daemon.emit("unfinished", b"one\ntwo")
    assert shared_daemon.raw("unfinished") == b"one\ntwo\n"


def test_nothing_in_is_nothing_out(shared_daemon: Bed) -> None:
    shared_daemon.emit("nothing", b"")
    assert shared_daemon.raw("nothing") == b""


def test_a_message_from_the_command_line(shared_daemon: Bed) -> None:
    shared_daemon.run(
        "logctl", "emit", "message", "hello", "world", "--level", "warning", "--field", "k=v", "--source", "s"
    )
    (row,) = shared_daemon.rows("message")
    assert list(row) == ["time", "level", "msg", "source", "k"]
    assert row | {"time": ""} == {"time": "", "level": "WARN", "msg": "hello world", "source": "s", "k": "v"}


def test_levels_are_found_in_text(shared_daemon: Bed) -> None:
    shared_daemon.emit("levels", b"plain\nERROR bad\nwarning: odd\n[debug] fine\n0 errors\n", "--stream", "stderr")
    assert [row.get("level") for row in shared_daemon.rows("levels")] == [None, "ERROR", "WARN", "DEBUG", None]
    assert {row["stream"] for row in shared_daemon.rows("levels")} == {"stderr"}


def test_json_lines_keep_time_level_message_and_fields(shared_daemon: Bed) -> None:
    shared_daemon.emit(
        "json",
        b'{"ts": 1700000000.5, "level": "error", "message": "bad", "code": 7, "time_taken": 1.5}\n'
        b'{"time": "2026-01-02T03:04:05Z", "severity": 30, "msg": "m", "level": "nonsense"}\n'
        b"not json\n",
        "--format",
        "json",
    )
    first, second, third = shared_daemon.rows("json")
    assert first == {
        "time": "2023-11-14T22:13:20.500000Z",
        "level": "ERROR",
        "msg": "bad",
        "code": 7,
        "time_taken": 1.5,
    }
    assert second == {"time": "2026-01-02T03:04:05.000000Z", "level": "INFO", "msg": "m", "_level": "nonsense"}
    assert third["msg"] == "not json"


def test_tee_passes_the_input_on(shared_daemon: Bed) -> None:
    done = shared_daemon.run("logctl", "emit", "--tee", "teed", stdin=LINES)
    assert done.stdout == LINES
    assert shared_daemon.raw("teed") == LINES


def test_tee_into_a_pipe_that_closes_stores_the_rest(shared_daemon: Bed) -> None:
    emit = " ".join(shared_daemon.argv("logctl", "emit", "--tee", "headed"))
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; seq 200000 | {emit} | head -n 1"],
        env=shared_daemon.environ,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"1\n", b"")
    assert shared_daemon.raw("headed") == LINES


def test_a_line_is_stored_when_it_is_whole(shared_daemon: Bed) -> None:
    with shared_daemon.started("logctl", "emit", "typed") as emit:
        assert emit.stdin is not None
        emit.stdin.write(b"whole\nhalf")
        emit.stdin.flush()
        wait_until(lambda: _stored(shared_daemon, "typed"))
        assert shared_daemon.raw("typed") == b"whole\n"
        emit.stdin.close()
        assert emit.wait(timeout=30) == 0
    assert shared_daemon.raw("typed") == b"whole\nhalf\n"


def _stored(daemon: Bed, run: str) -> bool:
    return any(path.stat().st_size for path in (daemon.state_dir / "runs" / run).glob("*.jsonl"))


def test_sixteen_emitters_into_one_run(daemon: Bed) -> None:
    count = 20_000
    emitters = [
        subprocess.Popen(
            ["bash", "-c", f"seq -f '{number} %.0f' {count} | {' '.join(daemon.argv('logctl', 'emit', 'crowd'))}"],
            env=daemon.environ,
        )
        for number in range(16)
    ]
    assert [emitter.wait(timeout=120) for emitter in emitters] == [0] * 16
    seen: dict[bytes, list[int]] = {}
    for line in daemon.raw("crowd").splitlines():
        emitter, value = line.split(b" ")
        seen.setdefault(emitter, []).append(int(value))
    assert seen == {b"%d" % number: list(range(1, count + 1)) for number in range(16)}


def test_it_starts_the_daemon_where_none_runs(idle_bed: Bed) -> None:
    idle_bed.run("logctl", "emit", "first", "hello")
    assert idle_bed.raw("first") == b"hello\n"


def test_without_autostart_none_is_started(idle_bed: Bed) -> None:
    done = idle_bed.run("logctl", "emit", "--no-autostart", "x", "hello")
    assert b"no daemon answers" in done.stderr
    assert idle_bed.run("logd", "stop").stdout == b"logd does not run\n"


def test_a_daemon_that_cannot_start_is_said(idle_bed: Bed) -> None:
    idle_bed.paths.config.write_text("nonsense")
    done = idle_bed.run("logctl", "emit", "x", "hello")
    assert b"none could be started" in done.stderr
    assert b"is not TOML" in done.stderr
    assert b"6 bytes of the input wait in" in done.stderr
    idle_bed.paths.config.write_text("")
    idle_bed.run("logd", "start")
    assert idle_bed.raw("x") == b"hello\n"


@pytest.mark.parametrize("name", ["../x", "", ".", "..", "a b", "-x/y", "x/../y", "a" * 65, "é", "a\n"])
def test_names_that_no_run_can_have(shared_daemon: Bed, name: str) -> None:
    before = sorted((shared_daemon.state_dir / "runs").iterdir())
    refused = shared_daemon.run("logctl", "emit", "--", name, "hello", status=2)
    assert b"is not a run's name" in refused.stderr
    assert sorted((shared_daemon.state_dir / "runs").iterdir()) == before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--level", "loud"], "'loud' is no level"),
        (["--field", "novalue"], "is not KEY=VALUE"),
        (["--source", "x" * 300], "can have 256"),
        (["--field", f"k={'x' * 5000}"], "over 4096 characters"),
        (["--format", "xml"], "xml"),
        (["--unheard-of"], "--unheard-of"),
    ],
)
def test_bad_options_are_usage_errors(shared_daemon: Bed, options: list[str], said: str) -> None:
    refused = shared_daemon.run("logctl", "emit", "x", "hello", *options, status=2)
    assert said in refused.stderr.decode()


def test_a_flood_without_newlines_stays_within_memory(daemon: Bed) -> None:
    emit = " ".join(daemon.argv("logctl", "emit", "endless"))
    size = 128 * 1024 * 1024
    subprocess.run(["bash", "-c", f"head -c {size} /dev/zero | tr '\\0' x | {emit}"], env=daemon.environ, check=True)
    assert daemon.peak_memory_mib() < 64
    assert daemon.raw("endless") == b"x" * size + b"\n"


def test_a_flood_of_newlines_stays_within_memory(daemon: Bed) -> None:
    daemon.emit("blank", b"\n" * 3_000_000)
    assert daemon.peak_memory_mib() < 64
    assert daemon.status()["records"] == 3_000_000


def test_what_was_acknowledged_outlives_a_killed_daemon(daemon: Bed) -> None:
    daemon.emit("survivor", LINES)
    daemon.kill()
    daemon.run("logd", "start")
    daemon.emit("survivor", b"and on\n")
    assert daemon.raw("survivor") == LINES + b"and on\n"


def test_ctrl_c_in_a_pipeline_lets_the_jobs_last_words_through(shared_daemon: Bed) -> None:
    with shared_daemon.started("logctl", "emit", "last-words") as emit:
        assert emit.stdin is not None
        emit.stdin.write(b"working\n")
        emit.stdin.flush()
        wait_until(lambda: _stored(shared_daemon, "last-words"))
        emit.send_signal(signal.SIGINT)
        time.sleep(0.1)
        emit.stdin.write(b"KeyboardInterrupt\n")
        _, err = emit.communicate(timeout=30)
    assert (emit.returncode, err) == (-signal.SIGINT, b"")
    assert shared_daemon.raw("last-words") == b"working\nKeyboardInterrupt\n"


def test_a_second_ctrl_c_ends_the_input(shared_daemon: Bed) -> None:
    with shared_daemon.started("logctl", "emit", "impatient") as emit:
        assert emit.stdin is not None
        emit.stdin.write(b"working\nhal")
        emit.stdin.flush()
        wait_until(lambda: _stored(shared_daemon, "impatient"))
        for _ in range(2):
            emit.send_signal(signal.SIGINT)
            time.sleep(0.1)
        assert emit.wait(timeout=30) == -signal.SIGINT
    assert shared_daemon.raw("impatient") == b"working\nhal\n"


def test_the_stored_file_is_for_ordinary_tools(daemon: Bed) -> None:
    daemon.emit("tools", b"find me: \xff\n" + LINES[:1000])
    (path,) = (daemon.state_dir / "runs" / "tools").glob("*.jsonl")
    assert subprocess.run(["grep", "-c", "find me", path], capture_output=True, check=True).stdout == b"1\n"
    if os.environ.get("LOGD_TESTS_NEED_TOOLS") or Path("/usr/bin/jq").exists():
        done = subprocess.run(["jq", "-c", ".", path], capture_output=True, check=True)
        assert len(done.stdout.splitlines()) == 1 + len(LINES[:1000].splitlines())
