"""Making a run's newest segment sound again before it is used.

Only the newest segment can be unclean: all others were closed when they were followed, and need mending only where
their index is lost. One that ends with a CLOSE entry that fits its length is used as it is. Otherwise, in this order,
so that a stop after any step is mended by the next:

1. Find the last entry that is whole and whose block's bytes are there and match: what comes after it was never
   acknowledged.
2. Copy the bytes after it to `<segment>.torn`, for people to look at.
3. Raise the generation in the index's header, if there are such bytes: before they are cut, as nothing tells afterwards
   that they were.
4. Cut the segment, then the index, behind it.

An index that is lost is made again from the text; batch numbers are not in the text, so that a resend of a batch from
before cannot be recognised then.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from logd.record import Severity
from logd.store.checksum import crc32
from logd.store.index import ENTRY_BYTES, HEADER_BYTES, Entry, Header, Index, Kind
from logd.store.segment import index_name, open_in, segment_name, store_errors, write_at

_REBUILT_BLOCK_BYTES = 256 * 1024
_COPY_BYTES = 1024 * 1024
_ANY_LEVEL = sum(severity.mask_bit for severity in Severity)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Recovered(NamedTuple):
    """Where a run's newest segment ends."""

    header: Header
    size_bytes: int
    entry_count: int
    next_seq: int
    time_us: int
    """When its newest block was received, or else when it was begun."""
    torn_bytes: int = 0
    """How many bytes were cut off."""


def recover(folder_fd: int, first_seq: int) -> Recovered:
    """Make a segment sound, and say where it ends. StoreError where the files cannot be read or mended."""
    data_fd = open_in(folder_fd, segment_name(first_seq), os.O_RDWR)
    try:
        index_fd = open_in(folder_fd, index_name(first_seq), os.O_RDWR | os.O_CREAT)
        try:
            with store_errors("recover", segment_name(first_seq)):
                return _recover(folder_fd, first_seq, data_fd, index_fd)
        finally:
            os.close(index_fd)
    finally:
        os.close(data_fd)


def _recover(folder_fd: int, first_seq: int, data_fd: int, index_fd: int) -> Recovered:
    data_bytes = os.fstat(data_fd).st_size
    index = Index(index_fd)
    header = index.header()
    if header is None or header.first_seq != first_seq:
        header = Header(1, first_seq, max(0, os.fstat(data_fd).st_mtime_ns // 1000))
        _rebuild(data_fd, index_fd, header)
    count = len(index)
    last = index.entry(count - 1) if count else None
    if last is not None and last.kind == Kind.CLOSE and last.offset == data_bytes:
        return Recovered(header, data_bytes, count - 1, last.first_seq, last.time_us)

    newest, entry_count = _last_sound_block(index, data_fd, data_bytes)
    end = newest.end if newest else 0
    torn_bytes = data_bytes - end
    if torn_bytes:
        _keep_torn(folder_fd, first_seq, data_fd, end)
        header = header._replace(generation=header.generation + 1)
        write_at(index_fd, [header.pack()], 0)
        os.ftruncate(data_fd, end)
    os.ftruncate(index_fd, HEADER_BYTES + entry_count * ENTRY_BYTES)
    next_seq = newest.next_seq if newest else first_seq
    return Recovered(header, end, entry_count, next_seq, newest.time_us if newest else header.created_us, torn_bytes)


def _last_sound_block(index: Index, data_fd: int, data_bytes: int) -> tuple[Entry | None, int]:
    """The newest block that is stored whole, and how many entries there are up to its own."""
    for number in range(len(index) - 1, -1, -1):
        entry = index.entry(number)
        if entry is None or entry.kind != Kind.BLOCK or entry.end > data_bytes:
            continue
        if crc32(os.pread(data_fd, entry.length, entry.offset)) == entry.data_crc:
            return entry, number + 1
    return None, 0


def _keep_torn(folder_fd: int, first_seq: int, data_fd: int, start: int) -> None:
    torn_fd = open_in(folder_fd, segment_name(first_seq) + ".torn", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        while data := os.pread(data_fd, _COPY_BYTES, start):
            start += os.write(torn_fd, data)
    finally:
        os.close(torn_fd)


def _rebuild(data_fd: int, index_fd: int, header: Header) -> None:
    """Write an index for a segment from its text alone, in blocks of our own cutting.

    The header goes last: until it is there the index is lost, and never one of no entries, with which all is torn off.
    """
    os.ftruncate(index_fd, 0)
    write_at(index_fd, [entry.pack() for entry in _entries_of_text(data_fd, header)], HEADER_BYTES)
    write_at(index_fd, [header.pack()], 0)


def _entries_of_text(data_fd: int, header: Header) -> Iterator[Entry]:
    offset, seq, time_us = 0, header.first_seq, 0
    want = _REBUILT_BLOCK_BYTES
    while data := os.pread(data_fd, want, offset):
        length = data.rfind(b"\n") + 1
        if not length:
            if len(data) < want:
                return  # a torn last line
            want *= 2
            continue
        block = data[:length]
        count = block.count(b"\n")
        # What a client said of the time may lie in the future; nothing came after the file was last written.
        time_us = max(time_us, min(_time_of(block) or header.created_us, header.created_us))
        yield Entry(offset, length, count, seq, time_us, 0, 0, crc32(block), _ANY_LEVEL)
        offset, seq, want = offset + length, seq + count, _REBUILT_BLOCK_BYTES


def _time_of(block: bytes) -> int:
    """The time of a block's first record, 0 where it does not say one as we write it."""
    text = block[len(b'{"time":"') : len(b'{"time":"2026-11-21T10:20:30.123456Z')]
    try:
        moment = datetime.fromisoformat(text.decode("ascii"))
    except ValueError:
        return 0
    return (moment - _EPOCH) // timedelta(microseconds=1) if moment.tzinfo else 0
