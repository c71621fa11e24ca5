"""What a repair leaves out of a segment is kept in `<segment>.damaged`, for people to look at.

Each stretch stands behind a line that says where it was, and how long it is:

    {"file":"00000000000000000001.jsonl","offset":4096,"length":900,"first_seq":17,"record_count":9}

Of compressed text it is whole frames of the file as they are, and the line says where in the file they were. What a
stop interrupts is there twice when it is done again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence

from logd.store import disk
from logd.store.scan import READ_BYTES, Stretch, read_text
from logd.store.segment import compressed_name, open_in, segment_name
from logd.store.text import CompressedText, Text

DAMAGED = ".damaged"
_SECTOR_BYTES = 4096
"""Where a disk cannot read, it is so much at the least."""


def keep_left_out(folder_fd: int, segment: int, text: Text, stretches: Sequence[Stretch]) -> None:
    """Append what can be read of these stretches to the segment's file, and sync it. OSError where the disk says no."""
    kept = _frames(folder_fd, segment, text, stretches) if isinstance(text, CompressedText) else _texts(text, stretches)
    fd = -1
    try:
        for offset, data, said in kept:
            if fd < 0:
                fd = open_in(folder_fd, segment_name(segment) + DAMAGED, os.O_RDWR | os.O_CREAT)
                at = os.fstat(fd).st_size
            file = compressed_name(segment) if isinstance(text, CompressedText) else segment_name(segment)
            line = json.dumps({"file": file, "offset": offset, "length": len(data), **said}, separators=(",", ":"))
            disk.write_at(fd, [line.encode(), b"\n", data, b"\n"], at)
            at += len(line) + len(data) + 2
        if fd >= 0:
            disk.fsync(fd)
    finally:
        if fd >= 0:
            os.close(fd)


_Kept = tuple[int, bytes, dict[str, int]]
"""Where it was, the bytes, and what is known of it."""


def _texts(text: Text, stretches: Sequence[Stretch]) -> Iterator[_Kept]:
    for stretch in stretches:
        said = {"first_seq": stretch.first_seq, "record_count": stretch.record_count}
        end = min(stretch.end, text.size_bytes)
        for offset in range(stretch.offset, end, READ_BYTES):
            for at, data in _readable(text, min(READ_BYTES, end - offset), offset):
                yield at, data, said


def _readable(text: Text, length: int, offset: int) -> Iterator[tuple[int, bytes]]:
    """What can be read of a stretch, and where it is."""
    data = read_text(text, length, offset)
    if data is not None:
        yield offset, data
    elif length > _SECTOR_BYTES:
        half = length // 2 // _SECTOR_BYTES * _SECTOR_BYTES or _SECTOR_BYTES
        yield from _readable(text, half, offset)
        yield from _readable(text, length - half, offset + half)


def _frames(folder_fd: int, segment: int, text: CompressedText, stretches: Sequence[Stretch]) -> Iterator[_Kept]:
    """The frames that hold something of these stretches, and what is no frame."""
    reader = text.reader
    if reader is None:
        return
    fd = open_in(folder_fd, compressed_name(segment), os.O_RDONLY)
    try:
        for number in range(reader.frame_count):
            start, length = reader.frame_span(number)
            end = start + length
            if length and not any(stretch.offset < end and start < stretch.end for stretch in stretches):
                continue
            place, size = reader.frame_place(number)
            for at in range(place, place + size, READ_BYTES):
                yield at, os.pread(fd, min(READ_BYTES, place + size - at), at), {}
    finally:
        os.close(fd)
