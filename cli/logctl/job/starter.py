"""Starting a daemon where none runs, while the command runs: it is not to wait for that."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Final

from logd.paths import Paths

if TYPE_CHECKING:
    from subprocess import Popen

START_SECONDS: Final = 10.0
"""How long a start is taken to be under way."""


class Starter:
    """Starts at most one."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._process: Popen[bytes] | None = None
        self.deadline = 0.0
        """When it takes too long, monotonic seconds."""

    def start(self) -> None:
        from subprocess import DEVNULL, PIPE, Popen  # most often a daemon runs

        self.deadline = time.monotonic() + START_SECONDS
        self._process = Popen(
            [sys.executable, "-m", "logd.main", "start"],
            env={**os.environ, **self._paths.environment()},
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=PIPE,
            start_new_session=True,
        )

    @property
    def is_over(self) -> bool:
        """Whether it has started one or could not, or was not asked to, or takes too long."""
        return self._process is None or self._process.poll() is not None or time.monotonic() >= self.deadline

    @property
    def reason(self) -> str:
        """When it is over, why none could be started; empty where that is not known."""
        process = self._process
        if process is None or process.stderr is None or not process.poll():
            return ""
        lines = process.stderr.read().decode("utf-8", "replace").splitlines()
        return lines[0].partition(": ")[2] if lines else ""
