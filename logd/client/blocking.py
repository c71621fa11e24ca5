"""A connection to the daemon over a blocking socket, for programs without an event loop."""

from __future__ import annotations

import itertools
import math
import os
import select
import socket
import time
from collections import deque
from contextlib import suppress
from typing import Any

from logd.errors import ConnectionLost, DaemonUnavailable, NotPermitted, Refused, RemoteProtocolError
from logd.paths import Paths
from logd.protocol import (
    SUPPORTED_VERSIONS,
    Connection,
    Error,
    ErrorCode,
    Hello,
    Message,
    Pong,
    Reply,
    Role,
    Welcome,
)
from logd.version import __version__

RECEIVE_BYTES = 256 * 1024
SEND_BUFFER_BYTES = 1024 * 1024
"""What the system is asked to hold of what is sent: a few blocks, so that neither side waits for each."""
HELLO_SECONDS = 10.0
"""How long a daemon that accepts the connection may take to answer `hello`."""
_POLL_SECONDS = 3600.0
"""What is waited for at once: `poll` takes no more than some days."""


class Client:
    """One connection. It is a context manager that closes itself.

    Args:
        paths: where the daemon's socket is.
        name: what the daemon shows its user this client as.
        wait: return when the daemon has answered `hello`. Without it nothing is waited for, not even the connection,
            and the first message that is received is the answer: `Welcome`, or `Error`.

    Raises:
        DaemonUnavailable: nobody answers at the socket.
        NotPermitted: the socket, or the daemon behind it, is another user's.
        BlockingIOError: more connections wait for the daemon than the system lets, and this one is not to.
    """

    welcome: Welcome

    def __init__(self, paths: Paths, name: str = "python", *, wait: bool = True) -> None:
        self.paths = paths
        self._connection = Connection(Role.CLIENT)
        self._received: deque[Message] = deque()
        self._ids = itertools.count(1)
        self._socket = _connect(paths, wait=wait)
        hello = hello_of(name)
        if not wait:
            with suppress(ConnectionLost):  # receiving says why
                self.send(hello)
            return
        try:
            self.welcome = self._greet(hello)
        except BaseException:
            self._socket.close()
            raise

    def _greet(self, hello: Hello) -> Welcome:
        self._socket.settimeout(HELLO_SECONDS)
        try:
            self.send(hello)
            message = self.receive()
        except (ConnectionLost, TimeoutError):
            raise DaemonUnavailable(f"what listens at {self.paths.socket} does not answer as logd does") from None
        self._socket.settimeout(None)
        if isinstance(message, Error):
            raise refusal(message)
        if not isinstance(message, Welcome):
            raise RemoteProtocolError(ErrorCode.BAD_STATE, f"the daemon answered hello with {message.t}")
        return message

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def fileno(self) -> int:
        """The socket's descriptor, for `select`; see `receive_nowait`."""
        return self._socket.fileno()

    def new_id(self) -> int:
        """An id that no request of this connection has had."""
        return next(self._ids)

    def send(self, message: Message) -> None:
        """Send a message; blocks while the daemon does not read. ConnectionLost where the daemon is gone."""
        self.send_data(self._connection.send(message))

    def encode(self, message: Message) -> bytes:
        """The bytes that `send` would send, for `send_data`."""
        return self._connection.send(message)

    def send_data(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise lost(error) from None

    def send_nowait(self, data: memoryview) -> int:
        """Send as much of encoded messages as the daemon takes at once, and say how many bytes that was."""
        try:
            return self._socket.send(data, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise lost(error) from None

    def receive(self) -> Message:
        """The next message, when it has come.

        Raises:
            ConnectionLost: the daemon is gone.
            RemoteProtocolError: what came is not the protocol.
        """
        while not self._received:
            self._receive_data(0)
        return self._received.popleft()

    def receive_within(self, seconds: float) -> Message | None:
        """The next message, or None where none has come by then. Errors as of `receive`."""
        deadline = time.monotonic() + seconds
        while not self._received:
            left = deadline - time.monotonic()
            if left <= 0:
                return self.receive_nowait()
            # Not by `select.select`, which has no descriptors from 1024 on, as a program may have.
            poll = select.poll()
            poll.register(self._socket, select.POLLIN)
            if poll.poll(math.ceil(min(left, _POLL_SECONDS) * 1000)):
                self._receive_data(0)
        return self._received.popleft()

    def receive_nowait(self) -> Message | None:
        """The next message that is here already, or None."""
        if not self._received:
            try:
                self._receive_data(socket.MSG_DONTWAIT)
            except BlockingIOError:
                return None
        return self._received.popleft() if self._received else None

    def _receive_data(self, flags: int) -> None:
        try:
            data = self._socket.recv(RECEIVE_BYTES, flags)
        except (BlockingIOError, TimeoutError):
            raise
        except OSError as error:
            raise lost(error) from None
        if not data:
            raise lost(None)
        self._connection.receive_data(data)
        while (message := self._connection.next_message()) is not None:
            self._received.append(message)

    def request(self, message: Any) -> dict[str, Any]:
        """Send a request, and return its reply's value. For a connection with nothing else under way.

        Raises:
            Refused: the daemon answered with `error`.
            ConnectionLost: the daemon is gone.
        """
        self.send(message)
        while True:
            answer = self.receive()
            if isinstance(answer, Error):
                raise refusal(answer)
            if isinstance(answer, Reply | Pong) and answer.id == message.id:
                return answer.value if isinstance(answer, Reply) else {}


def hello_of(name: str) -> Hello:
    """What a client says first."""
    return Hello(list(SUPPORTED_VERSIONS), f"{name} {__version__}", _terminal())


def _terminal() -> str:
    for fd in (0, 1, 2):
        with suppress(OSError):
            return os.ttyname(fd).removeprefix("/dev/")[:64]
    return ""


def _connect(paths: Paths, *, wait: bool) -> socket.socket:
    connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    connected.setblocking(wait)
    try:
        connected.connect(str(paths.socket))
    except BlockingIOError:
        connected.close()
        raise
    except PermissionError:
        connected.close()
        raise not_ours(paths) from None
    except OSError as error:
        connected.close()
        raise no_daemon(paths, error) from None
    return connected


def not_ours(paths: Paths) -> NotPermitted:
    """The error that the socket is another user's."""
    return NotPermitted(f"{paths.socket} is another user's")


def no_daemon(paths: Paths, error: OSError) -> DaemonUnavailable:
    """The error that connecting to the socket failed."""
    return DaemonUnavailable(
        f"no daemon answers at {paths.socket}: {error.strerror}", hint="start one with `logd start`"
    )


def lost(error: OSError | None) -> ConnectionLost:
    """The error that the connection is lost; `error` says how, where that is known."""
    reason = f": {error.strerror}" if error is not None and error.strerror else ""
    return ConnectionLost(f"the daemon is gone{reason}")


def refusal(error: Error) -> Refused | NotPermitted | ConnectionLost:
    """The exception that an `error` message stands for."""
    if error.code == ErrorCode.NOT_PERMITTED:
        return NotPermitted(error.message)
    if error.code == ErrorCode.STOPPING:
        return ConnectionLost("the daemon is stopping")
    return Refused(error.code, error.message)
