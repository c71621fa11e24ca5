"""Lines that are one message: a traceback, with all that it is chained to, becomes one text.

    Traceback (most recent call last):                                        BEGUN
      File "train.py", line 3, in <module>                                    FRAMES
        step()                                                                FRAMES
    KeyError: 'loss'                                                          TOLD
                                                                              PAUSE
    During handling of the above exception, another exception occurred:       LINKED
                                                                              LINKED
    Traceback (most recent call last):                                        BEGUN

What stands before the first word, such as blanks or "[rank0]: ", stands before the lines that follow, too. Stack traces
of Java and JavaScript begin with a line that names an exception, if one that begins with "at" follows.

A block in which no such thing begins costs three searches, and goes on as it is. What is held back is at most
MAX_HELD_BYTES, and for no longer than its owner lets: `release` gives it out as far as it has come.

Known limit: of an exception's message, the first line alone is known to be one.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import Final, NamedTuple

from logd.record import MAX_TEXT_BYTES

MAX_HELD_BYTES: Final = MAX_TEXT_BYTES
"""What a record holds. The rest of a longer traceback goes on line by line."""

_BEGIN: Final = re.compile(rb"(.{0,64}?)((?:\+ Exception Group )?)Traceback \(most recent call last\):\n")
_HEAD: Final = re.compile(
    rb"(?:Exception in thread .*|(?:Uncaught )?(?:[\w$]+[./])*[\w$]*(?:Exception|Error)(?: \[\w+\])?(?:: .*)?)\n"
)
"""What may be the first line of a stack trace."""
_AT: Final = re.compile(rb"\s+at \S")
_STACK: Final = re.compile(rb"\s+at \S|\s+\.\.\. \d+ |\s*Caused by: |\s+Suppressed: ")
_LINKS: Final = (
    b"During handling of the above exception, another exception occurred:",
    b"The above exception was the direct cause of the following exception:",
)
_WORDS: Final = (b"Traceback (most recent call last):\n", b"Exception", b"Error")
"""One of them stands where something begins."""
_LINES: Final = re.compile(rb"[^\n]*\n|[^\n]+")


class Piece(NamedTuple):
    """What comes out."""

    data: bytes
    is_text: bool
    """One text of several lines, without its last newline; or else whole lines."""


class _State(Enum):
    BEGUN = auto()
    FRAMES = auto()
    """Indented lines, and then the one that tells the exception."""
    GROUP = auto()
    """The lines of an exception group, which are drawn as a tree."""
    TOLD = auto()
    PAUSE = auto()
    """An empty line, which may be one before a link."""
    LINKED = auto()
    HEAD = auto()
    STACK = auto()


class Tracebacks:
    """One stream of output: lines in, pieces out, in their order."""

    def __init__(self) -> None:
        self._state = _State.TOLD
        """What the line that is held last is."""
        self._prefix = b""
        self._held: list[bytes] = []
        self._held_bytes = 0

    def __bool__(self) -> bool:
        """Whether anything is held back."""
        return bool(self._held)

    @property
    def is_whole(self) -> bool:
        """Whether what is held back may be all that there is of it."""
        return self._state in (_State.TOLD, _State.PAUSE, _State.HEAD)

    def feed(self, lines: bytes) -> list[Piece]:
        """Take lines. All are whole but the last, where that is longer than a record."""
        if not self._held and not any(word in lines for word in _WORDS):
            return [Piece(lines, is_text=False)] if lines else []
        pieces: list[Piece] = []
        plain: list[bytes] = []
        for line in _LINES.findall(lines):
            if not (self._held and self._held_bytes + len(line) <= MAX_HELD_BYTES and self._goes_on(line)):
                pieces += self.release()
                if not self._begins(line):
                    plain.append(line)
                    continue
                pieces += _joined(plain)
                plain = []
            self._held.append(line)
            self._held_bytes += len(line)
        return _merged(pieces + _joined(plain))

    def release(self) -> list[Piece]:
        """Give out what is held back: a text, and empty lines behind it; or a lone line as it was."""
        held, self._held, self._held_bytes = self._held, [], 0
        count = len(held)
        while count and not held[count - 1].strip():
            count -= 1
        if count < 2:
            return _joined(held)
        return [Piece(b"".join(held[:count]).removesuffix(b"\n"), is_text=True), *_joined(held[count:])]

    def _begins(self, line: bytes) -> bool:
        """Whether a line begins something; if so, its state is entered."""
        if match := _BEGIN.fullmatch(line):
            self._prefix, self._state = match[1], _State.GROUP if match[2] else _State.BEGUN
        elif _HEAD.fullmatch(line):
            self._prefix, self._state = b"", _State.HEAD
        else:
            return False
        return len(line) <= MAX_HELD_BYTES

    def _goes_on(self, line: bytes) -> bool:
        """Whether a line belongs to what is held; if so, its state is entered."""
        if len(self._held) == 1 and not line.startswith(self._prefix) and line.startswith(b"  File "):
            self._prefix = b""  # that of the first line alone, such as its time
        is_empty = not line.removeprefix(self._prefix).strip()
        if not (is_empty or line.startswith(self._prefix)):
            return False
        after = _after(self._state, line.removeprefix(self._prefix), is_empty=is_empty)
        if after is not None:
            self._state = after
        return after is not None


def _after(state: _State, text: bytes, *, is_empty: bool) -> _State | None:
    """The state that a line leads to, None where it belongs to something else."""
    match state:
        case _State.BEGUN:
            return _State.FRAMES if not is_empty and text[:1].isspace() else None
        case _State.FRAMES:
            return None if is_empty else _State.FRAMES if text[:1].isspace() else _State.TOLD
        case _State.GROUP if not is_empty:
            return _State.GROUP if text.lstrip()[:1] in (b"|", b"+") else None
        case _State.TOLD | _State.GROUP:
            return _State.PAUSE if is_empty else None
        case _State.PAUSE:
            return _State.LINKED if text.startswith(_LINKS) else None
        case _State.LINKED:
            if is_empty:
                return _State.LINKED
            match = _BEGIN.fullmatch(text)
            return None if match is None else _State.GROUP if match[2] else _State.BEGUN
        case _State.HEAD:
            return _State.STACK if _AT.match(text) else None
        case _State.STACK:
            return _State.STACK if _STACK.match(text) else None


def _joined(lines: list[bytes]) -> list[Piece]:
    return [Piece(b"".join(lines), is_text=False)] if lines else []


def _merged(pieces: list[Piece]) -> list[Piece]:
    """The same, with lines that follow each other as one piece."""
    merged: list[Piece] = []
    for piece in pieces:
        goes_on = merged and not piece.is_text and not merged[-1].is_text
        merged.append(Piece(merged.pop().data + piece.data, is_text=False) if goes_on else piece)
    return merged
