"""Emitters and readers at work together on one daemon."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from random import Random

from faults.daemon import PATIENCE_SECONDS, Daemon
from faults.outcome import Outcome
from faults.reading import Watcher, read_files, read_run
from faults.records import Shown, check_run
from faults.sender import COUNTS, PAUSE_SECONDS, Sender, SenderThread
from logd.paths import Paths


class Crew:
    """Senders, of which each takes one of the runs in turn, and a watcher for each run, in threads.

    Args:
        paths: where senders find the daemon, if it is not where it says.
        drops: whether the oldest records may be dropped meanwhile.
        pause_seconds: how long senders wait at the most between two batches.
    """

    def __init__(
        self,
        daemon: Daemon,
        random: Random,
        runs: Sequence[str],
        senders: int,
        *,
        counts: Mapping[tuple[int, int], int] = COUNTS,
        paths: Paths | None = None,
        drops: bool = False,
        pause_seconds: float = PAUSE_SECONDS,
    ) -> None:
        self.go = threading.Event()
        """While it is not set, nothing new is sent."""
        self.go.set()
        self._daemon = daemon
        self._shown = {run: Shown() for run in runs}
        paths = paths or daemon.paths
        self.senders = [
            Sender(runs[number % len(runs)], f"s{number}", Random(random.getrandbits(64)), counts)
            for number in range(senders)
        ]
        self._sending = [SenderThread(each, paths, self.go, pause_seconds) for each in self.senders]
        self.watchers = [
            Watcher(run, daemon.paths, Random(random.getrandbits(64)), shown, drops=drops)
            for run, shown in self._shown.items()
        ]
        self._threads: list[SenderThread | Watcher] = [*self._sending, *self.watchers]

    def start(self) -> None:
        for each in self._threads:
            each.start()

    def stop(self) -> None:
        """Have all come to their end; those that wait for a daemon that is gone, too."""
        for each in self._threads:
            each.finish()

    def finish(self, outcome: Outcome) -> None:
        """Return when all that was sent is acknowledged, and nobody sends or reads any more."""
        self.stop()
        for each in self._threads:
            each.join(PATIENCE_SECONDS)
            if each.is_alive():
                outcome.faults.append(f"{each.name} does not come to its end")
            elif each.fault:
                outcome.faults.append(each.fault)
        outcome.figures["records acknowledged"] += sum(each.acked for each in self.senders)
        outcome.figures["connections"] += sum(each.connections for each in self._sending)
        outcome.figures["sessions forgotten"] += sum(each.forgotten for each in self.senders)
        outcome.figures["answers to readers"] += sum(each.answers for each in self.watchers)

    def check(self, outcome: Outcome) -> None:
        """Read all runs back whole through the daemon, while others may go on."""
        for run in self._shown:
            into = [each for each in self.senders if each.run == run]
            acked = {each.sender: each.acked for each in into}
            if any(acked.values()):
                with self._daemon.client() as client:
                    outcome.note_run(f"run {run}", check_run(read_run(client, run), into, acked=acked))
                outcome.figures["times read back whole"] += 1

    def check_files(self, outcome: Outcome) -> None:
        """Hold the files to what was sent, and to what readers were shown. The daemon has stopped."""
        for run, shown in self._shown.items():
            into = [each for each in self.senders if each.run == run]
            files = read_files(self._daemon.state_dir / "runs" / run)
            outcome.note_run(f"files of run {run}", check_run(files, into, shown=shown))
