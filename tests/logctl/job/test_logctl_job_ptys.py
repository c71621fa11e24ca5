"""What is typed goes to the terminal whose keys a program takes, and the system knows their size."""

from __future__ import annotations

import os
import termios
import tty
from collections.abc import Iterator

import pytest

from logctl.job.ptys import Ptys


class Bench:
    def __init__(self) -> None:
        self.ptys = Ptys((30, 100), None)
        opened = [self.ptys.open(), self.ptys.open()]
        self.ours = [ours for ours, _ in opened]
        self.theirs = [theirs for _, theirs in opened]

    def taken_by(self, typed: bytes) -> int:
        """Which terminal takes what is typed."""
        os.write(self.ptys.to_type_at(typed), typed + b"\n")
        for number, fd in enumerate(self.theirs):
            os.set_blocking(fd, False)
            try:
                if os.read(fd, 100):
                    return number
            except BlockingIOError:
                continue
        raise AssertionError("none does")

    def close(self) -> None:
        for fd in (*self.ours, *self.theirs):
            self.ptys.forget(fd)
            os.close(fd)


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.close()


def test_they_have_a_size_and_are_given_another(bench: Bench) -> None:
    assert list(map(termios.tcgetwinsize, bench.theirs)) == [(30, 100)] * 2
    bench.ptys.resize((10, 20))
    assert list(map(termios.tcgetwinsize, bench.theirs)) == [(10, 20)] * 2


def test_what_is_typed_is_the_firsts_unless_the_second_alone_takes_keys(bench: Bench) -> None:
    assert bench.taken_by(b"a") == 0
    before = termios.tcgetattr(bench.theirs[1])
    tty.setcbreak(bench.theirs[1])
    assert bench.taken_by(b"a") == 1
    tty.setcbreak(bench.theirs[0])
    assert bench.taken_by(b"a") == 0
    termios.tcsetattr(bench.theirs[1], termios.TCSANOW, before)
    assert bench.taken_by(b"a") == 0


def test_keys_that_signal_are_the_firsts(bench: Bench) -> None:
    tty.setcbreak(bench.theirs[1])
    assert bench.ptys.to_type_at(b"\3") != bench.ptys.to_type_at(b"q")


def test_the_key_that_stops_is_the_terminals_own(bench: Bench) -> None:
    assert bench.ptys.is_stop_key(0x1A)
    assert not bench.ptys.is_stop_key(0x03)
    tty.setraw(bench.theirs[0])
    assert not bench.ptys.is_stop_key(0x1A)


def test_there_may_be_none_left(bench: Bench) -> None:
    assert bench.ptys
    for fd in bench.ours:
        bench.ptys.forget(fd)
    assert not bench.ptys
    assert not bench.ptys.is_stop_key(0x1A)
    assert not bench.ptys.is_at_keys(os.getpid())
