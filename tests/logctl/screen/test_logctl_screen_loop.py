"""The loop around a screen, a board here, with a terminal and a link that only remember, and a jumping clock."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import trio
import trio.testing

from logctl.board.cells import HowIs
from logctl.board.model import Changed, start, update
from logctl.board.view import view
from logctl.screen.events import Interrupt, KeyPressed, Open
from logctl.screen.loop import Loop
from logctl.screen.view import View


class FakeTerminal:
    def __init__(self) -> None:
        self._fd, self._other = os.pipe()
        self.painted: list[tuple[float, str]] = []
        """When, and what."""
        self.size = (24, 80)
        self.is_within_key = False
        self.types = False
        self.is_behind = False
        self.forgot = 0

    def fileno(self) -> int:
        return self._fd

    def open(self) -> None:
        pass

    def close(self) -> None:
        os.close(self._fd)
        os.close(self._other)

    def paint(self, view: View, columns: int) -> None:
        self.painted.append((trio.current_time(), view.text()))

    def forget(self) -> None:
        self.forgot += 1


class FakeLink:
    def __init__(self) -> None:
        self.is_closed = False
        self.asked: list[Any] = []

    def ask(self, effect: Any) -> None:
        self.asked.append(effect)

    async def run(self, on_events: Callable[[list[Any]], None]) -> None:
        await trio.sleep_forever()

    async def send(self) -> None:
        await trio.sleep_forever()

    def close(self) -> None:
        self.is_closed = True


class Bench:
    def __init__(self) -> None:
        self.terminal, self.link = FakeTerminal(), FakeLink()
        state = start("job", rows=24, columns=80, now=trio.current_time(), epoch_us=0)
        self.app = Loop(state, update, view, cast("Any", self.terminal), cast("Any", self.link), Changed)
        self.signal, self._signals = trio.open_memory_channel[int](10)
        self.ended = trio.Event()

    async def run(self) -> None:
        await self.app.run(cast("AsyncIterator[int]", self._signals))
        self.ended.set()

    def paints(self, seconds: float) -> int:
        return sum(at >= trio.current_time() - seconds for at, _ in self.terminal.painted)


@asynccontextmanager
async def running() -> AsyncIterator[Bench]:
    bench = Bench()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bench.run)
        await trio.testing.wait_all_tasks_blocked()
        yield bench
        nursery.cancel_scope.cancel()
    bench.terminal.close()


def changed(state: str, count: int = 1) -> Changed:
    return Changed(
        {f"k{number}": {"state": state, "started_us": 0, "updated_us": 0} for number in range(count)},
        whole=True,
        how=HowIs("running"),
    )


async def test_it_is_painted_when_something_has_changed_or_a_spinner_turns(autojump_clock: object) -> None:
    async with running() as bench:
        bench.app.take([changed("done")])
        await trio.sleep(1)
        assert 1 <= bench.paints(1) <= 2
        await trio.sleep(100)
        assert not bench.paints(99)
        bench.app.take([changed("running")])
        await trio.sleep(10)
        assert 38 <= bench.paints(10) <= 42
        bench.app.take([changed("pending")])
        await trio.sleep(11)
        assert 9 <= bench.paints(10) <= 11, "the time that is left"


async def test_a_flood_of_changes_costs_sixty_screens_a_second_and_the_last_is_shown(autojump_clock: object) -> None:
    async with running() as bench:
        for number in range(2000):
            bench.app.take([changed("done", number % 7 + 1)])
            await trio.sleep(0.001)
        await trio.sleep(0.1)
        assert bench.paints(2.2) <= 2.2 * 61
        assert "2000" not in bench.terminal.painted[-1][1]
        assert f"{1999 % 7 + 1} done" in bench.terminal.painted[-1][1]


async def test_a_key_is_painted_at_once_and_q_ends_it(autojump_clock: object) -> None:
    async with running() as bench:
        bench.app.take([changed("done", 3)])
        await trio.sleep(10)
        bench.app.take([KeyPressed("j")])
        await trio.testing.wait_all_tasks_blocked()
        assert "▸" in bench.terminal.painted[-1][1]
        assert bench.paints(0.0) == 1
        bench.app.take([KeyPressed("ctrl l")])
        assert bench.terminal.forgot == 1
        bench.app.take([KeyPressed("q")])
        await bench.ended.wait()
        assert bench.link.is_closed
        assert bench.app.ended_by is None


async def test_a_signal_ends_it(autojump_clock: object) -> None:
    async with running() as bench:
        bench.signal.send_nowait(signal.SIGTERM)
        await bench.ended.wait()
        assert bench.app.ended_by is signal.SIGTERM


async def test_what_is_opened_ends_it_and_what_it_does_not_do_is_asked_of_the_link(autojump_clock: object) -> None:
    async with running() as bench:
        bench.app._update = lambda state, event, now: (state, [event])
        bench.app.take([Changed({})])
        assert bench.link.asked == [Changed({})]
        bench.app.take([Open("job")])
        await bench.ended.wait()
        assert (bench.app.opens, bench.app.ended_by) == ("job", None)
        bench.app.take([Interrupt()])
        assert bench.app.ended_by is signal.SIGINT
