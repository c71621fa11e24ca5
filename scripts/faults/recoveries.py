"""The daemon is killed amid a write, and again, several times over, while it mends what that left.

What it mends is found when it is first written to again: so each time emitters come back, and send on.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random

from faults.daemon import Daemon
from faults.outcome import Outcome
from faults.reading import read_files, read_run
from faults.records import check_run
from faults.sender import GONE, Sender

RUN = "run"
SETTINGS = {"segment_bytes": 16 * 1024, "keep_free_percent": 0}
MENDING = {"pwritev": 6, "ftruncate": 4, "fsync": 1, "unlink": 1, "rename": 1}
"""How many of each operation, from the daemon's start, one is killed at."""
MAX_AGAIN = 6


def torture(work: Path, random: Random, *, times: int) -> Outcome:
    outcome = Outcome()
    for number in range(times):
        with outcome.case(work / str(number), f"case {number}"):
            _case(work / str(number), Random(random.getrandbits(64)), outcome)
    return outcome


def _case(folder: Path, random: Random, outcome: Outcome) -> None:
    daemon = Daemon(folder, {**SETTINGS, "fsync": random.choice(("no", "everysec", "always"))})
    senders = [Sender(RUN, name, Random(random.getrandbits(64))) for name in ("a", "b")]
    nth = random.randint(2, 14)
    points = [f"pwritev:{nth}=short,pwritev:{nth + 1}=kill"]
    for _ in range(random.randint(2, MAX_AGAIN)):
        operation = random.choices(list(MENDING), list(MENDING.values()))[0]
        points.append(f"{operation}:{random.randint(1, MENDING[operation])}={random.choice(('kill', 'kill-after'))}")
    try:
        for point in points:
            daemon.start(point)
            outcome.figures["kills at a failpoint"] += not _emit(daemon, senders, random)
            outcome.figures["kills"] += 1
            daemon.kill()
        daemon.start()
        _emit(daemon, senders, random)
        with daemon.client() as client:
            outcome.note_run("through the daemon", check_run(read_run(client, RUN), senders))
        outcome.figures["torn ends"] += daemon.log.read_text().count("never acknowledged")
        outcome.faults += daemon.stop()
        outcome.note_run("the files", check_run(read_files(daemon.state_dir / "runs" / RUN), senders))
        outcome.figures["records acknowledged"] += sum(each.acked for each in senders)
    finally:
        daemon.kill()


def _emit(daemon: Daemon, senders: Sequence[Sender], random: Random) -> bool:
    """Emit for a while; False where the daemon ends before."""
    try:
        if not daemon.wait_ready():
            return False
        for each in senders:
            each.connect(daemon.paths)
        for _ in range(random.randint(5, 20)):
            sender = random.choice(senders)
            sender.emit(random.randint(1, 60))
            sender.settle()  # so that each is written by itself
    except GONE:
        return False
    finally:
        for each in senders:
            each.disconnect()
    return True
