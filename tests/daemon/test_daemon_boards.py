"""Boards over a store of their own: what is reported is there at once, and in the catalog soon after."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from bed import PATIENCE_SECONDS

import logd.daemon.boards
from logd.config import StoreConfig
from logd.daemon.boards import Boards, how_is
from logd.daemon.hub import Hub
from logd.daemon.refusal import RequestRefused
from logd.daemon.run import LiveRun
from logd.errors import StoreError
from logd.protocol import ErrorCode
from logd.protocol.checks import OWN_FIELDS
from logd.store import Store


def reported(item: Mapping[str, Any]) -> dict[str, Any]:
    """An item without what the daemon has added."""
    return {name: value for name, value in item.items() if name not in OWN_FIELDS}


class Bed:
    def __init__(self, folder: Path) -> None:
        self.store = Store(folder / "state", StoreConfig())
        self.hub = Hub(self.store)
        self.boards = Boards(self.hub, self.store)

    async def report(self, name: str, items: dict[str, Any], *, reset: bool = False) -> LiveRun:
        run = await self.hub.acquire(name, create=True)
        try:
            await self.boards.report(run, items, reset=reset)
        finally:
            self.hub.release(run)
        return run

    def kept(self, name: str) -> dict[str, Any]:
        """What the catalog has."""
        return {key: reported(item.value) for key, item in self.store.catalog.items(name).items()}

    async def shown(self, name: str) -> dict[str, Any]:
        async with self.hub.using(name) as run:
            return {key: reported(item) for key, item in (await self.boards.of(run)).items()}


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Bed]:
    bed = Bed(folder)
    try:
        yield bed
    finally:
        await bed.hub.close_all()
        bed.store.close()


async def eventually(holds: Callable[[], object]) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        while not holds():  # noqa: ASYNC110 - what a thread has written wakes nobody
            await trio.sleep(0.01)


async def test_who_watches_is_told_that_a_board_was_cleared(tmp_path: Path) -> None:
    async with opened(tmp_path) as bed:
        run = await bed.report("job", {}, reset=True)
        await bed.report("job", {"a": {"n": 1}})
        assert how_is(run, 20.0)["cleared_us"] is None, "there was nothing"
        await bed.report("job", {"b": {"n": 1}}, reset=True)
        first_us = how_is(run, 20.0)["cleared_us"]
        await bed.report("job", {"b": {"n": 2}})
        assert how_is(run, 20.0)["cleared_us"] == first_us
        await bed.report("job", {"b": {"n": 2}}, reset=True)
        assert how_is(run, 20.0)["cleared_us"] > first_us
        assert await bed.shown("job") == {"b": {"n": 2}}


async def test_what_is_reported_is_there_at_once_and_kept_when_it_is_saved(tmp_path: Path) -> None:
    async with opened(tmp_path) as bed:
        await bed.report("job", {"a": {"n": 1}, "b": {"n": 1}})
        await bed.report("job", {"a": {"n": 2}, "b": None})
        assert await bed.shown("job") == {"a": {"n": 2}}
        assert bed.kept("job") == {}
        await bed.boards.save()
        assert bed.kept("job") == {"a": {"n": 2}}
    async with opened(tmp_path) as bed:
        assert await bed.shown("job") == {"a": {"n": 2}}


async def test_reset_removes_what_there_was(tmp_path: Path) -> None:
    async with opened(tmp_path) as bed:
        await bed.report("job", {"a": {"n": 1}, "b": {"n": 1}})
        await bed.boards.save()
        await bed.report("job", {"b": {"n": 1}, "c": {"n": 1}}, reset=True)
        assert await bed.shown("job") == {"b": {"n": 1}, "c": {"n": 1}}
        await bed.boards.save()
        assert bed.kept("job") == {"b": {"n": 1}, "c": {"n": 1}}


async def test_fields_are_merged_and_a_report_is_taken_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    async with opened(tmp_path) as bed:
        await bed.report("job", {"a": {"done": 1, "total": 5, "status": "one"}, "b": {"own": True}})
        await bed.report("job", {"a": {"advance": 2, "status": None}})
        expected = {"a": {"done": 3, "total": 5}, "b": {"own": True}}
        assert await bed.shown("job") == expected
        with pytest.raises(RequestRefused) as refused:
            await bed.report("job", {"a": {"done": 4}, "c": {}, "b": {"state": "begun"}}, reset=True)
        assert refused.value.code == ErrorCode.BAD_ITEM
        assert await bed.shown("job") == expected
        await bed.boards.save()
        assert bed.kept("job") == expected
        await bed.report("job", {"a": {"advance": 2}}, reset=True)
        assert await bed.shown("job") == {"a": {"done": 2}}
    async with opened(tmp_path) as bed:
        await bed.report("job", {"a": {"advance": 2}})
        assert (await bed.shown("job"))["a"]["done"] == 5, "it was not saved since"


async def test_what_changes_is_saved_soon_and_the_run_is_in_use_until_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logd.daemon.boards, "SAVE_SECONDS", 0.01)
    async with opened(tmp_path) as bed, trio.open_nursery() as nursery:
        run = await bed.report("job", {"a": {"n": 1}})
        assert run.users == 1
        nursery.start_soon(bed.boards.run)
        await eventually(lambda: not run.users)
        assert bed.kept("job") == {"a": {"n": 1}}
        await bed.report("job", {"a": {"n": 2}})
        await eventually(lambda: not run.users)
        assert bed.kept("job") == {"a": {"n": 2}}
        nursery.cancel_scope.cancel()


async def test_what_is_reported_while_it_is_saved_is_saved_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path) as bed:
        run = await bed.report("job", {"a": {"n": 1}})
        kept = bed.store.catalog.set_items
        reported = False

        def set_items(*args: Any) -> None:
            nonlocal reported
            if not reported:
                reported = True
                trio.from_thread.run(lambda: bed.report("job", {"a": {"n": 2}}))
            kept(*args)

        monkeypatch.setattr(bed.store.catalog, "set_items", set_items)
        await bed.boards.save()
        assert (run.users, bed.kept("job")) == (1, {"a": {"n": 1}})
        await bed.boards.save()
        assert (run.users, bed.kept("job")) == (0, {"a": {"n": 2}})


async def test_a_board_that_would_be_too_large_stays_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logd.daemon.boards, "MAX_ITEMS_OF_RUN", 3)
    async with opened(tmp_path) as bed:
        await bed.report("job", {"a": {}, "b": {}, "c": {}})
        too_many: list[dict[str, Any]] = [{"d": {}}, {"a": None, "d": {}, "e": {}}, {"a": {"n": 1}, "d": {}}]
        for items in too_many:
            with pytest.raises(RequestRefused) as refused:
                await bed.report("job", items)
            assert refused.value.code == ErrorCode.BOARD_FULL
            assert await bed.shown("job") == {"a": {}, "b": {}, "c": {}}
        await bed.report("job", {"a": None, "none": None, "d": {}})
        await bed.report("job", {"x": {}, "y": {}, "z": {}}, reset=True)
        assert set(await bed.shown("job")) == {"x", "y", "z"}


async def test_a_disk_that_says_no_does_not_end_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(tmp_path) as bed:
        run = await bed.report("job", {"a": {}})

        def fail(*_: Any) -> None:
            raise StoreError("write", "catalog.sqlite", OSError(28, "No space left on device"))

        monkeypatch.setattr(bed.store.catalog, "set_items", fail)
        await bed.boards.save()
        assert not run.users
        assert await bed.shown("job") == {"a": {}}


async def test_a_run_that_was_removed_meanwhile_does_not_end_it(tmp_path: Path) -> None:
    async with opened(tmp_path) as bed:
        run = await bed.report("job", {"a": {}})
        await bed.report("other", {"a": {}})
        await bed.hub.remove("job")
        await bed.boards.save()
        assert not run.users
        assert bed.kept("other") == {"a": {}}


async def test_a_run_made_again_while_the_old_one_is_unsaved_does_not_get_its_items(tmp_path: Path) -> None:
    async with opened(tmp_path) as bed:
        await bed.report("job", {"old": {}})
        await bed.hub.remove("job")
        await bed.report("job", {"new": {}})
        assert await bed.shown("job") == {"new": {}}
        await bed.boards.save()
        assert bed.kept("job") == {"new": {}}


async def test_those_who_come_together_share_one_board(tmp_path: Path) -> None:
    async with opened(tmp_path) as bed:
        await bed.report("job", {"a": {}})
        await bed.boards.save()
    async with opened(tmp_path) as bed, bed.hub.using("job") as run:
        boards: list[object] = []

        async def get() -> None:
            boards.append(await bed.boards.of(run))

        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(get)
        assert all(each is boards[0] for each in boards)
