"""What an emitter has taken in and the daemon has not acknowledged, in order: in memory up to a bound, then on disk.

    acknowledged | window          | spool        | tail
                 | in memory, sent | on disk only | in memory: came when the window was full, and nothing
                 | or next to be   |              | of it is on disk yet
                 oldest -----------------------------------------------------------------------> newest

The window is filled from what is behind it as acknowledgements make room. Nothing goes to the disk by itself: `spill`
puts all of it there, the window too, so that the file alone is then enough to deliver everything from, in order,
whatever becomes of this process.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from logd.client.spool import Spool

MAX_WINDOW_BYTES = 8 * 1024 * 1024
"""Of frames in memory: about what the daemon has under way at most, so that it never waits for us. Over it, frames are
the tail, which their owner spills, or else stops feeding: then it is what came of one feeding."""


class Frame:
    """One encoded message of a session: a batch, or the `close` behind the last one."""

    __slots__ = ("data", "input_bytes", "number")

    def __init__(self, number: int, data: bytes, input_bytes: int) -> None:
        self.number = number
        """The batch's, or for the `close` one more."""
        self.data = data
        self.input_bytes = input_bytes
        """How much of the input is in it."""


class Backlog:
    """Frames from the first that is not acknowledged to the newest.

    Args:
        open_spool: makes the spool, when it is first needed.
    """

    def __init__(
        self, open_spool: Callable[[], Spool] | None = None, *, max_window_bytes: int = MAX_WINDOW_BYTES
    ) -> None:
        self._open_spool = open_spool
        self._max_window_bytes = max_window_bytes
        self._spool: Spool | None = None
        self._sent: deque[Frame] = deque()
        self._unsent: deque[Frame] = deque()
        self._tail: deque[Frame] = deque()
        self._window_end = 0
        """The number of the newest frame that was ever in the window."""
        self._spool_end = 0
        """The number of the newest frame that was ever in the spool."""
        self._spool_input_bytes = 0
        """Of the frames that are on disk only."""
        self.window_bytes = 0
        self.input_bytes = 0
        """How much of the input is not acknowledged."""

    def __bool__(self) -> bool:
        return bool(self._sent or self._unsent)

    @property
    def has_room(self) -> bool:
        """Whether the window can take more."""
        return self.window_bytes < self._max_window_bytes and not self._unread_bytes and not self._tail

    @property
    def overflows(self) -> bool:
        """Whether there is a tail: more was appended than there was room for."""
        return bool(self._tail)

    @property
    def unsent_number(self) -> int | None:
        """The number of the frame that `next_unsent` has."""
        return self._unsent[0].number if self._unsent else None

    @property
    def unspooled_bytes(self) -> int:
        """How much of the input is in memory only."""
        return sum(frame.input_bytes for frame in self.in_memory() if frame.number > self._spool_end)

    @property
    def _unread_bytes(self) -> int:
        return 0 if self._spool is None else self._spool.unread_bytes

    def in_memory(self) -> chain[Frame]:
        """The frames of the window and the tail."""
        return chain(self._sent, self._unsent, self._tail)

    def append(self, frame: Frame) -> None:
        """Add the newest frame; its number is the next one."""
        self.input_bytes += frame.input_bytes
        if self.has_room and self._fits(len(frame.data)):
            self._to_window(frame)
        else:
            self._tail.append(frame)

    def next_unsent(self) -> Frame | None:
        """The window's next frame to be sent, which then counts as sent."""
        if not self._unsent:
            return None
        frame = self._unsent.popleft()
        self._sent.append(frame)
        return frame

    def acknowledge(self, number: int) -> None:
        """Forget the frames up to `number`: they are stored. StoreError where the spool cannot be read."""
        for frames in (self._sent, self._unsent):
            while frames and frames[0].number <= number:
                frame = frames.popleft()
                self.window_bytes -= len(frame.data)
                self.input_bytes -= frame.input_bytes
        self._refill()
        if self._spool is not None and number >= self._spool_end:
            self._spool.remove()

    def rewind(self) -> None:
        """Count nothing as sent: the connection that it was sent on is gone."""
        self._unsent.extendleft(reversed(self._sent))
        self._sent.clear()

    def spill(self) -> None:
        """Put all that is in memory on disk, too, and the tail there only.

        StoreError where the disk says no: as much as could be is there, and all is where it was.
        """
        if self._spool is None:
            if self._open_spool is None:
                return
            self._spool = self._open_spool()
        if self._window_end > self._spool_end:
            for frame in chain(self._sent, self._unsent):
                if frame.number > self._spool_end:
                    self._spool.append(frame.data, unread=False)
                    self._spool_end = frame.number
        while self._tail:
            frame = self._tail[0]
            self._spool.append(frame.data, unread=True)
            self._spool_end = frame.number
            self._spool_input_bytes += frame.input_bytes
            self._tail.popleft()

    def close(self, *, keep: bool) -> None:
        """Be done: leave the spool to the daemon, or remove it."""
        if self._spool is not None:
            self._spool.close() if keep and self._spool_end else self._spool.remove()

    def abandon(self) -> None:
        """Leave the spool to another process that has it, too."""
        if self._spool is not None:
            self._spool.close()

    def _refill(self) -> None:
        while self._spool is not None and self._spool.unread_bytes and self._fits(self._spool.next_bytes()):
            unread_bytes = self._spool.unread_bytes
            data = self._spool.read()
            # How much input is in this frame is not remembered. It gets its share, so that the sum is right.
            input_bytes = self._spool_input_bytes * len(data) // unread_bytes
            self._spool_input_bytes -= input_bytes
            self._to_window(Frame(self._window_end + 1, data, input_bytes))
        while self._tail and not self._unread_bytes and self._fits(len(self._tail[0].data)):
            self._to_window(self._tail.popleft())

    def _fits(self, size_bytes: int) -> bool:
        return self.window_bytes + size_bytes <= self._max_window_bytes or not self

    def _to_window(self, frame: Frame) -> None:
        self._unsent.append(frame)
        self._window_end = frame.number
        self.window_bytes += len(frame.data)
