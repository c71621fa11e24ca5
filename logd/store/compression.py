"""Compressing a sealed segment, as steps of which each is done before the next begins:

1. Write `<segment>.jsonl.zst.new` beside the text, and sync it.
2. Read it back, and hold every block to its entry's sum.
3. Rename it to `<segment>.jsonl.zst`, and sync the folder.
4. Remove the text.

A stop before 3 leaves a `.new` file, and one before 4 leaves both: `tidy` finishes what was begun.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from logd.errors import StoreError
from logd.store import disk
from logd.store.index import Index
from logd.store.reader import OpenSegment
from logd.store.seekable import FRAME_BYTES, SeekableWriter
from logd.store.segment import compressed_name, first_seqs, index_name, open_in, segment_name, store_errors
from logd.store.text import CompressedText, FrameCache, PlainText, Text

UNFINISHED = ".new"


def write_compressed(folder_fd: int, segment: int, end_seq: int, wait: Callable[[], None]) -> bool:
    """Steps 1 and 2.

    Args:
        end_seq: the first seq that is not the segment's.
        wait: called before each frame; it returns when the machine has time for it.

    Returns:
        Whether it is there. Where a block is damaged it is not, and the text stays as it is for people to look at.

    Raises:
        StoreError: the disk said no.
    """
    unfinished = compressed_name(segment) + UNFINISHED
    with store_errors("compress", segment_name(segment)):
        index_fd = open_in(folder_fd, index_name(segment), os.O_RDONLY)
        try:
            index = Index(index_fd)
            text = PlainText(open_in(folder_fd, segment_name(segment), os.O_RDONLY))
            try:
                fd = open_in(folder_fd, unfinished, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
                try:
                    written = _write(OpenSegment(index, text, segment, end_seq), text.size_bytes, fd, wait)
                    disk.fsync(fd)
                    sound = written and _is_sound(
                        index, CompressedText(os.dup(fd), FrameCache(0)), segment, end_seq, wait
                    )
                finally:
                    os.close(fd)
            finally:
                text.close()
        finally:
            os.close(index_fd)
        if not sound:
            disk.unlink(unfinished, dir_fd=folder_fd)
    return sound


def _write(opened: OpenSegment, size_bytes: int, fd: int, wait: Callable[[], None]) -> bool:
    """Write all blocks in frames; False where one is damaged, or they are not all of the text."""
    writer = SeekableWriter(fd)
    gathered: list[bytes] = []
    gathered_bytes = written_bytes = 0
    for block in _blocks(opened):
        if block is None:
            return False
        if gathered and gathered_bytes + len(block) > FRAME_BYTES:
            wait()
            writer.write_frame(b"".join(gathered))
            gathered, gathered_bytes = [], 0
        gathered.append(block)
        gathered_bytes += len(block)
        written_bytes += len(block)
    if gathered:
        writer.write_frame(b"".join(gathered))
    writer.finish()
    return written_bytes == size_bytes


def _is_sound(index: Index, text: Text, segment: int, end_seq: int, wait: Callable[[], None]) -> bool:
    try:
        for block in _blocks(OpenSegment(index, text, segment, end_seq)):
            wait()
            if block is None:
                return False
    finally:
        text.close()
    return True


def _blocks(opened: OpenSegment) -> Iterator[bytes | None]:
    return (opened.read(place) for place in opened.places(0))


def take_place(folder_fd: int, segment: int) -> None:
    """Steps 3 and 4."""
    name = compressed_name(segment)
    with store_errors("rename", name):
        disk.rename(name + UNFINISHED, name, src_dir_fd=folder_fd, dst_dir_fd=folder_fd)
        disk.fsync(folder_fd)
    with store_errors("remove", segment_name(segment)):
        disk.unlink(segment_name(segment), dir_fd=folder_fd)


def tidy(folder_fd: int) -> None:
    """Remove what a stop amid something left: unfinished files, text beside its compressed form, an index of nothing.

    For a folder that nobody writes. StoreError where the disk says no.
    """
    with store_errors("tidy", "a run's folder"):
        names = set(os.listdir(folder_fd))
        segments = first_seqs(names)
        needless = {name for name in names if name.endswith(UNFINISHED)}
        needless |= {name for name in names if name.endswith(".idx")} - {index_name(segment) for segment in segments}
        needless |= {segment_name(segment) for segment in segments if compressed_name(segment) in names} & names
        for name in sorted(needless):
            disk.unlink(name, dir_fd=folder_fd)


def discard(folder_fd: int, segment: int) -> None:
    """Remove what `write_compressed` wrote."""
    try:
        disk.unlink(compressed_name(segment) + UNFINISHED, dir_fd=folder_fd)
    except OSError as error:
        raise StoreError("remove", compressed_name(segment) + UNFINISHED, error) from error
