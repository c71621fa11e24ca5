"""A segment's index: the commit record of each block.

A header, then one entry of fixed size for each block, in order; a block is stored when its entry is. All numbers are
little-endian. The header is 64 bytes: the magic, the run's generation when the segment was begun or last cut, the
segment's first seq, the time it was begun, zeros, and the CRC-32 of all that. Each entry is 64 bytes, as `Entry` has
them, with zeros before the CRC-32 of the 60 bytes before it.

An entry of kind CLOSE ends a segment that was closed in good order: it has no bytes, and its offset is the segment's
length. The next block's entry takes its place. An index that does not end with one has to be checked against its
segment before it is used.

As entries are of fixed size and ordered by seq and by time, a lookup bisects the file and reads a few of them.
"""

from __future__ import annotations

import os
import struct
from bisect import bisect_right
from collections.abc import Callable, Iterator
from enum import IntEnum
from typing import NamedTuple

from logd.store.checksum import crc32

_ENTRY = struct.Struct("<QIIQQQQIHHI")
_HEADER = struct.Struct("<8sQQQ28x")
_CRC = struct.Struct("<I")
_MAGIC = b"logdidx1"

ENTRY_BYTES = _ENTRY.size + _CRC.size
HEADER_BYTES = _HEADER.size + _CRC.size


class Kind(IntEnum):
    BLOCK = 1
    """A block that ends what was sent together: with it, all of that is stored."""
    CLOSE = 2
    PART = 3
    """A block that more of the same sending follows. Without the BLOCK that ends it, it does not count."""


class Header(NamedTuple):
    generation: int
    first_seq: int
    created_us: int

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
    """Which session sent it: see `logd.store.run.session_key`."""
    batch: int
    """The number of the last of the session's batches that are in it."""
    data_crc: int
    """CRC-32 of its bytes."""
    level_mask: int
    kind: int = Kind.BLOCK

    def pack(self) -> bytes:
        body = _ENTRY.pack(*self, 0)
        return body + _CRC.pack(crc32(body))

    @classmethod
    def unpack(cls, data: bytes) -> Entry | None:
        """The entry in `data`, or None where it is not a whole and sound one."""
        if len(data) < ENTRY_BYTES or not _crc_holds(data):
            return None
        return cls(*_ENTRY.unpack_from(data)[:-1])

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

    def entries(self, start: int = 0) -> Iterator[Entry | None]:
        """The entries from number `start`; None for each damaged one."""
        for number in range(start, len(self)):
            yield self.entry(number)

    def last_block(self) -> Entry | None:
        """The entry of the newest block that counts, None for an empty index."""
        for number in range(len(self) - 1, -1, -1):
            entry = self.entry(number)
            if entry is not None and entry.kind == Kind.BLOCK:
                return entry
        return None

    def find_seq(self, seq: int) -> Entry | None:
        """The entry of the block that holds record `seq`, or else of the last block before it."""
        return self._find(seq, lambda entry: entry.first_seq)

    def find_time(self, time_us: int) -> Entry | None:
        """The last block received at or before a time."""
        return self._find(time_us, lambda entry: entry.time_us)

    def _find(self, value: int, key: Callable[[Entry], int]) -> Entry | None:
        def at(number: int) -> int:
            # A damaged entry is stepped over, to the next sound one: the order is kept.
            entry = next((entry for entry in self.entries(number) if entry is not None), None)
            return value + 1 if entry is None or entry.kind == Kind.CLOSE else key(entry)

        number = bisect_right(range(len(self)), value, key=at) - 1
        while number >= 0:
            entry = self.entry(number)
            if entry is not None and entry.kind != Kind.CLOSE:
                return entry
            number -= 1
        return None

    def last_batch(self, session_key: int) -> int:
        """The number of the newest stored batch of a session, 0 where it has none here."""
        packed = _SESSION_KEY.pack(session_key)
        data = os.pread(self._fd, len(self) * ENTRY_BYTES, HEADER_BYTES)
        at = data.rfind(packed)
        while at >= 0:
            start = at - _SESSION_KEY_OFFSET
            if start >= 0 and start % ENTRY_BYTES == 0:
                entry = Entry.unpack(data[start : start + ENTRY_BYTES])
                if entry is not None and entry.kind == Kind.BLOCK:
                    return entry.batch
            at = data.rfind(packed, 0, at + len(packed) - 1)
        return 0
