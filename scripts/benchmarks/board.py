"""How far a board is behind its job, and how often those who look are sent to: a scan of small audio files."""

from __future__ import annotations

import sys
import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from harness import daemon, percentile, print_peak_memory, show

from logd import Run
from logd.client import Client
from logd.config import FanoutConfig
from logd.errors import ConnectionLost
from logd.paths import Paths
from logd.protocol import Items, Watch

sys.path.insert(0, str(Path(__file__).parents[1]))
from media_scan.job import Scan
from media_scan.make import can_make, make_audio
from media_scan.probe import Probe, find_ffprobe

FILES = 882
SLACK_SECONDS = 0.2
"""What a change's way may take beside the board's interval."""
RUN = "board"
ORDER = ("pending", "running", "done", "failed")


class Change(NamedTuple):
    at: float
    key: str
    state: str


class Watcher(threading.Thread):
    """A subscriber to the board: what it was sent, and when."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.changes: list[Change] = []
        self.flushes: list[float] = []
        self.messages = 0
        self._client = Client(Paths.resolve(), "bench")
        self._client.send(Watch(self._client.new_id(), "board", RUN))

    def run(self) -> None:
        more = False
        try:
            while True:
                message = self._client.receive()
                if not isinstance(message, Items):
                    continue
                now = time.monotonic()
                self.messages += 1
                if not more:
                    self.flushes.append(now)
                more = message.more
                for key, item in message.items.items():
                    if item is not None and "state" in item:
                        self.changes.append(Change(now, key, item["state"]))
        except ConnectionLost:
            return


def measure(work: Path, *, lines: int, rounds: int) -> None:
    folder = work / "media"
    if not can_make():
        print("board: ffmpeg is not installed")
        return
    make_audio(folder, FILES)
    interval = FanoutConfig().board_interval_seconds
    with daemon(work) as pid:
        said: list[Change] = []
        with Run(RUN) as run:
            run.log("begins")
            run.flush()
            watcher = Watcher()
            watcher.start()
            started = time.monotonic()

            def note(key: str, state: str) -> None:
                said.append(Change(time.monotonic(), key, state))

            Scan(run, folder, Probe(find_ffprobe()), on_change=note).run()
            ended = time.monotonic()
            final = {change.key: change.state for change in said}
            while {change.key: change.state for change in list(watcher.changes)} != final:
                assert time.monotonic() < ended + 30, "the board does not show the final state"
                time.sleep(0.005)
        lags = _lags(said, watcher.changes)
        # The first has what there was when it subscribed, and the last what followed the end: they keep no interval.
        gaps = [after - before for before, after in pairwise(watcher.flushes[1:])]
        show(
            f"board: a scan of {len(final)} files, with 20 workers, in {ended - started:.1f} s",
            ("", "is", "bound"),
            (
                ("changes that the job told of", f"{len(said):,}", ""),
                (
                    "times that a viewer was sent to",
                    f"{len(watcher.flushes):,}",
                    f"{(ended - started) / interval + 2:.0f}",
                ),
                ("messages, of which one has 500 items", f"{watcher.messages:,}", ""),
                ("least time between two times s", f"{min(gaps):.3f}", f"{interval:g}"),
                ("a change is shown after, p50 s", f"{percentile(lags, 50):.3f}", ""),
                ("at the worst s", f"{max(lags):.3f}", f"{interval + SLACK_SECONDS:g}"),
                (
                    "the final state after the job's end s",
                    f"{max(0.0, watcher.changes[-1].at - ended):.3f}",
                    f"{interval + SLACK_SECONDS:g}",
                ),
            ),
        )
        print_peak_memory(pid)


def _lags(said: list[Change], shown: list[Change]) -> list[float]:
    """How long after the job's word of each change a viewer saw it, or a later one of the same item."""
    seen: dict[str, list[Change]] = {}
    for change in shown:
        seen.setdefault(change.key, []).append(change)
    lags = []
    for change in said:
        rank = ORDER.index(change.state)
        lags.append(
            next(
                each.at - change.at
                for each in seen[change.key]
                if each.at >= change.at and ORDER.index(each.state) >= rank
            )
        )
    return lags
