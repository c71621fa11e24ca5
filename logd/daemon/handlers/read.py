"""Reading back: `read`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from logd.daemon.paging import read_page
from logd.protocol import Read
from logd.record import check_run_name

if TYPE_CHECKING:
    from logd.daemon.peer import Peer


async def read(peer: Peer, request: Read) -> None:
    check_run_name(request.run)
    async with peer.server.hub.using(request.run) as run:
        store = run.store
        page = await trio.to_thread.run_sync(lambda: read_page(store.reader, store.extent, request))
    await peer.send(page)
