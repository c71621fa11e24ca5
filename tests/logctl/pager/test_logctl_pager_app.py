"""The loop that joins model, terminal and link: with a terminal and a link that only remember, and a jumping clock."""

from __future__ import annotations

import io
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
import trio
import trio.testing
from pager_bed import row

from logctl.pager.app import App
from logctl.pager.events import Arrived, Effect, Event, Piece, ReadPage, SetView
from logctl.pager.model import start
from logctl.screen.events import FocusChanged, KeyPressed
from logctl.screen.view import View
from logd.errors import NotPermitted
from logd.paths import Paths


class FakeTerminal:
    def __init__(self) -> None:
        self._fd, self._other = os.pipe()
        self.painted: list[tuple[float, str]] = []
        """When, and the last row."""
        self.did: list[object] = []
        self.size = (24, 80)
        self.is_within_key = False
        self.is_behind = False
        self.output_fileno = self._other
        self.types = False

    def fileno(self) -> int:
        return self._fd

    def open(self) -> None:
        self.did.append("open")

    def close(self) -> None:
        os.close(self._fd)
        os.close(self._other)

    def paint(self, view: View, columns: int) -> None:
        self.painted.append((trio.current_time(), view.text().splitlines()[-1]))

    def write_on(self) -> None:
        self.did.append("write on")
        self.is_behind = False

    def forget(self) -> None:
        self.did.append("forget")

    def copy(self, text: str) -> None:
        self.did.append(("copy", text))

    def capture_mouse(self, *, captured: bool) -> None:
        self.did.append(("mouse", captured))

    @contextmanager
    def lent(self) -> Iterator[None]:
        self.did.append("lent")
        yield
        self.did.append("back")


class FakeLink:
    def __init__(self) -> None:
        self.asked: list[Effect] = []
        self.is_closed = False
        self.fails: Exception | None = None

    def ask(self, effect: Effect) -> None:
        self.asked.append(effect)

    async def run(self, on_events: Callable[[list[Event]], None]) -> None:
        if self.fails is not None:
            raise self.fails
        await trio.sleep_forever()

    async def send(self) -> None:
        await trio.sleep_forever()

    def close(self) -> None:
        self.is_closed = True


class Bench:
    """An App that runs as long as the block does, or until it ends."""

    def __init__(self) -> None:
        self.terminal = FakeTerminal()
        self.link = FakeLink()
        self.trace = io.StringIO()
        state, _ = start(["job"], now=trio.current_time())
        nowhere = Paths(Path("socket"), Path("state"), Path("config"))
        self.app = App(state, cast("Any", self.terminal), cast("Any", self.link), nowhere, self.trace)
        self.signal, self._signals = trio.open_memory_channel[int](10)
        self.ended = trio.Event()

    async def run(self) -> None:
        await self.app.run(cast("AsyncIterator[int]", self._signals))
        self.ended.set()

    def arrive(self, seq: int) -> None:
        data = row(f"line {seq}") + b"\n"
        self.app.take([Arrived("job", (Piece(seq, 1, seq, data),), seq + 1, seq)])

    async def press(self, *keys: str) -> None:
        for key in keys:
            self.app.take([KeyPressed(key)])
            await trio.testing.wait_all_tasks_blocked()


@asynccontextmanager
async def running() -> AsyncIterator[Bench]:
    bench = Bench()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bench.run)
        await trio.testing.wait_all_tasks_blocked()
        yield bench
        nursery.cancel_scope.cancel()
    assert bench.link.is_closed
    bench.terminal.close()


async def flood(bench: Bench, seconds: float) -> list[tuple[float, str]]:
    """What is painted while a record comes every millisecond."""
    before = len(bench.terminal.painted)
    first = bench.app.state.document.reel("job").head + 1
    for seq in range(first, first + int(seconds * 1000)):
        bench.arrive(seq)
        await trio.sleep(0.001)
    return bench.terminal.painted[before:]


async def test_a_flood_is_painted_sixty_times_a_second(autojump_clock: trio.testing.MockClock) -> None:
    async with running() as bench:
        painted = await flood(bench, 1.0)
        assert 50 <= len(painted) <= 61
        await trio.sleep(0.1)
        assert "1,000/1,000" in bench.terminal.painted[-1][1]  # what came last is seen, too


