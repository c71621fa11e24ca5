"""A pipe by which any thread, or a signal's handler, wakes one that waits."""

from __future__ import annotations

import math
import os
import select
import time
from contextlib import suppress

_DRAIN_BYTES = 4096


class Wakeup:
    """To be waited for together with other descriptors, by `fileno`. OSError where there are no descriptors left."""

    def __init__(self) -> None:
        self._read_fd, self._write_fd = os.pipe()
        for fd in (self._read_fd, self._write_fd):
            os.set_blocking(fd, False)

    def fileno(self) -> int:
        """The descriptor that can be read when it was rung."""
        return self._read_fd

    def ring(self) -> None:
        # It was rung so often that once more changes nothing; or the program has closed what it did not open.
        with suppress(OSError):
            os.write(self._write_fd, b"\0")

    def drain(self) -> None:
        """Have it be as if it had not been rung."""
        with suppress(BlockingIOError):
            os.read(self._read_fd, _DRAIN_BYTES)

    def wait(self, until: float) -> None:
        """Wait until it is rung, or until a time in monotonic seconds."""
        poll = select.poll()
        poll.register(self._read_fd, select.POLLIN)
        if poll.poll(max(0, math.ceil((until - time.monotonic()) * 1000))):
            self.drain()

    def close(self) -> None:
        for fd in (self._read_fd, self._write_fd):
            os.close(fd)
