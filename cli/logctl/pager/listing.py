"""All runs as they are, for the list of them: read as a whole, and changed by what the daemon tells of those in use.

What the daemon tells of a run in use lacks its size, and of one that is not in use nothing is told: so all are read
again a while after something has changed, and from time to time.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import trio

from logctl.pager.watching import CLIENT
from logd.client import AsyncClient
from logd.client.blocking import refusal
from logd.errors import ConnectionLost, DaemonUnavailable
from logd.paths import Paths
from logd.protocol import Error, Items, Reply, Runs, Watch

READ_AGAIN_SECONDS: Final = 2.0
"""After a change; but at once where a run is in use no more, which may have been removed."""
READ_ANYWAY_SECONDS: Final = 5.0
"""As of runs that nobody uses nothing is told at all, such as that one is removed."""
TELL_SECONDS: Final = 1.0
"""How often something is told where nothing happens: ages grow."""


class Listing(NamedTuple):
    """What is known now."""

    runs: list[dict[str, Any]] | None = None
    """All of them, as the reply to `runs` has them; None where only some have changed."""
    changed: dict[str, dict[str, Any] | None] = {}  # noqa: RUF012 it is never changed
    """Of runs in use, as the topic `runs` has them; None for one that is in use no more."""
    connected: bool = True


async def watch_runs(paths: Paths, tell: Callable[[Listing], None]) -> None:
    """Tell of all runs until cancelled, and again whenever one has changed.

    Raises:
        LogdError: the daemon cannot be asked, to begin with; later it is waited for.
    """
    client = await AsyncClient.connect(paths, CLIENT)
    while True:
        try:
            async with client:
                await _watch(client, tell)
        except ConnectionLost:
            tell(Listing(connected=False))
        while True:
            await trio.sleep(TELL_SECONDS)
            try:
                client = await AsyncClient.connect(paths, CLIENT)
                break
            except DaemonUnavailable:
                tell(Listing(connected=False))


async def _watch(client: AsyncClient, tell: Callable[[Listing], None]) -> None:
    topic, page = client.new_id(), client.new_id()
    client.post(Watch(topic, "runs"))
    client.post(Runs(page))
    await client.flush()
    listed: list[dict[str, Any]] = []
    read_at, reads = math.inf, True
    while True:
        message = None
        with trio.move_on_at(min(read_at, trio.current_time() + TELL_SECONDS)):
            message = await client.receive()
        if isinstance(message, Reply) and message.id == page:
            listed += message.value["runs"]
            if message.value["next"] is None:
                tell(Listing(listed))
                listed, reads, read_at = [], False, trio.current_time() + READ_ANYWAY_SECONDS
            else:
                client.post(Runs(page := client.new_id(), message.value["next"]))
        elif isinstance(message, Items) and message.sub == topic:
            tell(Listing(changed=message.items))
            is_over = None in message.items.values()
            read_at = min(read_at, trio.current_time() + (0 if is_over else READ_AGAIN_SECONDS))
        elif isinstance(message, Error):
            raise refusal(message)
        elif message is None:
            tell(Listing())
        if read_at <= trio.current_time() and not reads:
            client.post(Runs(page := client.new_id()))
            read_at, reads = math.inf, True
        await client.flush()