async def test_the_first_record_is_painted_at_once(autojump_clock: trio.testing.MockClock) -> None:
    async with running() as bench:
        assert bench.terminal.painted == []
        bench.arrive(1)
        await trio.testing.wait_all_tasks_blocked()
        assert [at for at, _ in bench.terminal.painted] == [trio.current_time()]


async def test_an_empty_screen_is_painted_when_nothing_comes(autojump_clock: trio.testing.MockClock) -> None:
    async with running() as bench:
        await trio.sleep(0.2)
        assert "[x] Follow" in bench.terminal.painted[0][1]


async def test_a_screen_that_nobody_looks_at_is_painted_once_a_second_and_a_key_at_once(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running() as bench:
        bench.arrive(1)
        bench.app.take([FocusChanged(False)])
        await trio.sleep(0.1)
        assert len(await flood(bench, 3.0)) <= 4
        before = len(bench.terminal.painted)
        bench.app.take([KeyPressed("F")])
        await trio.sleep(0.02)
        assert "Follow paused" in bench.terminal.painted[before][1]
        bench.app.take([FocusChanged(True)])
        assert len(await flood(bench, 0.5)) > 20


async def test_a_terminal_that_takes_nothing_holds_nothing_up(autojump_clock: trio.testing.MockClock) -> None:
    async with running() as bench:
        bench.arrive(1)
        await trio.sleep(0.1)
        stuck = os.pipe()
        os.set_blocking(stuck[1], False)
        while True:
            try:
                os.write(stuck[1], bytes(65536))
            except BlockingIOError:
                break
        bench.terminal.is_behind, bench.terminal.output_fileno = True, stuck[1]
        assert await flood(bench, 1.0) == []
        await bench.press("F")
        assert not bench.app.state.follow and bench.terminal.did.count("write on") == 0
        while bench.terminal.is_behind:
            os.read(stuck[0], 65536)
            await trio.testing.wait_all_tasks_blocked()
        await trio.sleep(0.1)
        assert bench.terminal.painted[-1][1].startswith(" Follow paused")  # of now, and not a replay
        await bench.press("q")
        await bench.ended.wait()
        for fd in stuck:
            os.close(fd)


async def test_each_effect_is_done_where_it_belongs(autojump_clock: trio.testing.MockClock) -> None:
    async with running() as bench:
        for seq in range(1, 40):
            bench.arrive(seq)
        await bench.press("F", "c", "f2", "r", "/", "x", "enter")
        assert ("mouse", True) in bench.terminal.did
        assert "forget" in bench.terminal.did
        ((_, copied),) = [each for each in bench.terminal.did if isinstance(each, tuple) and each[0] == "copy"]
        assert copied.endswith("line 28")
        assert SetView(paused=True) in bench.link.asked
        assert any(isinstance(each, ReadPage) and each.filter.patterns == ("x",) for each in bench.link.asked)
        assert bench.trace.getvalue().endswith("follow=off source=key\n")
        await bench.press("esc", "q")
        with trio.fail_after(1):
            await bench.ended.wait()
        assert bench.app.ended_by is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
async def test_a_signal_ends_it(autojump_clock: trio.testing.MockClock, number: signal.Signals) -> None:
    async with running() as bench:
        await bench.signal.send(number)
        with trio.fail_after(1):
            await bench.ended.wait()
        assert bench.app.ended_by is number


async def test_a_resize_is_the_terminals_new_size(autojump_clock: trio.testing.MockClock) -> None:
    async with running() as bench:
        bench.terminal.size = (10, 40)
        await bench.signal.send(signal.SIGWINCH)
        await trio.testing.wait_all_tasks_blocked()
        assert (bench.app.state.rows, bench.app.state.columns) == (10, 40)


async def test_a_daemon_that_is_not_to_be_gone_on_with_is_an_error() -> None:
    bench = Bench()
    bench.link.fails = NotPermitted("no")
    with pytest.raises(NotPermitted):
        await bench.run()
    bench.terminal.close()
