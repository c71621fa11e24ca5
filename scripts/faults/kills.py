"""The daemon is killed at random moments, under emitters that flood it and readers that watch.

A round is a daemon's state that is killed over and over, with an fsync policy and segments so small that it rotates and
compresses all the time. Every few kills its runs are read back whole, and at the end once more, through the daemon and
from the bare files.
"""

from __future__ import annotations

import time
from pathlib import Path
from random import Random

from faults.crew import Crew
from faults.daemon import Daemon
from faults.outcome import Outcome
from logd.config import FSYNC_POLICIES

KILLS_OF_ROUND = 25
KILLS_TO_CHECK = 5
SENDERS = 8
RUNS = ("one", "two", "three")


def torture(work: Path, random: Random, *, times: int) -> Outcome:
    outcome = Outcome()
    rounds = max(len(FSYNC_POLICIES), -(-times // KILLS_OF_ROUND))
    for number in range(rounds):
        kills = times // rounds + (number < times % rounds)
        policy = FSYNC_POLICIES[number % len(FSYNC_POLICIES)]
        with outcome.case(work / str(number), f"round {number}, fsync {policy}"):
            _round(work / str(number), Random(random.getrandbits(64)), kills, policy, outcome)
    return outcome


def _round(folder: Path, random: Random, kills: int, policy: str, outcome: Outcome) -> None:
    segment_bytes = random.choice((128, 256, 512)) * 1024
    daemon = Daemon(folder, {"segment_bytes": segment_bytes, "fsync": policy, "keep_free_percent": 0})
    crew = Crew(daemon, random, RUNS, SENDERS)
    daemon.start()
    try:
        crew.start()
        for number in range(1, kills + 1):
            if random.random() < 0.2:
                time.sleep(random.uniform(0, 0.3))  # amid its start, it may be
            else:
                daemon.wait_ready()
                if number % KILLS_TO_CHECK == 0:
                    crew.go.clear()
                    crew.check(outcome)
                    crew.go.set()
                time.sleep(random.uniform(0.01, 0.2))
            daemon.kill()
            outcome.figures["kills"] += 1
            daemon.start()
        daemon.wait_ready()
        crew.finish(outcome)
        crew.check(outcome)
        outcome.faults += daemon.stop()
        crew.check_files(outcome)
        outcome.figures["segments compressed"] += sum(1 for _ in daemon.state_dir.rglob("*.zst"))
        outcome.figures["runs with a torn end"] += daemon.log.read_text().count("never acknowledged")
    finally:
        daemon.kill()
        crew.stop()
