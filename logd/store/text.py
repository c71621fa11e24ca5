"""The text of a segment, wherever it stands: in its plain file, or compressed."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Protocol

from logd.errors import StoreError
from logd.store.seekable import Damaged, SeekableReader
from logd.store.segment import compressed_name, open_in, segment_name, store_errors

MAX_CACHED_FRAME_BYTES = 4 * 1024 * 1024
"""Decompressed frames in memory, of all runs: who reads on wants the rest of the last one. The oldest go."""

_FrameKey = tuple[int, int, int]


class FrameCache:
    """The frames that were decompressed last, one at the least. Any thread may use it."""

    def __init__(self, max_bytes: int = MAX_CACHED_FRAME_BYTES) -> None:
        self._max_bytes = max_bytes
        self._frames: OrderedDict[_FrameKey, bytes] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, key: _FrameKey) -> bytes | None:
        with self._lock:
            frame = self._frames.get(key)
            if frame is not None:
                self._frames.move_to_end(key)
            return frame

    def add(self, key: _FrameKey, frame: bytes) -> None:
        with self._lock:
            if key not in self._frames:
                self._frames[key] = frame
                self._bytes += len(frame)
            while self._bytes > self._max_bytes and len(self._frames) > 1:
                self._bytes -= len(self._frames.popitem(last=False)[1])


class Text(Protocol):
    """Open text; `close` it."""

    size_bytes: int
    modified_us: int
    """When the file was last written to, in microseconds since the epoch."""

    def pread(self, length: int, offset: int) -> bytes:
        """As os.pread on the plain text; b"" where it is damaged. OSError where the disk says no."""

    def close(self) -> None: ...


class PlainText:
    def __init__(self, fd: int) -> None:
        self._fd = fd
        status = os.fstat(fd)
        self.size_bytes = status.st_size
        self.modified_us = max(0, status.st_mtime_ns // 1000)

    def pread(self, length: int, offset: int) -> bytes:
        return os.pread(self._fd, length, offset)

    def close(self) -> None:
        os.close(self._fd)


class CompressedText:
    """Text in a seekable file. One whose table is damaged has no text at all.

    Args:
        fd: the file's descriptor, which is the text's from now on.
        sizes: as SeekableReader has them.
    """

    def __init__(self, fd: int, cache: FrameCache, sizes: Sequence[tuple[int, int]] | None = None) -> None:
        self._fd = fd
        self._cache = cache
        status = os.fstat(fd)
        self._key = status.st_ino, status.st_mtime_ns
        self.modified_us = max(0, status.st_mtime_ns // 1000)
        self.size_bytes = 0
        self.reader: SeekableReader | None = None
        """None where the table is damaged."""
        self._damaged: set[int] = set()
        """The frames that are: others are asked for in vain, of which there are many in one."""
        try:
            self.reader = SeekableReader(fd, sizes)
        except Damaged:
            return
        self.size_bytes = self.reader.size_bytes

    def pread(self, length: int, offset: int) -> bytes:
        if self.reader is None or offset >= self.size_bytes:
            return b""
        pieces: list[bytes] = []
        number = self.reader.find_frame(offset)
        end = min(offset + length, self.size_bytes)
        while offset < end:
            start, frame_length = self.reader.frame_span(number)
            frame = self._frame(number)
            if frame is None:
                return b""
            pieces.append(frame[offset - start : end - start])
            offset = start + frame_length
            number += 1
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _frame(self, number: int) -> bytes | None:
        key = (*self._key, number)
        frame = self._cache.get(key)
        if frame is None and self.reader is not None and number not in self._damaged:
            try:
                frame = self.reader.read_frame(number)
            except Damaged:
                self._damaged.add(number)
                return None
            self._cache.add(key, frame)
        return frame

    def close(self) -> None:
        os.close(self._fd)


def open_text(folder_fd: int, segment: int, cache: FrameCache) -> Text:
    """A segment's text. StoreError where it cannot be opened; its errno is ENOENT where the segment is gone."""
    try:
        return _open(folder_fd, segment_name(segment), PlainText)
    except StoreError as error:
        if not error.is_absence:
            raise
    # The plain file goes only when the compressed one is there.
    return _open(folder_fd, compressed_name(segment), lambda fd: CompressedText(fd, cache))


def _open(folder_fd: int, name: str, read: Callable[[int], Text]) -> Text:
    fd = open_in(folder_fd, name, os.O_RDONLY)
    try:
        with store_errors("read", name):
            return read(fd)
    except BaseException:
        os.close(fd)
        raise
