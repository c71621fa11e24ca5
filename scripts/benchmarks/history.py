"""Reading back: records around a place, searches, and what compression leaves."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from harness import daemon, percentile, print_peak_memory, seconds, shell, show
from ingest import write_lines

from logd.client import Client
from logd.paths import Paths
from logd.protocol import Page, Read

PLACES = 100
ROWS = 50
RARE = "no-such-thing-anywhere"
SOURCES = {
    "this machine's package logs": "cat /var/log/dpkg.log /var/log/apt/*.log",
    "a job's output, ten times": "for i in $(seq 10); do python3 scripts/demo_job.py; done 2>&1",
}


def measure(work: Path, *, lines: int, rounds: int) -> None:
    config = work / "logd.toml"
    sizes = {"tenth": lines // 10, "whole": lines, "double": 2 * lines}
    config.write_text("[store]\ncompress = false\n")
    with daemon(work) as pid:
        for name, count in sizes.items():
            source = work / "lines.txt"
            write_lines(source, count)
            shell(f"cat {source} | logctl emit {name}")
            source.unlink()
        _show_places("plain", sizes)
        _show_searches("rg", "rg -c {pattern} {folder}/*.jsonl", work, rounds)
        print_peak_memory(pid)
    config.unlink()
    with daemon(work) as pid:
        for name in sizes:
            _wait_compressed(work, name)
        _show_places("compressed", sizes)
        _show_searches("zstdcat | rg", "zstdcat {folder}/*.zst | rg -c {pattern}", work, rounds)
        print_peak_memory(pid)
    config.write_text("[store]\nsegment_bytes = 262144\n")
    with daemon(work):
        _show_ratios(work)
    config.unlink()


def _show_places(form: str, sizes: dict[str, int]) -> None:
    """How long it takes to read the rows around a seq, and around a time, in runs of growing size."""
    with Client(Paths.resolve(), "bench") as client:
        rows = [_measure_places(client, name, count) for name, count in sizes.items()]
    show(
        f"{ROWS} rows around a place in a run, {form}, ms",
        ("records", "seq p50", "seq p99", "time p50", "time p99", "logctl logs -n 20"),
        rows,
    )


def _measure_places(client: Client, run: str, records: int) -> tuple[str, ...]:
    seqs = [1 + records * number // PLACES for number in range(PLACES)]
    times = [_page(client, Read(client.new_id(), run, from_seq=seq, limit=1)).pieces[0][2] for seq in seqs]
    around_seq = [seconds(partial(_read_around, client, run, from_seq=seq)) for seq in seqs]
    around_time = [seconds(partial(_read_around, client, run, from_time_us=time_us)) for time_us in times]
    newest = [seconds(partial(_logs, run)) for _ in range(10)]
    figures = [(around_seq, 50), (around_seq, 99), (around_time, 50), (around_time, 99), (newest, 50)]
    return (f"{records:,}", *(f"{percentile(took, part) * 1000:.1f}" for took, part in figures))


def _read_around(client: Client, run: str, **place: Any) -> None:
    for backward in (True, False):
        _page(client, Read(client.new_id(), run, backward=backward, limit=ROWS // 2, **place))


def _page(client: Client, request: Read) -> Page:
    client.send(request)
    page = client.receive()
    assert isinstance(page, Page), page
    return page


def _logs(run: str) -> None:
    subprocess.run(["logctl", "logs", run, "-n", "20"], check=True, capture_output=True)


def _show_searches(tool: str, command: str, work: Path, rounds: int) -> None:
    """How long a search of the whole of the largest run takes, beside the usual tool on the same files."""
    folder = work / "state" / "runs" / "double"
    reference = command.format(pattern=RARE, folder=folder)
    actions: dict[str, Callable[[], object]] = {}
    if all(shutil.which(each) for each in ("rg", "zstdcat")):
        actions[tool] = lambda: subprocess.run(["bash", "-c", reference], check=False, capture_output=True)
    actions |= {
        "rare text": lambda: _search("--grep", RARE),
        "rare expression": lambda: _search("--grep", "took [0-9]{9} ms"),
        "level that is not there": lambda: _search("--level", "fatal"),
    }
    best: dict[str, float] = {}
    for _ in range(rounds):
        for name, action in actions.items():
            best[name] = min(seconds(action), best.get(name, 1e9))
    first = next(iter(best.values()))
    show(
        f"searching {_text_bytes(folder) / 1e9:.2f} GB on the disk, whole processes, best of {rounds}",
        ("", "seconds", f"x {next(iter(best))}"),
        [(name, f"{took:.3f}", f"{took / first:.2f}") for name, took in best.items()],
    )


def _search(*options: str) -> None:
    subprocess.run(["logctl", "logs", "double", *options], check=False, capture_output=True)


def _text_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*.jsonl*"))


def _wait_compressed(work: Path, name: str) -> None:
    subprocess.run(["logctl", "logs", name, "-n", "1"], check=True, capture_output=True)
    while len(list((work / "state" / "runs" / name).glob("*.jsonl"))) > 1:
        time.sleep(0.2)


def _show_ratios(work: Path) -> None:
    """What compression leaves of the text of real logs, in sealed segments."""
    rows: list[tuple[str, ...]] = []
    for name, command in SOURCES.items():
        run = f"real-{len(rows)}"
        subprocess.run(["bash", "-c", f"({command}) | logctl emit {run}"], check=False, capture_output=True)
        _wait_compressed(work, run)
        sealed = list((work / "state" / "runs" / run).glob("*.zst"))
        text_bytes = sum(len(_decompressed(path)) for path in sealed)
        left = 100 * sum(path.stat().st_size for path in sealed) / max(1, text_bytes)
        rows.append((name, str(len(sealed)), f"{text_bytes / 1e6:.2f}", f"{left:.1f} %"))
    show("what compression leaves of sealed segments", ("", "segments", "MB of text", "left"), rows)


def _decompressed(path: Path) -> bytes:
    return subprocess.run(["zstd", "-dcq", str(path)], check=True, capture_output=True).stdout
