"""`logctl run` and what is about it, as whole processes: the command comes first, whatever becomes of the rest."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from bed import Bed, alive, wait_until
from installed import needs_re2

PYTHON = sys.executable

BAR = """
import sys
for number in range(1000):
    print(f"\\rtrain: {number / 10:3.0f}%|###    | {number}/1000 [00:01<00:02, 99.9it/s]", end="", file=sys.stderr)
    sys.stderr.flush()
    if number == 500:
        print("\\r" + 60 * " " + "\\r", end="", file=sys.stderr)
        print("half way")
print("\\rtrain: 100%|#######| 1000/1000 [00:03<00:00, 99.9it/s]", file=sys.stderr)
"""


def run(bed: Bed, *arguments: str, status: int | None = 0) -> subprocess.CompletedProcess[bytes]:
    return bed.run("logctl", "run", *arguments, status=status)


def is_in_state(stat: Path, state: str) -> bool:
    return f" {state} " in stat.read_text()


def told(bed: Bed, name: str) -> list[tuple[str, str]]:
    return [(row["stream"], row["msg"]) for row in bed.rows(name)]


# The command's own


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ([PYTHON, "-c", "raise SystemExit(7)"], 7),
        (["sh", "-c", "kill -9 $$"], 137),
        (["sh", "-c", "kill $$"], 143),
        (["true"], 0),
        (["no-such-command-anywhere"], 127),
        (["/"], 126),
    ],
)
def test_it_ends_as_the_command_does(shared_daemon: Bed, words: list[str], status: int) -> None:
    run(shared_daemon, "--", *words, status=status)


@pytest.mark.parametrize("status", [0, 7])
def test_so_it_does_without_a_daemon(idle_bed: Bed, status: int) -> None:
    done = run(idle_bed, "--no-autostart", "--name", "alone", "--", "sh", "-c", f"echo x; exit {status}", status=status)
    assert done.stdout == b"x\n"
    assert b"wait for a daemon" in done.stderr
    idle_bed.run("logd", "start")
    assert told(idle_bed, "alone") == [("stdout", "x")]
    idle_bed.run("logctl", "wait", "alone", status=status)


def test_so_it_does_where_nothing_can_be_written(idle_bed: Bed) -> None:
    idle_bed.state_dir.write_text("no folder")
    done = run(idle_bed, "--", "sh", "-c", "echo x; exit 7", status=7)
    assert done.stdout == b"x\n"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_so_it_does_where_standard_descriptors_are_closed(idle_bed: Bed, closed: str) -> None:
    words = [*idle_bed.argv("logctl", "run", "--no-autostart", "--", "sh", "-c", "echo x; echo y >&2; exit 7")]
    done = subprocess.run(["sh", "-c", f'"$@" {closed}', "sh", *words], env=idle_bed.environ, check=False)
    assert done.returncode == 7


def test_so_it_does_with_more_descriptors_than_select_takes(shared_daemon: Bed) -> None:
    words = shared_daemon.argv("logctl", "run", "--", "sh", "-c", "echo x; exit 7")
    starter = f"""
import os, resource, subprocess
resource.setrlimit(resource.RLIMIT_NOFILE, (2048, 2048))
fds = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
raise SystemExit(subprocess.run({words!r}, pass_fds=fds).returncode)
"""
    done = subprocess.run([PYTHON, "-c", starter], env=shared_daemon.environ, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (7, b"x\n"), done.stderr


@pytest.mark.parametrize(
    ("missing", "said"),
    [("os.openpty", b"the command has no terminal of its own"), ("Pipes.open", b"the command runs, and nothing of it")],
)
def test_so_it_does_where_it_can_be_given_nothing(shared_daemon: Bed, missing: str, said: bytes) -> None:
    starter = f"""
