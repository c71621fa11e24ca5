"""Programs that log through the Python API, each in a process of its own, against a daemon that comes and goes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest
from bed import Bed, bed, wait_until

from logd.errors import Refused
from logd.protocol import ErrorCode, Remove

CONFIGURED = """
import logging.config
logging.config.dictConfig({
    "version": 1,
    "handlers": {"logd": {"class": "logd.LogHandler", "run": "job", "level": "INFO", "fields": {"host": "h1"}}},
    "root": {"level": "DEBUG", "handlers": ["logd"]},
})
log = logging.getLogger("app.pages")
"""


def python(bed: Bed, program: str, *, status: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, which is to come by itself."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program)],
        env=bed.environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
    return done


def started(bed: Bed, program: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program)],
        env=bed.environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def serving(shared_daemon: Bed) -> Iterator[Bed]:
    """A daemon without the run that the programs log into, for tests that leave it as it is."""
    yield shared_daemon
    wait_until(lambda: _is_removed(shared_daemon))


def _is_removed(bed: Bed) -> bool:
    with bed.client() as client:
        try:
            client.request(Remove(client.new_id(), "job"))
        except Refused as error:
            return error.code == ErrorCode.NO_SUCH_RUN
    return True


def messages(bed: Bed, run: str = "job") -> list[str]:
    return [row["msg"] for row in bed.rows(run)]


def wait_messages(bed: Bed, count: int, run: str = "job") -> list[str]:
    """So many messages, when they are there: also what a daemon takes from the spool."""
    wait_until(lambda: (bed.state_dir / "runs" / run).is_dir() and len(bed.rows(run)) >= count)
    return messages(bed, run)


def test_a_handler_from_dictconfig_keeps_all_that_a_record_has(serving: Bed) -> None:
    done = python(
        serving,
        CONFIGURED
        + """
log.debug("below the level")
log.info("fetched %s in %d ms", "page", 134)
log.warning("slow", extra={"url": "https://example.org", "tries": 3, "where": {"row": 1}})
try:
    {}["missing"]
except KeyError:
    log.exception("failed")
log.critical("lost", stack_info=True)
""",
    )
    assert (done.stdout, done.stderr) == ("", "")
    rows = serving.rows("job")
    assert [(row["level"], row["msg"], row["logger"], row["host"]) for row in rows] == [
        ("INFO", "fetched page in 134 ms", "app.pages", "h1"),
        ("WARN", "slow", "app.pages", "h1"),
        ("ERROR", "failed", "app.pages", "h1"),
        ("FATAL", "lost", "app.pages", "h1"),
    ]
    assert (rows[1]["url"], rows[1]["tries"], rows[1]["where"]) == ("https://example.org", 3, {"row": 1})
    assert (rows[2]["exception.type"], rows[2]["exception.message"]) == ("KeyError", "'missing'")
    assert rows[2]["exception.stacktrace"].startswith("Traceback (most recent call last):\n")
    assert rows[3]["code.stacktrace"].startswith("Stack (most recent call last):\n")


def test_records_of_threads_are_in_order_for_each(serving: Bed) -> None:
    python(
        serving,
        CONFIGURED
        + """
import threading
def work(name):
    for number in range(5000):
        log.info("%d %d", name, number)
threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
""",
    )
    wait_messages(serving, 40_000)
    seen: dict[str, list[int]] = {}
    for message in messages(serving):
        name, number = message.split()
        seen.setdefault(name, []).append(int(number))
    assert seen == {str(name): list(range(5000)) for name in range(8)}


def test_a_daemon_that_is_killed_in_between_has_all_of_it_once(daemon: Bed) -> None:
    program = started(
        daemon,
        CONFIGURED
        + """
for number in range(2000):
    log.info("%d", number)
logging.getLogger().handlers[0].flush()
print("ready", flush=True)
input()
for number in range(2000, 4000):
    log.info("%d", number)
""",
    )
    assert program.stdout is not None
    assert program.stdout.readline() == "ready\n"
    daemon.kill()
    program.communicate("\n", timeout=60)
    assert program.returncode == 0
    daemon.run("logd", "start")
    assert wait_messages(daemon, 4000) == [str(number) for number in range(4000)]


def test_a_stopped_daemon_holds_nobody_up_and_gets_it_later(daemon: Bed) -> None:
    pid = daemon.pid()
    os.kill(pid, signal.SIGSTOP)
    try:
        python(
            daemon,
            CONFIGURED
            + """
text = "x" * 1000
for number in range(12_000):
    log.info("%d %s", number, text)
