"""A run in this process whose every row is known: to be copied, damaged, opened and read, thousands of times.

It has sealed segments, the first of them compressed, in several frames, and an active one. There are two forms of it:
closed in good order, and as a kill leaves it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from random import Random
from typing import NamedTuple
from unittest.mock import patch

from logd.config import StoreConfig
from logd.record import Rows, rfc3339
from logd.store import Append, RunStore, compression
from logd.store.index import Entry, Index, Kind
from logd.store.segment import index_name
from logd.store.text import FrameCache

TIME_US = 1_700_000_000_000_000
KEYS = (1001, 1002, 1003)
SEGMENT_BYTES = 4096
FRAME_BYTES = 1500
SEGMENTS = 5
COMPRESSED = 2
READ_BYTES = 3000

CONFIG = StoreConfig(segment_bytes=SEGMENT_BYTES, fsync="no")


def row(seq: int) -> bytes:
    return b'{"time":"%s","msg":"%d %s"}\n' % (rfc3339(TIME_US + seq).encode(), seq, b"x" * (seq * 7919 % 90))


def block(seq: int, count: int, key: int, batch: int, *, part: bool = False) -> Append:
    data = b"".join(map(row, range(seq, seq + count)))
    return Append(data, count, 1, TIME_US + seq, TIME_US + seq + count - 1, key, batch, part)


class Block(NamedTuple):
    segment: int
    entry: Entry


class Image(NamedTuple):
    closed: Path
    killed: Path
    blocks: list[Block]
    head: int
    batches: dict[int, int]
    """The last batch of each session."""

    @property
    def segments(self) -> list[int]:
        return sorted({each.segment for each in self.blocks})

    @property
    def active(self) -> list[Block]:
        return [each for each in self.blocks if each.segment == self.segments[-1]]

    @property
    def last_sending(self) -> list[Block]:
        """The last block, with the parts before it that were sent together with it."""
        parts = list(takewhile(lambda each: each.entry.kind == Kind.PART, self.active[-2::-1]))
        return [*reversed(parts), self.active[-1]]


def make_image(folder: Path, random: Random) -> Image:
    closed, killed = folder / "closed", folder / "killed"
    batches = dict.fromkeys(KEYS, 0)
    with opened(closed) as run:
        while len(run.extent.segments) < SEGMENTS or run.extent.active_entries < 6:
            key = random.choice(KEYS)
            batches[key] += 1
            counts = [random.randint(1, 6) for _ in range(random.choice((1, 1, 1, 3)))]
            seq, appends = run.next_seq, []
            for number, count in enumerate(counts, 1):
                appends.append(block(seq, count, key, batches[key], part=number < len(counts)))
                seq += count
            run.append(appends, TIME_US + seq)
        with patch.object(compression, "FRAME_BYTES", FRAME_BYTES):
            for segment in run.extent.segments[:COMPRESSED]:
                assert run.compress(segment, lambda: None)
        head = run.extent.head
        blocks = [Block(segment, entry) for segment in run.extent.segments for entry in _entries(closed, segment)]
        shutil.copytree(closed, killed)
    return Image(closed, killed, blocks, head, batches)


def _entries(folder: Path, segment: int) -> Iterator[Entry]:
    fd = os.open(folder / index_name(segment), os.O_RDONLY)
    try:
        yield from [entry for entry in Index(fd).entries() if entry is not None and entry.kind != Kind.CLOSE]
    finally:
        os.close(fd)


@contextmanager
def opened(folder: Path) -> Iterator[RunStore]:
    folder.mkdir(parents=True, exist_ok=True)
    folder_fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        run = RunStore(folder_fd, CONFIG, FrameCache())
    except BaseException:
        os.close(folder_fd)
        raise
    try:
        yield run
    finally:
        run.close()


class WrongRow(Exception):
    """A row was read that is not the one that was written."""


def read_seqs(run: RunStore) -> set[int]:
    """The seqs of all records that can be read, forward and backward. WrongRow where one is not what was written."""
    forward, backward = set(_forward(run)), set(_backward(run))
    if forward != backward:
        raise WrongRow(f"records {sorted(forward ^ backward)} are there in one direction only")
    return forward


def _forward(run: RunStore) -> Iterator[int]:
    extent = run.extent
    seq = extent.first_seq
    while (rows := run.reader.read(extent, seq, READ_BYTES)).record_count:
        if rows.first_seq < seq:
            raise WrongRow(f"record {rows.first_seq} comes again")
        yield from _checked(rows)
        seq = rows.next_seq


def _backward(run: RunStore) -> Iterator[int]:
    extent = run.extent
    seq = extent.head + 1
    while seq > extent.first_seq:
        stored, seq = run.reader.blocks(extent, seq, READ_BYTES, backward=True)
        for each in stored:
            yield from _checked(each.rows)


def _checked(rows: Rows) -> range:
    seqs = range(rows.first_seq, rows.next_seq)
    if rows.data != b"".join(map(row, seqs)):
        raise WrongRow(f"what is read as records {rows.first_seq} to {rows.next_seq - 1} is not what was written")
    return seqs


def go_on(run: RunStore) -> set[int]:
    """Append a block, with the rows of its seqs; the seqs of all that can be read then."""
    run.append([block(run.next_seq, 3, KEYS[0], 10_000)], TIME_US + 10_000_000)
    seqs = read_seqs(run)
    if run.extent.head not in seqs or run.last_batch(KEYS[0]) != 10_000:
        raise WrongRow("what was appended cannot be read")
    return seqs
