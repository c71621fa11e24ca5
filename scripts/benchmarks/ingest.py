"""Lines a second, from a pipe to the last acknowledgement."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from harness import daemon, peak_memory_mib, seconds, shell, show

LINE_BYTES = 92

REFERENCE = "cat | cat >file"
OTHERS = {
    "s6-log t": ("s6-log", "mkdir -p {out} && cat {input} | s6-log t n20 s99999999 {out}"),
    "svlogd -tt": ("svlogd", "mkdir -p {out} && cat {input} | svlogd -tt {out}"),
    "rotatelogs": ("rotatelogs", "mkdir -p {out} && cat {input} | rotatelogs {out}/log 64M"),
}


def write_lines(path: Path, count: int) -> None:
    """Lines as a scraper writes them, of 92 bytes with the newline."""
    with path.open("w") as file:
        for number in range(count):
            line = f"worker-{number % 20:02d} fetched https://example.org/items/{number:08d} in 134 ms, 200, 5120 bytes"
            file.write(line.ljust(LINE_BYTES - 1)[: LINE_BYTES - 1] + "\n")


def measure(work: Path, *, lines: int, rounds: int) -> None:
    source = work / "lines.txt"
    write_lines(source, lines)
    out = work / "out"
    commands = {REFERENCE: f"mkdir -p {out} && cat {source} | cat >{out}/file"}
    for name, (tool, command) in OTHERS.items():
        if shutil.which(tool):
            commands[name] = command.format(input=source, out=out)
    best: dict[str, float] = {}
    with daemon(work) as pid:
        commands = {"logctl emit": f"cat {source} | logctl emit bench", **commands}
        for _ in range(rounds):
            for name, command in commands.items():
                took = seconds(lambda command=command: shell(command))  # type: ignore[misc]
                best[name] = min(took, best.get(name, took))
                shutil.rmtree(out, ignore_errors=True)
                for path in (work / "state" / "runs").glob("*/*.jsonl"):
                    path.unlink()  # written and closed: its pages need not go to the disk
                time.sleep(0.5)
        memory = peak_memory_mib(pid)
    reference = best[REFERENCE]
    show(
        f"ingest: {lines:,} lines of {LINE_BYTES} bytes, best of {rounds}",
        ("", "seconds", "lines/s", f"x {REFERENCE}"),
        [(name, f"{took:.2f}", f"{lines / took:,.0f}", f"{took / reference:.2f}") for name, took in best.items()],
    )
    if memory is not None:
        print(f"daemon's peak memory: {memory:.0f} MiB")
    source.unlink()
