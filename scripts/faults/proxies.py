"""Acknowledgements are lost: connections are cut, at random moments, before what the daemon answered has passed.

A proxy stands between the emitters and the daemon, which is not killed. Batches that were stored come again, over
another connection, and must be recognised.
"""

from __future__ import annotations

import select
import socket
import threading
import time
from contextlib import closing, suppress
from pathlib import Path
from random import Random

from faults.crew import Crew
from faults.daemon import POLL_SECONDS, Daemon
from faults.outcome import Outcome
from logd.config import FSYNC_POLICIES
from logd.paths import Paths

CUTS_OF_ROUND = 100
CUT_PROBABILITY = 0.05
"""Of each piece that is carried, in either direction."""
SENDERS = 6
RUNS = ("one", "two")


def torture(work: Path, random: Random, *, times: int) -> Outcome:
    outcome = Outcome()
    rounds = -(-times // CUTS_OF_ROUND)
    for number in range(rounds):
        cuts = times // rounds + (number < times % rounds)
        policy = FSYNC_POLICIES[number % len(FSYNC_POLICIES)]
        with outcome.case(work / str(number), f"round {number}, fsync {policy}"):
            _round(work / str(number), Random(random.getrandbits(64)), cuts, policy, outcome)
    return outcome


def _round(folder: Path, random: Random, cuts: int, policy: str, outcome: Outcome) -> None:
    daemon = Daemon(folder, {"segment_bytes": 256 * 1024, "fsync": policy, "keep_free_percent": 0})
    daemon.start()
    daemon.wait_ready()
    proxy = Proxy(folder / "proxy", daemon.paths.socket, Random(random.getrandbits(64)), cuts)
    crew = Crew(daemon, random, RUNS, SENDERS, paths=Paths.resolve(socket=str(proxy.path)))
    try:
        proxy.start()
        crew.start()
        while proxy.cuts_left > 0 and daemon.running:
            time.sleep(POLL_SECONDS)
        crew.finish(outcome)
        crew.check(outcome)
        outcome.faults += daemon.stop()
        crew.check_files(outcome)
        outcome.figures["cuts"] += cuts - proxy.cuts_left
        outcome.figures["bytes of answers lost"] += proxy.lost_bytes
    finally:
        crew.stop()
        proxy.close()
        daemon.kill()


class Proxy(threading.Thread):
    """Carries connections to another socket, and cuts so many of them."""

    def __init__(self, path: Path, to: Path, random: Random, cuts: int) -> None:
        super().__init__(daemon=True)
        self.path = path
        self.cuts_left = cuts
        self.lost_bytes = 0
        """Of what the daemon had sent."""
        self._to = to
        self._random = random
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def run(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        daemon = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with closing(client), closing(daemon), suppress(OSError):
            daemon.connect(str(self._to))
            while True:
                for source in select.select([client, daemon], [], [])[0]:
                    data = source.recv(65536)
                    if not data:
                        return
                    if self.cuts_left > 0 and self._random.random() < CUT_PROBABILITY:
                        self._cut(source is daemon, daemon, data)
                        return
                    (client if source is daemon else daemon).sendall(data)

    def _cut(self, from_daemon: bool, daemon: socket.socket, data: bytes) -> None:
        """Carry nothing of an answer, or a part of what was sent."""
        self.cuts_left -= 1
        if from_daemon:
            self.lost_bytes += len(data)
        else:
            daemon.sendall(data[: self._random.randrange(len(data))])
