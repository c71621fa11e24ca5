"""Tables of last values: `watch`, `report` and `throttle`."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import trio

from logd.daemon.boards import how_is
from logd.daemon.handlers.attach import acquired, check_subscriptions
from logd.daemon.refusal import RequestRefused
from logd.errors import ConfigError, LogdError
from logd.fanout import TableSubscription
from logd.protocol import ErrorCode, Event, Reply, Report, Throttle, Watch
from logd.record import check_run_name

if TYPE_CHECKING:
    from logd.daemon.peer import Peer


async def watch(peer: Peer, request: Watch) -> None:
    peer.check_id_is_free(request.id)
    check_subscriptions(peer)
    if request.topic == "board":
        check_run_name(request.run)
    scope = peer.tables[request.id] = trio.CancelScope()
    peer.nursery.start_soon(_watch, peer, request, scope)


async def _watch(peer: Peer, request: Watch, scope: trio.CancelScope) -> None:
    with scope, suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        try:
            if request.topic == "board":
                await _send_board(peer, request)
            else:
                await _send_topic(peer, request)
        except LogdError as error:
            await peer.refuse(request, error)
    if peer.tables.get(request.id) is scope:
        del peer.tables[request.id]


async def _send_board(peer: Peer, request: Watch) -> None:
    server = peer.server
    async with acquired(peer, request, {}) as (run, waited):
        board = await server.boards.of(run)
        throttler = server.paces.throttler("board", request.interval_ms / 1000)
        try:
            if not waited:
                await peer.send(Reply(request.id, {}))
            subscription = TableSubscription(
                request.id, board, throttler, of_run=lambda: how_is(run, server.paces.config.silent_seconds)
            )
            async with trio.open_nursery() as nursery:
                nursery.start_soon(subscription.run, peer.send)
                while not run.removed:
                    went_on = run.may_go_on
                    await run.wait_turned()
                    board.stir()
                    if went_on and not run.may_go_on:
                        subscription.hurry()  # what it was at the end is to be seen at the end
                await peer.cancel(nursery.cancel_scope)
            await peer.send(Event(request.id, "removed"))
        finally:
            server.paces.forget(throttler)


async def _send_topic(peer: Peer, request: Watch) -> None:
    server, pattern = peer.server, request.run or "*"
    topics = server.topics
    kind = "arrivals" if request.topic == "presence" else "runs"
    throttler = server.paces.throttler(kind, request.interval_ms / 1000)
    try:
        await peer.send(Reply(request.id, {}))
        topics.catch_up(request.topic)
        if request.topic == "runs":
            subscription = TableSubscription(
                request.id,
                topics.runs,
                throttler,
                refresh=topics.refresh_runs,
                wanted=lambda name: fnmatchcase(name, pattern),
            )
        elif request.topic == "totals":
            subscription = TableSubscription(request.id, topics.totals, throttler, refresh=topics.refresh_totals)
        else:
            subscription = TableSubscription(
                request.id,
                topics.presence,
                throttler,
                refresh=topics.refresh_presence,
                wanted=lambda key: fnmatchcase(topics.run_of(key), pattern),
            )
        await subscription.run(peer.send)
    finally:
        server.paces.forget(throttler)


async def report(peer: Peer, request: Report) -> None:
    server = peer.server
    run = await server.hub.acquire(check_run_name(request.run), create=True)
    try:
        await server.boards.report(run, request.items, reset=request.reset)
    finally:
        server.hub.release(run)
    await peer.send(Reply(request.id, {}))


async def throttle(peer: Peer, request: Throttle) -> None:
    paces = peer.server.paces
    try:
        paces.change(request.settings)
    except ConfigError as error:
        raise RequestRefused(ErrorCode.BAD_SETTING, error.message) from None
    for run in peer.server.hub.live.values():
        run.turn()  # who waits by the old interval is to wait by the new one
    peer.server.topics.stir()
    await peer.send(Reply(request.id, asdict(paces.config)))
