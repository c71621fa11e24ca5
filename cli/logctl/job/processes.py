"""Signalling processes that are known by their numbers, and no other that has such a number since.

A number can be another process's when its first owner has ended. Where the system has descriptors of processes, see
pidfd_open(2), one is had before the process is looked at, and stays with it. Elsewhere the number is trusted.
"""

from __future__ import annotations

import os
import select
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

SLACK_SECONDS: Final = 1.0
"""How exactly it is known when a process began."""


class Process:
    """A process that is there. It is a context manager; ProcessLookupError where there is none."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._fd = os.pidfd_open(pid) if hasattr(os, "pidfd_open") else None
        if self._fd is None:
            with suppress(PermissionError):
                os.kill(pid, 0)

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        if self._fd is not None:
            os.close(self._fd)

    def _stat(self) -> list[bytes] | None:
        """The fields of proc_pid_stat(5) from the third on; None where the system does not tell."""
        try:
            return Path(f"/proc/{self.pid}/stat").read_bytes().rpartition(b")")[2].split()
        except OSError:
            return None

    @property
    def parent(self) -> int | None:
        """Its parent's number, None where the system does not tell."""
        fields = self._stat()
        return None if fields is None else int(fields[1])

    def began_by(self, time_us: int) -> bool:
        """Whether it was there at a time, microseconds since the epoch; true where the system does not tell."""
        fields = self._stat()
        if fields is None or not hasattr(time, "CLOCK_BOOTTIME"):
            return True
        age_seconds = time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")
        return time.time() - age_seconds <= time_us / 1e6 + SLACK_SECONDS

    @property
    def leads_group(self) -> bool:
        return os.getpgid(self.pid) == self.pid

    def signal(self, number: int) -> None:
        """Send it a signal. ProcessLookupError where it has ended, and PermissionError."""
        if self._fd is None:
            os.kill(self.pid, number)
        else:
            signal.pidfd_send_signal(self._fd, number)

    def signal_group(self, number: int) -> None:
        """Send a signal to all of the process group that it leads; errors as of `signal`."""
        # Its number is that of no other group while it is not waited for, dead or alive.
        if self._fd is not None and select.select([self._fd], [], [], 0)[0]:
            raise ProcessLookupError
        os.killpg(self.pid, number)
