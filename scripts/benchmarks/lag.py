"""How far a viewer on a terminal is behind a flood: from the emitter's exit to the last line on the screen."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, NamedTuple

from harness import daemon, percentile, print_peak_memory, show
from ingest import LINE_BYTES, write_lines
from terminal import COLUMNS, ROWS, Terminal

from logd.client import Client
from logd.paths import Paths
from logd.protocol import Remove

LIMIT_SECONDS = 60.0
"""A viewer that has not shown the last line by then is given up."""
BOUND_SECONDS = 0.25

FIRST, LAST = b"READY", b"QUXJVKZG"
"""In the first line and the last: letters that no other line has, so that they are drawn whole."""

VIEWER = str(Path(__file__).with_name("viewer.py"))
OF_RUN: dict[str, tuple[str, ...]] = {
    "logctl attach": ("logctl", "attach", "{run}"),
    "a view of 1000 rows": (sys.executable, VIEWER, "{run}"),
}
OF_FILE: dict[str, tuple[str, ...]] = {
    "tail -f": ("tail", "-n", str(ROWS), "-f", "{file}"),
    "less +F": ("less", "+F", "{file}"),
    "lnav": ("lnav", "{file}"),
}


class Lag(NamedTuple):
    flood_seconds: float
    lag_seconds: float | None
    """None where the last line did not come in time."""
    written_bytes: int
    """What the viewer wrote to its terminal."""


def measure(work: Path, *, lines: int, rounds: int) -> None:
    source = work / "lines.txt"
    write_lines(source, lines - 1)
    with source.open("ab") as file:
        file.write(LAST.ljust(LINE_BYTES - 1) + b"\n")
    (work / "home").mkdir(exist_ok=True)
    installed = {name: command for name, command in OF_FILE.items() if shutil.which(command[0])}
    lags: dict[str, list[Lag]] = {name: [] for name in (*OF_RUN, *installed)}
    with daemon(work) as pid:
        for number in range(rounds):
            for name, command in OF_RUN.items():
                lags[name].append(_of_run(work, source, command, f"lag-{number}"))
            for name, command in installed.items():
                lags[name].append(_of_file(work, source, command))
        show(
            f"lag: {lines:,} lines of {LINE_BYTES} bytes with a viewer on a terminal of {COLUMNS}x{ROWS}, "
            f"p50 and worst of {rounds}",
            ("", "flood s", "from its end to the last line s", "worst", "MB on the terminal"),
            [_row(name, found) for name, found in lags.items()],
        )
        print(f"bound of a view: {BOUND_SECONDS} s")
        print_peak_memory(pid)
    for name in OF_FILE.keys() - installed.keys():
        print(f"{name} is not installed")
    source.unlink()


def _of_run(work: Path, source: Path, command: Sequence[str], run: str) -> Lag:
    with subprocess.Popen(["logctl", "emit", run], stdin=subprocess.PIPE) as emitter:
        lag = _flood(work, source, emitter, [part.format(run=run) for part in command])
    with Client(Paths.resolve(), "bench") as client:
        client.request(Remove(client.new_id(), run))
    return lag


def _of_file(work: Path, source: Path, command: Sequence[str]) -> Lag:
    path = work / "watched.log"
    try:
        with path.open("wb") as file, subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=file) as emitter:
            return _flood(work, source, emitter, [part.format(file=path) for part in command])
    finally:
        path.unlink()


def _flood(work: Path, source: Path, emitter: subprocess.Popen[bytes], command: Sequence[str]) -> Lag:
    pipe = emitter.stdin
    assert pipe is not None
    _write_first(pipe)
    # A home of its own: what a viewer keeps there is neither read nor changed.
    with Terminal(command, (FIRST, LAST), HOME=str(work / "home")) as terminal:
        assert terminal.wait_shown(FIRST, LIMIT_SECONDS) is not None, f"{command[0]} does not show the first line"
        started = time.perf_counter()
        subprocess.run(["cat", str(source)], stdout=pipe, check=True)
        pipe.close()
        assert emitter.wait() == 0
        ended = time.perf_counter()
        shown = terminal.wait_shown(LAST, LIMIT_SECONDS)
    return Lag(ended - started, None if shown is None else shown - ended, terminal.read_bytes)


def _write_first(pipe: IO[bytes]) -> None:
    pipe.write(FIRST.ljust(LINE_BYTES - 1) + b"\n")
    pipe.flush()


def _row(name: str, lags: Sequence[Lag]) -> tuple[str, ...]:
    seconds = [LIMIT_SECONDS if lag.lag_seconds is None else lag.lag_seconds for lag in lags]
    return (
        name,
        f"{percentile([lag.flood_seconds for lag in lags], 50):.2f}",
        _shown(percentile(seconds, 50)),
        _shown(max(seconds)),
        f"{percentile([lag.written_bytes for lag in lags], 50) / 1e6:.1f}",
    )


def _shown(seconds: float) -> str:
    return f"over {LIMIT_SECONDS:.0f}" if seconds >= LIMIT_SECONDS else f"{seconds:.3f}"
