"""What is typed, as events; on a pseudo-terminal that nobody looks at."""

from __future__ import annotations

import os
import pty
import sys
import termios
from collections.abc import Iterator

import pytest

from logctl.screen.events import Clicked, FocusChanged, KeyPressed, TerminalEvent, Wheel
from logctl.screen.terminal import Terminal
from logctl.screen.theme import Theme


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The other end of the terminal that standard input and output are."""
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, 80))
    with open(slave, "r+b", buffering=0) as file:
        monkeypatch.setattr(sys, "stdin", file)
        monkeypatch.setattr(sys, "stdout", file)
        yield master
    os.close(master)


@pytest.fixture
def terminal(line: int) -> Iterator[Terminal]:
    made = Terminal(Theme(256), asks=True)
    made.open()
    yield made
    made.close()


def typed(terminal: Terminal, line: int, *parts: bytes) -> list[TerminalEvent]:
    events = []
    for part in parts:
        os.write(line, part)
        events += terminal.read()
    return events


def test_keys_have_urwids_names(terminal: Terminal, line: int) -> None:
    keys = typed(terminal, line, b"jG\x03\x1a\x16\r\x1b[5~\x1bv\x1b[A")
    names = ["j", "G", "ctrl c", "ctrl z", "ctrl v", "enter", "page up", "meta v", "up"]
    assert keys == [KeyPressed(name) for name in names]


def test_a_key_may_come_in_parts_and_esc_alone_is_one(terminal: Terminal, line: int) -> None:
    assert typed(terminal, line, b"\x1b[") == []
    assert terminal.is_within_key
    assert typed(terminal, line, b"6~") == [KeyPressed("page down")]
    assert typed(terminal, line, b"\x1b") == []
    assert terminal.rest() == [KeyPressed("esc")]
    assert not terminal.is_within_key


def test_mouse_and_focus(terminal: Terminal, line: int) -> None:
    events = typed(terminal, line, b"\x1b[<0;5;7M\x1b[<0;5;7m\x1b[<64;1;1M\x1b[<65;1;1M\x1b[I\x1b[O")
    assert events == [Clicked(6, 4), Wheel(-3), Wheel(3), FocusChanged(True), FocusChanged(False)]


def test_pasted_text_is_taken_where_a_line_is_typed_and_presses_no_keys(terminal: Terminal, line: int) -> None:
    assert typed(terminal, line, b"\x1b[200~qq\r\x1b[201~") == []
    terminal.types = True
    assert typed(terminal, line, b"\x1b[200~ab\r\x1b[201~") == [KeyPressed("a"), KeyPressed("b")]


@pytest.mark.parametrize("end", [b"\x07", b"\x1b\\"])
def test_the_background_decides_which_theme_it_is_however_the_answer_comes(
    terminal: Terminal, line: int, end: bytes
) -> None:
    answer = b"\x1b]11;rgb:fdfd/f6f6/e3e3" + end
    assert typed(terminal, line, b"j", *(bytes([byte]) for byte in answer), b"k") == [KeyPressed("j"), KeyPressed("k")]
    assert terminal.theme.light


def test_the_line_is_as_it_was(line: int) -> None:
    before = termios.tcgetattr(line)
    terminal = Terminal(Theme(16), asks=False)
    terminal.open()
    assert termios.tcgetattr(line) != before
    with terminal.lent():
        assert termios.tcgetattr(line) == before
    assert termios.tcgetattr(line) != before
    terminal.close()
    terminal.close()
    assert termios.tcgetattr(line) == before


def test_a_terminal_that_has_gone_is_closed_all_the_same(line: int, terminal: Terminal) -> None:
    os.dup2(os.open(os.devnull, os.O_RDWR), line)
    with pytest.raises(EOFError):
        terminal.read()
    terminal.close()
