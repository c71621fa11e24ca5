"""What a record costs a Python program that logs it, beside the standard library's handlers.

The time is that of the caller's loop by the clock on the wall, so that what the sender's thread takes of the
interpreter counts, too; and, as other programs may keep the processors busy, by the caller's own time on one. In each
round there is one loop with each kind, so that what else the machine does meets all.
"""

from __future__ import annotations

import json
import logging
import logging.handlers
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from harness import daemon, percentile, show

from logd import LogHandler
from logd.client import Client
from logd.paths import Paths
from logd.protocol import Remove

LOOP_RECORDS = 100_000
THREADS = 8
FLOOD_RECORDS = 1_000_000
BOUND = 0.8
"""Of what `logging.FileHandler` costs."""

Make = Callable[[Path], logging.Handler]


class QueueOnly(logging.Handler):
    """Puts records into a queue that nobody reads."""

    def __init__(self) -> None:
        super().__init__()
        self.queue: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()

    def emit(self, record: logging.LogRecord) -> None:
        self.queue.put(record)


HANDLERS: dict[str, tuple[str, Make]] = {
    "logging.FileHandler": ("up", lambda work: logging.FileHandler(work / "file.log")),
    "logging.NullHandler": ("up", lambda work: logging.NullHandler()),
    "a plain queue": ("up", lambda work: QueueOnly()),
    "logging.handlers.QueueHandler": ("up", lambda work: logging.handlers.QueueHandler(queue.SimpleQueue())),
    **{
        f"LogHandler, daemon {state}": (state, lambda work: LogHandler("handler", autostart=False))
        for state in ("up", "down", "stopped")
    },
}
"""The state of the daemon, and what makes the handler. The first one is what the others are compared with."""


def measure(work: Path, *, lines: int, rounds: int) -> None:
    rounds = max(rounds, 5)
    costs = _costs(work, rounds)
    reference = next(iter(costs.values()))
    rows = []
    for name, found in costs.items():
        row = [name]
        for each, theirs in zip(zip(*found, strict=True), zip(*reference, strict=True), strict=True):
            ratios = [one / other for one, other in zip(each, theirs, strict=True)]
            row += [f"{percentile(each, 50):.2f}", f"{percentile(ratios, 50):.2f}"]
        rows.append(tuple(row))
    show(
        f"handler: {LOOP_RECORDS:,} calls of logger.info('x %d', i) in one thread, p50 of {rounds}",
        ("", "µs a call", "of FileHandler", "µs of CPU", "of FileHandler"),
        rows,
    )
    print(f"bound of LogHandler: {BOUND}", flush=True)
    _flood(work)


def _costs(work: Path, rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Microseconds a call, and of the caller's processor, by handler."""
    costs: dict[str, list[tuple[float, float]]] = {name: [] for name in HANDLERS}
    with daemon(work) as pid:
        for _ in range(rounds):
            for name, (state, make) in HANDLERS.items():
                with _in_state(state, pid):
                    handler = make(work)
                    _cost_us(logging.NullHandler())  # after waiting, a processor is slow at first
                    costs[name].append(_cost_us(handler))
                    handler.close()
                    _empty_spool()
                assert not getattr(handler, "dropped", 0)
    return costs


@contextmanager
def _in_state(state: str, pid: int) -> Iterator[None]:
    socket = os.environ["LOGD_SOCKET"]
    if state == "down":
        os.environ["LOGD_SOCKET"] = f"{socket}.nobody"
    if state == "stopped":
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.environ["LOGD_SOCKET"] = socket
        os.kill(pid, signal.SIGCONT)


def _empty_spool() -> None:
    """So that the daemon does not take it in beside another loop."""
    for path in Paths.resolve().spool_dir.glob("*"):
        path.unlink()


def _cost_us(handler: logging.Handler) -> tuple[float, float]:
    logger = logging.Logger("app.pages", logging.INFO)
    logger.addHandler(handler)
    started, processor = time.perf_counter(), time.thread_time()
    for number in range(LOOP_RECORDS):
        logger.info("x %d", number)
    took = time.perf_counter() - started, time.thread_time() - processor
    return took[0] / LOOP_RECORDS * 1e6, took[1] / LOOP_RECORDS * 1e6


def _flood(work: Path) -> None:
    """Records of several threads, each of which counts its own: all are there, and each thread's are in order."""
    with daemon(work):
        handler = LogHandler("flood")
        logger = logging.Logger("app", logging.INFO)
        logger.addHandler(handler)

        def log(name: int) -> None:
            for number in range(FLOOD_RECORDS // THREADS):
                logger.info("%d %d", name, number)

        threads = [threading.Thread(target=log, args=(name,)) for name in range(THREADS)]
        started = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        logged = time.perf_counter()
        handler.close()
        stored = time.perf_counter()
        counts, in_order = _read_back("flood")
        with Client(Paths.resolve(), "bench") as client:
            client.request(Remove(client.new_id(), "flood"))
    print(
        f"flood: {FLOOD_RECORDS:,} records of {THREADS} threads in {logged - started:.1f} s, "
        f"stored {stored - logged:.2f} s after that; {handler.dropped} dropped, {sum(counts):,} found, "
        f"{'all' if in_order else 'NOT all'} in their thread's order",
        flush=True,
    )


def _read_back(run: str) -> tuple[list[int], bool]:
    counts, in_order = [0] * THREADS, True
    command = [sys.executable, "-m", "logctl.main", "attach", run, "--no-follow", "-n", "all", "-o", "json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as reader:
        assert reader.stdout is not None
        for line in reader.stdout:
            record = json.loads(line)
            if "dropped" in record:
                continue  # it tells of others that are missing
            name, number = map(int, record["msg"].split())
            in_order = in_order and number == counts[name]
            counts[name] += 1
    return counts, in_order
