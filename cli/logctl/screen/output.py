"""Writing to a terminal that may take nothing for a while: a stopped emulator, a connection that is stuck.

It is written to by a description of our own that does not block: setting that of standard output would change it for
every process that has it. What the terminal does not take waits here, and whoever paints waits with the next frame, so
that what is pending is one frame, and the next is of then.
"""

from __future__ import annotations

import os
import select
import termios
import time
from contextlib import suppress
from typing import Final

MAX_PENDING_BYTES: Final = 1024 * 1024
"""A frame is far less; beside it there is what was copied meanwhile. What does not fit is not written."""
_CANCEL = b"\x18"
"""Ends a sequence that was cut off (CAN)."""


class Output:
    """What is written to a terminal.

    Args:
        fd: the terminal; it stays open.
    """

    def __init__(self, fd: int) -> None:
        self._fd = _reopened(fd)
        self._pending = bytearray()
        self.has_gone = False
        """Whether there is no terminal any more."""

    def fileno(self) -> int:
        return self._fd

    @property
    def is_behind(self) -> bool:
        """Whether something waits until it can be written."""
        return bool(self._pending)

    def write(self, data: bytes) -> None:
        """Write data, now or when the terminal takes it."""
        if len(self._pending) + len(data) <= MAX_PENDING_BYTES:
            self._pending += data
            self.write_on()

    def write_on(self) -> None:
        """Write of what is pending as much as the terminal takes."""
        try:
            while self._pending:
                del self._pending[: os.write(self._fd, self._pending)]
        except BlockingIOError:
            pass
        except OSError:
            self.has_gone = True
            self._pending.clear()

    def drain(self, seconds: float) -> None:
        """Write all that is pending, or else drop it, and what the system holds of it, when that takes too long."""
        deadline = time.monotonic() + seconds
        while self._pending and (left := deadline - time.monotonic()) > 0:
            select.select([], [self._fd], [], left)
            self.write_on()
        if self._pending:
            self._pending[:] = _CANCEL
            with suppress(termios.error):
                termios.tcflush(self._fd, termios.TCOFLUSH)
            self.write_on()

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _reopened(fd: int) -> int:
    """The terminal again, for writing that does not block; where that cannot be had, as it is."""
    flags = os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK
    with suppress(OSError):
        return os.open(os.ttyname(fd), flags)
    with suppress(OSError):
        os.tcgetpgrp(fd)  # it is the one that controls this process
        return os.open(os.ctermid(), flags)
    return os.dup(fd)
