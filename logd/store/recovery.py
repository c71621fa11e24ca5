"""Where a run's newest segment ends, and making it sound before it is written again.

Only the newest segment can be unclean: all others were closed when they were followed. One that ends with a CLOSE entry
that fits its length is used as it is. Otherwise its end is the last entry that is whole and whose block's bytes are
there and match: what comes after it was never acknowledged. To find that changes nothing, so that a run can be read on
a disk that is full. It is made so before the segment is written to, in this order, so that a stop after any step is
mended by the next:

1. Copy the bytes after its end to `<segment>.torn`, for people to look at.
2. Raise the generation in the index's header, if there are such bytes: before they are cut, as nothing tells afterwards
   that they were.
3. Cut the segment, then the index, behind its end.

An index that is lost is made again from the text; batch numbers are not in the text, so that a resend of a batch from
before cannot be recognised then.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from logd.errors import StoreError
from logd.record import ANY_LEVEL
from logd.store import disk
from logd.store.checksum import crc32
from logd.store.index import ENTRY_BYTES, HEADER_BYTES, Entry, Header, Index, Kind
from logd.store.segment import Mark, index_name, open_in, segment_name, store_errors
from logd.store.text import Text

_REBUILT_BLOCK_BYTES = 256 * 1024
_COPY_BYTES = 1024 * 1024
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ALWAYS_US = 2**63
_TIMES = re.compile(rb'^\{"time":"([^"]{27})"', re.MULTILINE)


class Found(NamedTuple):
    """Where a run's newest segment ends."""

    header: Header
    """As it is to be: its generation is raised where bytes are torn."""
    end: Mark
    time_us: int
    """When its newest block was received, or else when it was begun."""
    torn_bytes: int = 0
    """How many bytes come after its end."""
    clean: bool = True
    """Whether it was closed in good order, so that nothing is to be mended."""


def find_end(folder_fd: int, first_seq: int) -> Found:
    """Say where a segment ends. StoreError where its files cannot be read."""
    data_fd = open_in(folder_fd, segment_name(first_seq), os.O_RDONLY)
    try:
        index_fd = open_in(folder_fd, index_name(first_seq), os.O_RDONLY)
        try:
            with store_errors("read", segment_name(first_seq)):
                return _find_end(data_fd, Index(index_fd), first_seq)
        finally:
            os.close(index_fd)
    finally:
        os.close(data_fd)


def _find_end(data_fd: int, index: Index, first_seq: int) -> Found:
    data_bytes = os.fstat(data_fd).st_size
    header = index.header() or Header(1, first_seq, 0)
    count = len(index)
    last = index.entry(count - 1) if count else None
    if last is not None and last.kind == Kind.CLOSE and last.offset == data_bytes:
        return Found(header, Mark(data_bytes, count - 1, last.first_seq), last.time_us)
    newest, entry_count = _last_sound_block(index, data_fd, data_bytes)
    end = Mark(newest.end, entry_count, newest.next_seq) if newest else Mark(0, 0, first_seq)
    torn_bytes = data_bytes - end.size_bytes
    if torn_bytes:
        header = header._replace(generation=header.generation + 1, generation_seq=end.next_seq)
    return Found(header, end, newest.time_us if newest else header.created_us, torn_bytes, clean=False)


def _last_sound_block(index: Index, data_fd: int, data_bytes: int) -> tuple[Entry | None, int]:
    """The newest block that is stored whole, and how many entries there are up to its own."""
    for number in range(len(index) - 1, -1, -1):
        entry = index.entry(number)
        if entry is None or entry.kind != Kind.BLOCK or entry.end > data_bytes:
            continue
        if crc32(os.pread(data_fd, entry.length, entry.offset)) == entry.data_crc:
            return entry, number + 1
    return None, 0


def mend(folder_fd: int, found: Found) -> None:
    """Cut off what comes after a segment's end. StoreError where that cannot be done."""
    if found.clean:
        return
    first_seq, end = found.header.first_seq, found.end
    data_fd = open_in(folder_fd, segment_name(first_seq), os.O_RDWR)
    try:
        index_fd = open_in(folder_fd, index_name(first_seq), os.O_RDWR)
        try:
            with store_errors("mend", segment_name(first_seq)):
                if found.torn_bytes:
                    _keep_torn(folder_fd, first_seq, data_fd, end.size_bytes)
                    disk.write_at(index_fd, [found.header.pack()], 0)
                    disk.ftruncate(data_fd, end.size_bytes)
                disk.ftruncate(index_fd, HEADER_BYTES + end.entry_count * ENTRY_BYTES)
        finally:
            os.close(index_fd)
    finally:
        os.close(data_fd)


def _keep_torn(folder_fd: int, first_seq: int, data_fd: int, start: int) -> None:
    torn_fd = open_in(folder_fd, segment_name(first_seq) + ".torn", os.O_RDWR | os.O_CREAT)
    try:
        at = os.fstat(torn_fd).st_size
        while data := os.pread(data_fd, _COPY_BYTES, start):
            disk.write_at(torn_fd, [data], at)
            start, at = start + len(data), at + len(data)
    finally:
        os.close(torn_fd)


def has_index(folder_fd: int, first_seq: int) -> bool:
    """Whether a segment has an index whose header is sound."""
    try:
        fd = open_in(folder_fd, index_name(first_seq), os.O_RDONLY)
    except StoreError as error:
        if error.is_absence:
            return False
        raise
    try:
        with store_errors("read", index_name(first_seq)):
            header = Index(fd).header()
    finally:
        os.close(fd)
    return header is not None and header.first_seq == first_seq


