"""Watching: `attach` and `detach`."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import trio

from logd.daemon.refusal import RequestRefused
from logd.daemon.run import LiveRun
from logd.errors import NotFound, StoreError
from logd.fanout import Subscription
from logd.protocol import Attach, Detach, ErrorCode, Event, Reply
from logd.record import check_run_name

if TYPE_CHECKING:
    from logd.daemon.peer import Peer

MAX_SUBSCRIPTIONS_OF_PEER = 256


async def attach(peer: Peer, request: Attach) -> None:
    peer.check_id_is_free(request.id)
    if len(peer.subscriptions) >= MAX_SUBSCRIPTIONS_OF_PEER:
        raise RequestRefused(
            ErrorCode.NOT_PERMITTED, f"a connection may have {MAX_SUBSCRIPTIONS_OF_PEER} subscriptions"
        )
    check_run_name(request.run)
    scope = peer.subscriptions[request.id] = trio.CancelScope()
    peer.nursery.start_soon(_subscribe, peer, request, scope)


async def detach(peer: Peer, request: Detach) -> None:
    scope = peer.subscriptions.pop(request.sub, None)
    if scope is None:
        raise RequestRefused(ErrorCode.NOT_OPEN, f"no subscription {request.sub} is open on this connection")
    scope.cancel()
    await peer.send(Reply(request.sub, {}))


async def _subscribe(peer: Peer, request: Attach, scope: trio.CancelScope) -> None:
    with scope, suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        try:
            await _send_run(peer, request)
        except (NotFound, StoreError) as error:
            await peer.refuse(request, error)
    if peer.subscriptions.get(request.id) is scope:
        del peer.subscriptions[request.id]


async def _send_run(peer: Peer, request: Attach) -> None:
    hub = peer.server.hub
    run, waited = await _acquire(peer, request)
    try:
        # What arrives in a run that was waited for is all new to the one who waited.
        start_seq = run.first_seq if waited else _start_seq(run, request)
        if not waited:
            await peer.send(Reply(request.id, {"run": run.name, "head": run.head, "next": start_seq}))
        config = peer.server.config.fanout
        interval = config.view_interval_seconds if request.mode == "view" else config.stream_interval_seconds
        subscription = Subscription(request, run, start_seq, interval)
        peer.server.subscriptions[subscription] = peer
        try:
            await subscription.run(peer.send)
        finally:
            del peer.server.subscriptions[subscription]
    finally:
        hub.release(run)


async def _acquire(peer: Peer, request: Attach) -> tuple[LiveRun, bool]:
    """The run that is asked for, and whether it had to be waited for."""
    hub = peer.server.hub
    waited = False
    while True:
        created = hub.next_creation()
        try:
            return await hub.acquire(request.run), waited
        except NotFound:
            if not request.wait:
                raise
        if not waited:
            waited = True
            await peer.send(Reply(request.id, {"run": request.run, "head": 0, "next": 1}))
            await peer.send(Event(request.id, "waiting"))
        await created.wait()


def _start_seq(run: LiveRun, request: Attach) -> int:
    if request.from_seq is not None:
        return min(max(request.from_seq, run.first_seq), run.head + 1)
    if request.last is not None:
        return max(run.head - request.last + 1, run.first_seq)
    return run.first_seq
