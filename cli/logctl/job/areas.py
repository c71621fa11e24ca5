"""Several lines that are drawn again and again, as nested progress bars are: the cursor goes up between them.

    b"\nouter 10%\n\r inner 50%\x1b[A\router 20%\n\r inner 10%\x1b[A"

An area is the lines that the cursor was seen to go back over. It begins with the line where that is first seen, and a
line leaves it at its top when the cursor is farther below than it ever went up; only then it is whole. Lines that were
erased are none.
"""

from __future__ import annotations

import re
from typing import Final

from logctl.job.drawn import is_erased, left_of, without_older
from logd.record import MAX_TEXT_BYTES

MAX_ROWS: Final = 64
"""What goes back farther is taken for so many."""

_MOVES: Final = re.compile(rb"(\n|\x1b\[\d{0,3}[AB])")
_UP: Final = re.compile(rb"\x1b\[\d{0,3}A")
_CUT: Final = re.compile(rb"(?:\r|\x1b(?:\[\d{0,3})?)\Z")


def find_area(data: bytes) -> int:
    """Where in some output the line begins in which the cursor first goes up; -1 where it does not."""
    match = _UP.search(data)
    return -1 if match is None else data.rfind(b"\n", 0, match.start()) + 1


def cut_of(data: bytes) -> bytes:
    """The end of output that may mean something else with what is next: a carriage return, or part of a sequence."""
    match = _CUT.search(data)
    return b"" if match is None else match[0]


class Area:
    """Output from where an area begins, as `with_returns` gives it and without a `cut_of` it."""

    def __init__(self) -> None:
        self._rows = [b""]
        self._row = 0
        """Where the cursor is."""
        self._height = 0
        """How far it ever went up."""

    @property
    def live(self) -> bytes:
        """The uppermost line: of nested bars, that of the whole."""
        return left_of(self._rows[0])

    def feed(self, data: bytes) -> bytes:
        """The lines that are whole now."""
        lines: list[bytes] = []
        for number, part in enumerate(_MOVES.split(data)):
            if number % 2 == 0:
                self._draw(part, lines)
            elif part == b"\n":
                self._go_down(lines)
            else:
                count = int(part[2:-1] or 1)
                if part.endswith(b"B"):
                    self._row = min(self._row + count, len(self._rows) - 1)
                else:
                    self._row = max(0, self._row - count)
                    self._height = min(max(self._height, count), MAX_ROWS)
        return b"".join(lines)

    def end(self) -> tuple[bytes, bytes]:
        """Leave the area: the lines above the last one, and that, which may not be whole."""
        *rows, last = self._rows
        return b"".join(map(_whole, rows)), b"" if is_erased(last) else last

    def _draw(self, part: bytes, lines: list[bytes]) -> None:
        row, _ = without_older(self._rows[self._row] + part)
        if len(row) > MAX_TEXT_BYTES:
            lines.append(_whole(row))
            row = b""
        self._rows[self._row] = row

    def _go_down(self, lines: list[bytes]) -> None:
        self._row += 1
        if self._row == len(self._rows):
            self._rows.append(b"")
        if self._row > self._height:
            lines.append(_whole(self._rows.pop(0)))
            self._row -= 1


def _whole(row: bytes) -> bytes:
    return b"" if is_erased(row) else left_of(row) + b"\n"
