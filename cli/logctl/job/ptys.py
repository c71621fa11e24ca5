"""The command's terminals: one for standard output, at which it is typed, and one for standard error.

A program that takes single keys sets its terminal to give them, and reads them there. Most do by standard input, which
is the first one; some, such as less(1), by standard error. So what is typed goes to the second while that alone gives
keys; but not what is to signal, as the command's session is behind the first.
"""

from __future__ import annotations

import os
import termios
from contextlib import suppress
from typing import Any, Final

Window = tuple[int, int]
"""Rows and columns."""
Settings = list[Any]
"""As `termios.tcgetattr` has them."""
_LOCAL: Final = 3
_KEYS: Final = 6
"""Of these, the flags that say what keys do, and which keys."""
_SIGNALLING: Final = (termios.VINTR, termios.VQUIT, termios.VSUSP)


class Ptys:
    """Our ends of up to two.

    Args:
        settings: with which they begin; None for the system's.
    """

    def __init__(self, window: Window, settings: Settings | None) -> None:
        self._window = window
        self._settings = settings
        self._ours: list[int] = []
        self._inputs: list[int] = []

    def __bool__(self) -> bool:
        """Whether there is one yet."""
        return bool(self._ours)

    def open(self) -> tuple[int, int]:
        """Another one: our end, and the command's, which its owner closes when it has it."""
        ours, theirs = os.openpty()
        with suppress(termios.error):
            if self._settings is not None:
                termios.tcsetattr(theirs, termios.TCSANOW, self._settings)
            termios.tcsetwinsize(theirs, self._window)
        self._ours.append(ours)
        # Apart from the end that is read from, as both are waited for.
        self._inputs.append(os.dup(ours))
        os.set_blocking(ours, False)
        return ours, theirs

    def forget(self, fd: int) -> None:
        """One is closed, as nobody has the other end any more. What is typed to it is nobody's."""
        if fd in self._ours:
            at = self._ours.index(fd)
            del self._ours[at]
            os.close(self._inputs.pop(at))

    def resize(self, window: Window) -> None:
        """Give them a size. The system tells the command of the first one's, which is therefore the last to have it."""
        for fd in reversed(self._ours):
            with suppress(OSError, termios.error):
                termios.tcsetwinsize(fd, window)

    def to_type_at(self, typed: bytes) -> int:
        """What to write to what is typed."""
        at = 0
        with suppress(termios.error):
            first, *others = map(termios.tcgetattr, self._ours)
            gives_keys = others and first[_LOCAL] & termios.ICANON and not others[0][_LOCAL] & termios.ICANON
            if gives_keys and typed[:1] not in (first[_KEYS][key] for key in _SIGNALLING):
                at = 1
        return self._inputs[at]

    def is_at_keys(self, group: int) -> bool:
        """Whether the keys of the first signal this process group."""
        try:
            return os.tcgetpgrp(self._ours[0]) == group
        except (IndexError, OSError):
            return False

    def is_stop_key(self, byte: int) -> bool:
        """Whether a byte that is typed is taken for ^Z."""
        try:
            settings = termios.tcgetattr(self._ours[0])
        except (IndexError, termios.error):
            return False
        return bool(settings[_LOCAL] & termios.ISIG) and settings[_KEYS][termios.VSUSP] == bytes([byte])
