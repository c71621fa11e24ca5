"""How far `logctl progress` on a terminal is behind a job of 882 items and 20 workers, and what its viewer is sent.

Each item is reported twice, when it is begun and when it is done. How many are done by the screen is read from what is
written to it, so that all between the job and the terminal counts.
"""

from __future__ import annotations

import heapq
import os
import random
import re
import threading
import time
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Final

from harness import daemon, show
from terminal import READ_BYTES, Terminal

from logd.client import Client
from logd.config import FanoutConfig
from logd.paths import Paths
from logd.protocol import Close, Items, Open, Reply, Report, Watch

ITEMS, WORKERS = 882, 20
ITEM_SECONDS: Final = 0.4
RUN: Final = "scan"
SLACK_SECONDS: Final = 0.2
LIMIT_SECONDS: Final = 120.0
_DONE = re.compile(rb"(\d+) done")
_SESSION = 999


def measure(work: Path, *, lines: int, rounds: int) -> None:
    with daemon(work):
        rows = [_round() for _ in range(rounds)]
    show(
        f"progress: a job of {ITEMS} items, {2 * ITEMS:,} reports, on a terminal",
        ("", "job s", "worst behind s", "end shown after s", "messages to a viewer"),
        [(f"round {number}", *row) for number, row in enumerate(rows, start=1)],
    )
    print(f"bound: {FanoutConfig.board_interval_seconds + SLACK_SECONDS:g} s behind", flush=True)


class _Screen(Terminal):
    """A terminal that notes when each count of items that are done is written."""

    def __init__(self) -> None:
        self.counts: dict[int, float] = {}
        super().__init__(("logctl", "progress", RUN), (b"pending",))

    def _read(self) -> None:
        with suppress(OSError):  # the last one with the terminal open has gone
            while data := os.read(self._fd, READ_BYTES):
                now = time.perf_counter()
                for found in _DONE.finditer(data):
                    self.counts.setdefault(int(found[1]), now)

    def wait_count(self, count: int) -> float:
        deadline = time.perf_counter() + LIMIT_SECONDS
        while count not in self.counts:
            assert time.perf_counter() < deadline, f"it is not shown that {count} are done"
            time.sleep(0.001)
        return self.counts[count]


def _round() -> tuple[str, ...]:
    paths = Paths.resolve()
    with Client(paths, "bench job") as job, Client(paths, "bench viewer") as viewer:
        job.request(Open(_SESSION, RUN, session=f"bench {time.monotonic()}"))
        job.request(Report(job.new_id(), RUN, {"item-0": {"state": "done"}}, reset=True))
        sent: list[Items] = []
        watches = threading.Thread(target=_watch, args=(viewer, sent))
        watches.start()
        with _Screen() as screen:
            screen.wait_count(1)
            began = time.perf_counter()
            done = [began, *_work(job)]
            job.send(Close(_SESSION, 0))
            while not (isinstance(answer := job.receive(), Reply) and answer.id == _SESSION):
                pass
            ended = time.perf_counter()
            shown = screen.wait_count(ITEMS)
            counts = sorted(screen.counts.items())
        watches.join()
    # Until a count is shown, the one before it is: it is behind since the job had one more than that.
    behind = [at - done[count] for (count, _), (_, at) in pairwise(counts)]
    return f"{ended - began:.1f}", f"{max(behind):.2f}", f"{max(0.0, shown - ended):.2f}", str(len(sent))


def _work(job: Client) -> list[float]:
    """Report items 1 and on as workers would; when each was done."""
    dice = random.Random(1)  # noqa: S311 it is no secret
    todo, under_way, done = iter(range(1, ITEMS)), list[tuple[float, int]](), list[float]()

    def begin() -> None:
        number = next(todo, None)
        if number is not None:
            job.request(Report(job.new_id(), RUN, {f"item-{number}": {"state": "running"}}))
            heapq.heappush(under_way, (time.perf_counter() + dice.uniform(0.5, 1.5) * ITEM_SECONDS, number))

    for _ in range(WORKERS):
        begin()
    while under_way:
        at, number = heapq.heappop(under_way)
        time.sleep(max(0.0, at - time.perf_counter()))
        done.append(time.perf_counter())
        job.request(Report(job.new_id(), RUN, {f"item-{number}": {"state": "done"}}))
        begin()
    return done


def _watch(viewer: Client, sent: list[Items]) -> None:
    """Take what a viewer is sent until the run has ended."""
    viewer.send(Watch(1, "board", run=RUN))
    while not (sent and sent[-1].run is not None and sent[-1].run["state"] == "ended"):
        message = viewer.receive()
        if isinstance(message, Items):
            sent.append(message)
