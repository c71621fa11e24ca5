"""The line of progress: drawn on a terminal when nothing else was shown for a while, and gone afterwards."""

from __future__ import annotations

import io
import os

import pytest

from logctl.progress import QUIET_SECONDS, REDRAW_SECONDS, ProgressLine, bar, bytes_done


class Screen(io.StringIO):
    def __init__(self, terminal: bool = True) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal

    def fileno(self) -> int:
        return 2

    @property
    def line(self) -> str:
        """What stands on the line."""
        return self.getvalue().rpartition("\x1b[K")[2]


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(os, "get_terminal_size", lambda fd: os.terminal_size((20, 24)))


def test_short_work_has_no_progress() -> None:
    screen, clock = Screen(), Clock()
    with ProgressLine(screen, clock) as progress:
        clock.now += QUIET_SECONDS * 0.9
        progress.show(lambda: pytest.fail("nobody sees it"))
    assert screen.getvalue() == ""


def test_it_is_drawn_over_and_cleared() -> None:
    screen, clock = Screen(), Clock()
    with ProgressLine(screen, clock) as progress:
        clock.now += QUIET_SECONDS
        progress.show(lambda: "one")
        assert screen.line == "one"
        progress.show(lambda: "too soon")
        assert screen.line == "one"
        clock.now += REDRAW_SECONDS
        progress.show(lambda: "two")
        assert screen.line == "two"
    assert screen.line == ""
    assert "\n" not in screen.getvalue()


def test_it_is_quiet_for_a_while_when_something_else_was_shown() -> None:
    screen, clock = Screen(), Clock()
    progress = ProgressLine(screen, clock)
    for _ in range(20):
        clock.now += QUIET_SECONDS / 2
        progress.show(lambda: "never")
        progress.clear()
    assert screen.getvalue() == ""


def test_it_is_no_longer_than_the_terminals_line() -> None:
    screen, clock = Screen(), Clock()
    progress = ProgressLine(screen, clock)
    clock.now += QUIET_SECONDS
    progress.show(lambda: "x" * 100)
    assert screen.line == "x" * 19


@pytest.mark.parametrize(("terminal", "term"), [(False, "xterm"), (True, "dumb")])
def test_what_is_no_terminal_has_none(terminal: bool, term: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", term)
    screen, clock = Screen(terminal), Clock()
    with ProgressLine(screen, clock) as progress:
        clock.now += 10
        progress.show(lambda: pytest.fail("nobody sees it"))
    assert screen.getvalue() == ""


def test_an_error_clears_it_too() -> None:
    screen, clock = Screen(), Clock()
    with pytest.raises(KeyboardInterrupt), ProgressLine(screen, clock) as progress:
        clock.now += QUIET_SECONDS
        progress.show(lambda: "half")
        raise KeyboardInterrupt
    assert screen.line == ""


@pytest.mark.parametrize(
    ("done", "shown"),
    [
        (0, "[>                   ]   0%"),
        (0.5, "[==========>         ]  50%"),
        (0.999, "[===================>]  99%"),
        (1, "[====================] 100%"),
        (1.5, "[====================] 100%"),
        (-1, "[>                   ]   0%"),
    ],
)
def test_bar(done: float, shown: str) -> None:
    assert bar(done) == shown


def test_bytes_done() -> None:
    assert bytes_done(512, 1024) == "[==========>         ]  50%  512 B of 1.0 KiB"
    assert bytes_done(512, 0) == "512 B"
