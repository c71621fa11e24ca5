"""The job: a walk, and then workers, with each file as an item of the board.

pending --> running --> done
   ^          |  \\----> failed, with the reason, after some retries
   +----------+ cancelled
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from logd import Run
from media_scan.probe import Probe, ProbeFailed, Value

WORKERS = 20
RETRIES = 2
"""A file may be in the middle of being written."""
RETRY_SECONDS = 0.2
MAX_KEY_BYTES = 200
"""Of a file's path on the board; of a longer one the end is shown."""
MAX_VALUE_BYTES = 120
"""Of a title or author on the board, where an item has room for about a thousand."""
MAX_ON_BOARD = 9_990
"""Files that are items; a board has room for ten thousand."""

OnChange = Callable[[str, str], object]
"""Told each item's key and state, when the job says so."""


class Outcome(NamedTuple):
    counts: Counter[str]
    """How many files are done, failed and pending."""
    seconds: float
    cancelled: bool


class Scan:
    """One look through a folder, in a run that is open.

    Args:
        run: what it reports to.
        root: the folder.
        probe: what looks at a file.
        on_change: for who wants to know at once.
    """

    def __init__(
        self,
        run: Run,
        root: Path,
        probe: Probe,
        *,
        workers: int = WORKERS,
        on_change: OnChange = lambda key, state: None,
    ) -> None:
        self._run = run
        self._root = root
        self._probe = probe
        self._workers = workers
        self._on_change = on_change
        self._waiting: queue.SimpleQueue[Path] = queue.SimpleQueue()
        self._keys: dict[Path, str] = {}
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._cancelled = threading.Event()

    def run(self) -> Outcome:
        """Look at all files, and return when that is done, or ^C has cancelled it."""
        started = time.monotonic()
        paths = list(walk(self._root))
        self._list(paths, time.monotonic() - started)
        threads = [threading.Thread(target=self._work, daemon=True) for _ in range(min(self._workers, len(paths)))]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                thread.join()
        except KeyboardInterrupt:
            self._cancelled.set()
            self._probe.cancel()
            for thread in threads:
                thread.join()
        self._counts["pending"] = len(paths) - self._counts["done"] - self._counts["failed"]
        outcome = Outcome(self._counts, time.monotonic() - started, self._cancelled.is_set())
        self._conclude(outcome)
        return outcome

    def _list(self, paths: list[Path], seconds: float) -> None:
        """Put all files on the board, in place of what an earlier scan had there."""
        for path in paths[:MAX_ON_BOARD]:
            self._keys[path] = key_of(path.relative_to(self._root))
        self._run.reset({key: {"state": "pending"} for key in self._keys.values()})
        for key in self._keys.values():
            self._on_change(key, "pending")
        for path in paths:
            self._waiting.put(path)
        self._run.log(f"found {len(paths):,} files below {self._root}", files=len(paths), seconds=round(seconds, 3))
        if len(paths) > len(self._keys):
            self._run.log(f"{len(paths) - len(self._keys):,} of them have no room on the board", "warning")
        if self._probe.command is None:
            self._run.log("ffprobe is not installed: files get their size and type alone", "warning")

    def _work(self) -> None:
        with suppress(queue.Empty):
            while not self._cancelled.is_set():
                path = self._waiting.get_nowait()
                self._run.gauge("queue", self._waiting.qsize(), unit="files")
                self._scan(path)

    def _scan(self, path: Path) -> None:
        for retries in range(RETRIES + 1):
            self._say(path, state="running", retries=retries or None)
            try:
                about = self._probe.look(path)
            except ProbeFailed as error:
                reason = str(error)
            else:
                shown = cut_down(about)
                self._say(path, state="done", status=summary(shown), **shown)
                self._notice(path, about)
                self._count("done")
                return
            if self._cancelled.wait(0 if retries == RETRIES else RETRY_SECONDS):
                self._say(path, state="pending", status="cancelled", retries=None)
                return
            if retries < RETRIES:
                self._say(path, state="running", status=f"again, as {reason}", retries=retries + 1)
        self._say(path, state="failed", status=reason, retries=RETRIES)
        self._run.log(f"{self._name(path)}: {reason}", "error", path=str(path), retries=RETRIES)
        self._count("failed")

    def _say(self, path: Path, *, state: str, **fields: Any) -> None:
        key = self._keys.get(path)
        if key is not None:
            self._run.progress(key, state=state, **fields)
            self._on_change(key, state)

    def _notice(self, path: Path, about: dict[str, Value]) -> None:
        """Record what is worth a person's while."""
        if about["size_bytes"] == 0:
            self._run.log(f"{self._name(path)} is empty", "warning", path=str(path))
        elif "duration_seconds" in about and "title" not in about:
            self._run.log(f"{self._name(path)} has no title", "info", path=str(path), **about)

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self._root))

    def _count(self, state: str) -> None:
        with self._lock:
            self._counts[state] += 1

    def _conclude(self, outcome: Outcome) -> None:
        self._run.remove("queue")
        counts = outcome.counts
        told = f"{counts['done']:,} files are done, {counts['failed']:,} failed, in {outcome.seconds:.1f} s"
        if outcome.cancelled:
            told = f"cancelled: {told}, and {counts['pending']:,} were not looked at"
        level = "warning" if outcome.cancelled or counts["failed"] else "info"
        self._run.log(told, level, **dict(counts))


def walk(root: Path) -> Iterator[Path]:
    """All files below a folder, and through no links, in the order of their names."""
    try:
        entries = sorted(os.scandir(root), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from walk(Path(entry.path))
        elif entry.is_file():
            yield Path(entry.path)


def key_of(path: Path) -> str:
    """A path as an item's key: as long as a board takes it."""
    encoded = str(path).encode("utf-8", "backslashreplace")
    if len(encoded) <= MAX_KEY_BYTES:
        return encoded.decode()
    return "…" + encoded[-MAX_KEY_BYTES:].decode("utf-8", "ignore")


def cut_down(about: dict[str, Value]) -> dict[str, Value]:
    return {name: _cut(value) if isinstance(value, str) else value for name, value in about.items()}


def _cut(text: str) -> str:
    encoded = text.encode("utf-8", "backslashreplace")
    return text if len(encoded) <= MAX_VALUE_BYTES else encoded[:MAX_VALUE_BYTES].decode("utf-8", "ignore") + "…"


def summary(about: dict[str, Value]) -> str:
    """What a file is, in a line."""
    named = " - ".join(str(about[name]) for name in ("author", "title") if name in about)
    if not named and "duration_seconds" not in about:
        return f"{about['type']}, {about['size_bytes']:,} bytes"
    parts = [named]
    if "duration_seconds" in about:
        parts.append(f"{about['duration_seconds']:g} s")
    if "bit_rate" in about:
        parts.append(f"{float(about['bit_rate']) / 1000:.0f} kbit/s")
    return ", ".join(part for part in parts if part)
