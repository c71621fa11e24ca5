"""A bell, and those who wait for it, under a clock that jumps."""

from __future__ import annotations

import math

import trio
import trio.testing

from logd.fanout import Bell


async def _wait(bell: Bell, until: float, woken: list[tuple[float, float]]) -> None:
    await bell.wait(until)
    woken.append((until, trio.current_time()))


async def test_a_ring_wakes_all_whatever_time_they_wait_until(autojump_clock: object) -> None:
    bell = Bell()
    woken: list[tuple[float, float]] = []
    start = trio.current_time()
    async with trio.open_nursery() as nursery:
        for until in (math.inf, math.inf, start + 5, start + 5, start + 9):
            nursery.start_soon(_wait, bell, until, woken)
        await trio.sleep(1)
        assert woken == []
        bell.ring()
    assert {now for _, now in woken} == {start + 1}
    assert len(woken) == 5


async def test_each_is_woken_at_its_time_and_those_of_one_time_together(autojump_clock: object) -> None:
    bell = Bell()
    woken: list[tuple[float, float]] = []
    start = trio.current_time()
    async with trio.open_nursery() as nursery:
        for until in (start + 2, start + 1, start + 2, start + 2):
            nursery.start_soon(_wait, bell, until, woken)
    assert sorted(woken) == [(start + 1, start + 1), *3 * [(start + 2, start + 2)]]


async def test_when_the_first_goes_away_the_others_are_woken_to_look_again(autojump_clock: object) -> None:
    bell = Bell()
    woken: list[tuple[float, float]] = []
    start = trio.current_time()
    async with trio.open_nursery() as nursery:
        with trio.move_on_after(1):
            nursery.start_soon(_wait, bell, start + 9, woken)
            await bell.wait(start + 9)
        await trio.testing.wait_all_tasks_blocked()
        woken.clear()
        nursery.start_soon(_wait, bell, start + 9, woken)
        await trio.testing.wait_all_tasks_blocked()
        assert woken == [], "whoever comes then waits"
    assert woken == [(start + 9, start + 9)]


async def test_who_is_woken_may_wait_again_at_once(autojump_clock: object) -> None:
    bell = Bell()
    rings = 0

    async def wait_twice() -> None:
        nonlocal rings
        for _ in range(2):
            await bell.wait()
            rings += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait_twice)
        await trio.testing.wait_all_tasks_blocked()
        bell.ring()
        await trio.testing.wait_all_tasks_blocked()
        assert rings == 1
        bell.ring()
    assert rings == 2
