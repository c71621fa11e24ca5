"""Putting what is written on the disk itself, and what follows when that fails.

When a sync fails, the kernel may call the pages clean that it could not write, so that the next sync succeeds and the
bytes are gone all the same (PostgreSQL's "fsyncgate", 2018). So no descriptor is synced again after a failure: what was
not synced is read back while it is in memory, and written to new files, which are synced before they take their names.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from logd.store import disk
from logd.store.segment import Mark, SegmentWriter, index_name, open_in, segment_name, store_errors


def sync_descriptors(fds: Sequence[int], folder_fd: int) -> None:
    """Sync files and the folder that they are in, and close the files. OSError where the disk says no."""
    try:
        for fd in fds:
            disk.fdatasync(fd)
        disk.fsync(folder_fd)
    finally:
        for fd in fds:
            os.close(fd)


def rewrite_unsynced(folder_fd: int, writer: SegmentWriter) -> SegmentWriter:
    """A segment of what an earlier one holds and has not synced; where that is all of it, it takes its name.

    StoreError where it could not be written and synced; then nothing has changed.
    """
    with store_errors("read", segment_name(writer.header.first_seq)):
        blocks, entries = writer.unsynced()
    begun_us = entries[0].time_us if entries else writer.header.created_us
    header = writer.header._replace(first_seq=writer.synced.next_seq, created_us=begun_us)
    names = [index_name(header.first_seq), segment_name(header.first_seq)]
    contents = [[header.pack(), *[entry.pack() for entry in entries]], [blocks]]
    with store_errors("rewrite", names[-1]):
        for name, content in zip(names, contents, strict=True):
            fd = open_in(folder_fd, f"{name}.new", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
            try:
                disk.write_at(fd, content, 0)
                disk.fsync(fd)
            finally:
                os.close(fd)
        for name in names:
            disk.rename(f"{name}.new", name, src_dir_fd=folder_fd, dst_dir_fd=folder_fd)
        disk.fsync(folder_fd)
    end = Mark(len(blocks), len(entries), entries[-1].next_seq if entries else header.first_seq)
    rewritten = SegmentWriter(folder_fd, header, end)
    rewritten.synced = end
    return rewritten
