"""Frames: a big-endian u32 length, then that many bytes.

A length over the limit is refused on sight, before anything is allocated for it, and an incomplete frame never holds
more than its own length: what is buffered is bounded by one frame and one read.
"""

from __future__ import annotations

import struct
from collections import deque

from logd.errors import RemoteProtocolError
from logd.protocol.codes import ErrorCode

MAX_FRAME_BYTES = 1024 * 1024
"""The longest frame's payload: a block of lines, or a page of rows, fits with room to spare."""

MAX_CHUNKS = 1024
"""Chunks kept as they came, before they are joined: a peer that sends two bytes at a time would have each of them cost
forty."""

_LENGTH = struct.Struct(">I")
LENGTH_BYTES = _LENGTH.size


def frame(*payload: bytes) -> bytes:
    """A payload, in as many parts as it comes, as a frame; the caller has held it to `MAX_FRAME_BYTES`."""
    return b"".join(frame_parts(*payload))


def frame_parts(*payload: bytes) -> tuple[bytes, bytes]:
    """The same in two parts, of which the second is the payload's last part as it is."""
    return b"".join((_LENGTH.pack(sum(map(len, payload))), *payload[:-1])), payload[-1]


class FrameReader:
    """Bytes in, as they come; frames' payloads out, whole.

    What comes is kept as it came, so that small frames are slices of one read, and a large one is joined once.
    """

    def __init__(self) -> None:
        self._chunks: deque[bytes] = deque()
        self._start = 0
        """Of the next frame, in the first chunk."""
        self._buffered_bytes = 0

    def feed(self, data: bytes) -> None:
        if not data:
            return
        if self._chunks and self._start > len(self._chunks[0]) // 2:
            # Or else what is spent would be held until the frame behind it is whole; less than half of it is not much.
            self._chunks[0] = self._chunks[0][self._start :]
            self._start = 0
        self._chunks.append(data)
        self._buffered_bytes += len(data)
        if len(self._chunks) > MAX_CHUNKS:
            self._join()

    def next_frame(self) -> bytes | None:
        """The next whole payload, or None until more is fed.

        Raises:
            RemoteProtocolError: the next frame announces more than `MAX_FRAME_BYTES`, or is empty.
        """
        if self._buffered_bytes < LENGTH_BYTES:
            return None
        if len(self._chunks[0]) - self._start < LENGTH_BYTES:
            self._join()
        (length,) = _LENGTH.unpack_from(self._chunks[0], self._start)
        if not 0 < length <= MAX_FRAME_BYTES:
            raise RemoteProtocolError(
                ErrorCode.BAD_FRAME, f"a frame announces {length} bytes; 1 to {MAX_FRAME_BYTES} are allowed"
            )
        if self._buffered_bytes < LENGTH_BYTES + length:
            return None
        self._buffered_bytes -= LENGTH_BYTES + length
        self._start += LENGTH_BYTES
        if length < len(self._chunks[0]) - self._start:  # one of many in a read
            self._start += length
            return self._chunks[0][self._start - length : self._start]
        pieces = []
        while length:
            pieces.append(self._take(length))
            length -= len(pieces[-1])
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _take(self, max_bytes: int) -> bytes:
        """The next bytes, as many of them as the first chunk has."""
        chunk = self._chunks[0]
        piece = chunk[self._start : self._start + max_bytes]
        self._start += len(piece)
        if self._start == len(chunk):
            self._chunks.popleft()
            self._start = 0
        return piece

    def _join(self) -> None:
        """Make one chunk of all: the next frame begins in one and goes on in others."""
        first = self._chunks.popleft()
        joined = b"".join((memoryview(first)[self._start :], *self._chunks))
        self._chunks.clear()
        self._chunks.append(joined)
        self._start = 0

    @property
    def mid_frame(self) -> bool:
        """Whether a frame has begun and is not complete: what its sender may take only so long over."""
        return self._buffered_bytes > 0
