"""One connection, from accept to the last byte.

Three kinds of tasks send on it, each of which waits until its bytes are gone: the one that reads and answers, the one
that acknowledges, and one for each subscription. Nothing is queued for a peer: what is not sent yet is a number (the
batch to acknowledge) or a cursor (a subscription's).
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import trio

from logd.daemon.access import Credentials, terminal_of
from logd.daemon.handlers import HANDLERS
from logd.daemon.handlers.attach import Watcher
from logd.daemon.refusal import RequestRefused
from logd.daemon.run import Session
from logd.errors import BadFilter, LogdError, NotFound, RemoteProtocolError, StoreError, UsageError
from logd.protocol import SUPPORTED_VERSIONS, Ack, Connection, Error, ErrorCode, Hello, Message, Role, State, Welcome
from logd.record import now_us
from logd.version import __version__

if TYPE_CHECKING:
    from logd.daemon.server import Server

log = logging.getLogger(__name__)

RECEIVE_BYTES = 256 * 1024
DRAIN_SECONDS = 0.05
"""A stopping daemon takes in what a peer has sent until nothing has come for so long."""
FAREWELL_SECONDS = 1.0
"""How long a peer that is hung up on is given to hear why."""

REQUEST_ERRORS = (RequestRefused, UsageError, NotFound, StoreError)
"""What a handler may raise: the request is answered with `error`, and the connection goes on."""
_CODES: dict[type[LogdError], ErrorCode] = {
    BadFilter: ErrorCode.BAD_FILTER,
    UsageError: ErrorCode.BAD_RUN_NAME,
    NotFound: ErrorCode.NO_SUCH_RUN,
    StoreError: ErrorCode.STORE_FAILED,
}
GONE = (trio.BrokenResourceError, trio.ClosedResourceError)
"""What sending to a peer that is gone, or receiving from it, raises."""


class Peer:
    """A connected client, and what it has open. Handlers work on it."""

    def __init__(self, server: Server, stream: trio.SocketStream, credentials: Credentials, number: int) -> None:
        self.server = server
        self.number = number
        """Of all peers that there ever were."""
        self.credentials = credentials
        self.client = self.terminal = ""
        self.received_us = 0
        """When the bytes came that are being handled."""
        self.sessions: dict[int, Session] = {}
        self.watchers: dict[int, Watcher] = {}
        self.tables: dict[int, trio.CancelScope] = {}
        """Its subscriptions to tables."""
        self.nursery: trio.Nursery
        self._stream = stream
        self._connection = Connection(Role.SERVER)
        self._sending = trio.Lock()
        self._stored = trio.Event()
        self._acked: dict[int, int] = {}
        self._receiving = trio.CancelScope()
        self._draining = False

    async def serve(self) -> None:
        """Speak with the peer until it hangs up, breaks the protocol, or the daemon stops."""
        try:
            async with trio.open_nursery() as self.nursery:
                self.nursery.start_soon(self._acknowledge)
                await self._receive()
                self.nursery.cancel_scope.cancel()
        finally:
            with trio.CancelScope(shield=True):
                await self._close()

    def drain(self) -> None:
        """Take in what the peer has sent, and then hang up."""
        self._draining = True
        self._receiving.deadline = trio.current_time() + DRAIN_SECONDS

    async def send(self, message: Message) -> None:
        """Send a message, when those before it are gone. Whoever is cancelled amid it breaks the stream."""
        await trio.lowlevel.checkpoint_if_cancelled()
        parts: Sequence[bytes | memoryview] = self._connection.send_parts(message)
        # Most often all of it can be sent at once: that takes one call into the system, and none into the event loop.
        if not self._sending.locked():
            parts = self._send_nowait(parts)
            if not parts:
                return
            self._sending.acquire_nowait()
        else:
            await self._sending.acquire()
        try:
            with trio.move_on_after(self.server.config.server.send_seconds) as scope:
                for part in parts:
                    await self._stream.send_all(part)
        finally:
            self._sending.release()
        if scope.cancelled_caught:
            seconds = self.server.config.server.send_seconds
            log.warning("pid %d has taken nothing for %g seconds, and is hung up on", self.credentials.pid, seconds)
            self.nursery.cancel_scope.cancel()
            raise trio.BrokenResourceError

    def _send_nowait(self, parts: Sequence[bytes | memoryview]) -> Sequence[bytes | memoryview]:
        """Send as much as the system takes at once; return what is left."""
        try:
            sent_bytes = os.writev(self._stream.socket.fileno(), parts)
        except BlockingIOError:
            return parts
        except OSError as error:
            raise trio.BrokenResourceError from error
        rest: list[bytes | memoryview] = []
        for part in parts:
            if sent_bytes < len(part):
                rest.append(memoryview(part)[sent_bytes:])
            sent_bytes = max(0, sent_bytes - len(part))
        return rest

    async def cancel(self, scope: trio.CancelScope) -> None:
        """Cancel what may be sending to the peer, while it is not."""
        async with self._sending:
            scope.cancel()

    async def refuse(self, request: Message, error: LogdError) -> None:
        """Answer `request` with the `error` that one of REQUEST_ERRORS stands for."""
        if isinstance(error, StoreError):
            log.error("%s", error.message)
        code = error.code if isinstance(error, RequestRefused) else _CODES[type(error)]
        ids = (getattr(request, name, None) for name in ("id", "session", "sub"))
        await self.send(Error(code, error.message[:4096], id=next(value for value in ids if type(value) is int)))

    # Receiving

    async def _receive(self) -> None:
        try:
            await self._receive_messages()
        except RemoteProtocolError as error:
            await self._hang_up(ErrorCode(error.code), error.message)
        except GONE:
            pass
        except Exception:
            log.exception("serving pid %d failed", self.credentials.pid)
            await self._hang_up(ErrorCode.INTERNAL, ErrorCode.INTERNAL.sentence)

    async def _receive_messages(self) -> None:
        config, connection = self.server.config.server, self._connection
        deadline = trio.current_time() + config.handshake_seconds
        while True:
            if self._draining:
                deadline = trio.current_time() + DRAIN_SECONDS
            with trio.CancelScope(deadline=deadline) as self._receiving:
                data = await self._stream.receive_some(RECEIVE_BYTES)
            if self._receiving.cancelled_caught:
                code = ErrorCode.STOPPING if self._draining else ErrorCode.TIMED_OUT
                raise RemoteProtocolError(code, code.sentence)
            if not data:
                return
            self.received_us = now_us()
            connection.receive_data(data)
            received = False
            while (message := connection.next_message()) is not None:
                received = True
                if isinstance(message, Hello):
                    await self._greet(message)
                    continue
                try:
                    await HANDLERS[type(message)](self, message)
                except REQUEST_ERRORS as error:
                    await self.refuse(message, error)
            await self.server.committer.wait_room(self.sessions.values())
            if connection.state is not State.READY:
                continue
            if not connection.mid_frame:
                deadline = math.inf
            elif received or deadline == math.inf:
                deadline = trio.current_time() + config.frame_seconds

    async def _greet(self, hello: Hello) -> None:
        common = set(hello.versions) & set(SUPPORTED_VERSIONS)
        if not common:
            spoken = ", ".join(map(str, SUPPORTED_VERSIONS))
            raise RemoteProtocolError(ErrorCode.UNSUPPORTED_VERSION, f"this daemon speaks protocol version {spoken}")
        self.client = hello.client
        self.terminal = terminal_of(self.credentials.pid) or hello.terminal
        await self.send(Welcome(max(common), __version__, self.server.pid))

    async def _hang_up(self, code: ErrorCode, sentence: str) -> None:
        """Store what the peer has sent, acknowledge it, and say why nothing more is taken."""
        with trio.move_on_after(FAREWELL_SECONDS), suppress(*GONE):
            for session in self.sessions.values():
                await self.server.committer.flush(session)
            await self._send_acks()
            await self.send(Error(code, sentence[:4096]))

    async def _close(self) -> None:
        await trio.aclose_forcefully(self._stream)
        for session in self.sessions.values():
            await self.server.end_session(session, None, closed=False)
        self.sessions.clear()

    # What handlers open and close

    def check_id_is_free(self, number: int) -> None:
        if number in self.sessions or number in self.watchers or number in self.tables:
            raise RequestRefused(ErrorCode.ALREADY_OPEN, f"id {number} is in use on this connection")

    def add_session(self, number: int, session: Session) -> None:
        self.sessions[number] = session
        self._acked[number] = session.stored_batch
        session.on_stored = self._note_stored

    async def end_session(self, number: int, exit_status: int | None) -> None:
        """Close one of the peer's sessions, when all of it is stored and acknowledged."""
        session = self.sessions[number]
        await self.server.committer.flush(session)
        await self._send_acks()
        del self.sessions[number], self._acked[number]
        await self.server.end_session(session, exit_status)

    # Acknowledging

    def acknowledge_again(self, number: int) -> None:
        """Acknowledge what is stored of a session, though that was said before."""
        self._acked[number] = 0
        self._note_stored()

    def _note_stored(self) -> None:
        self._stored.set()

    async def _acknowledge(self) -> None:
        with suppress(*GONE):
            while True:
                await self._stored.wait()
                self._stored = trio.Event()
                await self._send_acks()

    async def _send_acks(self) -> None:
        for number, session in list(self.sessions.items()):
            batch = session.stored_batch
            if batch > self._acked[number]:
                self._acked[number] = batch
                await self.send(Ack(number, batch, session.run.head, session.run.store.synced_seq))