def restore_header(folder_fd: int, first_seq: int, generation: int) -> bool:
    """Write the header again of an index that has sound entries, and lacks no more than that.

    One of zeros is not restored: who made the index from the text was stopped, and its entries may not be all.

    Raises:
        StoreError: a file cannot be read or written.
    """
    try:
        data_fd = open_in(folder_fd, segment_name(first_seq), os.O_RDONLY)
    except StoreError as error:
        if error.is_absence:
            return False
        raise
    try:
        index_fd = open_in(folder_fd, index_name(first_seq), os.O_RDWR)
        try:
            with store_errors("mend", index_name(first_seq)):
                index = Index(index_fd)
                newest, count = _last_sound_block(index, data_fd, os.fstat(data_fd).st_size)
                if newest is None or index.header() is not None or not any(os.pread(index_fd, HEADER_BYTES, 0)):
                    return False
                begun_us = next(entry.time_us for entry in index.entries(0, count) if entry is not None)
                disk.write_at(index_fd, [Header(generation, first_seq, begun_us).pack()], 0)
                return True
        finally:
            os.close(index_fd)
    finally:
        os.close(data_fd)


class Around(NamedTuple):
    """What a segment lies between, so that neither generations nor times fall from one to the next."""

    generation: int = 1
    """Of the segment before."""
    begun_us: int = 0
    """When that one was begun."""
    earliest_us: int = 0
    """When its newest block was received, or else when it was begun."""
    latest_us: int = _ALWAYS_US
    """When the segment after it was begun."""


def around(folder_fd: int, before: int | None, after: int | None) -> Around:
    """What is between two segments, as far as they are there. StoreError where an index cannot be read."""
    found = Around()
    if before is not None:
        header, newest = _header_and_newest(folder_fd, before)
        if header is not None:
            found = Around(header.generation, header.created_us, header.created_us)
        if newest is not None:
            found = found._replace(earliest_us=newest.time_us)
    if after is not None:
        header, _ = _header_and_newest(folder_fd, after)
        found = found._replace(latest_us=header.created_us if header else _ALWAYS_US)
    return found


def _header_and_newest(folder_fd: int, first_seq: int) -> tuple[Header | None, Entry | None]:
    try:
        fd = open_in(folder_fd, index_name(first_seq), os.O_RDONLY)
    except StoreError as error:
        if error.is_absence:
            return None, None
        raise
    try:
        with store_errors("read", index_name(first_seq)):
            index = Index(fd)
            entries = (index.entry(number) for number in range(len(index) - 1, -1, -1))
            newest = next((entry for entry in entries if entry is not None and entry.kind != Kind.CLOSE), None)
            return index.header(), newest
    finally:
        os.close(fd)


def rebuild_index(folder_fd: int, first_seq: int, text: Text, generation: int, between: Around) -> None:
    """Write an index for a segment from its text alone, in blocks of our own cutting.

    The header goes last: until it is there the index is lost, and never one of no entries, with which all is torn off.
    """
    index_fd = open_in(folder_fd, index_name(first_seq), os.O_RDWR | os.O_CREAT)
    try:
        with store_errors("write", index_name(first_seq)):
            # What a client said of the time may lie in the future; nothing came after the file was last written.
            latest_us = min(text.modified_us, between.latest_us)
            disk.ftruncate(index_fd, 0)
            entries = list(entries_of_text(text, first_seq, earliest_us=between.earliest_us, latest_us=latest_us))
            header = Header(generation, first_seq, entries[0].time_us if entries else latest_us)
            disk.write_at(index_fd, [entry.pack() for entry in entries], HEADER_BYTES)
            disk.write_at(index_fd, [header.pack()], 0)
    finally:
        os.close(index_fd)


def entries_of_text(
    text: Text, first_seq: int, *, earliest_us: int, latest_us: int, start: int = 0, stop: int | None = None
) -> Iterator[Entry]:
    """Entries for the whole lines of a text from `start` to `stop`, or to its end, in blocks of our own cutting.

    Args:
        first_seq: the first line's seq.
        earliest_us: they were not received before that.
        latest_us: nor after that.
    """
    offset, seq, time_us = start, first_seq, earliest_us
    end = text.size_bytes if stop is None else stop
    want = _REBUILT_BLOCK_BYTES
    while data := text.pread(min(want, end - offset), offset):
        length = data.rfind(b"\n") + 1
        if not length:
            if len(data) < want:
                return  # a torn last line
            want *= 2
            continue
        block = data[:length]
        count = block.count(b"\n")
        times = [time for time in map(_time_us, _TIMES.findall(block)) if time is not None]
        time_us = max(time_us, min(times[0] if times else latest_us, latest_us))
        oldest_us, newest_us = (min(times), max(times)) if len(times) == count else (0, _ALWAYS_US)
        yield Entry(
            offset, length, count, seq, time_us, 0, 0, crc32(block), ANY_LEVEL, Kind.BLOCK, oldest_us, newest_us
        )
        offset, seq, want = offset + length, seq + count, _REBUILT_BLOCK_BYTES


def _time_us(text: bytes) -> int | None:
    """The time that a record says, None where it does not say one as we write it."""
    try:
        moment = datetime.fromisoformat(text.decode("ascii"))
    except ValueError:
        return None
    return (moment - _EPOCH) // timedelta(microseconds=1) if moment.tzinfo and moment >= _EPOCH else None
