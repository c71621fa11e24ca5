"""What becomes of a command's output, whatever becomes of us: it is stored, or spooled, or else dropped and counted.

Nothing that goes wrong here is the command's affair. Where the session cannot be at all, that is said once, and the
rest of the output is only shown.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from logctl.job.records import Records
from logctl.job.starter import Starter
from logd.client import Emitter, Left
from logd.errors import LogdError

PATIENCE_SECONDS: Final = 2.0
"""Who waits for the command's status does not wait for longer than this for a daemon that stores nothing."""


class Sink:
    """Takes output as it comes; never raises, and blocks in `finish` alone.

    Args:
        emitter: for the session, which was not begun.
        starter: starts a daemon where none runs, of which SIGCHLD tells; None where it is not to.
        say: told, in a sentence, what a person is to know.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        emitter: Emitter,
        starter: Starter | None,
        say: Callable[[str], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._emitter = emitter
        self._records = Records(emitter)
        self._starter = starter
        self._say = say
        self._clock = clock
        self._is_lost = False
        """Whether nothing is stored any more."""
        self._try(lambda: emitter.connect(starter.start if starter is not None else None))

    def _try(self, action: Callable[[], object]) -> None:
        """Do what may fail; where it does, give the session up."""
        if self._is_lost:
            return
        try:
            action()
        except Exception as error:
            self._is_lost = True
            reason = error.message if isinstance(error, LogdError) else f"{type(error).__name__}: {error}"
            self._say(f"{reason}; the output is not stored any more")
            with suppress(Exception):
                self._tell(self._emitter.close())

    # For who waits

    @property
    def has_room(self) -> bool:
        return self._is_lost or self._emitter.has_room

    @property
    def is_known(self) -> bool:
        """Whether the daemon knows of the session, or never will."""
        return self._is_lost or self._emitter.is_open

    def fileno(self) -> int | None:
        """What to `pump` at when it can be read, or written while `sending`."""
        return None if self._is_lost else self._emitter.fileno()

    @property
    def sending(self) -> bool:
        return not self._is_lost and self._emitter.sending

    @property
    def due(self) -> float:
        """When to `pump` by the clock."""
        return math.inf if self._is_lost else min(self._emitter.due, self._records.due)

    # What comes

    def feed(self, stream: str, data: bytes) -> None:
        self._try(lambda: self._records.feed(stream, data))

    def pump(self) -> None:
        """Do what is due, as far as it goes without waiting."""
        if self._starter is not None and self._starter.is_over:
            if reason := self._starter.reason:
                self._say(f"no daemon runs, and none could be started: {reason}")
            self._starter = None
            if self.fileno() is None:
                self._try(self._emitter.connect)
        self._try(self._records.tick)
        self._try(self._emitter.pump)

    def finish(self, status: int, wait: Callable[[float], bool]) -> None:
        """Nothing more comes: store what there is, and how the command ended.

        Args:
            wait: waits until there is something to pump, or until a time, monotonic seconds; and says whether it is
                still worth while.
        """
        self._try(lambda: self._records.finish(is_done=status == 0))
        while not self._is_lost and self._starter is not None and wait(self._starter.deadline):
            self.pump()
        self._try(lambda: self._emitter.end(status))
        left_bytes, deadline = self._emitter.unstored_bytes, self._clock() + PATIENCE_SECONDS
        while not (self._is_lost or self._emitter.ended) and self._clock() < deadline and wait(deadline):
            self.pump()
            if self._emitter.unstored_bytes < left_bytes:
                left_bytes, deadline = self._emitter.unstored_bytes, self._clock() + PATIENCE_SECONDS
        if not self._is_lost:
            self._try(lambda: self._tell(self._emitter.close()))

    def _tell(self, left: Left) -> None:
        if left.lost_bytes:
            self._say(f"{left.reason or 'no daemon takes more'}; {left.lost_bytes:,} bytes of the output are lost")
        elif left.spooled_bytes:
            reason = f"{left.reason}; " if left.reason else ""
            self._say(f"{reason}{left.spooled_bytes:,} bytes of the output wait for a daemon to take them in")
