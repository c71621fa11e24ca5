"""A screen's connection to the daemon: made again when it is lost, for as long as it takes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Protocol

import trio

from logctl.screen.events import Disconnected, Reconnected
from logd.client import AsyncClient, start_daemon
from logd.client.backoff import delays, may_pass
from logd.errors import ConnectionLost, DaemonUnavailable, LogdError
from logd.paths import Paths
from logd.protocol import Message


class Talk(Protocol):
    """What is asked of the daemon, and what its messages tell, as `watching.Watching` has it."""

    def connect(self, new_id: Callable[[], int]) -> list[Message]: ...
    def ask(self, effect: Any) -> list[Message]: ...
    def take(self, message: Message) -> list[Any]: ...
    def take_replies(self) -> list[Message]: ...


class Link:
    """Carries effects to the daemon, and what it says to the screen.

    Args:
        client: a connection; the link closes it.
        reconnect: makes another one.
    """

    def __init__(
        self,
        client: AsyncClient,
        reconnect: Callable[[], Awaitable[AsyncClient]],
        watching: Talk,
    ) -> None:
        self._client: AsyncClient | None = client
        self._reconnect = reconnect
        self._watching = watching
        self._posted = trio.Event()
        self._post(watching.connect(client.new_id))

    def ask(self, effect: Any) -> None:
        """Have an effect done, if there is a connection: or else the screen asks for all it needs when there is one."""
        if self._client is not None:
            self._post(self._watching.ask(effect))

    def _post(self, messages: list[Message]) -> None:
        if self._client is not None and messages:
            for message in messages:
                self._client.post(message)
            self._posted.set()

    async def run(self, on_events: Callable[[list[Any]], None]) -> None:
        """Take what comes, and connect again, until cancelled.

        Args:
            on_events: called with what each message tells; it does not wait.

        Raises:
            LogdError: the daemon is not one to go on with, or refuses what the screen cannot do without.
        """
        while True:
            if self._client is None:
                await self._connect_again()
                on_events([Reconnected()])
            try:
                await self._receive(on_events)
            except ConnectionLost:
                self.close()
                on_events([Disconnected()])

    async def _receive(self, on_events: Callable[[list[Any]], None]) -> None:
        while self._client is not None:
            events = self._watching.take(await self._client.receive())
            self._post(self._watching.take_replies())
            if events:
                on_events(events)

    async def send(self) -> None:
        """Send what is asked for, until cancelled, beside `run`."""
        while True:
            await self._posted.wait()
            self._posted = trio.Event()
            await self.flush()

    async def _connect_again(self) -> None:
        for delay_seconds in delays():
            await trio.sleep(delay_seconds)
            try:
                self._client = await self._reconnect()
            except LogdError as error:
                if not may_pass(error):
                    raise
                continue
            self._post(self._watching.connect(self._client.new_id))
            return

    async def flush(self) -> None:
        """Send what was asked for so far."""
        if self._client is not None:
            with suppress(ConnectionLost):  # whoever receives is told
                await self._client.flush()

    def close(self) -> None:
        """Hang up."""
        if self._client is not None:
            self._client.close()
            self._client = None


async def linked(paths: Paths, client_name: str, watching: Talk) -> Link:
    """A link to the daemon, which is started where there is none; what `watching` asks for at first is sent."""

    async def reconnect() -> AsyncClient:
        return await AsyncClient.connect(paths, client_name)

    try:
        client = await reconnect()
    except (DaemonUnavailable, ConnectionLost):
        start_daemon(paths)
        client = await reconnect()
    link = Link(client, reconnect, watching)
    await link.flush()
    return link
