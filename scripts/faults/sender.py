"""An emitter that keeps account of what was acknowledged, and resends the rest when its daemon has come back."""

from __future__ import annotations

import select
import threading
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any

from faults.daemon import PATIENCE_SECONDS, POLL_SECONDS, Overdue
from faults.records import MAX_PAD, Sent, text_of
from logd.client import Client
from logd.errors import ConnectionLost, DaemonUnavailable, Refused, RemoteProtocolError
from logd.paths import Paths
from logd.protocol import Ack, Close, Emit, Error, ErrorCode, Open, Reply

WINDOW = 12
"""The most batches that it leaves unacknowledged."""
GONE = (ConnectionLost, DaemonUnavailable, RemoteProtocolError)
"""What is raised where there is no daemon any more; it is to be connected to again."""

COUNTS = {(1, 1): 40, (2, 20): 40, (100, 800): 15, (3000, 9000): 1}
"""How many records a batch has, from and to, and how often."""
PAUSE_SECONDS = 0.05
SMALL_COUNTS = {(1, 1): 2, (2, 50): 3}


@dataclass
class _Batch:
    number: int
    content: dict[str, Any]
    last: int
    """The number of its last record."""


class Sender(Sent):
    """One session, over however many connections.

    Args:
        counts: as COUNTS has them.
    """

    def __init__(self, run: str, name: str, random: Random, counts: Mapping[tuple[int, int], int] = COUNTS) -> None:
        super().__init__(name)
        self._counts = counts
        self.run = run
        self.forgotten = 0
        """How often a daemon did not know the session any more that it had acknowledged batches of."""
        self.acked_at = 0.0
        """When something was acknowledged last, in monotonic seconds."""
        self.random = random
        self._session = f"{name}-{random.getrandbits(64):016x}"
        self._batch = 0
        self._acked_batch = 0
        self._unacked: deque[_Batch] = deque()
        self._client: Client | None = None
        self._id = 0

    @property
    def connected(self) -> bool:
        return self._client is not None

    @property
    def unacked(self) -> int:
        """How many batches."""
        return len(self._unacked)

    def connect(self, paths: Paths) -> None:
        """Open the session, and send again what the daemon does not have.

        Raises:
            One of GONE, or Refused where the daemon has not noticed yet that the connection before is gone.
        """
        client = Client(paths, "torture")
        try:
            self._id = client.new_id()
            batch = client.request(Open(self._id, self.run, self._session))["batch"]
        except BaseException:
            client.close()
            raise
        self._client = client
        if batch < self._acked_batch:
            self.forgotten += 1
        self._note_acked(batch)
        for each in self._unacked:
            self._send(each)

    def disconnect(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def emit(self, count: int | None = None, *, pad: int | None = None) -> None:
        """Send a batch of so many records, or of any number."""
        random = self.random
        if count is None:
            count = random.randint(*random.choices(list(self._counts), list(self._counts.values()))[0])
        if pad is None:
            pad = random.choice((0, 10, 60, 100, 100, 200, 700 if count < 500 else 100))
        pad = min(pad, MAX_PAD, 900_000 // count - 24)
        texts = [text_of(self.sender, number, pad) for number in range(self.sent + 1, self.sent + 1 + count)]
        content: dict[str, Any] = {"severity": random.choices((None, 9, 17), (10, 5, 1))[0]}
        if count <= 50 and random.random() < 0.2:
            content = {"records": [[None, 9, text, None] for text in texts]}
        else:
            content["lines"] = "".join(f"{text}\n" for text in texts).encode()
        self.sent += count
        self._batch += 1
        self._unacked.append(_Batch(self._batch, content, self.sent))
        self._send(self._unacked[-1])

    def _send(self, batch: _Batch) -> None:
        if self._client is not None:
            self._client.send(Emit(self._id, batch.number, **batch.content))

    def receive(self, timeout_seconds: float = 0.0) -> None:
        """Take in what comes within so long, and all that is here. One of GONE, or Refused, as the daemon has it."""
        client = self._client
        if client is None:
            return
        select.select([client], [], [], timeout_seconds)
        while (message := client.receive_nowait()) is not None:
            if isinstance(message, Ack):
                self._note_acked(message.batch)
            elif isinstance(message, Error):
                raise Refused(message.code, message.message)

    def _note_acked(self, batch: int) -> None:
        if batch > self._batch:
            raise ValueError(f"batch {batch} is acknowledged, and {self._batch} were sent")
        while self._unacked and self._unacked[0].number <= batch:
            acked = self._unacked.popleft()
            self.acked, self._acked_batch = acked.last, acked.number
            self.acked_at = time.monotonic()

    def settle(self) -> None:
        """Return when all is acknowledged; errors are those of `receive`, and Overdue."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self._unacked:
            if time.monotonic() > deadline:
                raise Overdue(f"{len(self._unacked)} batches of {self.sender} are not acknowledged")
            self.receive(0.05)

    def close(self) -> None:
        """End the session in good order."""
        if self._client is not None:
            self.settle()
            self._client.send(Close(self._id, 0))
            while not isinstance(self._client.receive(), Reply):
                pass
            self.disconnect()


class SenderThread(threading.Thread):
    """A sender that goes on by itself, until it is told to finish.

    Args:
        go: while it is not set, nothing new is sent.
        pause_seconds: it waits up to so long between batches.
    """

    def __init__(self, sender: Sender, paths: Paths, go: threading.Event, pause_seconds: float) -> None:
        super().__init__(daemon=True)
        self.sender = sender
        self.fault = ""
        """Why it gave up."""
        self.connections = 0
        self._paths = paths
        self._random = Random(sender.random.getrandbits(64))
        self._go = go
        self._pause_seconds = pause_seconds
        self._finishing = threading.Event()

    def finish(self) -> None:
        """Send no more, and end when all is acknowledged."""
        self._finishing.set()

    def run(self) -> None:
        try:
            while not self._is_done:
                try:
                    self.sender.connect(self._paths)
                    self.connections += 1
                    self._emit()
                except GONE:
                    time.sleep(POLL_SECONDS)
                except Refused as error:
                    if error.code not in (ErrorCode.ALREADY_OPEN, ErrorCode.STORE_FAILED):
                        raise
                    time.sleep(POLL_SECONDS)
                finally:
                    if not self._is_done:
                        self.sender.disconnect()
            with suppress(*GONE):
                self.sender.close()
        except Exception as error:
            self.fault = f"{self.sender.sender}: {type(error).__name__}: {error}"
        finally:
            self.sender.disconnect()

    @property
    def _is_done(self) -> bool:
        return self._finishing.is_set() and not self.sender.unacked

    def _emit(self) -> None:
        while not self._is_done:
            if self._finishing.is_set() or not self._go.is_set() or self.sender.unacked >= WINDOW:
                self.sender.receive(0.05)
                continue
            self.sender.emit()
            self.sender.receive()
            if self._random.random() < 0.5:
                time.sleep(self._random.uniform(0, self._pause_seconds))