""",
        )
    finally:
        os.kill(pid, signal.SIGCONT)
    daemon.run("logd", "restart")
    assert [message.split()[0] for message in wait_messages(daemon, 12_000)] == [str(n) for n in range(12_000)]


def test_without_a_daemon_one_is_started() -> None:
    with bed() as nobody:
        python(nobody, CONFIGURED + "log.info('hello')")
        assert wait_messages(nobody, 1) == ["hello"]


def test_without_one_that_may_be_started_it_waits_in_the_spool() -> None:
    with bed() as nobody:
        python(
            nobody,
            """
            import logging, logd
            handler = logd.LogHandler("job", autostart=False)
            logging.getLogger().addHandler(handler)
            logging.warning("hello")
            """,
        )
        nobody.run("logd", "start")
        assert wait_messages(nobody, 1) == ["hello"]


def test_a_forked_process_logs_what_it_has_to_say_and_nothing_twice(serving: Bed) -> None:
    python(
        serving,
        CONFIGURED
        + """
import os
handler = logging.getLogger().handlers[0]
log.info("parent, before")
log.info("parent, waits in the queue")
if (pid := os.fork()) == 0:
    log.info("child")
    handler.flush()
    os._exit(0)
os.waitpid(pid, 0)
log.info("parent, after")
""",
    )
    found = wait_messages(serving, 4)
    assert sorted(found) == ["child", "parent, after", "parent, before", "parent, waits in the queue"]
    assert [message for message in found if message.startswith("parent")] == [
        "parent, before",
        "parent, waits in the queue",
        "parent, after",
    ]


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_child_of_multiprocessing_needs_no_flush(serving: Bed, method: str) -> None:
    script = serving.folder / "program.py"
    script.write_text(
        CONFIGURED
        + """
import multiprocessing
log.info("loaded")
def work(number):
    log.info("child %d", number)
if __name__ == "__main__":
    log.info("parent")
    context = multiprocessing.get_context(METHOD)
    children = [context.Process(target=work, args=(number,)) for number in range(3)]
    for child in children: child.start()
    for child in children: child.join()
""".replace("METHOD", repr(method))
    )
    subprocess.run([sys.executable, str(script)], env=serving.environ, timeout=60, check=True)
    others = ["child 0", "child 1", "child 2", "parent"]
    wait_messages(serving, 5)
    wait_until(lambda: set(others) <= set(messages(serving)))
    assert sorted(message for message in messages(serving) if message != "loaded") == others


def test_threads_that_a_child_of_multiprocessing_waits_for_lose_nothing(serving: Bed) -> None:
    script = serving.folder / "program.py"
    script.write_text(
        CONFIGURED
        + """
import multiprocessing, threading, time
def log_on():
    for number in range(5):
        log.info("thread %d", number)
        time.sleep(0.05)
def work():
    log.info("child")
    threading.Thread(target=log_on).start()
if __name__ == "__main__":
    child = multiprocessing.get_context("fork").Process(target=work)
    child.start()
    child.join()
"""
    )
    subprocess.run([sys.executable, str(script)], env=serving.environ, timeout=60, check=True)
    assert wait_messages(serving, 6) == ["child", *(f"thread {number}" for number in range(5))]


def test_what_a_pool_logs_is_there_where_it_is_closed_and_joined(serving: Bed) -> None:
    script = serving.folder / "program.py"
    script.write_text(
        CONFIGURED
        + """
import multiprocessing
def work(number):
    log.info("task %d", number)
if __name__ == "__main__":
    with multiprocessing.Pool(2) as pool:
        pool.map(work, range(8))
        pool.close()
        pool.join()
"""
    )
    subprocess.run([sys.executable, str(script)], env=serving.environ, timeout=60, check=True)
    assert sorted(wait_messages(serving, 8)) == [f"task {number}" for number in range(8)]


def test_logging_from_a_signals_handler_and_from_del_hangs_nobody(serving: Bed) -> None:
    python(
        serving,
        CONFIGURED
        + """
import gc, signal
class Thing:
    def __init__(self):
        self.me = self
    def __del__(self):
        log.info("del")
counts = [0]
def on_alarm(number, frame):
    if counts[0] == 20:
        return
    counts[0] += 1
    log.error("alarm")
    if counts[0] == 20:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
signal.signal(signal.SIGALRM, on_alarm)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
number = 0
while counts[0] < 20:
    Thing()
    log.info("loop")
    number += 1
gc.collect()
print(number)
""",
    )
    found = wait_messages(serving, 60)
    assert found.count("alarm") == 20
    assert found.count("del") == found.count("loop")


def test_a_records_argument_that_logs_itself_is_no_matter(serving: Bed) -> None:
    python(
        serving,
        CONFIGURED
        + """
class Talks:
    def __str__(self):
        log.info("asked")
        return "talks"
log.info("it %s", Talks())
class Fails:
    def __str__(self):
        raise RuntimeError("no")
