"""A connection to the daemon for programs that run on trio."""

from __future__ import annotations

import itertools
import socket
from collections import deque
from types import TracebackType
from typing import Self

import trio

from logd.client.blocking import (
    HELLO_SECONDS,
    RECEIVE_BYTES,
    SEND_BUFFER_BYTES,
    hello_of,
    lost,
    no_daemon,
    not_ours,
    refusal,
)
from logd.errors import ConnectionLost, DaemonUnavailable, RemoteProtocolError
from logd.paths import Paths
from logd.protocol import Connection, Error, ErrorCode, Message, Role, Welcome


class AsyncClient:
    """One connection, made by `connect`. It is an async context manager that closes itself.

    One task may send while another receives.
    """

    welcome: Welcome

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._connection = Connection(Role.CLIENT)
        self._received: deque[Message] = deque()
        self._ids = itertools.count(1)
        self._unsent = bytearray()
        self._sending = trio.Lock()

    @classmethod
    async def connect(cls, paths: Paths, name: str = "python") -> Self:
        """Connect, and return when the daemon has answered `hello`.

        Args:
            paths: where the daemon's socket is.
            name: what the daemon shows its user this client as.

        Raises:
            DaemonUnavailable: nobody answers at the socket.
            NotPermitted: the socket, or the daemon behind it, is another user's.
        """
        connected = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        try:
            await connected.connect(str(paths.socket))
        except PermissionError:
            connected.close()
            raise not_ours(paths) from None
        except OSError as error:
            connected.close()
            raise no_daemon(paths, error) from None
        client = cls(trio.SocketStream(connected))
        try:
            with trio.fail_after(HELLO_SECONDS):
                client.welcome = await client._greet(name)
        except (ConnectionLost, trio.TooSlowError):
            client.close()
            raise DaemonUnavailable(f"what listens at {paths.socket} does not answer as logd does") from None
        except BaseException:
            client.close()
            raise
        return client

    async def _greet(self, name: str) -> Welcome:
        self.post(hello_of(name))
        await self.flush()
        message = await self.receive()
        if isinstance(message, Error):
            raise refusal(message)
        if not isinstance(message, Welcome):
            raise RemoteProtocolError(ErrorCode.BAD_STATE, f"the daemon answered hello with {message.t}")
        return message

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up; whoever sends or receives gets ConnectionLost."""
        self._stream.socket.close()

    def new_id(self) -> int:
        """An id that no request of this connection has had."""
        return next(self._ids)

    def post(self, message: Message) -> None:
        """Have a message sent by the next `flush`. It does not wait, so that what asks for many need not either."""
        self._unsent += self._connection.send(message)

    async def flush(self) -> None:
        """Send what was posted; ConnectionLost where the daemon is gone. The messages are sent in their order."""
        async with self._sending:
            while self._unsent:
                data, self._unsent = self._unsent, bytearray()
                try:
                    await self._stream.send_all(data)
                except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                    raise _lost(error) from None

    async def receive(self) -> Message:
        """The next message, when it has come. It always lets other tasks run.

        Raises:
            ConnectionLost: the daemon is gone.
            RemoteProtocolError: what came is not the protocol.
        """
        if self._received:
            await trio.lowlevel.checkpoint()
        while not self._received:
            try:
                data = await self._stream.receive_some(RECEIVE_BYTES)
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                raise _lost(error) from None
            if not data:
                raise lost(None)
            self._connection.receive_data(bytes(data))
            while (message := self._connection.next_message()) is not None:
                self._received.append(message)
        return self._received.popleft()


def _lost(error: Exception) -> ConnectionLost:
    cause = error.__cause__
    return lost(cause if isinstance(cause, OSError) else None)
