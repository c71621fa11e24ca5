"""How far long work is: one line on a terminal's standard error that is drawn over, and gone at the end.

scrape  [=========>          ] 47%  1.2 GiB of 2.6 GiB
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Final, TextIO

from logctl.figures import human_bytes

QUIET_SECONDS: Final = 0.5
"""Nothing is drawn as long as something else was shown so lately: short work has no progress."""
REDRAW_SECONDS: Final = 0.1
_BAR_COLUMNS = 20
_UNKNOWN_COLUMNS = 80
"""Of a terminal that does not say how wide it is."""


class ProgressLine:
    """One line of progress. It is a context manager that clears the line at its end, however that comes.

    Args:
        stream: where it is drawn, if that is a terminal.
        clock: seconds that pass.
    """

    def __init__(self, stream: TextIO = sys.stderr, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._drawable = stream.isatty() and os.environ.get("TERM") != "dumb"
        self._drawn = False
        self._due = clock() + QUIET_SECONDS

    def __enter__(self) -> ProgressLine:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()

    def show(self, text: Callable[[], str]) -> None:
        """Draw the line anew, where it is time for it."""
        if not self._drawable or self._clock() < self._due:
            return
        columns = os.get_terminal_size(self._stream.fileno()).columns or _UNKNOWN_COLUMNS
        self._drawn = True  # before it is, as ^C may come between
        self._write(f"\r\x1b[K{text()[: columns - 1]}")
        self._due = self._clock() + REDRAW_SECONDS

    def clear(self) -> None:
        """Make room for something else on the terminal; what follows it is quiet for a while."""
        if self._drawn:
            self._write("\r\x1b[K")
            self._drawn = False
        self._due = self._clock() + QUIET_SECONDS

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def bar(done: float) -> str:
    """How much is done, 0 to 1, as a bar and a percentage."""
    done = min(1.0, max(0.0, done))
    filled = int(done * _BAR_COLUMNS)
    head = ">" if filled < _BAR_COLUMNS else ""
    return f"[{'=' * filled}{head}{' ' * (_BAR_COLUMNS - filled - len(head))}] {int(done * 100):3}%"


def bytes_done(done: int, total: int) -> str:
    """How many bytes of how many are done; without a total only how many."""
    if not total:
        return human_bytes(done)
    return f"{bar(done / total)}  {human_bytes(done)} of {human_bytes(total)}"
