"""Signals, as they come, through a descriptor that can be waited for."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from types import FrameType
from typing import Any, Final

_ABOUT_OURSELVES: Final = {
    *("SIGKILL", "SIGSTOP"),  # nobody can handle these
    *("SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGTRAP", "SIGABRT", "SIGSYS"),
    *("SIGPIPE", "SIGXFSZ"),  # Python has errors of them
    *("SIGTSTP", "SIGTTIN", "SIGTTOU"),  # those who share a terminal stop together
}


class Signals:
    """Signals that are taken rather than obeyed, from when it is made.

    All are but those that are about this process alone, and those that whoever started it had ignored.

    Args:
        also: further ones.
    """

    def __init__(self, also: Iterable[signal.Signals] = ()) -> None:
        ours = {signal.Signals[name] for name in _ABOUT_OURSELVES if name in signal.Signals.__members__} - {*also}
        self.fd, write_fd = os.pipe()
        os.set_blocking(self.fd, False)
        os.set_blocking(write_fd, False)
        self._before: dict[int, Any] = {}
        for number in signal.valid_signals() - ours:
            before = signal.getsignal(number)
            if before == signal.SIG_IGN and number != signal.SIGCHLD:
                continue
            with suppress(OSError, ValueError):  # the C library's own
                signal.signal(number, _take)
                self._before[number] = before
        signal.set_wakeup_fd(write_fd, warn_on_full_buffer=False)

    def take(self) -> set[int]:
        """Those that have come since it was asked last."""
        try:
            return set(os.read(self.fd, 1024))
        except BlockingIOError:
            return set()

    def obey(self, number: signal.Signals) -> None:
        """Do as the system does by itself at a signal that is sent to our process group."""
        signal.signal(number, signal.SIG_DFL)
        os.killpg(0, number)
        signal.signal(number, _take)

    def put_back(self) -> None:
        """In a new process, have all as whoever started this one had them."""
        signal.set_wakeup_fd(-1)
        for number, before in self._before.items():
            signal.signal(number, signal.SIG_IGN if before == signal.SIG_IGN else signal.SIG_DFL)
        for name in ("SIGPIPE", "SIGXFSZ", "SIGXFZ"):  # which Python ignores
            if name in signal.Signals.__members__:
                signal.signal(signal.Signals[name], signal.SIG_DFL)


def _take(number: int, frame: FrameType | None) -> None:
    """What the descriptor tells is all that is done."""
