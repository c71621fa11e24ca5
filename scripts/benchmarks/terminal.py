"""A program on a terminal of 80x24, whose output is read as fast as it comes, and goes nowhere."""

from __future__ import annotations

import os
import pty
import signal
import termios
import threading
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

COLUMNS, ROWS = 80, 24
READ_BYTES = 64 * 1024


class Terminal:
    """Runs a command in a pseudo-terminal, and kills it when the context is left.

    Args:
        marks: texts that are looked out for. A program that draws only what has changed of a line writes a mark whole
            only where no part of it has been on the screen before.
        environ: what the command's environment has besides ours.
    """

    def __init__(self, command: Sequence[str], marks: Collection[bytes], **environ: str) -> None:
        self.read_bytes = 0
        self._tail = b""
        self._shown = {mark: threading.Event() for mark in marks}
        self._shown_at: dict[bytes, float] = {}
        self.pid, self._fd = pty.fork()
        if not self.pid:
            try:
                termios.tcsetwinsize(0, (ROWS, COLUMNS))
                os.execvpe(command[0], list(command), os.environ | {"TERM": "xterm"} | environ)  # noqa: S606
            finally:
                os._exit(127)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self._reader.join()
        os.close(self._fd)

    def wait_shown(self, mark: bytes, seconds: float) -> float | None:
        """When a mark was written, by `time.perf_counter`; None where that takes longer."""
        self._shown[mark].wait(seconds)
        return self._shown_at.get(mark)

    def type(self, keys: bytes) -> None:
        os.write(self._fd, keys)

    def forget(self) -> None:
        """Look out for the marks anew, in what is written from now on."""
        self._tail = b""
        self._shown_at.clear()
        for shown in self._shown.values():
            shown.clear()

    def _read(self) -> None:
        kept_bytes = max(map(len, self._shown)) - 1
        with suppress(OSError):  # the last one with the terminal open has gone
            while data := os.read(self._fd, READ_BYTES):
                now = time.perf_counter()
                self.read_bytes += len(data)
                tail = self._tail + data
                for mark in self._shown.keys() - self._shown_at.keys():
                    if mark in tail:
                        self._shown_at[mark] = now
                        self._shown[mark].set()
                self._tail = tail[-kept_bytes:]