log.info("it %s", Fails())
log.info("%d", "no number")
log.info("changed %s", changed := [1]); changed.append(2)
""",
    )
    rows = serving.rows("job")
    assert [row["msg"] for row in rows] == ["asked", "it talks", "it %s", "%d", "changed [1]"]
    assert (rows[2]["logging.error"], rows[3]["logging.args"]) == ("no", ["no number"])


def test_what_is_logged_while_the_interpreter_ends_arrives(serving: Bed) -> None:
    python(
        serving,
        """
        import atexit
        """
        + textwrap.indent(CONFIGURED, "        ")
        + """
        atexit.register(log.info, "at exit")
        log.info("last")
        """,
    )
    assert wait_messages(serving, 2) == ["last", "at exit"]


def test_a_run_has_records_a_board_and_an_end(serving: Bed) -> None:
    python(
        serving,
        """
        import logging, logd
        with logd.Run("job", fields={"host": "h1"}) as run:
            run.log("begins", pages=3)
            for page in run.track(["a", "b", "c"], "pages", unit="pages"):
                run.log(f"page {page}", "debug")
            worker = run.child("w1")
            worker.log("odd", "warning", n=1)
            worker.progress("rows", 5, 10, status="half")
            worker.handler().handle(logging.makeLogRecord({"msg": "through logging", "name": "lib", "levelno": 20}))
            run.gauge("queue", 4)
            raise SystemExit(3)
        """,
        status=3,
    )
    rows = serving.rows("job")
    assert [(row["msg"], row["level"], row.get("source")) for row in rows] == [
        ("begins", "INFO", None),
        ("page a", "DEBUG", None),
        ("page b", "DEBUG", None),
        ("page c", "DEBUG", None),
        ("odd", "WARN", "w1"),
        ("through logging", "INFO", "w1"),
    ]
    items = board(serving)
    assert {"state": "done", "done": 3, "total": 3, "unit": "pages"}.items() <= items["pages"].items()
    assert {"done": 5, "total": 10, "status": "half"}.items() <= items["w1/rows"].items()
    assert items["queue"]["gauge"] == 4
    run = json.loads(serving.run("logctl", "runs", "-o", "json").stdout)
    assert run["exit_status"] == 3


def test_a_run_that_fails_says_why(serving: Bed) -> None:
    done = python(
        serving,
        """
        import logd
        with logd.Run("job") as run:
            for page in run.track(range(10), "pages"):
                if page == 4:
                    raise ValueError("page 4 is empty")
        """,
        status=1,
    )
    assert "ValueError: page 4 is empty" in done.stderr
    (row,) = serving.rows("job")
    assert (row["level"], row["msg"], row["exception.type"]) == ("ERROR", "ValueError: page 4 is empty", "ValueError")
    item = board(serving)["pages"]
    assert (item["state"], item["done"], item["status"]) == ("failed", 4, "ValueError: page 4 is empty")


def test_an_async_run_on_trio(serving: Bed) -> None:
    python(
        serving,
        """
        import logd, trio
        async def main():
            async with logd.AsyncRun("job") as run:
                async for page in run.track(range(3), "pages"):
                    await run.log("page", number=page)
                async def stream():
                    for number in range(2):
                        yield number
                child = run.child("w1")
                async for number in child.track(stream(), "rows"):
                    pass
                assert await run.flush()
                with trio.move_on_after(0.01):
                    async with run.child("w2"):
                        await trio.sleep_forever()
        trio.run(main)
        """,
    )
    assert [(row["msg"], row["number"]) for row in serving.rows("job")] == [("page", n) for n in range(3)]
    items = board(serving)
    assert (items["pages"]["state"], items["pages"]["done"], items["w1/rows"]["done"]) == ("done", 3, 2)


def board(daemon: Bed, run: str = "job") -> dict[str, Any]:
    """A run's items."""
    from logd.protocol import Items, Watch

    with daemon.client() as client:
        client.send(Watch(client.new_id(), "board", run))
        while True:
            message = client.receive()
            if isinstance(message, Items):
                return {key: item for key, item in message.items.items() if item is not None}


LIGHT = """
import sys, logd
before = set(sys.modules)
{use}
imported = {{name.partition(".")[0] for name in sys.modules}}
assert not imported & {{"trio", "urwid", "asyncio", "subprocess", "sqlite3", "platformdirs", "orjson"}}, imported
"""


@pytest.mark.parametrize("use", ["", "logd.LogHandler('job').close()", "logd.Run('job').close()"])
def test_what_is_imported_is_little(serving: Bed, use: str) -> None:
    python(serving, LIGHT.format(use=use))


def test_a_program_that_is_refused_goes_on_and_counts(daemon: Bed) -> None:
    """Nothing can be kept: no daemon, and no folder for the spool."""
    daemon.run("logd", "stop")
    done = python(
        daemon,
        """
        import logging, logd
        handler = logd.LogHandler("job", autostart=False, spool=False)
        logging.getLogger().addHandler(handler)
        for number in range(10): logging.warning("%d", number)
        handler.close()
        logging.warning("after it was closed")
        print(handler.dropped)
        """,
    )
    assert done.stdout == "11\n"
    assert done.stderr.startswith("logd: 10 records of run job were dropped")
