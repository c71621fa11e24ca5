"""A connection to the daemon, which is started where none runs."""

from __future__ import annotations

import os
import sys

from logd.client.blocking import Client
from logd.errors import EXIT_NOT_PERMITTED, DaemonUnavailable, NotPermitted
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
