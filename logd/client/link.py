"""The connection that a session is on: made, lost, and made again, without ever waiting for it.

    apart --(an attempt is due)--> connecting --(reply to `open`)--> open
      ^                                 |                              |
      +--- lost, refused for now, or not answered in time ------------+

Attempts follow each other after a delay that doubles, until something is stored. They never start a daemon: somebody
may have stopped it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from logd.client.backoff import delays
from logd.client.blocking import HELLO_SECONDS, Client, refusal
from logd.client.board import REPORT
from logd.errors import ConnectionLost, DaemonUnavailable, Refused
from logd.protocol import Error, ErrorCode, Message, Reply, Welcome

OPEN_SECONDS = HELLO_SECONDS
"""How long the daemon may take from the connection to the reply to `open`; it waits for a session's earlier connection
to be gone, itself for half as long."""

_FOR_NOW = frozenset(
    {
        ErrorCode.ALREADY_OPEN,
        ErrorCode.TOO_MANY_CONNECTIONS,
        ErrorCode.STORE_FAILED,
        ErrorCode.TIMED_OUT,
        ErrorCode.INTERNAL,
    }
)
"""What the daemon may say differently when it is asked again."""


class Link:
    """One session's connection.

    Args:
        connect: makes a client that has not waited for anything.
        opening: the encoded `open`.
        on_open: called with the number of the session's last stored batch whenever the session is open again.
        clock: monotonic seconds.
    """

    def __init__(
        self, connect: Callable[[], Client], opening: bytes, on_open: Callable[[int], None], clock: Callable[[], float]
    ) -> None:
        self._connect = connect
        self._opening = opening
        self._on_open = on_open
        self._clock = clock
        self._client: Client | None = None
        self._delays = delays()
        self.is_open = False
        self.was_reached = False
        """Whether somebody ever listened."""
        self.due = -math.inf
        """When `receive` has something to do though nothing comes: an attempt, or giving one up."""
        self.lost_at = -math.inf
        self.reason = ""
        """Why it is not open, as far as is known."""

    @property
    def connecting(self) -> bool:
        """Whether an attempt is under way."""
        return self._client is not None and not self.is_open

    def fileno(self) -> int | None:
        """The connection's descriptor, for `select`."""
        return None if self._client is None else self._client.fileno()

    def connect(self, start: Callable[[], object] | None = None) -> None:
        """Begin to connect; where nobody listens, `start` a daemon first. Where that is in vain, it is tried again.

        NotPermitted where the daemon is another user's.
        """
        try:
            try:
                self._begin()
            except DaemonUnavailable:
                if start is None:
                    raise
                start()
                self._begin()
        except DaemonUnavailable as error:
            self.reason = error.message
            self._back_off()

    def _begin(self) -> None:
        try:
            self._client = self._connect()
        except BlockingIOError:  # somebody listens, and has too much to do
            self._back_off()
        else:
            self.due = self._clock() + OPEN_SECONDS
        self.was_reached = True

    def hurry(self) -> None:
        """Make the next attempt due, where none is under way."""
        if self._client is None:
            self.due = -math.inf

    def settle(self) -> None:
        """Note that something was stored: the connection is good, and the next one worth trying for soon."""
        self._delays = delays()

    def receive(self) -> Iterator[Message]:
        """The session's messages that have come; also connects, when that is due.

        Raises:
            NotPermitted: the daemon is another user's, or will not have the session; and
            Refused: the same, for another reason that will not change.
            RemoteProtocolError: what came is not the protocol.
        """
        if self._clock() >= self.due:
            self._attempt()
        try:
            while self._client is not None and (message := self._client.receive_nowait()) is not None:
                if isinstance(message, Error) and not (self.is_open and message.id == REPORT):
                    raise refusal(message)
                if isinstance(message, Welcome):
                    self._client.send_data(self._opening)
                elif isinstance(message, Reply) and not self.is_open:
                    self._enter_open(message.value["batch"])
                else:
                    yield message
        except ConnectionLost as error:
            self.drop(error.message)
        except Refused as error:
            if error.code not in _FOR_NOW:
                raise
            self.drop(error.message)

    def send(self, data: memoryview) -> int:
        """Send as much as the daemon takes at once, and say how much that was. ConnectionLost; `drop` is to follow."""
        return 0 if self._client is None else self._client.send_nowait(data)

    def drop(self, reason: str = "") -> None:
        """Hang up, and try again later."""
        if self._client is None:
            return
        self._client.close()
        self._client = None
        if self.is_open:
            self.lost_at = self._clock()
        self.is_open = False
        self.reason = reason
        self._back_off()

    def _enter_open(self, stored_batch: int) -> None:
        self.is_open = True
        self.due = math.inf
        self.reason = ""
        self._on_open(stored_batch)

    def _attempt(self) -> None:
        if self._client is not None:
            self.drop("the daemon does not answer")
            return
        try:
            self._begin()
        except DaemonUnavailable:
            self._back_off()

    def _back_off(self) -> None:
        self.due = self._clock() + next(self._delays)
