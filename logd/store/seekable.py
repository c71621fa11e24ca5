"""Compressed text that can be read at any place: a file in the Zstandard Seekable Format.

    frame ...     Zstandard frames, independent of each other, each with its text's length and checksum
    check         a skippable frame: the CRC-32 of the seek table
    seek table    a skippable frame: each frame's size and its text's, and a footer to find the table by

Every Zstandard tool reads the whole and skips the last two, so that `zstdcat` gives the text. The format is version
0.1.0 of zstd's contrib/seekable_format/zstd_seekable_compression_format.md; all its numbers are little-endian.

The check is ours; for the format it is one more frame, which has no text. It is needed as nothing else protects the
table: one wrong bit in a text's length, and what is read behind it is other text, unnoticed. The format's own checksums
are of text, which the frames have already. A file without the check is refused, also where it is sound otherwise.
"""

from __future__ import annotations

import os
import struct
import sys
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from logd.store import disk
from logd.store.checksum import crc32

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

FRAME_BYTES = 1024 * 1024
"""About how much text to put in a frame. To read one record its frame is decoded, which takes 1 to 2 ms; logs that are
cut in larger frames do not get smaller."""
MAX_FRAME_BYTES = 16 * 1024 * 1024
"""Of a frame's text; it bounds what a reader takes in memory. A longer one is not written, and taken for damage."""
MAX_FRAMES = 65536
"""64 GiB in frames of 1 MiB; it bounds the table. More are not written, and taken for damage."""
DEFAULT_LEVEL = 1
"""Of zstd's, what suits logs: 9 % of the text is left at 700 MB/s, less than at 2 to 4, which are slower. Level 6 takes
a tenth off that in four times the time."""

MAX_COMPRESSED_BYTES = MAX_FRAME_BYTES + MAX_FRAME_BYTES // 256
"""What zstd makes of `MAX_FRAME_BYTES` at the worst: its ZSTD_COMPRESSBOUND."""
_TAIL_BYTES = 4096
"""How much of a file's end is read at first: it holds the table of 500 frames. A longer table is read once more."""

_CHECK = struct.Struct("<III")
_TABLE_HEADER = struct.Struct("<II")
_ENTRY = struct.Struct("<II")
_FOOTER = struct.Struct("<IBI")
_CHECK_MAGIC = 0x184D2A5C
_TABLE_MAGIC = 0x184D2A5E
_SEEKABLE_MAGIC = 0x8F92EAB1
FRAME_MAGIC = struct.pack("<I", 0xFD2FB528)
"""What every Zstandard frame begins with."""
SEAL_MAGIC = struct.pack("<I", _CHECK_MAGIC)
"""What stands behind the last one."""

# A frame needs no window that is larger than its text.
_DECODING: dict[int, int] = {zstd.DecompressionParameter.window_log_max: MAX_FRAME_BYTES.bit_length() - 1}


class Damaged(ValueError):
    """The file is not what was written: what is wrong, and at which byte of the file."""

    def __init__(self, what: str, offset: int) -> None:
        super().__init__(f"{what}, at byte {offset}")
        self.offset = offset


def first_frame(data: bytes) -> tuple[int, bytes] | None:
    """The size of the frame that `data` begins with, and its text; None where it does not begin with a sound one."""
    try:
        size = zstd.get_frame_size(data) if data.startswith(FRAME_MAGIC) else 0
        length = zstd.get_frame_info(data).decompressed_size if size else None
        if length is None or length > MAX_FRAME_BYTES:
            return None
        decompressor = zstd.ZstdDecompressor(options=_DECODING)
        text = decompressor.decompress(data[:size], length)
    except zstd.ZstdError:
        return None
    return (size, text) if decompressor.eof and len(text) == length else None


def _seal(sizes: Sequence[tuple[int, int]]) -> bytes:
    """What stands behind frames of these sizes, each compressed and as text: the check and the seek table."""
    entries = b"".join([_ENTRY.pack(*size) for size in (*sizes, (_CHECK.size, 0))])
    table = b"".join(
        (
            _TABLE_HEADER.pack(_TABLE_MAGIC, len(entries) + _FOOTER.size),
            entries,
            _FOOTER.pack(len(sizes) + 1, 0, _SEEKABLE_MAGIC),
        )
    )
    return _CHECK.pack(_CHECK_MAGIC, _CHECK.size - _TABLE_HEADER.size, crc32(table)) + table


_EMPTY_SEAL_BYTES = len(_seal(()))


class SeekableWriter:
    """Writes a file from its beginning, by a descriptor that stays the caller's. It is whole after `finish` alone.

    A call that raises OSError has written nothing that counts, and can be made again.

    Args:
        fd: of a file that can be written; what is in it is overwritten.
        level: zstd's compression level, from 1 to 22.
    """

    def __init__(self, fd: int, level: int = DEFAULT_LEVEL) -> None:
        self._fd = fd
        self._compressor = zstd.ZstdCompressor(
            options={
                zstd.CompressionParameter.compression_level: level,
                zstd.CompressionParameter.checksum_flag: 1,
            }
        )
        self._sizes: list[tuple[int, int]] = []
        self.size_bytes = 0
        """Of the file so far."""

    def write_frame(self, data: bytes) -> None:
        """Write text as one frame, which is read as a whole: about `FRAME_BYTES`.

        Raises:
            ValueError: the frame is over `MAX_FRAME_BYTES`, or over `MAX_FRAMES` in number.
        """
        if len(data) > MAX_FRAME_BYTES:
            raise ValueError(f"a frame of {len(data)} bytes is too long: at most {MAX_FRAME_BYTES}")
        if len(self._sizes) == MAX_FRAMES:
            raise ValueError(f"too many frames: at most {MAX_FRAMES}")
        frame = self._compressor.compress(data, zstd.ZstdCompressor.FLUSH_FRAME)
        disk.write_at(self._fd, [frame], self.size_bytes)
        self._sizes.append((len(frame), len(data)))
        self.size_bytes += len(frame)

    def finish(self) -> None:
        """Write the seek table, and cut off what is behind it. The caller syncs and closes the file."""
        seal = _seal(self._sizes)
        disk.write_at(self._fd, [seal], self.size_bytes)
        disk.ftruncate(self._fd, self.size_bytes + len(seal))


