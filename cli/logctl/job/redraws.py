"""Lines that are drawn again and again, as progress bars are: what is left of them when they are whole.

    b"\r 10%\r 20%\r100%\n"   ->   b"100%\n"

A line that is not whole yet, but was drawn again already, is *live*. So are several lines between which the cursor goes
up; these are held back until nothing is drawn for a while, for which their owner has `settle`.

All is done by searches over blocks; a block without carriage returns and sequences costs those for them, and no more.
"""

from __future__ import annotations

from logctl.job.areas import Area, cut_of, find_area
from logctl.job.drawn import left_of, with_returns, without_older
from logd.record import MAX_TEXT_BYTES


class Redraws:
    """One stream of output: bytes as they come in, lines as they are left out."""

    def __init__(self) -> None:
        self._rest = b""
        """Of the line that is not whole; at most what a record holds."""
        self._is_redrawn = False
        self._area: Area | None = None

    @property
    def is_live(self) -> bool:
        """Whether something is drawn again and again."""
        return self._is_redrawn or self.is_held

    @property
    def is_held(self) -> bool:
        """Whether lines may be held back."""
        return self._area is not None

    @property
    def live(self) -> bytes:
        """What can be seen of the line that is drawn again and again, or the first of several; else nothing."""
        if self._area is not None:
            return self._area.live
        return left_of(self._rest) if self._is_redrawn else b""

    def feed(self, data: bytes) -> bytes:
        """The lines that are whole now. Where they end without a newline, their last goes on with what is next."""
        data = with_returns(self._rest + data if self._rest else data)
        if self._area is None and b"\x1b" in data and (start := find_area(data)) >= 0:
            self._area = Area()
            return left_of(data[:start]) + self._feed_area(self._area, data[start:])
        if self._area is not None:
            return self._feed_area(self._area, data)
        end = data.rfind(b"\n") + 1
        lines, self._rest = left_of(data[:end]), data[end:]
        if end:
            self._is_redrawn = False
        self._rest, is_redrawn = without_older(self._rest)
        self._is_redrawn = self._is_redrawn or is_redrawn
        if len(self._rest) > MAX_TEXT_BYTES:
            lines, self._rest = lines + self._rest, b""
        return lines

    def _feed_area(self, area: Area, data: bytes) -> bytes:
        self._rest = cut_of(data)
        return area.feed(data.removesuffix(self._rest))

    def settle(self) -> bytes:
        """Nothing was drawn for a while: of several lines, those above the last are whole."""
        if self._area is None:
            return b""
        lines, last = self._area.end()
        self._area, self._rest = None, last + self._rest
        self._rest, self._is_redrawn = without_older(self._rest)
        return lines

    def finish(self) -> bytes:
        """What was held back, and the line that is not whole, as nothing more comes."""
        lines = self.settle()
        rest = self.feed(b"\n") if self._rest else b""
        return lines + rest if rest != b"\n" else lines
