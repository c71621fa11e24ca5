"""Pipes of one command whose order among each other is known: what was written first is read first.

Two pipes do not say which was written to first. So when both are used, and little comes, each holds one write and no
more: it is in packet mode (pipe(7)) with room for one packet, so that the next write to it waits until we have read;
and the order in which both came to have something is kept by epoll, whose list is first in, first out. A write that
follows another at once waits for some 20 µs so.

Until both have been used, in a flood, whenever we cannot read, and where the command does not wait for its pipes but
has its writes fail, they are *wide*: then it waits for nothing but a full pipe, and the order is that in which we read.

Where the system has no such pipes, they are always wide.
"""

from __future__ import annotations

import fcntl
import os
import select
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Final

WIDE_BYTES: Final = (1024 * 1024, 64 * 1024)
"""What a wide pipe is made to hold: the first that the system lets it."""
NARROW_BYTES: Final = 4096
FLOOD_READS: Final = 1000
"""More reads of narrow pipes in a second are a flood."""
QUIET_BYTES: Final = 64 * 1024
"""Less in a second is none any more."""

_PACKETS: Final = getattr(os, "O_DIRECT", 0)
_SET_SIZE: Final = getattr(fcntl, "F_SETPIPE_SZ", None)


class Pipes:
    """The read ends, and what orders them.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._write_ends: list[int] = []
        self._epoll = select.epoll() if hasattr(select, "epoll") else None
        self._order: list[int] = []
        """What epoll has told of and was not to be read yet."""
        self.is_narrow = False
        self._used: set[int] = set()
        """Those that something was read from."""
        self._second = 0.0
        """When the second began that is counted."""
        self._reads = 0
        self._bytes = 0

    def open(self) -> tuple[int, int]:
        """A pipe for the command: what is ours to read, and its end, which its owner closes when it has it."""
        read_end, write_end = os.pipe()
        self._write_ends.append(os.dup(write_end))
        self.watch(read_end)
        return read_end, write_end

    def watch(self, fd: int) -> None:
        """Order another descriptor with the pipes, too."""
        if self._epoll is not None:
            # At each change, not while there is something: or what was read would keep its place in the list.
            self._epoll.register(fd, select.EPOLLIN | select.EPOLLET)

    def in_order(self, fds: Iterable[int]) -> list[int]:
        """Descriptors that can be read, the one first that could be first; each is to be read now."""
        ready = set(fds)
        if self._epoll is not None:
            self._order += [fd for fd, _ in self._epoll.poll(0) if fd not in self._order]
        # What could be read only since the others were looked at keeps its place.
        first = [fd for fd in self._order if fd in ready]
        self._order = [fd for fd in self._order if fd not in ready]
        return [*first, *sorted(ready.difference(first))]

    def begin(self) -> None:
        """The command begins: nothing was written to either."""
        self._second = self._clock()
        self._set_all(packets=False, sizes=WIDE_BYTES)

    def note(self, fd: int, size_bytes: int) -> None:
        """Something was read from one of them."""
        self._reads += 1
        self._bytes += size_bytes
        is_new = fd not in self._used
        self._used.add(fd)
        if self.is_narrow and (self._reads > FLOOD_READS or self._is_asynchronous):
            self.widen()
        elif self._clock() >= self._second + 1:
            if self._bytes < QUIET_BYTES:
                self._narrow()
            self._second = self._clock()
            self._reads = self._bytes = 0
        elif is_new:
            self._narrow()

    def _narrow(self) -> None:
        """Keep the order from now on, where there is one to keep, and the system and the command let us."""
        is_able = _PACKETS and _SET_SIZE is not None and self._epoll is not None
        if is_able and len(self._used) > 1 and self._write_ends and not self._is_asynchronous:
            self.is_narrow = True
            self._set_all(packets=True, sizes=[NARROW_BYTES])

    @property
    def _is_asynchronous(self) -> bool:
        """Whether the command does not wait for its pipes, but fails to write when they are full."""
        return any(fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_NONBLOCK for fd in self._write_ends)

    def widen(self) -> None:
        """Let the command go on without us."""
        if self.is_narrow:
            self.is_narrow = False
            self._set_all(packets=False, sizes=WIDE_BYTES)

    def _set_all(self, *, packets: bool, sizes: Sequence[int]) -> None:
        if _SET_SIZE is not None:
            for fd in self._write_ends:
                self._set(fd, packets=packets, sizes=sizes)

    def _set(self, fd: int, *, packets: bool, sizes: Iterable[int]) -> None:
        with suppress(OSError):
            flags = fcntl.fcntl(fd, fcntl.F_GETFL)
            fcntl.fcntl(fd, fcntl.F_SETFL, flags | _PACKETS if packets else flags & ~_PACKETS)
        for size in sizes:
            with suppress(OSError):  # the pipe holds more at present, or the system lets it be no larger
                fcntl.fcntl(fd, _SET_SIZE or 0, size)
                return

    def end(self) -> None:
        """The command has ended: so its pipes end, unless others hold them."""
        self.widen()
        for fd in self._write_ends:
            os.close(fd)
        self._write_ends.clear()
