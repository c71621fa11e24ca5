"""A command on a terminal of its own, whose screen a test sees as its user would."""

from __future__ import annotations

import os
import pty
import select
import signal
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

import pyte
from bed import PATIENCE_SECONDS

ALTERNATE, NORMAL = b"\x1b[?1049h", b"\x1b[?1049l"


class _Screen(pyte.Screen):
    """pyte takes the sequence that puts a private mode back (CSI ? r) for margins."""

    def set_margins(self, top: int | None = None, bottom: int | None = None, *, private: bool = False) -> None:
        if not private:
            super().set_margins(top, bottom)


class PtyScreen:
    """Runs a command in a pseudo-terminal, and kills it when the context is left.

    Args:
        environ: all of the command's environment but TERM.
    """

    def __init__(self, argv: Sequence[str], environ: Mapping[str, str], *, rows: int = 24, columns: int = 80) -> None:
        self.screen = _Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self.written = b""
        """All that the command wrote."""
        self.status: int | None = None
        """As os.waitpid has it, when the command has ended."""
        self.pid, self._fd = pty.fork()
        if not self.pid:
            try:
                termios.tcsetwinsize(0, (rows, columns))
                os.execvpe(argv[0], list(argv), {**environ, "TERM": "xterm-256color"})
            finally:
                os._exit(127)
        self.settings = termios.tcgetattr(self._fd)
        """The line's, as they were at first."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        if self._fd >= 0:
            os.close(self._fd)

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.screen.display]

    @property
    def last(self) -> str:
        """The last row."""
        return self.lines[-1]

    def type(self, keys: str) -> None:
        os.write(self._fd, keys.encode())

    def resize(self, rows: int, columns: int) -> None:
        self.screen.resize(rows, columns)
        termios.tcsetwinsize(self._fd, (rows, columns))

    def hang_up(self) -> int:
        """Close the terminal, as an emulator does whose window is closed; the status that the command ended with."""
        os.close(self._fd)
        self._fd = -1
        return self.wait_ended(reads=False)

    def wait(self, holds: Callable[[], object]) -> None:
        """Return when the screen shows what is waited for; fail the test where it does not come to that."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not holds():
            shown = "\n".join(self.lines)
            assert time.monotonic() < deadline, f"what the test waits for is not shown:\n{shown}"
            self._read(0.05)

    def wait_ended(self, *, reads: bool = True) -> int:
        """Return the status that the command ended with, and read all that it wrote, meanwhile or only then."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.status is None:
            assert time.monotonic() < deadline, "it does not end:\n" + "\n".join(self.lines)
            if reads:
                self._read(0.05)
            else:
                time.sleep(0.01)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = status
        while self._fd >= 0 and self._read(0):
            pass
        return self.status

    def _read(self, seconds: float) -> bool:
        """Take in what is written within a time, and say whether anything was."""
        with suppress(OSError):  # the last one with the terminal open has gone
            if select.select([self._fd], [], [], seconds)[0]:
                data = os.read(self._fd, 65536)
                self.written += data
                self._stream.feed(data)
                return bool(data)
        return False

    @property
    def is_restored(self) -> bool:
        """Whether the terminal is as it was: its line's settings, and all modes that were set are reset."""
        return (
            termios.tcgetattr(self._fd) == self.settings
            and self.written.rfind(NORMAL) > self.written.rfind(ALTERNATE)
            and all(
                self.written.rfind(b"\x1b[?%dl" % mode) >= self.written.rfind(b"\x1b[?%dh" % mode)
                for mode in (1000, 1002, 1004, 1006, 1007, 2004)
            )
            and self.written.rfind(b"\x1b[?25h") > self.written.rfind(b"\x1b[?25l")
        )
