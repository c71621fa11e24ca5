"""The terminal that a screen is on: urwid's raw screen, without its widgets and its main loop.

What is typed is read as bytes and given out as events. What is shown is a View, of which urwid writes the
rows that have changed. Everything that is changed of the terminal is put back by `close`:

- the alternate screen, cursor and colours, and the line's settings, by urwid; signals of keys are off meanwhile, so
  that ^C, ^Z, ^S and ^\\ are keys
- wheel as arrow keys (DEC 1007), reports of focus (1004) and pasted text (2004)
- standard error, where that is the same terminal: what is written to it meanwhile is kept, and written at the end

A terminal that takes nothing holds nothing up: what is written waits in output.py, and is dropped at the end.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import tempfile
import termios
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any, Final, cast

import urwid.util
from urwid.display.raw import Screen

from logctl.screen.attributes import Segment
from logctl.screen.cells import columns_of
from logctl.screen.events import Clicked, FocusChanged, KeyPressed, Resized, TerminalEvent, Wheel
from logctl.screen.output import Output
from logctl.screen.theme import Theme, is_light
from logctl.screen.view import View

WHEEL_ROWS: Final = 3
INPUT_BYTES: Final = 64 * 1024
"""Read at once; the rest of what is typed is read next."""
MAX_COPIED_BYTES: Final = 74_994
"""In base64: what xterm and tmux take. Of longer text the beginning is copied."""
KEPT_ERROR_BYTES: Final = 64 * 1024
"""Of what was written to standard error meanwhile: its end."""

DRAIN_SECONDS: Final = 0.5
"""How long giving the terminal back waits for it to take what was written, and as long for what puts it back."""

_ALTERNATE_SCROLL = "\x1b[?1007s\x1b[?1007h"
_NO_ALTERNATE_SCROLL = "\x1b[?1007l\x1b[?1007r"
_ASK_BACKGROUND = "\x1b]11;?\x1b\\"
_BACKGROUND = re.compile(
    rb"\x1b\]11;rgba?:([0-9a-fA-F]{1,4})/([0-9a-fA-F]{1,4})/([0-9a-fA-F]{1,4})[^\x07\x1b]*(?:\x07|\x1b\\)"
)
_BEGUN_BACKGROUND = re.compile(rb"\x1b\]1?1?;?[^\x07\x1b]{0,40}\x1b?$")


class _Screen(Screen):
    """urwid's screen, whose signals are the loop's, and which writes each frame by itself."""

    def __init__(self, fd_in: IO[Any], output: Output) -> None:
        super().__init__(input=fd_in, focus_reporting=True, bracketed_paste_mode=True)
        self._output = output
        self._unwritten: list[str] = []

    def signal_init(self) -> None:
        pass

    def signal_restore(self) -> None:
        pass

    def write(self, data: str) -> None:
        self._unwritten.append(data)

    def flush(self) -> None:
        data, self._unwritten = "".join(self._unwritten).encode("utf-8", "replace"), []
        self._output.write(data)


class _Painted:
    """A view as what urwid calls a canvas."""

    def __init__(self, view: View, columns: int, theme: Theme) -> None:
        self._view = view
        self._columns = columns
        self._theme = theme
        self.cursor = view.cursor[::-1] if view.cursor is not None else None

    def rows(self) -> int:
        return len(self._view.rows)

    def content(self) -> Iterator[list[tuple[object, None, bytes]]]:
        for row in self._view.rows:
            yield self._drawn(row)

    def _drawn(self, row: tuple[Segment, ...]) -> list[tuple[object, None, bytes]]:
        spec = self._theme.spec
        drawn: list[tuple[object, None, bytes]] = []
        used = 0
        for attribute, text in row:
            if text:
                drawn.append((spec(attribute), None, text.encode("utf-8", "replace")))
                used += columns_of(text)
        if used < self._columns:
            drawn.append((None, None, b" " * (self._columns - used)))
        return drawn


class Terminal:
    """Standard input and output, while they are a screen's.

    Args:
        theme: what it begins with; a terminal that tells of a light background gets a light one.
        asks: whether to ask it for its background.
    """

    def __init__(self, theme: Theme, *, asks: bool) -> None:
        urwid.util.set_encoding("utf-8")
        self.theme = theme
        self._asks = asks
        self._in = sys.stdin.fileno()
        self._out = sys.stdout.fileno()
        self._output = Output(self._out)
        self._screen = _Screen(sys.stdin, self._output)
        self._screen.set_terminal_properties(colors=theme.colours)
        self._settings: list[Any] | None = None
        self._errors: IO[bytes] | None = None
        self._stderr: int | None = None
        self._unread = b""
        self._pastes = False
        self._is_captured = False
        self.types = False
        """Whether a line is being typed: only then is pasted text taken."""

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns."""
        columns, rows = os.get_terminal_size(self._out)
        return max(1, rows), max(1, columns)

    def fileno(self) -> int:
        """The descriptor to read from when something is typed."""
        return self._in

    @property
    def output_fileno(self) -> int:
        """The descriptor to write on to, when it can be written to."""
        return self._output.fileno()

    @property
    def is_behind(self) -> bool:
        """Whether it has not taken yet what was written: nothing is to be painted then."""
        return self._output.is_behind

    def write_on(self) -> None:
        """Write of what waits for that as much as the terminal takes."""
        self._output.write_on()

    # Taking it over, and giving it back

    def open(self) -> None:
        """Take the terminal over, where it is not ours already."""
        if self._settings is not None:
            self.forget()
            return
        self.wait_foreground()
        self._keep_errors()
        self._settings = termios.tcgetattr(self._in)
        self._screen.start()
        settings = termios.tcgetattr(self._in)
        settings[0] &= ~termios.IXON
        settings[3] &= ~(termios.ISIG | termios.IEXTEN)
        termios.tcsetattr(self._in, termios.TCSANOW, settings)
        self._screen.write(_ALTERNATE_SCROLL + (_ASK_BACKGROUND if self._asks else ""))
        self._screen.set_mouse_tracking(self._is_captured)
        self._screen.flush()
        self._asks = False

    def wait_foreground(self) -> bool:
        """Stop, as a job in the background is to, until the terminal is ours to change; whether that was needed."""
        was_needed = False
        with suppress(OSError):
            while os.tcgetpgrp(self._in) != os.getpgrp():
                was_needed = True
                os.kill(0, signal.SIGTTIN)
        return was_needed

    def close(self) -> None:
        """Give it back as it was, within about a second, also where it has gone; it is not to be used any more."""
        self._give_back()
        self._output.close()

    def _give_back(self) -> None:
        settings, self._settings = self._settings, None
        if settings is None:
            return
        self._output.drain(DRAIN_SECONDS)
        with suppress(OSError, termios.error):
            self._screen.write(_NO_ALTERNATE_SCROLL)
            self._screen.stop()
            self._screen.flush()
        self._output.drain(DRAIN_SECONDS)
        with suppress(OSError, termios.error):
            termios.tcsetattr(self._in, termios.TCSANOW, settings)
        self._give_errors_back()

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Give it to something else for a while."""
        self._give_back()
        try:
            yield
        finally:
            self.open()

    def _keep_errors(self) -> None:
        if not os.isatty(2) or os.fstat(2).st_rdev != os.fstat(self._out).st_rdev:
            return
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        sys.stderr.flush()
        self._stderr = os.dup(2)
        os.dup2(self._errors.fileno(), 2)

    def _give_errors_back(self) -> None:
        if self._errors is None or self._stderr is None:
            return
        with suppress(OSError):
            sys.stderr.flush()
        os.dup2(self._stderr, 2)
        os.close(self._stderr)
        with self._errors as kept, suppress(OSError):
            length = kept.seek(0, os.SEEK_END)
            kept.seek(max(0, length - KEPT_ERROR_BYTES))
            # Not to standard error, which would block where the terminal takes nothing: it is the same.
            self._output.write(kept.read())
            self._output.drain(DRAIN_SECONDS)
        self._errors = self._stderr = None

    # Showing

    def paint(self, view: View, columns: int) -> None:
        """Show a view that is so wide; what is there already is not written again. EOFError where it has gone."""
        if self._output.has_gone:
            raise EOFError
        canvas = _Painted(view, columns, self.theme)
        self._screen.draw_screen((columns, len(view.rows)), cast("Any", canvas))

    def forget(self) -> None:
        """Have the next view written as a whole."""
        self._screen.clear()

    def capture_mouse(self, *, captured: bool) -> None:
        self._is_captured = captured
        self._screen.set_mouse_tracking(captured)
        self._screen.flush()

    def copy(self, text: str) -> None:
        """Have the terminal put text on the clipboard (OSC 52), where it does that."""
        data = text.encode("utf-8", "replace")[: MAX_COPIED_BYTES * 3 // 4]
        self._screen.write(f"\x1b]52;c;{b64encode(data).decode()}\x07")
        self._screen.flush()

    # Reading

    def read(self) -> list[TerminalEvent]:
        """What was typed, when the descriptor can be read. EOFError where the terminal has gone."""
        try:
            data = os.read(self._in, INPUT_BYTES)
        except BlockingIOError:
            return []
        except OSError as error:
            raise EOFError from error
        if not data:
            raise EOFError
        return self._decode(data, more=True)

    @property
    def is_within_key(self) -> bool:
        """Whether what was read ends within what may be a longer key's bytes; `rest` gives it as it is."""
        return bool(self._unread)

    def rest(self) -> list[TerminalEvent]:
        """What was typed last, where no more bytes of it come."""
        return self._decode(b"", more=False)

    def _decode(self, data: bytes, *, more: bool) -> list[TerminalEvent]:
        data, begun = self._unread + data, b""
        data = _BACKGROUND.sub(self._note_background, data)
        if more and (match := _BEGUN_BACKGROUND.search(data)):
            data, begun = data[: match.start()], data[match.start() :]
        keys, raw = self._screen.parse_input(None, None, list(data), wait_for_more=more)
        self._unread = data[len(raw) :] + begun
        return list(self._events(keys))

    def _note_background(self, match: re.Match[bytes]) -> bytes:
        red, green, blue = (int(part, 16) * 255 // (16 ** len(part) - 1) for part in match.groups())
        light = is_light(red, green, blue)
        if light != self.theme.light:
            self.theme = Theme(self.theme.colours, light=light)
        return b""

    def _events(self, keys: list[Any]) -> Iterator[TerminalEvent]:
        for key in keys:
            if isinstance(key, tuple):
                yield from self._mouse(key)
            elif key in ("begin paste", "end paste"):
                self._pastes = key == "begin paste"
            elif key in ("focus in", "focus out"):
                yield FocusChanged(key == "focus in")
            elif key == "window resize":
                yield Resized(*self.size)
            elif not self._pastes or (self.types and key != "enter"):
                yield KeyPressed(key)

    @staticmethod
    def _mouse(report: tuple[Any, ...]) -> Iterator[TerminalEvent]:
        kind, button, column, row = report if len(report) == 4 else ("", 0, 0, 0)
        if kind.endswith("mouse press"):
            if button in (4, 5):
                yield Wheel(-WHEEL_ROWS if button == 4 else WHEEL_ROWS)
            elif button == 1:
                yield Clicked(row, column)
