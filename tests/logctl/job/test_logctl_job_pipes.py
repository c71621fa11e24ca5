"""Two pipes of one writer are read in the order in which they were written to, and hold nobody up in a flood."""

from __future__ import annotations

import os
import select
import sys
import threading
from collections.abc import Iterator

import pytest

from logctl.job.pipes import FLOOD_READS, Pipes


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Bench:
    def __init__(self) -> None:
        self.clock = Clock()
        self.pipes = Pipes(self.clock)
        opened = [self.pipes.open(), self.pipes.open()]
        self.ours = [read_end for read_end, _ in opened]
        self.theirs = [write_end for _, write_end in opened]
        self.pipes.begin()
        for fd in self.theirs:
            os.write(fd, b"begun")
        self.read()

    def read(self) -> list[tuple[int, bytes]]:
        """What is there, in the order that is said."""
        ready = select.select(self.ours, [], [], 10)[0]
        found = []
        for fd in self.pipes.in_order(ready):
            data = os.read(fd, 65536)
            self.pipes.note(fd, len(data))
            found.append((self.ours.index(fd), data))
        return found

    def close(self) -> None:
        self.pipes.end()
        for fd in (*self.ours, *self.theirs):
            os.close(fd)


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.close()


linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the system has no packet pipes")


@linux_only
def test_what_was_written_first_is_read_first(bench: Bench) -> None:
    for first, second in ((0, 1), (1, 0), (1, 0)):
        os.write(bench.theirs[first], b"first")
        os.write(bench.theirs[second], b"second")
        assert bench.read() == [(first, b"first"), (second, b"second")]
    os.write(bench.theirs[0], b"alone")
    assert bench.read() == [(0, b"alone")]
    os.write(bench.theirs[1], b"first")
    os.write(bench.theirs[0], b"second")
    assert bench.read() == [(1, b"first"), (0, b"second")]


@linux_only
def test_a_writer_of_both_is_read_as_it_wrote(bench: Bench) -> None:
    written = [(number * number % 7 % 2, b"%d" % number) for number in range(500)]
    writer = threading.Thread(target=lambda: [os.write(bench.theirs[which], data) for which, data in written])
    writer.start()
    found: list[tuple[int, bytes]] = []
    while len(found) < len(written):
        found += bench.read()
    writer.join()
    assert found == written


def test_a_flood_does_not_wait_for_us(bench: Bench) -> None:
    for _ in range(FLOOD_READS + 1):
        os.write(bench.theirs[0], b"x")
        bench.read()
    assert not bench.pipes.is_narrow
    for _ in range(1000):
        os.write(bench.theirs[0], b"x" * 32)
    assert bench.read() == [(0, b"x" * 32_000)]


@linux_only
def test_after_a_flood_order_is_kept_again(bench: Bench) -> None:
    bench.pipes.widen()
    bench.clock.now += 1
    os.write(bench.theirs[0], b"x")
    bench.read()
    assert bench.pipes.is_narrow
    os.write(bench.theirs[1], b"first")
    os.write(bench.theirs[0], b"second")
    assert bench.read() == [(1, b"first"), (0, b"second")]


def test_one_who_writes_to_one_of_them_waits_for_nothing() -> None:
    pipes = Pipes(Clock())
    (ours, theirs), _ = pipes.open(), pipes.open()
    pipes.begin()
    os.set_blocking(theirs, False)
    for _ in range(500):
        os.write(theirs, b"x" * 100)
    assert pipes.in_order([ours]) == [ours]
    pipes.note(ours, len(os.read(ours, 65536)))
    assert not pipes.is_narrow
    pipes.end()


def test_one_who_does_not_wait_finds_room(bench: Bench) -> None:
    os.set_blocking(bench.theirs[1], False)
    os.write(bench.theirs[1], b"x")
    bench.read()
    bench.clock.now += 2
    for _ in range(100):
        os.write(bench.theirs[1], b"x")
    assert bench.read() == [(1, b"x" * 100)]
    assert not bench.pipes.is_narrow


def test_pipes_end_with_the_command(bench: Bench) -> None:
    os.write(bench.theirs[0], b"last")
    read_end, write_end = os.pipe()
    for fd in bench.theirs:
        os.dup2(write_end, fd)
    bench.pipes.end()
    assert bench.read() == [(0, b"last"), (1, b"")]
    assert bench.read() == [(0, b""), (1, b"")]
    os.close(read_end)
    os.close(write_end)
