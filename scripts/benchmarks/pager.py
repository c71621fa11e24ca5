"""The pager on a terminal: its first screen as a whole process, from a key to the repaint in a flood, and its memory.

A key's screen is told by a mark that nothing else brings: while it follows, the pager writes "[x] Follow" whenever
something comes; while it is paused it does not.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from harness import daemon, peak_memory_mib, percentile, show
from ingest import LINE_BYTES, write_lines
from terminal import COLUMNS, ROWS, Terminal

from logd.client import Client
from logd.paths import Paths
from logd.protocol import Stats

RECORDS: Final = 10_000_000
STARTS: Final = 20
TOGGLES: Final = 150
CYCLES: Final = 200
WARM_CYCLES: Final = 20
"""After which memory is not to grow any more."""
LIMIT_SECONDS: Final = 30.0
START_SECONDS, P50_SECONDS, P99_SECONDS, MEMORY_MIB = 0.350, 0.020, 0.050, 60

LAST, PAUSED, FOLLOWS = b"QUXJVKZG", b"Follow paused", b"[x] Follow"
HELP_SHOWN: Final = b"follow what comes, or pause"
CYCLING: Final = str(Path(__file__).with_name("cycling.py"))


def measure(work: Path, *, lines: int, rounds: int) -> None:
    source = work / "lines.txt"
    write_lines(source, lines)
    with daemon(work):
        _store(source, "long", RECORDS, lines)
        _show_starts(STARTS * rounds)
        _show_flood(source, rounds)
        _show_cycles()
    source.unlink()


def _store(source: Path, run: str, records: int, lines: int) -> None:
    """Have a run with so many records, the last of which has the mark."""
    with subprocess.Popen(["logctl", "emit", run], stdin=subprocess.PIPE) as emit:
        assert emit.stdin is not None
        for _ in range(-(-records // lines)):
            subprocess.run(["cat", str(source)], stdout=emit.stdin, check=True)
        emit.stdin.write(LAST.ljust(LINE_BYTES - 1) + b"\n")
    assert emit.returncode == 0


def _show_starts(count: int) -> None:
    seconds, memory = [], []
    for _ in range(count):
        started = time.perf_counter()
        with Terminal(("logctl", "attach", "long"), (LAST,)) as terminal:
            shown = terminal.wait_shown(LAST, LIMIT_SECONDS)
            assert shown is not None, "the last record is not shown"
            seconds.append(shown - started)
            memory.append(peak_memory_mib(terminal.pid) or 0.0)
    show(
        f"pager: `logctl attach` of {RECORDS:,} records to its first screen, of {count} processes",
        ("", "p50 ms", "p90 ms", "worst ms", "peak MiB"),
        [("first screen", *_in_ms(seconds, 50, 90, 100), f"{max(memory):.0f}")],
    )
    print(f"bound: {START_SECONDS * 1000:.0f} ms", flush=True)


def _show_flood(source: Path, rounds: int) -> None:
    toggles: list[float] = []
    helps: list[float] = []
    with _flooded(source, "flood"), Terminal(("logctl", "attach", "flood"), (PAUSED, FOLLOWS, HELP_SHOWN)) as terminal:
        assert terminal.wait_shown(FOLLOWS, LIMIT_SECONDS) is not None, "the pager does not open"
        before, began = _stored(), time.perf_counter()
        for _ in range(TOGGLES * rounds):
            toggles.append(_until(terminal, b"F", PAUSED))
            toggles.append(_until(terminal, b"F", FOLLOWS))
            helps.append(_until(terminal, b"h", HELP_SHOWN))
            helps.append(_until(terminal, b"q", FOLLOWS))
        rate = (_stored() - before) / (time.perf_counter() - began)
        memory = peak_memory_mib(terminal.pid)
    show(
        f"pager: from a key to the repaint in a flood of {rate:,.0f} lines/s on {COLUMNS}x{ROWS}",
        ("", "keys", "p50 ms", "p99 ms", "worst ms"),
        [
            ("follow, or pause", str(len(toggles)), *_in_ms(toggles, 50, 99, 100)),
            ("help, and back", str(len(helps)), *_in_ms(helps, 50, 99, 100)),
        ],
    )
    print(f"bounds: p50 {P50_SECONDS * 1000:.0f} ms, p99 {P99_SECONDS * 1000:.0f} ms")
    if memory is not None:
        print(f"pager's peak memory: {memory:.0f} MiB, bound {MEMORY_MIB} MiB", flush=True)


def _until(terminal: Terminal, key: bytes, mark: bytes) -> float:
    """Press a key, and return how long it took until its screen was there."""
    terminal.forget()
    pressed = time.perf_counter()
    terminal.type(key)
    shown = terminal.wait_shown(mark, LIMIT_SECONDS)
    assert shown is not None, f"{key!r} does not show {mark!r}"
    return shown - pressed


@contextmanager
def _flooded(source: Path, run: str) -> Iterator[None]:
    """Emit lines into a run for as long as the block runs."""
    stops = threading.Event()
    with subprocess.Popen(["logctl", "emit", run], stdin=subprocess.PIPE) as emit:

        def flood() -> None:
            while not stops.is_set():
                subprocess.run(["head", "-n", "200000", str(source)], stdout=emit.stdin, check=True)

        flooding = threading.Thread(target=flood)
        flooding.start()
        try:
            yield
        finally:
            stops.set()
            flooding.join()


def _stored() -> int:
    with Client(Paths.resolve(), "bench") as client:
        return int(client.request(Stats(client.new_id()))["records"])


def _show_cycles() -> None:
    """Open and close the pager in one process, and see what it holds on to."""
    warm = memory = 0.0
    with Terminal((sys.executable, CYCLING, "long", str(CYCLES)), (LAST,)) as terminal:
        for cycle in range(1, CYCLES + 1):
            assert terminal.wait_shown(LAST, LIMIT_SECONDS) is not None, "the pager does not open"
            memory = _memory_mib(terminal.pid)
            warm = memory if cycle <= WARM_CYCLES else warm
            terminal.forget()
            terminal.type(b"q")
    show(
        f"pager: memory while it is opened and closed {CYCLES} times in one process",
        ("", f"after {WARM_CYCLES} MiB", f"after {CYCLES} MiB"),
        [("resident", f"{warm:.1f}", f"{memory:.1f}")],
    )


def _memory_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def _in_ms(seconds: Sequence[float], *percents: float) -> tuple[str, ...]:
    return tuple(f"{percentile(seconds, percent) * 1000:.1f}" for percent in percents)
