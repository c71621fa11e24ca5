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
        self._since = 0.0

    def start(self) -> None:
        from subprocess import DEVNULL, Popen  # most often a daemon runs

        self._since = time.monotonic()
        self._process = Popen(
            [sys.executable, "-m", "logd.main", "start"],
            env={**os.environ, **self._paths.environment()},
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=DEVNULL,
            start_new_session=True,
        )

    @property
    def is_starting(self) -> bool:
        return (
            self._process is not None
            and self._process.poll() is None
            and time.monotonic() < self._since + START_SECONDS
        )
