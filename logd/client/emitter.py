"""Emitting into a run: bytes of lines in, batches out, and never more than a bound that is not acknowledged.

A batch is sent at once while nothing is under way. While something is, lines gather until they fill a block or the
acknowledgement comes: a line typed at a terminal is stored as it is typed, and a flood goes in large blocks, with no
timer and no setting (after Nagle's algorithm, RFC 896).
"""

from __future__ import annotations

import os
import select
import socket
from collections import deque
from collections.abc import Callable
from typing import Any

from logd.client.blocking import Client, refusal
from logd.errors import ConnectionLost
from logd.protocol import MAX_RECORDS_IN_FRAME, Ack, Close, Emit, Error, Open, Reply
from logd.record import MAX_TEXT_BYTES, cut, now_us

MAX_UNACKED_BYTES = 8 * 1024 * 1024
"""Taken and not acknowledged; over it there is no room, and who feeds the emitter waits."""
MIN_BLOCK_BYTES = 64 * 1024
"""From this size a block is sent though others are under way."""
MAX_BLOCK_BYTES = 256 * 1024

Parse = Callable[[bytes], list[list[Any]]]
"""Whole lines to structured records, as `Emit.records` has them."""


class Emitter:
    """One session with a run, over a connection that it has to itself.

    Nothing blocks but `wait` and `finish`: `feed` takes bytes in, `pump` moves them on, `end` closes.

    Args:
        client: the connection; its owner closes it.
        run: the run's name; it is made where there is none.
        severity: every record's OpenTelemetry number, or None to have levels detected in the lines.
        stream, source, fields: what every record carries.
        parse: makes structured records of lines; without it they are plain text.

    Raises:
        Refused: the daemon will not have the session.
        ConnectionLost: the daemon is gone; so from every method.
    """

    def __init__(
        self,
        client: Client,
        run: str,
        *,
        severity: int | None = None,
        stream: str = "",
        source: str = "",
        fields: dict[str, Any] | None = None,
        command: str = "",
        parse: Parse | None = None,
    ) -> None:
        self._client = client
        self._severity = severity
        self._stream = stream
        self._parse = parse
        self._batch = 0
        self._unacked: deque[tuple[int, int]] = deque()
        self._unacked_bytes = 0
        self._outgoing: deque[memoryview] = deque()
        self._input = b""
        self._in_long_line = False
        self._closed = False
        self._id = client.new_id()
        client.request(
            Open(
                self._id,
                run,
                os.urandom(16).hex(),
                command=command[:4096],
                pid=os.getpid(),
                host=socket.gethostname()[:256],
                source=source,
                fields=fields,
            )
        )

    @property
    def has_room(self) -> bool:
        """Whether more may be fed."""
        return self.unstored_bytes < MAX_UNACKED_BYTES

    @property
    def unstored_bytes(self) -> int:
        """How much was taken in and is not acknowledged."""
        return self._unacked_bytes + len(self._input)

    def feed(self, data: bytes) -> None:
        """Take bytes of input as they come; a line is sent when it is whole."""
        end = data.rfind(b"\n") + 1
        # Joined to the line that was begun before in one copy: each costs a block as much as sending it does.
        self._input = b"".join((self._input, memoryview(data)[:end]))
        self._send_lines()
        self._input += data[end:]
        self._send_lines()

    def emit(self, records: list[list[Any]]) -> None:
        """Take structured records in, and send them."""
        for start in range(0, len(records), MAX_RECORDS_IN_FRAME):
            batch = records[start : start + MAX_RECORDS_IN_FRAME]
            self._send(sum(len(record[2]) for record in batch), records=batch)

    def pump(self) -> None:
        """Send what can be sent, and take in what has come, without waiting."""
        try:
            while self._outgoing:
                sent = self._client.send_nowait(self._outgoing[0])
                if sent == len(self._outgoing[0]):
                    self._outgoing.popleft()
                else:
                    self._outgoing[0] = self._outgoing[0][sent:]
                    break
        except ConnectionLost:
            self._receive()  # it may have said why
            raise
        self._receive()

    def wait(self, *other_fds: int) -> list[int]:
        """Wait until there is something to pump, or one of `other_fds` can be read; return those that can."""
        own_fd = self._client.fileno()
        readable, _, _ = select.select([own_fd, *other_fds], [own_fd] if self._outgoing else [], [])
        return [fd for fd in readable if fd != own_fd]

    def end(self, exit_status: int | None = None) -> None:
        """Nothing more is fed: send what is left, a last line without its newline too, and close the session."""
        if self._input:
            self._input += b"" if self._input.endswith(b"\n") else b"\n"
        self._send_lines(all_of_them=True)
        self._send_message(Close(self._id, exit_status))
        self.pump()

    @property
    def ended(self) -> bool:
        """Whether all of it is stored, and the session closed."""
        return self._closed

    def finish(self, exit_status: int | None = None) -> None:
        """End, and return when all of it is stored."""
        self.end(exit_status)
        while not self.ended:
            self.wait()
            self.pump()

    def _send_lines(self, *, all_of_them: bool = False) -> None:
        while (end := self._input.rfind(b"\n", 0, MAX_BLOCK_BYTES) + 1) or len(self._input) > MAX_TEXT_BYTES:
            if not end:
                self._send_piece()
                continue
            if self._unacked and end < MIN_BLOCK_BYTES and not all_of_them:
                return
            if self._in_long_line:
                end = self._input.index(b"\n") + 1
            lines, self._input = self._input[:end], self._input[end:]
            if self._parse is None or self._in_long_line:
                self._send(len(lines), lines=lines, cont=self._in_long_line)
                self._in_long_line = False
            else:
                self.emit(self._parse(lines))

    def _send_piece(self) -> None:
        """Send the beginning of a line whose end is not in sight, as one record's text."""
        piece = cut(self._input[: MAX_TEXT_BYTES + 1])[0]
        self._input = self._input[len(piece) :]
        self._send(len(piece), lines=piece + b"\n", cont=self._in_long_line)
        self._in_long_line = True

    def _send(self, size_bytes: int, **content: Any) -> None:
        if "lines" in content:
            content |= {"severity": self._severity}
        self._batch += 1
        self._unacked.append((self._batch, size_bytes))
        self._unacked_bytes += size_bytes
        self._send_message(Emit(self._id, self._batch, time_us=now_us(), stream=self._stream, **content))

    def _send_message(self, message: Emit | Close) -> None:
        self._outgoing.append(memoryview(self._client.encode(message)))

    def _receive(self) -> None:
        while (message := self._client.receive_nowait()) is not None:
            if isinstance(message, Error):
                raise refusal(message)
            if isinstance(message, Ack):
                while self._unacked and self._unacked[0][0] <= message.batch:
                    self._unacked_bytes -= self._unacked.popleft()[1]
            elif isinstance(message, Reply):
                self._closed = True
        if self._input and not self._unacked:
            self._send_lines()
