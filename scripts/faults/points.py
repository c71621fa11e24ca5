"""The daemon is killed before and after each of the disk's operations that a fixed course of events makes.

The course has two emitters into one run, with rotation, compression, a batch of several blocks and `clear`; one into
a run whose oldest segments are over its limit; and one into a run that is removed and made again. Where the daemon is
killed it is started again, without failpoints, and what was under way is tried again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from faults.daemon import Daemon
from faults.outcome import Outcome
from faults.reading import read_files, read_page, read_run
from faults.records import Found, check_run
from faults.sender import GONE, Sender
from logd.errors import ConnectionLost, Refused
from logd.protocol import Clear, ErrorCode, Limits, Read, Remove
from logd.store import disk

SEGMENT_BYTES = 8192
LIMIT_BYTES = 3 * SEGMENT_BYTES
SETTINGS: Mapping[str, object] = {"segment_bytes": SEGMENT_BYTES, "keep_free_percent": 0}
POLICIES = ("always", "everysec")
RUNS = ("main", "limited", "removed")
ACTIONS = ("kill", "kill-after")

_Result = TypeVar("_Result")


def torture(work: Path, random: Random, *, times: int, policies: Sequence[str] = POLICIES) -> Outcome:
    """So many of the points, or all where they are fewer."""
    outcome = Outcome()
    points = [
        (policy, f"{operation}:{nth}={action}")
        for policy in policies
        for operation, count in _count_operations(work / policy, policy, outcome).items()
        for nth in range(1, count + 1)
        for action in ACTIONS
    ]
    outcome.figures["points"] = len(points)
    for number, (policy, point) in enumerate(random.sample(points, min(times, len(points)))):
        folder = work / str(number)
        with outcome.case(folder, f"fsync {policy}, {point}"):
            _Course(Daemon(folder, {**SETTINGS, "fsync": policy}), outcome).run(point)
    return outcome


def _count_operations(folder: Path, policy: str, outcome: Outcome) -> dict[str, int]:
    """How often the course makes each operation where nothing goes wrong."""
    counts = folder / "counts"
    found: dict[str, int] = {}
    with outcome.case(folder, f"fsync {policy}, without failpoints"):
        _Course(Daemon(folder, {**SETTINGS, "fsync": policy}), outcome).run("", count_to=counts)
        found = json.loads(counts.read_text())
    return {operation: found.get(operation, 0) for operation in disk.OPERATIONS}


class _Course:
    """What happens. All that is random in it is the same each time."""

    def __init__(self, daemon: Daemon, outcome: Outcome) -> None:
        self._daemon = daemon
        self._outcome = outcome
        runs = {"a": "main", "b": "main", "c": "limited", "d": "removed", "e": "removed"}
        self._senders = {name: Sender(run, name, Random(name)) for name, run in runs.items()}
        self._kills = 0
        self._cleared_to = 0

    def run(self, failpoint: str, *, count_to: Path | None = None) -> None:
        try:
            self._daemon.start(failpoint, count_to=count_to)
            self._go()
            faults = self._daemon.stop()
            if self._daemon.was_killed:  # amid its end
                self._start_again()
                self._check()
                faults = self._daemon.stop()
            self._outcome.faults += faults
            self._check_files()
        finally:
            for each in self._senders.values():
                each.disconnect()
            self._daemon.kill()
        self._outcome.figures["kills"] += self._kills
        self._outcome.figures["points not reached"] += bool(failpoint) and not self._kills

    def _go(self) -> None:
        for name in "abd":
            self._emit(name, 30)
        self._emit("a", 9000, pad=0)
        for name in "bab":
            self._emit(name, 20)
        self._wait("main", lambda: self._plain_segments("main") == 1)
        self._clear()
        for name in "bab":
            self._emit(name, 30)
        self._emit("c", 40)
        self._request(lambda number: Limits(number, "limited", max_bytes=LIMIT_BYTES))
        for _ in range(8):
            self._emit("c", 40)
        self._wait("limited", lambda: self._size_bytes("limited") <= LIMIT_BYTES + SEGMENT_BYTES)
        self._retried(self._senders["d"].close)
        self._request(lambda number: Remove(number, "removed"), may_be_gone=True)
        self._senders["d"].cleared = self._senders["d"].sent
        self._senders["c"].cleared = self._senders["c"].sent  # what was let go of it
        for name in "eabc":
            self._emit(name, 10)
        self._check()

    def _retried(self, action: Callable[[], _Result]) -> _Result:
        """What `action` returns, which is tried again where the daemon ends amid it."""
        while True:
            try:
                if not self._daemon.wait_ready():
                    raise ConnectionLost("the daemon is gone")
                for each in self._senders.values():
                    if each.unacked and not each.connected:
                        each.connect(self._daemon.paths)
                return action()
            except GONE:
                self._start_again()

    def _start_again(self) -> None:
        for each in self._senders.values():
            each.disconnect()
        self._daemon.kill()
        self._daemon.start()
        self._kills += 1

    def _emit(self, name: str, count: int, *, pad: int = 150) -> None:
        sender = self._senders[name]
        with suppress(*GONE):
            sender.emit(count, pad=pad)
        self._retried(sender.settle)

    def _request(self, message: Callable[[int], Any], *, may_be_gone: bool = False) -> dict[str, Any]:
        def request() -> dict[str, Any]:
            with self._daemon.client() as client:
                try:
                    return client.request(message(client.new_id()))
                except Refused as error:
                    if may_be_gone and error.code == ErrorCode.NO_SUCH_RUN:
                        return {}
                    raise

        return self._retried(request)

    def _wait(self, run: str, holds: Callable[[], bool]) -> None:
        def wait() -> None:
            with self._daemon.client() as client:
                read_page(client, Read(client.new_id(), run))  # a run that is used is kept in order
            if not self._daemon.wait_until(holds):
                raise ConnectionLost("the daemon is gone")

        self._retried(wait)

    def _clear(self) -> None:
        for each in self._into("main"):
            each.cleared = each.sent
        self._cleared_to = self._request(lambda number: Clear(number, "main"))["next"]

    def _into(self, run: str) -> list[Sender]:
        return [each for each in self._senders.values() if each.run == run]

    def _plain_segments(self, run: str) -> int:
        return sum(path.suffix == ".jsonl" for path in self._files(run))

    def _size_bytes(self, run: str) -> int:
        return sum(path.stat().st_size for path in self._files(run) if path.exists())

    def _files(self, run: str) -> list[Path]:
        return list((self._daemon.state_dir / "runs" / run).iterdir())

    def _check(self) -> None:
        for run in RUNS:
            found = self._retried(lambda run=run: self._read(run))  # type: ignore[misc]
            self._outcome.note_run(f"run {run}", found)
            if run == "main" and found.first_seq < self._cleared_to:
                self._outcome.faults.append(f"record {found.first_seq} is there, and was cleared")

    def _read(self, run: str) -> Found:
        with self._daemon.client() as client:
            return check_run(read_run(client, run), self._into(run))

    def _check_files(self) -> None:
        for run in RUNS:
            found = check_run(read_files(self._daemon.state_dir / "runs" / run), self._into(run))
            self._outcome.note_run(f"files of run {run}", found)
