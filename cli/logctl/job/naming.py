"""A run's name for a command that was given none: the command's, and the next free number.

What is taken is what the daemon has, or while none answers, what is in its folder. A lock in a file of that name keeps
two that start at the same time apart, and goes with its process.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from logd.client import Client
from logd.errors import LogdError
from logd.paths import SPOOL_SUFFIX, Paths
from logd.protocol import Reply, Runs, Welcome

ANSWER_SECONDS: Final = 0.5
"""How long a daemon may take to say which runs it has: the job waits for that."""
MAX_STEM_CHARACTERS: Final = 56
"""Of a run's 64, with room for its number."""


class Name:
    """A name that nobody else is given while this is open."""

    def __init__(self, name: str, lock: Path | None = None, fd: int | None = None) -> None:
        self.name = name
        self._lock = lock
        self._fd = fd

    def close(self) -> None:
        if self._lock is not None and self._fd is not None:
            with suppress(OSError):
                self._lock.unlink()
            os.close(self._fd)
            self._fd = None


def next_name(paths: Paths, command: str) -> Name:
    """The name for a run of a command."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", os.path.basename(command)).lstrip("._-")[:MAX_STEM_CHARACTERS] or "run"
    try:
        taken = list(_of_daemon(paths, stem))
        source = _of_daemon
    except (LogdError, BlockingIOError):
        taken, source = list(_of_folder(paths, stem)), _of_folder
    number = _highest(taken, stem) + 1
    while True:
        try:
            locked = _locked(paths.state_dir / "names", f"{stem}-{number}")
        except BlockingIOError:
            number += 1
            continue
        except OSError:  # nothing can be written there; it is a name all the same
            return Name(f"{stem}-{number}")
        # Whoever had the lock before may have made a run of that name by now.
        with suppress(LogdError, BlockingIOError):
            taken = list(source(paths, stem))
        highest = _highest(taken, stem)
        if highest < number:
            return locked
        locked.close()
        number = highest + 1


def _highest(taken: Iterable[str], stem: str) -> int:
    """The highest number of a run; 0 where there is none."""
    pattern = re.compile(re.escape(stem) + r"-([1-9]\d{0,5})")
    return max((int(match[1]) for name in taken if (match := pattern.fullmatch(name))), default=0)


def _of_folder(paths: Paths, stem: str) -> Iterator[str]:
    """The names of all runs that have something in the daemon's folder."""
    with suppress(OSError):
        yield from os.listdir(paths.state_dir / "runs")
    with suppress(OSError):
        for name in os.listdir(paths.spool_dir):  # each the run's, a session's, and the suffix
            yield name.removesuffix(SPOOL_SUFFIX).rpartition(".")[0]


def _of_daemon(paths: Paths, stem: str) -> Iterator[str]:
    """The names of runs that begin with a stem, and perhaps others."""
    client = Client(paths, "logctl run", wait=False)
    try:
        deadline = time.monotonic() + ANSWER_SECONDS
        after: str | None = stem
        asked = False
        while after is not None:
            message = client.receive_within(max(0.0, deadline - time.monotonic()))
            if isinstance(message, Reply):
                names = [str(run["name"]) for run in message.value["runs"]]
                yield from names
                after = message.value["next"]
                asked = False
                if names and not names[-1].startswith(stem):
                    return
            elif not isinstance(message, Welcome):
                raise LogdError("the daemon does not say which runs it has")
            if not asked and after is not None:
                client.send(Runs(client.new_id(), after))
                asked = True
    finally:
        client.close()


def _locked(folder: Path, name: str) -> Name:
    import fcntl

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / name
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(fd), os.stat(path)):
                return Name(name, path, fd)
        except FileNotFoundError:
            pass  # who had it has just ended
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)
