"""A connection to the daemon, which is started where none runs."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable

from logd.client.blocking import Client
from logd.errors import EXIT_NOT_PERMITTED, DaemonUnavailable, LogdError, NotPermitted
from logd.paths import Paths


def connect(paths: Paths, name: str = "python", *, autostart: bool = False) -> Client:
    """Connect to the daemon.

    Args:
        paths: where it is.
        name: what it shows its user this client as.
        autostart: start it where none runs.

    Raises:
        DaemonUnavailable: nobody answers, or the daemon cannot be started.
        NotPermitted: the daemon is another user's.
    """
    try:
        return Client(paths, name)
    except DaemonUnavailable:
        if not autostart:
            raise
    start_daemon(paths)
    return Client(paths, name)


class DaemonStart:
    """A daemon that is being started, in a thread of its own: it takes a while, and its client need not wait.

    Args:
        say: told in a sentence why it could not be.
        on_end: called when it is started, or could not be.
    """

    def __init__(self, paths: Paths, say: Callable[[str], object], on_end: Callable[[], object]) -> None:
        self.is_under_way = True
        self._paths = paths
        self._say = say
        self._on_end = on_end
        try:
            threading.Thread(target=self._run, name="logd-start", daemon=True).start()
        except RuntimeError:  # at the interpreter's end
            self.is_under_way = False

    def _run(self) -> None:
        try:
            start_daemon(self._paths)
        except LogdError as error:
            self._say(error.message)
        except Exception as error:
            self._say(f"no daemon runs, and none could be started: {error}")
        finally:
            self.is_under_way = False
            self._on_end()


def start_daemon(paths: Paths) -> None:
    """Run `logd start`; DaemonUnavailable says why it could not."""
    import subprocess  # not at the top: most often a daemon runs

    started = subprocess.run(
        [sys.executable, "-m", "logd.main", "start"],
        env={**os.environ, **paths.environment()},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if started.returncode:
        lines = started.stderr.strip().splitlines() or [f"`logd start` exited {started.returncode}"]
        if started.returncode == EXIT_NOT_PERMITTED:
            raise NotPermitted(lines[0].partition(": ")[2])
        raise DaemonUnavailable("no daemon runs, and none could be started: " + lines[0].partition(": ")[2])
