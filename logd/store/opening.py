"""Opening a run's folder: which segments there are, and where the newest ends.

It changes nothing but an index that is lost, or lacks its header: that is made again.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from logd.store.index import Header, Index
from logd.store.reader import Extent
from logd.store.recovery import Found, around, find_end, has_index, rebuild_index, restore_header
from logd.store.segment import Mark, first_seqs, index_name, open_in, segment_name, store_errors
from logd.store.text import FrameCache, open_text


class Opened(NamedTuple):
    """A run's folder as it was found."""

    extent: Extent
    newest: Found | None
    """Where the newest segment ends; None where there is none."""
    mended_indexes: list[int]
    """The segments whose index was lost, or lacked its header, and was made again."""


def open_extent(folder_fd: int, frames: FrameCache) -> Opened:
    """What of a run is stored. StoreError where its files cannot be read, or a lost index not be written."""
    with store_errors("list", "a run's folder"):
        names = set(os.listdir(folder_fd))
    segments = first_seqs(names)
    if not segments:
        return Opened(Extent(), None, [])
    mended = [
        segment
        for before, segment, after in zip((None, *segments), segments, (*segments[1:], None), strict=False)
        if _mend_index(folder_fd, frames, before, segment, after, is_there=index_name(segment) in names)
    ]
    newest = segments[-1]
    found = find_end(folder_fd, newest) if segment_name(newest) in names else _compressed_end(folder_fd, frames, newest)
    generation = max(_generation(found.header), *(_generation(_header(folder_fd, each)) for each in segments[-2:]))
    end = found.end
    extent = Extent(tuple(segments), end.size_bytes, end.entry_count, end.next_seq - 1, *generation)
    return Opened(extent, found, mended)


def _mend_index(
    folder_fd: int, frames: FrameCache, before: int | None, segment: int, after: int | None, *, is_there: bool
) -> bool:
    """Make a segment's index again where it is lost; False where it is not. The newest has to have its header, too."""
    if is_there and (after is not None or has_index(folder_fd, segment)):
        return False
    between = around(folder_fd, before, after)
    if not is_there or not restore_header(folder_fd, segment, between.generation + 1):
        text = open_text(folder_fd, segment, frames)
        try:
            rebuild_index(folder_fd, segment, text, between.generation + (after is None), between)
        finally:
            text.close()
    return True


def _generation(header: Header | None) -> tuple[int, int]:
    """A segment's generation, and the first seq of that."""
    return (header.generation, header.generation_seq) if header is not None else (1, 0)


def _header(folder_fd: int, segment: int) -> Header | None:
    fd = open_in(folder_fd, index_name(segment), os.O_RDONLY)
    try:
        with store_errors("read", index_name(segment)):
            return Index(fd).header()
    finally:
        os.close(fd)


def _compressed_end(folder_fd: int, frames: FrameCache, segment: int) -> Found:
    """The end of a run whose newest segment is compressed: one that followed it is lost."""
    text = open_text(folder_fd, segment, frames)
    text.close()
    fd = open_in(folder_fd, index_name(segment), os.O_RDONLY)
    try:
        with store_errors("read", index_name(segment)):
            index = Index(fd)
            header, newest = index.header(), index.last_block()
    finally:
        os.close(fd)
    header = header or Header(1, segment, text.modified_us)
    if newest is None:
        return Found(header, Mark(0, 0, segment), header.created_us)
    number, entry = newest
    return Found(header, Mark(entry.end, number + 1, entry.next_seq), entry.time_us)
