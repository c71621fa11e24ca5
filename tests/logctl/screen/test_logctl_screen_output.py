"""Writing to a terminal that takes nothing: a pseudo-terminal whose other end is read when a test does so."""

from __future__ import annotations

import os
import pty
import tty
from collections.abc import Iterator
from contextlib import suppress

import pytest

from logctl.screen.output import MAX_PENDING_BYTES, Output


class Line:
    def __init__(self) -> None:
        self.far, self.near = pty.openpty()
        tty.setraw(self.near)
        os.set_blocking(self.far, False)
        self.output = Output(self.near)

    def read(self) -> bytes:
        """All that has come."""
        taken = b""
        with suppress(BlockingIOError):
            while data := os.read(self.far, 65536):
                taken += data
                self.output.write_on()
        return taken

    def close(self) -> None:
        self.output.close()
        for fd in (self.far, self.near):
            with suppress(OSError):
                os.close(fd)


@pytest.fixture
def line() -> Iterator[Line]:
    made = Line()
    yield made
    made.close()


def test_what_is_not_taken_waits_and_comes_in_order(line: Line) -> None:
    line.output.write(b"first")
    assert not line.output.is_behind
    written = b"".join(b"%d," % number for number in range(50_000))
    line.output.write(written)
    assert line.output.is_behind
    assert line.read() == b"first" + written
    assert not line.output.is_behind
    assert os.get_blocking(line.near)


def test_what_waits_is_bounded(line: Line) -> None:
    for _ in range(10):
        line.output.write(b"x" * (MAX_PENDING_BYTES // 3))
    assert len(line.read()) <= MAX_PENDING_BYTES + 65536


def test_the_end_does_not_wait_for_it(line: Line) -> None:
    line.output.write(b"x" * 500_000)
    line.output.drain(0.01)
    assert not line.output.is_behind
    line.output.write(b"restored")
    line.output.drain(0.01)
    assert line.read().endswith(b"\x18restored")


def test_a_terminal_that_has_gone_takes_all(line: Line) -> None:
    os.close(line.far)
    line.output.write(b"x")
    assert line.output.has_gone and not line.output.is_behind
    line.output.drain(10.0)
