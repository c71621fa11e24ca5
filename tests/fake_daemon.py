"""A daemon in the same process, without sockets, and a clock that stands still unless it is told."""

from __future__ import annotations

from collections import deque
from typing import Any

from logd.client import Client
from logd.errors import ConnectionLost, DaemonUnavailable
from logd.protocol import (
    Ack,
    Close,
    Connection,
    Emit,
    Error,
    ErrorCode,
    Hello,
    Message,
    Open,
    Reply,
    Report,
    Role,
    Welcome,
)


class Clock:
    """Monotonic seconds."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class FakeDaemon:
    """Stores one session's batches, as many as `store` says, and can go and come back."""

    def __init__(self) -> None:
        self.up = True
        self.busy = False
        """Whether it has no room for another connection."""
        self.hangs = False
        """Whether it takes nothing in, and says nothing."""
        self.stores = True
        """Whether it stores what it takes in, rather than keep it waiting."""
        self.refusal: ErrorCode | None = None
        """What it answers `open` with."""
        self.stored: list[Emit] = []
        self.opened: list[Open] = []
        self.closed: list[Close] = []
        self.reports: list[Report] = []
        self.board: dict[str, dict[str, Any]] = {}
        self.report_refusal: ErrorCode | None = None
        """What it answers `report` with."""
        self.attempts = 0
        self.exchanged = 0
        """Counts what is sent and received."""
        self.max_send_bytes = 1 << 30
        """How much it takes between two looks at what it has said."""
        self.links: list[FakeClient] = []

    def connect(self) -> Client:
        self.attempts += 1
        if not self.up:
            raise DaemonUnavailable("no daemon answers")
        if self.busy:
            raise BlockingIOError
        self.links.append(FakeClient(self))
        return self.links[-1]

    def kill(self) -> None:
        """Be gone, and forget what is not stored."""
        self.up = False
        for link in self.links:
            link.lost = True

    def start(self) -> None:
        self.up = True

    def report(self, report: Report) -> None:
        """Merge a report into the board."""
        self.reports.append(report)
        if report.reset:
            self.board.clear()
        for key, item in report.items.items():
            if item is None:
                self.board.pop(key, None)
            else:
                merged = {**self.board.get(key, {}), **item}
                self.board[key] = {name: value for name, value in merged.items() if value is not None}

    @property
    def lines(self) -> bytes:
        """The text of all that is stored; pieces of a line are joined again."""
        text = b""
        for batch in self.stored:
            assert batch.lines is not None
            text = (text[:-1] if batch.cont else text) + batch.lines
        return text


class FakeClient(Client):
    """A connection to it: what was sent is in the daemon at once, and its answers wait to be received."""

    def __init__(self, daemon: FakeDaemon) -> None:  # and nothing of a real one
        self.daemon = daemon
        self.lost = False
        self.pending: deque[Emit | Close | Report] = deque()
        self.answers: deque[Message] = deque()
        self.server = Connection(Role.SERVER)
        self.acked = 0
        self.sendable_bytes = daemon.max_send_bytes
        own = Connection(Role.CLIENT)
        self.send_data(own.send(Hello([1], "test")))

    def fileno(self) -> int:
        raise AssertionError("nobody waits here")

    def close(self) -> None:
        self.lost = True

    def send_data(self, data: bytes) -> None:
        if self.lost:
            raise ConnectionLost("the daemon is gone")
        self.daemon.exchanged += len(data)
        self.server.receive_data(data)
        if not self.daemon.hangs:
            self.take_in()

    def send_nowait(self, data: memoryview) -> int:
        size_bytes = 0 if self.daemon.hangs else min(len(data), self.sendable_bytes)
        self.sendable_bytes -= size_bytes
        self.send_data(bytes(data[:size_bytes]))
        return size_bytes

    def receive_nowait(self) -> Message | None:
        self.sendable_bytes = self.daemon.max_send_bytes
        if not (self.daemon.hangs or self.lost):
            self.take_in()
            self.store()
        if self.answers:
            self.daemon.exchanged += 1
            return self.answers.popleft()
        if self.lost:
            raise ConnectionLost("the daemon is gone")
        return None

    def take_in(self) -> None:
        while (message := self.server.next_message()) is not None:
            if isinstance(message, Hello):
                self.server.send(Welcome(1, "test", 1))
                self.answers.append(Welcome(1, "test", 1))
            elif isinstance(message, Open):
                self.daemon.opened.append(message)
                self.acked = len(self.daemon.stored)
                if self.daemon.refusal is not None:
                    self.answers.append(Error(self.daemon.refusal, "refused", id=message.id))
                else:
                    self.answers.append(Reply(message.id, {"run": message.run, "head": 0, "batch": self.acked}))
            else:
                assert isinstance(message, Emit | Close | Report)
                self.pending.append(message)

    def store(self) -> None:
        while self.pending and self.daemon.stores:
            message = self.pending.popleft()
            if isinstance(message, Report):
                if self.daemon.report_refusal is not None:
                    self.answers.append(Error(self.daemon.report_refusal, "refused", id=message.id))
                else:
                    self.daemon.report(message)
                    self.answers.append(Reply(message.id, {}))
                continue
            if isinstance(message, Close):
                self.daemon.closed.append(message)
                self.acknowledge()
                self.answers.append(Reply(message.session, {"written_seq": 0}))
                return
            assert message.batch <= len(self.daemon.stored) + 1, "a gap in the batches"
            if message.batch > len(self.daemon.stored):
                self.daemon.stored.append(message)
        self.acknowledge()

    def acknowledge(self) -> None:
        if len(self.daemon.stored) > self.acked:
            self.acked = len(self.daemon.stored)
            self.answers.append(Ack(1, self.acked, 0))
