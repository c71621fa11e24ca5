"""The text of a compressed segment whose seek table is damaged: its frames are there, and are found one by one.

They follow each other from the file's beginning. Behind one that is damaged the next is looked for, by what frames
begin with; as nobody knows how long the text of the damaged one was, an entry must tell where the next one's belongs: a
frame begins with a block.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from logd.store.checksum import crc32
from logd.store.index import Index
from logd.store.seekable import FRAME_MAGIC, MAX_COMPRESSED_BYTES, SEAL_MAGIC, first_frame
from logd.store.segment import compressed_name, open_in, store_errors
from logd.store.text import CompressedText, FrameCache

_FIRST_BYTES = 256 * 1024
"""Read for a frame at first; more where it is longer, up to `MAX_COMPRESSED_BYTES`."""


def open_salvaged(folder_fd: int, segment: int, index: Index | None) -> CompressedText:
    """A compressed segment's text, as far as it is found without the seek table. StoreError where it cannot be read."""
    fd = open_in(folder_fd, compressed_name(segment), os.O_RDONLY)
    try:
        with store_errors("read", compressed_name(segment)):
            return CompressedText(fd, FrameCache(0), find_sizes(fd, index))
    except BaseException:
        os.close(fd)
        raise


def find_sizes(fd: int, index: Index | None) -> list[tuple[int, int]]:
    """The sizes of all frames of a file, compressed and as text, found without its table.

    What is between two sound frames counts as one that is damaged, as long as the text that is missing there; so does
    what is behind the last, but the table, with no text.
    """
    sizes: list[tuple[int, int]] = []
    place = offset = 0
    file_bytes = os.fstat(fd).st_size
    while place < file_bytes:
        frame = _frame_at(fd, place)
        if frame is not None:
            size, text = frame
            length = len(text)
        elif (following := _next_frame(fd, place + 1, offset, index)) is not None:
            size, length = following[0] - place, following[1] - offset
        elif os.pread(fd, len(SEAL_MAGIC), place) == SEAL_MAGIC:
            break
        else:
            size, length = file_bytes - place, 0
        sizes.append((size, length))
        place, offset = place + size, offset + length
    return sizes


def _frame_at(fd: int, place: int) -> tuple[int, bytes] | None:
    want = _FIRST_BYTES
    while (data := os.pread(fd, want, place)).startswith(FRAME_MAGIC):
        frame = first_frame(data)
        if frame is not None or len(data) < want or want >= MAX_COMPRESSED_BYTES:
            return frame
        want = min(8 * want, MAX_COMPRESSED_BYTES)
    return None


def _next_frame(fd: int, place: int, offset: int, index: Index | None) -> tuple[int, int] | None:
    """The place of the first sound frame from `place` on, and where its text belongs, behind `offset`."""
    for found in _magic_places(fd, place):
        frame = _frame_at(fd, found)
        if frame is not None and (start := _offset_of(frame[1], offset, index)) is not None:
            return found, start
    return None


def _magic_places(fd: int, place: int) -> Iterator[int]:
    while data := os.pread(fd, _FIRST_BYTES, place):
        at = data.find(FRAME_MAGIC)
        while at >= 0:
            yield place + at
            at = data.find(FRAME_MAGIC, at + 1)
        if len(data) < _FIRST_BYTES:
            return
        place += len(data) - len(FRAME_MAGIC) + 1


def _offset_of(text: bytes, offset: int, index: Index | None) -> int | None:
    """Where a frame's text belongs, `offset` at the least: where the block stands that it begins with."""
    for number in range(len(index) if index is not None else 0):
        entry = index.entry(number) if index is not None else None
        if entry is None or entry.offset < offset or not 0 < entry.length <= len(text):
            continue
        if crc32(memoryview(text)[: entry.length]) == entry.data_crc:
            return entry.offset
    return None
