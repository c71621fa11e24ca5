"""What `logctl top` costs on a terminal: its process and the daemon, with 200 runs of which 50 are busy.

Busy runs each emit about a hundred lines a second, of which some are warnings, and half of them have a board with an
item and a queue that are reported each second. The daemon is measured with and without anybody who looks, in turn.
"""

from __future__ import annotations

import itertools
import os
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from harness import daemon, peak_memory_mib, show
from terminal import COLUMNS, ROWS, Terminal

from logd.client import Client
from logd.paths import Paths
from logd.protocol import Close, Emit, Open, Report

RUNS, BUSY_RUNS, LINES_A_SECOND = 200, 50, 100
STEP_SECONDS: Final = 0.1
WARM_SECONDS, MEASURED_SECONDS = 3.0, 10.0
LIMIT_PERCENT: Final = 15
SHOWN: Final = b"RATE"


def measure(work: Path, *, lines: int, rounds: int) -> None:
    with daemon(work) as pid, ExitStack() as stack:
        stop = threading.Event()
        jobs = threading.Thread(target=_work, args=(stop,))
        jobs.start()
        stack.callback(jobs.join)
        stack.callback(stop.set)
        alone, watched, top, memory = [], [], [], 0.0
        for _ in range(rounds):
            time.sleep(WARM_SECONDS)
            alone += _percents(pid)
            with Terminal(("logctl", "top"), (SHOWN,)) as terminal:
                assert terminal.wait_shown(SHOWN, 30.0) is not None, "nothing is shown"
                time.sleep(WARM_SECONDS)
                one, other = _percents(pid, terminal.pid)
                watched.append(one)
                top.append(other)
                memory = max(memory, peak_memory_mib(terminal.pid) or 0.0)
    show(
        f"top: {RUNS} runs, {BUSY_RUNS} of them busy, at {COLUMNS}x{ROWS}; percent of a core, median of {rounds}",
        ("", "%"),
        [
            ("logctl top", f"{_median(top):.1f}"),
            ("daemon, with it", f"{_median(watched):.1f}"),
            ("daemon, alone", f"{_median(alone):.1f}"),
        ],
    )
    print(f"bound: {LIMIT_PERCENT} % for logctl top; its peak memory: {memory:.0f} MiB", flush=True)


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def _percents(*pids: int) -> list[float]:
    """How much of a core each process takes, over a while."""
    before, started = [_cpu_seconds(pid) for pid in pids], time.perf_counter()
    time.sleep(MEASURED_SECONDS)
    took = time.perf_counter() - started
    return [100 * (_cpu_seconds(pid) - first) / took for pid, first in zip(pids, before, strict=True)]


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _work(stop: threading.Event) -> None:
    """Have runs, some of which go on, until told to stop."""
    with Client(Paths.resolve(), "bench") as client:
        for number in range(RUNS):
            client.send(Open(number, f"run-{number:03}", f"s{number}", command="./bench", source=f"w{number % 7}"))
            client.send(Emit(number, 1, lines=b"begun\nERROR no\n"))
            if number >= BUSY_RUNS:
                client.send(Close(number, number % 3))
        ids = itertools.count(RUNS)
        for step in itertools.count(1):
            for number in range(BUSY_RUNS):
                client.send(Emit(number, step + 1, lines=_lines(step, number)))
                if step % 10 == 0 and number % 2:
                    board = {"pages": {"done": step, "total": 5000}, "queue": {"gauge": (step * number) % 997}}
                    client.send(Report(next(ids), f"run-{number:03}", board))
            while client.receive_nowait() is not None:
                pass
            if stop.wait(STEP_SECONDS):
                return


def _lines(step: int, number: int) -> bytes:
    count = int(LINES_A_SECOND * STEP_SECONDS) + (step + number) % 5 - 2
    return b"".join(b"%s page %d of worker %d\n" % (b"WARN" if at == 3 else b"got", step, at) for at in range(count))
