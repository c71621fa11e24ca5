"""Disks that say no: one that is full, and is not any more, and one that fails at single writes and syncs.

On a disk that is full nothing is acknowledged, readers are served all the time, and what waits is stored by itself when
there is room.
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from random import Random

from faults.crew import Crew
from faults.daemon import PATIENCE_SECONDS, POLL_SECONDS, Daemon, Overdue
from faults.outcome import Outcome
from faults.sender import SMALL_COUNTS, Sender
from faults.smalldisk import CAN_LIMIT, CAN_MOUNT, DISK_BYTES, LimitedFiles, MountedDisk, small_disk
from logd.errors import Refused
from logd.protocol import Remove, Stats

CYCLES_OF_DAEMON = 10
QUIET_SECONDS = 2.5
"""Nothing is acknowledged for so long where the disk is full: longer than until it is tried again."""
RUNS = ("one", "two")
SENDERS = 4
LARGE_COUNTS = {(1, 1): 1, (100, 800): 1}
MIXED_COUNTS = {(1, 1): 20, (2, 50): 30, (3000, 9000): 1}


def fill(work: Path, random: Random, *, times: int) -> Outcome:
    """So many times a disk is full. Then one is kept from being so by dropping the oldest, for twice as many MiB."""
    outcome = Outcome()
    daemons = -(-times // CYCLES_OF_DAEMON) if CAN_LIMIT else 0
    for number in range(daemons):
        folder = work / str(number)
        cycles = times // daemons + (number < times % daemons)
        with outcome.case(folder, f"daemon {number}"), small_disk(folder / "disk", cycles) as disk:
            _fill(folder, disk, Random(random.getrandbits(64)), cycles, outcome, compress=bool(number % 2))
    if CAN_MOUNT:
        folder = work / "drop"
        with outcome.case(folder, "drop-oldest"), small_disk(folder / "disk", 0) as disk:
            _drop_oldest(folder, disk, Random(random.getrandbits(64)), DISK_BYTES + times * 2**21, outcome)
    return outcome


def _fill(
    folder: Path, disk: MountedDisk | LimitedFiles, random: Random, cycles: int, outcome: Outcome, *, compress: bool
) -> None:
    settings = {"segment_bytes": disk.segment_bytes, "keep_free_percent": 0, "compress": compress}
    daemon = Daemon(folder, settings, state_dir=disk.folder / "state")
    crew = Crew(daemon, random, RUNS, SENDERS, counts=SMALL_COUNTS, pause_seconds=0.01)
    daemon.start()
    try:
        daemon.wait_ready()
        disk.hold(daemon)
        crew.start()
        for _ in range(cycles):
            before = sum(each.answers for each in crew.watchers)
            _wait_full(daemon, crew)
            if sum(each.answers for each in crew.watchers) == before:
                outcome.faults.append("readers were not served while the disk was full")
            room_at = time.monotonic()
            disk.make_room()
            daemon.wait_until(lambda room_at=room_at: _acked_at(crew) > room_at)  # type: ignore[misc]
            outcome.note_longest("from room to the first acknowledgement", _acked_at(crew) - room_at)
            outcome.figures["times full"] += 1
        disk.make_room()
        crew.finish(outcome)
        outcome.note_longest("a reader's answer", max(each.longest_seconds for each in crew.watchers))
        crew.check(outcome)
        outcome.faults += daemon.stop()
        crew.check_files(outcome)
    finally:
        daemon.kill()
        crew.stop()


def _acked_at(crew: Crew) -> float:
    return max(each.acked_at for each in crew.senders)


def _wait_full(daemon: Daemon, crew: Crew) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    with daemon.client() as client:
        while True:
            is_full = client.request(Stats(client.new_id()))["store_error"] is not None
            if is_full and time.monotonic() - _acked_at(crew) > QUIET_SECONDS:
                return
            if time.monotonic() > deadline:
                raise Overdue("the disk is not full")
            time.sleep(0.05)


def _drop_oldest(
    folder: Path, disk: MountedDisk | LimitedFiles, random: Random, size_bytes: int, outcome: Outcome
) -> None:
    settings = {
        "segment_bytes": disk.segment_bytes,
        "keep_free_percent": 0,
        "compress": False,
        "on_full": "drop-oldest",
    }
    daemon = Daemon(folder, settings, state_dir=disk.folder / "state")
    crew = Crew(daemon, random, RUNS, len(RUNS), counts=LARGE_COUNTS, drops=True, pause_seconds=0.01)
    daemon.start()
    try:
        daemon.wait_ready()
        crew.start()
        last_at = time.monotonic()
        with daemon.client() as client:
            while client.request(Stats(client.new_id()))["bytes"] < size_bytes:
                if _acked_at(crew) > last_at:
                    outcome.note_longest("without an acknowledgement, dropping", _acked_at(crew) - last_at)
                    last_at = _acked_at(crew)
                elif time.monotonic() - last_at > PATIENCE_SECONDS:
                    raise Overdue("no room is made by dropping the oldest")
                time.sleep(POLL_SECONDS)
        crew.finish(outcome)
        for each in crew.senders:
            each.cleared = each.sent  # all but the newest
        crew.check(outcome)
        outcome.faults += daemon.stop()
        crew.check_files(outcome)
        if "over a limit" not in daemon.log.read_text():
            outcome.faults.append("nothing was dropped")
    finally:
        daemon.kill()
        crew.stop()


FAILURES = {
    "pwritev": (60, ("short", "ENOSPC", "EIO")),
    "fdatasync": (20, ("EIO", "ENOSPC")),
    "fsync": (20, ("EIO",)),
    "ftruncate": (20, ("EIO",)),
    "rename": (6, ("EIO",)),
    "unlink": (10, ("EIO",)),
    "mkdir": (3, ("ENOSPC",)),
    "rmdir": (1, ("EIO",)),
}
"""Of each operation, how many of the first may fail, and how."""
MAX_FAILURES = 5
BUSY_SECONDS = 1.0


def fail(work: Path, random: Random, *, times: int) -> Outcome:
    """Single operations fail, under emitters, while a run is removed and begun again; then the daemon is killed."""
    outcome = Outcome()
    for number in range(times):
        folder = work / str(number)
        points = []
        for _ in range(random.randint(1, MAX_FAILURES)):
            operation = random.choice(list(FAILURES))
            count, actions = FAILURES[operation]
            points.append(f"{operation}:{random.randint(1, count)}={random.choice(actions)}")
        policy = ("everysec", "always")[number % 2]
        with outcome.case(folder, f"fsync {policy}, {','.join(points)}"):
            _fail(folder, Random(random.getrandbits(64)), policy, ",".join(points), outcome)
        outcome.figures["cases"] += 1
        outcome.figures["failures"] += len(points)
    return outcome


def _fail(folder: Path, random: Random, policy: str, failpoints: str, outcome: Outcome) -> None:
    daemon = Daemon(folder, {"segment_bytes": 64 * 1024, "keep_free_percent": 0, "fsync": policy})
    crew = Crew(daemon, random, (*RUNS, "again"), SENDERS, counts=MIXED_COUNTS)
    daemon.start(failpoints)
    try:
        daemon.wait_ready()
        crew.senders.append(_begin_and_remove(daemon, random))
        crew.start()
        busy_until = time.monotonic() + BUSY_SECONDS
        daemon.wait_until(lambda: time.monotonic() > busy_until)
        crew.finish(outcome)
        if not daemon.running:
            outcome.faults.append("the daemon ended")
        crew.check(outcome)
        daemon.kill()
        daemon.start()
        daemon.wait_ready()
        crew.check(outcome)
        outcome.faults += daemon.stop()
        crew.check_files(outcome)
    finally:
        daemon.kill()
        crew.stop()


def _begin_and_remove(daemon: Daemon, random: Random) -> Sender:
    """Have a run, and remove it, which may fail; its name is another run's then. Who sent into it."""
    sender = Sender("again", "before", Random(random.getrandbits(64)), SMALL_COUNTS)
    with suppress(Refused):
        sender.connect(daemon.paths)
        sender.emit(20)
        sender.close()
        with daemon.client() as client:
            client.request(Remove(client.new_id(), "again"))
    sender.disconnect()
    sender.cleared = sender.sent
    return sender
