"""What the benchmarks share: a daemon of their own, timing, and tables."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from logctl.figures import table

BIN = Path(sys.executable).parent


@contextmanager
def daemon(work: Path) -> Iterator[int]:
    """A daemon with its data below `work`, which commands within use; its process id."""
    os.environ |= {
        "LOGD_SOCKET": str(work / "socket"),
        "LOGD_STATE_DIR": str(work / "state"),
        "LOGD_CONFIG": str(work / "logd.toml"),
        "PATH": f"{BIN}:{os.environ['PATH']}",
    }
    (work / "logd.toml").touch()
    started = subprocess.run(["logd", "start"], check=True, capture_output=True, text=True)
    found = re.search(r"pid (\d+)", started.stdout)
    assert found is not None, started.stdout
    try:
        yield int(found.group(1))
    finally:
        subprocess.run(["logd", "stop"], check=True, capture_output=True)


def peak_memory_mib(pid: int) -> float | None:
    """The most memory that a process has had, None where the system does not tell."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found.group(1)) / 1024 if found else None


def print_peak_memory(pid: int) -> None:
    """Print how much memory a daemon has had, where the system tells."""
    if (memory := peak_memory_mib(pid)) is not None:
        print(f"daemon's peak memory: {memory:.0f} MiB", flush=True)


def seconds(action: Callable[[], object]) -> float:
    """How long a call takes."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def shell(command: str) -> None:
    subprocess.run(["bash", "-o", "pipefail", "-c", command], check=True)


def percentile(values: Sequence[float], percent: float) -> float:
    """By the nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def show(title: str, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    print(f"\n{title}\n")
    print(table(headers, rows, right_aligned=set(range(1, len(headers)))), flush=True)
