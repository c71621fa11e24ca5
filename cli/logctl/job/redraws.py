"""Lines that are drawn again and again, as progress bars are: what is left of them when they are whole.

    b"\r 10%\r 20%\r100%\n"   ->   b"100%\n"

A carriage return, or the sequence for column 1, begins a line anew. Of each line what was drawn last and can be seen is
kept: programs that draw again draw over all that was there, or erase it; sequences that erase are not kept. A line that
is not whole yet, but was drawn again already, is *live*. A carriage return before a newline is part of that: terminals
write newlines so.

All is done by searches over blocks; a block without carriage returns and sequences costs those for them, and no more.

Known limits: what several lines are drawn again as, with the cursor going up between them, is a line each time; and
text drawn over longer text without erasing that is taken for all there is.
"""

from __future__ import annotations

import re
from typing import Final

from logd.record import MAX_TEXT_BYTES

_UNSEEN: Final = rb"(?:[ \t]|\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[^\[\r\n])*+"
"""Blanks, and sequences that move, colour or erase."""
_REDRAWN: Final = re.compile(rb"^[^\n]*\r(?=" + _UNSEEN + rb"[^\r\n\x1b])", re.M)
"""What of a line comes before what was drawn last and can be seen."""
_ERASED: Final = re.compile(rb"(?:\r" + _UNSEEN + rb")+$", re.M)
"""What of a line comes behind that."""
_COLUMN_ONE: Final = re.compile(rb"\x1b\[[01]?G")
_ERASING: Final = re.compile(rb"\x1b\[[012]?K")


class Redraws:
    """One stream of output: bytes as they come in, lines as they are left out."""

    def __init__(self) -> None:
        self._rest = b""
        """Of the line that is not whole; at most what a record holds."""
        self.is_live = False
        """Whether that line was drawn again."""

    @property
    def live(self) -> bytes:
        """What can be seen of the line that is being drawn again and again; nothing where none is."""
        return _ERASING.sub(b"", _left(self._rest)) if self.is_live else b""

    def feed(self, data: bytes) -> bytes:
        """The lines that are whole now. Where they end without a newline, their last goes on with what is next."""
        data = self._rest + data if self._rest else data
        if b"\x1b" in data:
            data = _COLUMN_ONE.sub(b"\r", data)
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n")
        end = data.rfind(b"\n") + 1
        lines, self._rest = data[:end], data[end:]
        if b"\r" in lines:
            lines = _left(lines)
        if b"\x1b" in lines:
            lines = _ERASING.sub(b"", lines)
        if end:
            self.is_live = False
        if b"\r" in self._rest:
            self._rest, count = _REDRAWN.subn(b"", self._rest)
            self.is_live = self.is_live or count > 0
        if len(self._rest) > MAX_TEXT_BYTES:
            lines, self._rest = lines + self._rest, b""
        return lines

    def finish(self) -> bytes:
        """The line that is not whole, as nothing more comes."""
        lines = self.feed(b"\n") if self._rest else b""
        return lines if lines != b"\n" else b""


def _left(lines: bytes) -> bytes:
    return _ERASED.sub(b"", _REDRAWN.sub(b"", lines))