import errno, os
from logctl.job.pipes import Pipes
from logctl.main import main
def fail(*_):
    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
{missing} = fail
main()
"""
    words = ["run", "--pty", "--", "sh", "-c", "echo x; exit 7"]
    if missing == "Pipes.open":
        words.remove("--pty")
    done = subprocess.run([PYTHON, "-c", starter, *words], env=shared_daemon.environ, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (7, b"x\n"), done.stderr
    assert said in done.stderr


@pytest.mark.parametrize("is_full", [True, False])
def test_so_it_does_where_nobody_can_be_told(idle_bed: Bed, is_full: bool) -> None:
    idle_bed.state_dir.write_text("no folder")
    read_end, write_end = os.pipe()
    os.close(read_end)
    stderr = os.open("/dev/full", os.O_WRONLY) if is_full else write_end
    words = ["sh", "-c", "seq 2000000; exit 7"]  # more than is kept in memory, so that there is something to tell
    with idle_bed.started("logctl", "run", "--no-autostart", "--", *words, stderr=stderr) as job:
        out, _ = job.communicate(timeout=60)
    assert (job.returncode, out[-8:]) == (7, b"2000000\n")
    for fd in {stderr, write_end}:
        os.close(fd)


def test_a_daemon_is_started_meanwhile(idle_bed: Bed) -> None:
    run(idle_bed, "--name", "first", "--", "echo", "x")
    assert told(idle_bed, "first") == [("stdout", "x")]


def test_its_input_is_the_commands(shared_daemon: Bed) -> None:
    done = shared_daemon.run("logctl", "run", "--name", "input", "--", "tr", "a-z", "A-Z", stdin=b"words\n")
    assert done.stdout == b"WORDS\n"


def test_a_script_without_a_first_line_is_run_as_shells_do(shared_daemon: Bed, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("echo $1\n")
    script.chmod(0o755)
    assert run(shared_daemon, "--", str(script), "hello").stdout == b"hello\n"


def test_the_death_of_the_daemon_is_no_matter(daemon: Bed) -> None:
    with daemon.started(
        "logctl", "run", "--name", "outlives", "--", "sh", "-c", "echo 1; read x; echo 2; exit 3"
    ) as job:
        wait_until(lambda: daemon.run("logctl", "runs", status=None).stdout.count(b"outlives"))
        daemon.kill()
        out, err = job.communicate(b"\n", timeout=60)
    assert (job.returncode, out) == (3, b"1\n2\n"), err
    daemon.run("logd", "start")
    assert told(daemon, "outlives") == [("stdout", "1"), ("stdout", "2")]


def test_a_reader_that_goes_away_does_not_end_the_command(shared_daemon: Bed) -> None:
    words = ["sh", "-c", "echo 1; read x; echo 2; echo 3; exit 4"]
    with shared_daemon.started("logctl", "run", "--name", "unread", "--", *words) as job:
        assert job.stdout is not None
        assert job.stdin is not None
        job.stdout.readline()
        job.stdout.close()
        job.stdin.write(b"\n")
        job.stdin.close()
        assert job.wait(60) == 4
    assert told(shared_daemon, "unread")[-1] == ("stdout", "3")


def test_sigpipe_is_the_commands_as_usual(shared_daemon: Bed) -> None:
    run(shared_daemon, "--", PYTHON, "-c", "import signal as s; assert 0 == s.getsignal(s.SIGPIPE) or 1")
    run(shared_daemon, "--", "sh", "-c", "kill -PIPE $$", status=141)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
def test_signals_are_passed_on(shared_daemon: Bed, number: signal.Signals) -> None:
    words = [PYTHON, "-uc", f"import signal; print(1); signal.sigwait([{int(number)}]); raise SystemExit(9)"]
    block = f"import signal; signal.pthread_sigmask(0, [{int(number)}]);"
    words[2] = block + words[2]
    with shared_daemon.started("logctl", "run", "--", *words, start_new_session=True) as job:
        assert job.stdout is not None
        job.stdout.readline()
        job.send_signal(number)
        assert job.wait(60) == 9


def test_what_was_ignored_stays_so(shared_daemon: Bed) -> None:
    words = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", *shared_daemon.argv("logctl", "run", "--")]
    show = "import signal; print(signal.getsignal(signal.SIGHUP), signal.getsignal(signal.SIGTERM))"
    out = subprocess.run(
        [*words, PYTHON, "-c", show], env=shared_daemon.environ, capture_output=True, check=True
    ).stdout
    assert out.split() == [b"1", b"0"]


def test_what_it_leaves_running_is_not_waited_for_and_goes_on(shared_daemon: Bed, tmp_path: Path) -> None:
    go = tmp_path / "go"
    os.mkfifo(go)
    code = f"(read x <{go}; echo $x; echo and more) & echo first; exit 5"
    assert run(shared_daemon, "--name", "leaves", "--", "sh", "-c", code, status=5).stdout == b"first\n"
    assert b"running" in shared_daemon.run("logctl", "runs", "show", "leaves").stdout
    go.write_bytes(b"later\n")
    shared_daemon.run("logctl", "wait", "leaves", status=5)
    assert [msg for _, msg in told(shared_daemon, "leaves")] == ["first", "later", "and more"]


# What is stored


def test_both_streams_are_stored_in_the_order_they_were_written_in(shared_daemon: Bed) -> None:
    # Of the first ones to both nobody knows yet that there is an order to keep.
    code = (
        "import sys, time\n"
        "for n in range(200): print(n, file=sys.stderr if n % 3 else sys.stdout, flush=True); time.sleep((n < 2) / 5)"
    )
    done = run(shared_daemon, "--name", "both", "--", PYTHON, "-c", code)
    assert told(shared_daemon, "both") == [("stderr" if n % 3 else "stdout", str(n)) for n in range(200)]
    assert done.stdout.split() == [b"%d" % n for n in range(200) if not n % 3]
    assert done.stderr.split() == [b"%d" % n for n in range(200) if n % 3]


def test_a_flood_is_stored_whole(shared_daemon: Bed) -> None:
    lines = b"".join(b"%d\n" % n for n in range(1, 300_001))
    done = run(shared_daemon, "--name", "flood", "--", "seq", "300000")
    assert done.stdout == lines
    assert shared_daemon.raw("flood") == lines


def test_quiet_shows_nothing(shared_daemon: Bed) -> None:
    done = run(shared_daemon, "-q", "--name", "quiet", "--", "sh", "-c", "echo out; echo err >&2")
    assert (done.stdout, done.stderr) == (b"", b"")
    assert told(shared_daemon, "quiet") == [("stdout", "out"), ("stderr", "err")]


def test_a_progress_bar_is_one_record_and_an_item(shared_daemon: Bed) -> None:
    run(shared_daemon, "--name", "bar", "--", PYTHON, "-c", BAR)
    rows = told(shared_daemon, "bar")
    assert len(rows) <= 3
    assert ("stdout", "half way") in rows
    assert [msg for stream, msg in rows if stream == "stderr"][-1].startswith("train: 100%")
    (item,) = json.loads(shared_daemon.run("logctl", "progress", "bar", "-o", "json").stdout)["items"]
    assert (item["key"], item["state"], item["done"], item["total"]) == ("stderr", "done", 1000, 1000)


def test_a_traceback_is_one_record(shared_daemon: Bed) -> None:
    run(shared_daemon, "-q", "--name", "raises", "--", PYTHON, "-c", "print('x', flush=True); {}['y']", status=1)
    first, second = shared_daemon.rows("raises")
    assert first["msg"] == "x"
    assert second["level"] == "ERROR"
    assert second["msg"].startswith("Traceback (most recent call last):\n")
    assert second["msg"].endswith("KeyError: 'y'")


# Names


def test_without_a_name_it_is_the_commands_with_the_next_number(shared_daemon: Bed) -> None:
    for number in (1, 2):
        assert run(shared_daemon, "-q", "--", "printenv", "LOGD_RUN").stdout == b""
        assert told(shared_daemon, f"printenv-{number}") == [("stdout", f"printenv-{number}")]


def test_so_it_is_without_a_daemon(idle_bed: Bed) -> None:
    names = [run(idle_bed, "--no-autostart", "--", "printenv", "LOGD_RUN").stdout for _ in range(2)]
    assert names == [b"printenv-1\n", b"printenv-2\n"]


def test_those_that_run_at_once_have_names_of_their_own(shared_daemon: Bed) -> None:
    with (
        shared_daemon.started("logctl", "run", "--", "sed", "-u", "p") as first,
        shared_daemon.started("logctl", "run", "--", "sed", "-u", "p") as second,
    ):
        for job in (first, second):
            assert job.communicate(b"x\n", timeout=60)[0] == b"x\nx\n"
    for number in (1, 2):
        assert len(shared_daemon.rows(f"sed-{number}")) == 2


# In the background


def test_detached_it_goes_on_alone(shared_daemon: Bed, tmp_path: Path) -> None:
    go = tmp_path / "go"
    os.mkfifo(go)
    code = f"cat {go}; tty; pwd; exit 3"
    done = run(shared_daemon, "-d", "--name", "alone", "--", "sh", "-c", code)
    assert done.stdout == b"alone\n"
    assert b"running" in shared_daemon.run("logctl", "runs").stdout
    go.write_bytes(b"went\n")
    shared_daemon.run("logctl", "wait", "alone", status=3)
    assert [msg for _, msg in told(shared_daemon, "alone")] == ["went", "not a tty", os.getcwd()]


def test_detached_a_start_that_fails_is_told(shared_daemon: Bed) -> None:
    done = run(shared_daemon, "-d", "--", "no-such-command-anywhere", status=127)
    assert done.stdout == b""
    assert b"command not found" in done.stderr


# Signals for a run


@pytest.mark.parametrize("number", ["TERM", "SIGKILL", "2"])
def test_a_run_is_signalled(shared_daemon: Bed, number: str) -> None:
    name = f"signalled-{number}"
    run(shared_daemon, "-d", "--name", name, "--", "sh", "-c", "sleep 600")
    shared_daemon.run("logctl", "kill", name, "-s", number)
    status = 128 + {"TERM": 15, "SIGKILL": 9, "2": 2}[number]
    shared_daemon.run("logctl", "wait", name, status=status)
    shared_daemon.run("logctl", "attach", name, "--exit-status", status=status)
    assert b"does not run" in shared_daemon.run("logctl", "kill", name, status=1).stderr


def test_a_run_can_be_stopped_and_continued(shared_daemon: Bed) -> None:
    run(shared_daemon, "-d", "--name", "stops", "--", "sh", "-c", "echo $$; exec sleep 600")
    wait_until(lambda: shared_daemon.rows("stops"))
    (row,) = shared_daemon.rows("stops")
    stat = Path(f"/proc/{row['msg']}/stat")
    for number, state in (("STOP", "T"), ("CONT", "S")):
        shared_daemon.run("logctl", "kill", "stops", "-s", number)
        if stat.exists():
            wait_until(partial(is_in_state, stat, state))
    shared_daemon.run("logctl", "kill", "stops")
    shared_daemon.run("logctl", "wait", "stops", status=143)


def test_a_pipes_run_is_not_signalled_for_its_job(shared_daemon: Bed) -> None:
    with shared_daemon.started("logctl", "emit", "piped") as emit:
        wait_until(lambda: b"piped" in shared_daemon.run("logctl", "runs").stdout)
        done = shared_daemon.run("logctl", "kill", "piped", status=1)
        assert b"signal that job itself" in done.stderr
        assert emit.poll() is None
    shared_daemon.run("logctl", "kill", "nobodys", status=1)
    shared_daemon.run("logctl", "kill", "piped", "-s", "NONE", status=2)


# Waiting, and saying how it ended


@needs_re2
def test_what_a_run_says_is_waited_for(shared_daemon: Bed, tmp_path: Path) -> None:
    go = tmp_path / "go"
    os.mkfifo(go)
    run(shared_daemon, "-d", "--name", "serves", "--", "sh", "-c", f"echo listening on 80; cat {go}")
    shared_daemon.run("logctl", "wait", "serves", "--until", "listening on [0-9]+")
    done = shared_daemon.run("logctl", "wait", "serves", "--timeout", "0.1", status=124)
    assert b"has not ended" in done.stderr
    with shared_daemon.started("logctl", "wait", "serves", "--until", "stopping") as waiting:
        go.write_bytes(b"stopping\n")
        assert waiting.wait(60) == 0
    shared_daemon.run("logctl", "wait", "serves")
    shared_daemon.run("logctl", "wait", "serves", "--until", "listening")
    shared_daemon.run("logctl", "wait", "serves", "--until", "never", status=1)
    shared_daemon.run("logctl", "wait", "serves", "--until", "(", status=2)


def test_a_run_that_is_yet_to_come_is_waited_for(shared_daemon: Bed) -> None:
    with shared_daemon.started("logctl", "wait", "comes-later") as waiting:
        assert waiting.stderr is not None
        assert b"waiting for run" in waiting.stderr.readline()
        run(shared_daemon, "--name", "comes-later", "--", "sh", "-c", "exit 6", status=6)
        assert waiting.wait(60) == 6


def test_a_run_whose_emitter_was_killed_is_lost(shared_daemon: Bed) -> None:
    with shared_daemon.started("logctl", "run", "--name", "was-killed", "--", "sleep", "600") as job:
        wait_until(lambda: b"was-killed" in shared_daemon.run("logctl", "runs").stdout)
        children = Path(f"/proc/{job.pid}/task/{job.pid}/children")
        child = int(children.read_text().split()[0]) if children.exists() else None
        job.kill()
        done = shared_daemon.run("logctl", "wait", "was-killed", status=1)
        assert b"gone without a word" in done.stderr
        if child is not None and alive(child):
            os.kill(child, signal.SIGKILL)


def test_how_a_pipes_job_ended_can_be_said_afterwards(shared_daemon: Bed) -> None:
    shared_daemon.emit("pipe", b"hello\n")
    shared_daemon.run("logctl", "wait", "pipe")
    shared_daemon.run("logctl", "end", "pipe", "--exit-code", "3")
    shared_daemon.run("logctl", "wait", "pipe", status=3)
    shared_daemon.run("logctl", "end", "no-such-run", "--exit-code", "3", status=1)


@needs_re2
def test_what_was_said_before_its_end_was_told_counts(shared_daemon: Bed) -> None:
    shared_daemon.emit("pipe-said", b"hello\n")
    shared_daemon.run("logctl", "end", "pipe-said", "--exit-code", "3")
    shared_daemon.run("logctl", "wait", "pipe-said", "--until", "hello")


def test_so_it_can_while_the_emitter_is_open_yet(shared_daemon: Bed) -> None:
    with shared_daemon.started("logctl", "emit", "open-pipe") as emit:
        wait_until(lambda: b"open-pipe" in shared_daemon.run("logctl", "runs").stdout)
        with shared_daemon.started("logctl", "end", "open-pipe", "--exit-code", "4") as end:
            wait_until(lambda: b"logctl end" in shared_daemon.run("logctl", "who", "open-pipe").stdout)
            emit.communicate(b"its last words\n", timeout=60)
            assert end.wait(60) == 0
    shared_daemon.run("logctl", "wait", "open-pipe", status=4)
    assert [row["msg"] for row in shared_daemon.rows("open-pipe")] == ["its last words"]


def test_an_exit_status_is_not_for_patterns_or_what_is_not_followed(shared_daemon: Bed) -> None:
    shared_daemon.run("logctl", "attach", "a-*", "--exit-status", status=2)
    shared_daemon.run("logctl", "attach", "a", "--exit-status", "--no-follow", status=2)
