"""Reading runs back: through the daemon, from the bare files, and as watchers do while others write."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from random import Random

from faults.daemon import POLL_SECONDS
from faults.records import Shown
from faults.sender import GONE
from logd.client import Client, pieces_of
from logd.errors import Refused
from logd.paths import Paths
from logd.protocol import Attach, Batch, Error, Event, Page, Read, Reply
from logd.record import Rows
from logd.store.segment import first_seqs

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def read_page(client: Client, request: Read) -> Page:
    client.send(request)
    answer = client.receive()
    if isinstance(answer, Error):
        raise Refused(answer.code, answer.message)
    assert isinstance(answer, Page), answer
    return answer


def rows_of(page: Page) -> Iterator[Rows]:
    data = page.rows
    for first_seq, count, _, _ in page.pieces:
        rows = Rows(first_seq, count, data)
        piece = rows.up_to(first_seq + count - 1)
        yield piece
        data = data[len(piece.data) :]


def read_run(client: Client, run: str) -> Iterator[Rows]:
    """All that a run held when this began, through `read`. Refused where there is no such run."""
    head, seq = None, None
    while True:
        page = read_page(client, Read(client.new_id(), run, from_seq=seq, limit=100_000))
        head = page.head if head is None else head
        yield from rows_of(page)
        seq = page.next_seq
        if seq is None or seq > head:
            return


def read_files(folder: Path) -> Iterator[Rows]:
    """All that the files of a run hold as ordinary tools see it, without the index. For a daemon that was stopped."""
    for segment in first_seqs(os.listdir(folder)):
        plain = folder / f"{segment:020}.jsonl"
        text = plain.read_bytes() if plain.exists() else zstd.decompress((folder / f"{plain.name}.zst").read_bytes())
        yield Rows(segment, text.count(b"\n"), text)


class Watcher(threading.Thread):
    """Reads a run in one way after the other, while it is written, and holds what it is shown to be in order.

    Args:
        drops: whether records may be there no more when they are come to.
    """

    def __init__(self, run: str, paths: Paths, random: Random, shown: Shown, *, drops: bool = False) -> None:
        super().__init__(daemon=True)
        self.answers = 0
        """Pages, and batches of rows."""
        self.longest_seconds = 0.0
        """That a page took to come."""
        self.fault = ""
        self._run = run
        self._paths = paths
        self._random = random
        self._shown = shown
        self._drops = drops
        self._finishing = threading.Event()

    def finish(self) -> None:
        self._finishing.set()

    def run(self) -> None:
        ways = (self._page_forward, self._page_backward, self._attach)
        try:
            while not self._finishing.is_set():
                with suppress(*GONE, Refused), Client(self._paths, "watcher") as client:
                    self._random.choice(ways)(client)
                time.sleep(POLL_SECONDS)
        except Exception as error:
            self.fault = f"watcher: {type(error).__name__}: {error}"

    def _note(self, rows: Rows, expected: int | None) -> None:
        if expected is not None and (rows.first_seq < expected or (rows.first_seq > expected and not self._drops)):
            raise ValueError(f"record {rows.first_seq} came where {expected} should")
        count = rows.data.count(b"\n")
        if count != rows.record_count:
            raise ValueError(f"{count} rows came as {rows.record_count}, from {rows.first_seq} on")
        if rows.record_count:
            self._shown.note(rows)

    def _read(self, client: Client, request: Read) -> Page:
        started = time.monotonic()
        page = read_page(client, request)
        self.longest_seconds = max(self.longest_seconds, time.monotonic() - started)
        self.answers += 1
        return page

    def _page_forward(self, client: Client) -> None:
        seq: int | None = None
        for _ in range(20):
            page = self._read(client, Read(client.new_id(), self._run, from_seq=seq, limit=self._limit()))
            for rows in rows_of(page):
                self._note(rows, seq)
                seq = rows.next_seq
            if page.next_seq is None or self._finishing.is_set():
                return

    def _page_backward(self, client: Client) -> None:
        seq: int | None = None
        for _ in range(20):
            request = Read(client.new_id(), self._run, from_seq=seq, backward=True, limit=self._limit())
            page = self._read(client, request)
            for rows in reversed(list(rows_of(page))):
                if seq is not None and (rows.next_seq > seq or (rows.next_seq < seq and not self._drops)):
                    raise ValueError(f"record {rows.next_seq - 1} came where {seq - 1} should, backward")
                self._note(rows, None)
                seq = rows.first_seq
            if page.next_seq is None or self._finishing.is_set():
                return

    def _limit(self) -> int:
        return self._random.randint(1, 5000)

    def _attach(self, client: Client) -> None:
        last = self._random.choice((None, 0, 1000))
        client.send(Attach(client.new_id(), self._run, last=last))
        seq: int | None = None
        for _ in range(100):
            message = client.receive()
            if isinstance(message, Error | Event) and not (isinstance(message, Event) and message.kind == "caught_up"):
                return
            if isinstance(message, Reply):
                seq = message.value["next"]
            elif isinstance(message, Batch):
                self.answers += 1
                for piece in pieces_of(message):
                    self._note(piece.rows, seq)
                    seq = piece.rows.next_seq
            if self._finishing.is_set():
                return
