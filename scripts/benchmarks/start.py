"""Whole processes, from start to exit, and a line's way from a pipe to an attached reader."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from harness import daemon, percentile, seconds, show

ATTEMPTS = 20
ECHOES = 100

REFERENCE = "python -c 'import click'"


def measure(work: Path, *, lines: int, rounds: int) -> None:
    commands = {
        REFERENCE: [sys.executable, "-c", "import click"],
        "logctl emit RUN hello": ["logctl", "emit", "hello", "hello"],
        "logctl attach --no-follow RUN": ["logctl", "attach", "--no-follow", "hello"],
        "logctl runs": ["logctl", "runs"],
        "logd status": ["logd", "status"],
    }
    with daemon(work):
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(ATTEMPTS):
            for name, command in commands.items():
                times[name].append(seconds(lambda command=command: _run(command)))  # type: ignore[misc]
        echoes = _echoes()
    reference = percentile(times[REFERENCE], 50)
    show(
        f"start: whole processes, {ATTEMPTS} times each",
        ("", "p50 ms", "best ms", "x reference"),
        [
            (
                name,
                f"{percentile(took, 50) * 1000:.1f}",
                f"{min(took) * 1000:.1f}",
                f"{percentile(took, 50) / reference:.2f}",
            )
            for name, took in times.items()
        ],
    )
    show(
        f"from emit's standard input to attach's standard output, idle, {ECHOES} lines",
        ("", "p50 ms", "p99 ms"),
        [("one line", f"{percentile(echoes, 50) * 1000:.2f}", f"{percentile(echoes, 99) * 1000:.2f}")],
    )


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True)


def _echoes() -> list[float]:
    emit = subprocess.Popen(["logctl", "emit", "echo"], stdin=subprocess.PIPE)
    attach = subprocess.Popen(["logctl", "attach", "-o", "raw", "echo"], stdout=subprocess.PIPE)
    assert emit.stdin is not None and attach.stdout is not None
    took = []
    for number in range(ECHOES + 1):
        started = time.perf_counter()
        emit.stdin.write(b"%d\n" % number)
        emit.stdin.flush()
        assert attach.stdout.readline() == b"%d\n" % number
        took.append(time.perf_counter() - started)
        time.sleep(0.02)
    emit.stdin.close()
    emit.wait()
    attach.wait()
    return took[1:]  # the first waits for both processes to start
