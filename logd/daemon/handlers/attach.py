"""Watching: `attach`, `view` and `detach`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import trio

from logd.daemon.refusal import RequestRefused
from logd.daemon.run import LiveRun
from logd.errors import LogdError, NotFound
from logd.fanout import READ_BYTES, Filter, Subscription
from logd.protocol import Attach, Detach, ErrorCode, Event, Reply, View, Watch
from logd.record import ANY_LEVEL, check_run_name, now_us

if TYPE_CHECKING:
    from logd.daemon.peer import Peer

MAX_SUBSCRIPTIONS_OF_PEER = 256


class Watcher:
    """One subscription of a peer, from its `attach` to its end."""

    def __init__(self, request: Attach) -> None:
        self.request = request
        self.scope = trio.CancelScope()
        self.since_us = now_us()
        self.subscription: Subscription | None = None
        """None while its run is waited for."""
        self.asked: View | None = None
        """What was asked of it last."""


async def attach(peer: Peer, request: Attach) -> None:
    peer.check_id_is_free(request.id)
    check_subscriptions(peer)
    check_run_name(request.run)
    Filter.of(request.filter or {})  # so that one that is none is refused, though the run is yet to come
    watcher = peer.watchers[request.id] = Watcher(request)
    peer.nursery.start_soon(_watch, peer, watcher)


def check_subscriptions(peer: Peer) -> None:
    """Raise RequestRefused where a peer has as many subscriptions as it may."""
    if len(peer.watchers) + len(peer.tables) >= MAX_SUBSCRIPTIONS_OF_PEER:
        raise RequestRefused(
            ErrorCode.NOT_PERMITTED, f"a connection may have {MAX_SUBSCRIPTIONS_OF_PEER} subscriptions"
        )


async def view(peer: Peer, request: View) -> None:
    watcher = peer.watchers.get(request.sub)
    if watcher is None:
        raise RequestRefused(ErrorCode.NOT_OPEN, f"no subscription {request.sub} is open on this connection")
    watcher.asked = request
    if watcher.subscription is not None:
        _apply(peer, watcher.subscription, request)
        peer.server.topics.stir()
    await peer.send(Reply(request.id, {}))


def _apply(peer: Peer, subscription: Subscription, request: View) -> None:
    kind = "counters" if request.paused else subscription.request.mode
    peer.server.paces.turn(subscription.throttler, kind)
    subscription.view(request)


async def detach(peer: Peer, request: Detach) -> None:
    watcher = peer.watchers.pop(request.sub, None)
    scope = watcher.scope if watcher is not None else peer.tables.pop(request.sub, None)
    if scope is None:
        raise RequestRefused(ErrorCode.NOT_OPEN, f"no subscription {request.sub} is open on this connection")
    await peer.cancel(scope)
    peer.server.topics.stir()
    await peer.send(Reply(request.sub, {}))


async def _watch(peer: Peer, watcher: Watcher) -> None:
    request = watcher.request
    with watcher.scope, suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        try:
            await _send_run(peer, watcher)
        except LogdError as error:
            await peer.refuse(request, error)
    if peer.watchers.get(request.id) is watcher:
        del peer.watchers[request.id]
        peer.server.topics.stir()


async def _send_run(peer: Peer, watcher: Watcher) -> None:
    request = watcher.request
    async with acquired(peer, request, {"run": request.run, "head": 0, "next": 1, "generation": 1}) as (run, waited):
        with ExitStack() as stack:
            if request.filter:
                read = stack.enter_context(run.sieve(request.filter)).blocks
            else:
                read = partial(run.blocks, max_bytes=READ_BYTES, level_mask=ANY_LEVEL)
            # What arrives in a run that was waited for is all new to the one who waited.
            start_seq = run.first_seq if waited else await _start_seq(run, request)
            head, generation = run.head, run.generation
            if not waited:
                reply = {"run": run.name, "head": head, "next": start_seq, "generation": generation}
                await peer.send(Reply(request.id, reply))
                if request.generation is not None and start_seq < (request.from_seq or 0):
                    await peer.send(Event(request.id, "truncated", seq=start_seq))
            paces = peer.server.paces
            throttler = paces.throttler("counters" if request.paused else request.mode, request.interval_ms / 1000)
            stack.callback(paces.forget, throttler)
            subscription = Subscription(request, run, read, start_seq, throttler, generation=generation)
            if watcher.asked is not None:
                _apply(peer, subscription, watcher.asked)
            watcher.subscription = subscription
            peer.server.topics.stir()
            await subscription.run(peer.send)


@asynccontextmanager
async def acquired(peer: Peer, request: Attach | Watch, waiting: dict[str, Any]) -> AsyncIterator[tuple[LiveRun, bool]]:
    """The run that is asked for, and whether it had to be waited for: `waiting` was the reply then.

    Raises:
        NotFound: there is no such run, and it is not to be waited for.
    """
    hub = peer.server.hub
    run: LiveRun | None = None
    waited = False
    while run is None:
        created = hub.next_creation()
        try:
            run = await hub.acquire(request.run)
        except NotFound:
            if not request.wait:
                raise
            if not waited:
                waited = True
                await peer.send(Reply(request.id, waiting))
                await peer.send(Event(request.id, "waiting"))
            await created.wait()
    try:
        yield run, waited
    finally:
        hub.release(run)


async def _start_seq(run: LiveRun, request: Attach) -> int:
    if request.from_seq is not None:
        seq, extent = request.from_seq, run.store.extent
        if request.generation is not None and request.generation != extent.generation:
            seq = min(seq, max(extent.generation_seq, 1))
        # Where the run begins later by now, the subscription tells of the gap.
        return min(seq, run.head + 1)
    if request.from_time_us is not None:
        find = partial(run.store.reader.find_time, run.store.extent, request.from_time_us)
        return min(await trio.to_thread.run_sync(find), run.head + 1)
    if request.last is not None:
        return max(run.head - request.last + 1, run.first_seq)
    return run.first_seq
