"""Subscribers in processes of their own, that cost as little as they can: what is measured is the daemon.

Views share one process, each with a connection of its own: it receives into one buffer and counts bytes, and parses
nothing. A stream that checks what it gets has a process to itself. What processor time either takes is told with the
figures.
"""

from __future__ import annotations

import os
import re
import selectors
import time
import zlib
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from logd.client import Client
from logd.paths import Paths
from logd.protocol import Attach, Batch, Event, Message

BUFFER_BYTES = 1024 * 1024

_PROCESSES = get_context("spawn")
_TEXT = re.compile(rb'"msg":"([^"]*)"')
"""A flood's lines have nothing that is stored in another way than it was sent."""


class Text(NamedTuple):
    """What a stream got, or was to get."""

    lines: int
    crc: int

    @classmethod
    def of_file(cls, path: Path) -> Text:
        data = path.read_bytes()
        return cls(data.count(b"\n"), zlib.crc32(data))


class Report(NamedTuple):
    cpu_seconds: float
    text: Text | None = None


class Subscribers:
    """A process that subscribes to a run; entering the context returns when it has. It is killed at the end."""

    def __init__(self, work: Callable[..., None], *args: Any) -> None:
        self._pipe, theirs = _PROCESSES.Pipe()
        self._process = _PROCESSES.Process(target=work, args=(theirs, *args), daemon=True)

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def __enter__(self) -> Self:
        self._process.start()
        self._pipe.recv()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.join()

    def report(self) -> Report:
        """What it has to say when the run has ended."""
        self._pipe.send(None)
        report: Report = self._pipe.recv()
        return report


def count_bytes(pipe: Connection, run: str, number: int, options: dict[str, Any]) -> None:
    """Have so many subscriptions, and receive what comes until told to end."""
    clients = [_attached(run, options) for _ in range(number)]
    buffer = bytearray(BUFFER_BYTES)
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        for client in clients:
            selector.register(client, selectors.EVENT_READ)
        pipe.send(None)
        began = time.process_time()
        ended = False
        while not ended:
            for key, _ in selector.select():
                if key.fileobj is pipe:
                    ended = True
                elif not os.readv(key.fd, [buffer]):
                    selector.unregister(key.fileobj)
    pipe.send(Report(time.process_time() - began))


def check_text(pipe: Connection, run: str) -> None:
    """Have a stream, and sum up the text of all its records until the run ends."""
    client = _attached(run, {"mode": "stream"})
    pipe.send(None)
    began = time.process_time()
    lines = crc = 0
    message: Message | None = None
    while not isinstance(message, Event):
        message = client.receive()
        if isinstance(message, Batch):
            texts = _TEXT.findall(message.rows)
            lines += len(texts)
            crc = zlib.crc32(b"\n".join([*texts, b""]), crc)
    report = Report(time.process_time() - began, Text(lines, crc))
    pipe.recv()
    pipe.send(report)


def _attached(run: str, options: dict[str, Any]) -> Client:
    """A connection with a subscription that has caught up, so that all it was sent is read."""
    client = Client(Paths.resolve(), "bench subscriber")
    client.send(Attach(client.new_id(), run, **options))
    message: Message | None = None
    while not isinstance(message, Event):
        message = client.receive()
    return client