class SeekableReader:
    """Reads what a SeekableWriter wrote, by a descriptor that stays the caller's.

    Args:
        sizes: the sizes of all frames, compressed and as text, in place of what the seek table says.

    It keeps the table and no text, so that any thread may use it, and a frame that is read again is decoded again.

    Making one, `read_frame` and `pread` raise Damaged where the file is not as it was written, or ends early, and
    OSError where it cannot be read. What they return is the text that was written.
    """

    def __init__(self, fd: int, sizes: Sequence[tuple[int, int]] | None = None) -> None:
        self._fd = fd
        if sizes is None:
            sizes = self._read_sizes()
        self._places = [0, *accumulate(compressed for compressed, _ in sizes)]
        self._offsets = [0, *accumulate(text for _, text in sizes)]

    def _read_sizes(self) -> list[tuple[int, int]]:
        """The sizes of all frames, compressed and as text."""
        file_bytes = os.fstat(self._fd).st_size
        tail = os.pread(self._fd, _TAIL_BYTES, max(0, file_bytes - _TAIL_BYTES))
        if len(tail) < _EMPTY_SEAL_BYTES:
            raise Damaged("the file is too short for a seek table", file_bytes)
        entry_count, _, magic = _FOOTER.unpack(tail[-_FOOTER.size :])
        if magic != _SEEKABLE_MAGIC:
            raise Damaged("the file does not end with a seek table", file_bytes)
        seal_bytes = _EMPTY_SEAL_BYTES + (entry_count - 1) * _ENTRY.size
        place = file_bytes - seal_bytes
        if not 1 <= entry_count <= MAX_FRAMES + 1 or place < 0:
            raise Damaged(f"a seek table of {entry_count} entries cannot be", file_bytes)
        if seal_bytes > len(tail):
            tail = os.pread(self._fd, seal_bytes, place)
        seal = tail[-seal_bytes:]
        if len(seal) < seal_bytes:
            raise Damaged("the file was cut while it was opened", place)
        *sizes, _ = _ENTRY.iter_unpack(seal[_CHECK.size + _TABLE_HEADER.size : -_FOOTER.size])
        if seal != _seal(sizes):
            raise Damaged("the seek table does not match its checksum", place)
        if sum(compressed for compressed, _ in sizes) != place:
            raise Damaged("the frames do not end where the seek table begins", place)
        if any(compressed > MAX_COMPRESSED_BYTES or text > MAX_FRAME_BYTES for compressed, text in sizes):
            raise Damaged("the seek table has a frame that is too long", place)
        return sizes

    @property
    def size_bytes(self) -> int:
        """Of the text."""
        return self._offsets[-1]

    @property
    def frame_count(self) -> int:
        return len(self._offsets) - 1

    def frame_span(self, number: int) -> tuple[int, int]:
        """Where a frame's text begins, and how long it is. Frames are numbered from 0."""
        offset, end = self._offsets[number : number + 2]
        return offset, end - offset

    def frame_place(self, number: int) -> tuple[int, int]:
        """Where a frame begins in the file, and its size there."""
        place, end = self._places[number : number + 2]
        return place, end - place

    def find_frame(self, offset: int) -> int:
        """The number of the frame that holds the byte at `offset` of the text, `frame_count` from its end on."""
        return bisect_right(self._offsets, offset) - 1

    def read_frame(self, number: int) -> bytes:
        """The text of a frame."""
        place, size = self.frame_place(number)
        _, length = self.frame_span(number)
        if size > MAX_COMPRESSED_BYTES:
            raise Damaged(f"frame {number} is too long", place)
        data = os.pread(self._fd, size, place)
        decompressor = zstd.ZstdDecompressor(options=_DECODING)
        try:
            # First what it says of itself: of a frame that says too much, nothing is allocated.
            said = zstd.get_frame_info(data).decompressed_size
            text = decompressor.decompress(data, length) if said == length else b""
        except zstd.ZstdError as error:
            raise Damaged(f"frame {number} cannot be decoded: {error}", place) from error
        if len(text) != length or not decompressor.eof or decompressor.unused_data:
            raise Damaged(f"frame {number} is not as long as the seek table says", place)
        return text

    def pread(self, length: int, offset: int) -> bytes:
        """The text's bytes from `offset` on, as `os.pread` has it: fewer than `length` only at the text's end."""
        if length < 0 or offset < 0:
            raise ValueError(f"there are no {length} bytes at {offset}")
        end = min(offset + length, self.size_bytes)
        pieces = []
        for number in range(self.find_frame(offset), self.frame_count):
            start, _ = self.frame_span(number)
            if start >= end:
                break
            pieces.append(self.read_frame(number)[max(0, offset - start) : end - start])
        return b"".join(pieces)
