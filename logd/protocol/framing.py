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


def frame(payload: bytes) -> bytes:
    """`payload` as a frame; the caller has held it to `MAX_FRAME_BYTES`."""
    return _LENGTH.pack(len(payload)) + payload


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
        if self._start:
            # Or else what is spent would be held until the frame behind it is whole.
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
        end = self._start + LENGTH_BYTES + length
        if self._buffered_bytes < LENGTH_BYTES + length:
            return None
        if len(self._chunks[0]) < end:
            self._join()
            end = LENGTH_BYTES + length
        payload = self._chunks[0][end - length : end]
        self._buffered_bytes -= LENGTH_BYTES + length
        self._start = end
        if end == len(self._chunks[0]):
            self._chunks.popleft()
            self._start = 0
        return payload

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
