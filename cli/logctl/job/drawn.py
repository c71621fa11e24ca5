"""What is left of lines that were drawn again and again, by searches over blocks.

A carriage return begins a line anew. What was drawn last and can be seen is left: programs that draw again draw over
all that was there, or erase it. A carriage return before a newline is part of that: terminals write newlines so.

Known limit: text drawn over longer text without erasing that is taken for all there is.
"""

from __future__ import annotations

import re
from typing import Final

_UNSEEN: Final = rb"(?:[ \t]|\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[^\[\r\n])*+"
"""Blanks, and sequences that move, colour or erase."""
_OLDER: Final = re.compile(rb"^[^\n]*\r(?=" + _UNSEEN + rb"[^\r\n\x1b])", re.M)
"""What of a line comes before what was drawn last and can be seen."""
_ERASED: Final = re.compile(rb"(?:\r" + _UNSEEN + rb")+$", re.M)
"""What of a line comes behind that."""
_COLUMN_ONE: Final = re.compile(rb"\x1b\[[01]?G")
_ERASING: Final = re.compile(rb"\x1b\[[012]?K")


def with_returns(data: bytes) -> bytes:
    """Output in which one byte begins a line anew, and one ends it."""
    if b"\x1b" in data:
        data = _COLUMN_ONE.sub(b"\r", data)
    return data.replace(b"\r\n", b"\n") if b"\r" in data else data


def without_older(data: bytes) -> tuple[bytes, bool]:
    """The same, without what was drawn over, and whether anything was."""
    if b"\r" not in data:
        return data, False
    data, count = _OLDER.subn(b"", data)
    return data, count > 0


def left_of(lines: bytes) -> bytes:
    """Lines as they are left."""
    if b"\r" in lines:
        lines = _ERASED.sub(b"", _OLDER.sub(b"", lines))
    return _ERASING.sub(b"", lines) if b"\x1b" in lines else lines


def is_erased(line: bytes) -> bool:
    """Whether nothing of a line can be seen."""
    match = _ERASED.search(line)
    return bool(match and match[0].strip(b"\r")) or not _ERASING.sub(b"", line).strip()
