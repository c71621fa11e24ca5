"""A segment's index: the commit record of each block.

A header, then one entry of fixed size for each block, in order; a block is stored when its entry is. All numbers are
little-endian. The header is 64 bytes: the magic, the run's generation when the segment was begun or last cut, the
segment's first seq, the time it was begun, the seq from which on that generation's records are other ones than those of
the generation before, zeros, and the CRC-32 of all that. Each entry is 80 bytes: the numbers of
`Entry` in their order, zeros, and the CRC-32 of the 76 bytes before it.

An entry of kind CLOSE ends a segment that was closed in good order: it has no bytes, and its offset is the segment's
length. The next block's entry takes its place. An index that does not end with one has to be checked against its
segment before it is used. Entries of kind LOST stand for records that a repair left out, so that seqs have no gap.

As entries are of fixed size and ordered by seq and by time, a lookup bisects the file and reads a few of them.
"""

from __future__ import annotations

import os
import struct
from bisect import bisect_right
from collections.abc import Callable
from enum import IntEnum
from typing import NamedTuple

from logd.store.checksum import crc32

_ENTRY = struct.Struct("<QIIQQQQIHHQQ4x")
_HEADER = struct.Struct("<8sQQQQ20x")
_CRC = struct.Struct("<I")
_MAGIC = b"logdidx2"

ENTRY_BYTES = _ENTRY.size + _CRC.size
HEADER_BYTES = _HEADER.size + _CRC.size


class Kind(IntEnum):
    BLOCK = 1
    """A block that ends what was sent together: with it, all of that is stored."""
    CLOSE = 2
    PART = 3
    """A block that more of the same sending follows. Without the BLOCK that ends it, it does not count."""
    LOST = 4
    """Records that a repair left out: it has no bytes, and keeps their seqs and their batch taken."""


class Header(NamedTuple):
    generation: int
    first_seq: int
    created_us: int
    generation_seq: int = 0
    """The first seq of its generation; 0 where that is not known."""

    def pack(self) -> bytes:
        body = _HEADER.pack(_MAGIC, *self)
        return body + _CRC.pack(crc32(body))

    @classmethod
    def unpack(cls, data: bytes) -> Header | None:
        """The header that `data` begins with, or None where it is not a whole and sound one."""
        if len(data) < HEADER_BYTES or not _crc_holds(data[:HEADER_BYTES]):
            return None
        magic, *values = _HEADER.unpack_from(data)
        return cls(*values) if magic == _MAGIC else None


class Entry(NamedTuple):
    """One block of a segment."""

    offset: int
    """Of its first byte in the segment."""
    length: int
    """In bytes."""
    record_count: int
    first_seq: int
    time_us: int
    """When the daemon received it; never less than the entry's before."""
    session_key: int
    """Which session sent it: see `logd.store.batches.session_key`."""
    batch: int
    """The number of the last of the session's batches that are in it."""
    data_crc: int
    """CRC-32 of its bytes."""
    level_mask: int
    kind: int
    oldest_us: int
    """The earliest of the times that its records have."""
    newest_us: int
    """The latest of them."""

    def pack(self) -> bytes:
        body = _ENTRY.pack(*self)
        return body + _CRC.pack(crc32(body))

    @classmethod
    def unpack(cls, data: bytes) -> Entry | None:
        """The entry in `data`, or None where it is not a whole and sound one."""
        if len(data) < ENTRY_BYTES or not _crc_holds(data):
            return None
        return cls(*_ENTRY.unpack_from(data))

    @property
    def end(self) -> int:
        return self.offset + self.length

    @property
    def next_seq(self) -> int:
        return self.first_seq + self.record_count


def _crc_holds(data: bytes) -> bool:
    return data[-_CRC.size :] == _CRC.pack(crc32(data[: -_CRC.size]))


_SESSION_KEY_OFFSET = struct.calcsize("<QIIQQ")
_SESSION_KEY = struct.Struct("<Q")


class Index:
    """Read access to an index file by its descriptor, which stays the caller's."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def header(self) -> Header | None:
        return Header.unpack(os.pread(self._fd, HEADER_BYTES, 0))

    def __len__(self) -> int:
        """How many entries the file has room for; the last may be torn."""
        return max(0, os.fstat(self._fd).st_size - HEADER_BYTES) // ENTRY_BYTES

    def entry(self, number: int) -> Entry | None:
        """The entry of that number, from 0; None where there is none or it is damaged."""
        return Entry.unpack(os.pread(self._fd, ENTRY_BYTES, HEADER_BYTES + number * ENTRY_BYTES))

    def entries(self, start: int = 0, stop: int | None = None) -> list[Entry | None]:
        """The entries from number `start` up to `stop`, or all from there; None for each damaged one."""
        count = max(0, (len(self) if stop is None else stop) - start)
        data = os.pread(self._fd, count * ENTRY_BYTES, HEADER_BYTES + start * ENTRY_BYTES)
        return [Entry.unpack(data[at : at + ENTRY_BYTES]) for at in range(0, len(data), ENTRY_BYTES)]

    def last_block(self) -> tuple[int, Entry] | None:
        """The number and the entry of the newest block that counts, None for an empty index."""
        for number in range(len(self) - 1, -1, -1):
            entry = self.entry(number)
            if entry is not None and entry.kind == Kind.BLOCK:
                return number, entry
        return None

    def find_seq(self, seq: int, stop: int) -> int:
        """The number of the entry, before entry `stop`, of the block that holds record `seq`: 0 where none does.

        Where entries are damaged it may be the number of one before.
        """
        return self._find(seq, stop, lambda entry: entry.first_seq)

    def find_time(self, time_us: int, stop: int) -> int:
        """The number of the first entry, before `stop`, that was received at that time or later; or else `stop`."""
        number = self._find(time_us - 1, stop, lambda entry: entry.time_us)
        entry = self.entry(number) if number < stop else None
        return number if entry is None or entry.time_us >= time_us else number + 1

    def _find(self, value: int, stop: int, key: Callable[[Entry], int]) -> int:
        """The number of the last entry before `stop` whose key is at most `value`, 0 where there is none."""

        def at(number: int) -> int:
            # A damaged entry counts as the sound one before it: the order is kept.
            for before in range(number, -1, -1):
                entry = self.entry(before)
                if entry is not None:
                    return key(entry)
            return 0

        return max(0, bisect_right(range(stop), value, key=at) - 1)

    def last_batch(self, session_key: int, stop: int | None = None) -> int:
        """The number of the newest batch of a session before entry `stop`, 0 where it has none here."""
        packed = _SESSION_KEY.pack(session_key)
        data = os.pread(self._fd, (len(self) if stop is None else stop) * ENTRY_BYTES, HEADER_BYTES)
        at = data.rfind(packed)
        while at >= 0:
            start = at - _SESSION_KEY_OFFSET
            if start >= 0 and start % ENTRY_BYTES == 0:
                entry = Entry.unpack(data[start : start + ENTRY_BYTES])
                if entry is not None and entry.kind in (Kind.BLOCK, Kind.LOST):
                    return entry.batch
            at = data.rfind(packed, 0, at + len(packed) - 1)
        return 0
