"""The composition root: what the daemon is made of, and how it starts and stops."""

from __future__ import annotations

import itertools
import logging
import os
import signal
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import trio

from logd.config import Config
from logd.daemon.access import Credentials, job_pid, may_connect, peer_credentials
from logd.daemon.boards import Boards
from logd.daemon.commit import Committer
from logd.daemon.housekeeping import Housekeeper
from logd.daemon.hub import Hub
from logd.daemon.meter import RateMeter
from logd.daemon.paces import Paces
from logd.daemon.peer import Peer
from logd.daemon.refusal import RequestRefused
from logd.daemon.run import LiveRun, Session
from logd.daemon.spool import Intake
from logd.daemon.sync import Syncer
from logd.daemon.tally import Tally
from logd.daemon.topics import Topics
from logd.errors import StoreError
from logd.paths import Paths
from logd.protocol import Connection, Error, ErrorCode, Open, Role
from logd.record import now_us
from logd.store import SessionRow, Store, session_key

log = logging.getLogger(__name__)

STOP_SECONDS = 10.0
"""How long a stopping daemon takes in what peers go on sending."""
TAKE_OVER_SECONDS = 5.0
"""How long a session that is opened again waits for its earlier connection to be gone."""


class Server:
    """One daemon: a store, the runs in use, and the peers.

    Args:
        paths: where the state is, and the socket, for those who ask.
    """

    def __init__(self, config: Config, paths: Paths) -> None:
        self.config = config
        self.paths = paths
        self.pid = os.getpid()
        self.store = Store(paths.state_dir, config.store)
        self.hub = Hub(self.store)
        self.syncer = Syncer(self.hub, config.store.fsync)
        stored_bytes = RateMeter()
        self.housekeeper = Housekeeper(self.hub, self.store, stored_bytes)
        self.syncer.on_sealed = self.housekeeper.note
        self.tally = Tally(self.hub, self.store)
        self.committer = Committer(config.store, self.syncer, self.housekeeper, stored_bytes, self.tally)
        self.intake = Intake(self)
        self.paces = Paces(config.fanout)
        self.boards = Boards(self.hub, self.store)
        self.topics = Topics(self)
        self._numbers = itertools.count(1)
        self.peers: set[Peer] = set()
        self.started = 0.0
        self._connections_of: Counter[int] = Counter()
        self._accepting = trio.CancelScope()
        self._stopping = False

    def _mark_lost(self) -> dict[str, set[int]]:
        try:
            return self.store.catalog.mark_lost(now_us())
        except StoreError as error:
            if not error.is_no_room:
                raise
            log.error("which sessions are lost is found out at another start: %s", error.message)
            return {}

    async def serve(self, listener: trio.SocketListener, on_ready: Callable[[], None]) -> None:
        """Serve until SIGTERM, SIGINT or `stop`; then take in what was sent, and return with all files closed."""
        self.started = trio.current_time()
        lost = await trio.to_thread.run_sync(self._mark_lost)
        try:
            async with trio.open_nursery() as nursery:
                for keeper in (self.hub, self.syncer, self.housekeeper, self.committer, self.boards, self.tally):
                    nursery.start_soon(keeper.run)
                nursery.start_soon(self.hub.await_sessions, lost)
                nursery.start_soon(self._stop_on_signal)
                async with trio.open_nursery() as peers:
                    peers.start_soon(self.intake.run, on_ready)
                    with self._accepting:
                        await trio.serve_listeners(self._serve_peer, [listener], handler_nursery=peers)
                    self.intake.stop()
                    for peer in self.peers:
                        peer.drain()
                    nursery.start_soon(self._give_up_on, peers.cancel_scope)
                nursery.cancel_scope.cancel()
        finally:
            with trio.CancelScope(shield=True):
                await self.syncer.sync_all()
                await self.boards.save()
                await self.tally.save()
                await self.hub.close_all()
            self.store.close()

    def stop(self) -> None:
        """Take in what was sent, and then return from `serve`."""
        self._stopping = True
        self._accepting.cancel()

    async def _give_up_on(self, peers: trio.CancelScope) -> None:
        """End in time what would keep a stopping daemon: peers that go on sending, and a store that takes nothing."""
        await trio.sleep(STOP_SECONDS)
        self.committer.give_up()
        peers.cancel()

    async def _stop_on_signal(self) -> None:
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
            async for number in signals:
                log.info("stopping on %s", signal.Signals(number).name)
                self.stop()

    async def _serve_peer(self, stream: trio.SocketStream) -> None:
        try:
            credentials = peer_credentials(stream.socket)
        except OSError as error:
            log.error("a peer's credentials cannot be had: %s", error)
            await trio.aclose_forcefully(stream)
            return
        refusal = self._refusal(credentials)
        if refusal is not None:
            await _turn_away(stream, *refusal)
            return
        peer = Peer(self, stream, credentials, next(self._numbers))
        self.peers.add(peer)
        self._connections_of[credentials.uid] += 1
        try:
            await peer.serve()
        except Exception:
            log.exception("serving pid %d failed", credentials.pid)
        finally:
            self.peers.discard(peer)
            self.topics.stir()
            self._connections_of[credentials.uid] -= 1

    def _refusal(self, credentials: Credentials) -> tuple[ErrorCode, str] | None:
        config = self.config.server
        if not may_connect(credentials):
            return ErrorCode.NOT_PERMITTED, f"this daemon serves another user than uid {credentials.uid}"
        if len(self.peers) >= config.max_connections:
            return ErrorCode.TOO_MANY_CONNECTIONS, f"all {config.max_connections} connections are taken"
        if self._connections_of[credentials.uid] >= config.max_connections_per_user:
            return (
                ErrorCode.TOO_MANY_CONNECTIONS,
                f"uid {credentials.uid} has {config.max_connections_per_user} connections, as many as a user may",
            )
        return None

    async def begin_session(self, credentials: Credentials, request: Open) -> Session:
        """Open a session as its emitter asks; what it had stored before is known again."""
        run = await self.hub.acquire(request.run, create=True)
        run.opening += 1
        try:
            key = session_key(credentials.uid, request.session)
            with trio.move_on_after(TAKE_OVER_SECONDS):
                while key in run.sessions:
                    await run.wait_turned()
            stored_batch, began_us = await trio.to_thread.run_sync(self._known_of, run, key)
            if key in run.sessions:
                raise RequestRefused(ErrorCode.ALREADY_OPEN, "the session is open on another connection")
        except BaseException:
            self.hub.release(run)
            raise
        finally:
            run.opening -= 1
        session = Session(run, key, request, credentials, now_us(), stored_batch, stored_batch)
        session.pid, session.heard_us = job_pid(credentials, request.pid), session.started_us
        if not run.sessions:
            # One that a stop has interrupted goes on, and so does its run.
            run.begun_us = began_us if key in run.awaited and began_us is not None else session.started_us
            run.begun_seq = run.head + 1
        run.is_lost = False
        run.sessions[key] = session
        run.turn()
        await self._note_in_catalog(run, partial(self.store.catalog.begin_session, run.name, _session_row(session)))
        self.topics.stir()
        return session

    def _known_of(self, run: LiveRun, key: int) -> tuple[int, int | None]:
        """A session's last stored batch, and when it first began, where that is known."""
        try:
            began_us = self.store.catalog.session_started_us(run.name, key)
        except StoreError as error:
            log.error("the catalog cannot tell of a session of run %s: %s", run.name, error.message)
            began_us = None
        return run.store.last_batch(key, began_us), began_us

    async def end_session(self, session: Session, exit_status: int | None, *, closed: bool = True) -> None:
        """End a session when all that was taken in of it is stored.

        Args:
            closed: whether its emitter said that it ends, and is not only gone.
        """
        await self.committer.flush(session)
        run, catalog = session.run, self.store.catalog
        is_interrupted = not closed and self._stopping
        if not is_interrupted:
            end = partial(
                catalog.end_session,
                run.name,
                session.key,
                ended_us=now_us(),
                exit_status=exit_status,
                records=session.records,
                lost=not closed,
            )
        else:
            # It is interrupted: the next daemon is to await it.
            end = partial(catalog.interrupt_session, run.name, session.key, records=session.records)
        await self._note_in_catalog(run, end)
        run.ended_us = now_us()
        del run.sessions[session.key]
        run.awaited.discard(session.key)
        run.is_lost = not closed and not is_interrupted
        if run.is_lost or exit_status is not None:
            run.exit_status = exit_status
        run.turn()
        self.topics.stir()
        self.hub.release(run)

    async def _note_in_catalog(self, run: LiveRun, note: Callable[[], None]) -> None:
        try:
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(note)
        except StoreError as error:
            # Who writes is told less of then; that it writes is what matters.
            log.error("the catalog lacks what it should have of run %s: %s", run.name, error.message)


def _session_row(session: Session) -> SessionRow:
    opened = session.opened
    return SessionRow(
        session.key,
        session.credentials.uid,
        session.pid,
        opened.host,
        opened.command,
        opened.source,
        opened.logger,
        opened.fields or {},
        session.started_us,
    )


async def _turn_away(stream: trio.SocketStream, code: ErrorCode, sentence: str) -> None:
    log.warning("%s", sentence)
    with trio.move_on_after(1), suppress(trio.BrokenResourceError):
        await stream.send_all(Connection(Role.SERVER).send(Error(code, sentence)))
    await trio.aclose_forcefully(stream)
