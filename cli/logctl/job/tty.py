"""Our own terminal, while the command has one of its own: what is typed goes there as it is, and acts there."""

from __future__ import annotations

import os
import signal
import termios
import tty
from contextlib import suppress
from typing import Final

from logctl.job.ptys import Window

IN: Final = 0


class Terminal:
    """The terminal that is typed on."""

    def __init__(self) -> None:
        self.settings = termios.tcgetattr(IN)
        self.is_raw = False
        stop_key: bytes = self.settings[6][termios.VSUSP]
        self.stop_key = stop_key
        interrupt_key: bytes = self.settings[6][termios.VINTR]
        self.interrupt_key = interrupt_key

    def enter(self) -> None:
        """Pass on what is typed, unless the terminal is another job's at present."""
        with suppress(OSError, termios.error):
            if os.tcgetpgrp(IN) == os.getpgrp():
                self.settings = termios.tcgetattr(IN)
                tty.setraw(IN, termios.TCSADRAIN)
                self.is_raw = True

    def leave(self) -> None:
        """Put it back as it was; from the background, too."""
        if self.is_raw:
            self.is_raw = False
            before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
            with suppress(OSError, termios.error):
                termios.tcsetattr(IN, termios.TCSADRAIN, self.settings)
            signal.signal(signal.SIGTTOU, before)


def window_of(*fds: int) -> Window:
    """The size of the first terminal of these."""
    for fd in fds:
        with suppress(OSError, termios.error):
            rows, columns = termios.tcgetwinsize(fd)
            if rows and columns:
                return rows, columns
    return 24, 80


def shares_foreground() -> bool:
    """Whether the keys of our terminal signal our process group."""
    try:
        fd = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(fd)
