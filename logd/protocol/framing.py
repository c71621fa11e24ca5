"""Frames: a big-endian u32 length, then that many bytes.

A length over the limit is refused on sight, before anything is allocated for it, and an incomplete frame never holds
more than its own length: what is buffered is bounded by one frame and one read.
"""

from __future__ import annotations

import struct

from logd.errors import RemoteProtocolError
from logd.protocol.codes import ErrorCode

MAX_FRAME_BYTES = 1024 * 1024
"""The longest frame's payload: a block of lines, or a page of rows, fits with room to spare."""

_LENGTH = struct.Struct(">I")
LENGTH_BYTES = _LENGTH.size


def frame(payload: bytes) -> bytes:
    """`payload` as a frame; the caller has held it to `MAX_FRAME_BYTES`."""
    return _LENGTH.pack(len(payload)) + payload


class FrameReader:
    """Bytes in, as they come; frames' payloads out, whole."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._start = 0

    def feed(self, data: bytes) -> None:
        # Spent frames are dropped here, once for a read, and not for every frame: small frames come by the hundred.
        if self._start:
            del self._buffer[: self._start]
            self._start = 0
        self._buffer += data

    def next_frame(self) -> bytes | None:
        """The next whole payload, or None until more is fed.

        Raises:
            RemoteProtocolError: the next frame announces more than `MAX_FRAME_BYTES`, or is empty.
        """
        body = self._start + LENGTH_BYTES
        if len(self._buffer) < body:
            return None
        (length,) = _LENGTH.unpack_from(self._buffer, self._start)
        if not 0 < length <= MAX_FRAME_BYTES:
            raise RemoteProtocolError(
                ErrorCode.BAD_FRAME, f"a frame announces {length} bytes; 1 to {MAX_FRAME_BYTES} are allowed"
            )
        end = body + length
        if len(self._buffer) < end:
            return None
        self._start = end
        with memoryview(self._buffer) as view:
            return bytes(view[body:end])

    @property
    def mid_frame(self) -> bool:
        """Whether a frame has begun and is not complete: what its sender may take only so long over."""
        return len(self._buffer) > self._start
