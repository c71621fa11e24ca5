"""The client that runs on trio, with a daemon."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
import trio.testing
from bed import Bed

from logd.client import AsyncClient
from logd.errors import ConnectionLost, DaemonUnavailable
from logd.paths import Paths
from logd.protocol import Ping, Pong


async def test_it_sends_in_order_and_receives(shared_daemon: Bed) -> None:
    async with await AsyncClient.connect(shared_daemon.paths, "test") as client:
        assert client.welcome.version == 1
        for number in range(1, 4):
            client.post(Ping(number))
        await client.flush()
        assert [await client.receive() for _ in range(3)] == [Pong(1), Pong(2), Pong(3)]


async def test_who_receives_is_told_that_it_is_closed(shared_daemon: Bed) -> None:
    client = await AsyncClient.connect(shared_daemon.paths, "test")

    async def receive() -> None:
        with pytest.raises(ConnectionLost):
            await client.receive()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(receive)
        await trio.testing.wait_all_tasks_blocked()
        client.close()


async def test_a_daemon_that_goes_away(daemon: Bed) -> None:
    async with await AsyncClient.connect(daemon.paths, "test") as client:
        daemon.kill()
        with pytest.raises(ConnectionLost):
            await client.receive()


async def test_nobody_answers(tmp_path: Path) -> None:
    with pytest.raises(DaemonUnavailable, match="no daemon answers"):
        await AsyncClient.connect(Paths(tmp_path / "socket", tmp_path, tmp_path), "test")


async def test_something_else_answers(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with trio.socket.socket(trio.socket.AF_UNIX) as listener:
        await listener.bind(str(path))
        listener.listen()

        async def hang_up() -> None:
            other, _ = await listener.accept()
            other.close()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(hang_up)
            with pytest.raises(DaemonUnavailable, match="does not answer as logd does"):
                await AsyncClient.connect(Paths(path, tmp_path, tmp_path), "test")
