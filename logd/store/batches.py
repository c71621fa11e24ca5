"""The memory of batches: of each session the number of its newest stored batch, as the index says.

So a batch that comes again, also after a restart, is known: there is nothing to be kept beside the index for that.
"""

from __future__ import annotations

import hashlib
import os

from logd.errors import StoreError
from logd.store.index import Index
from logd.store.reader import Extent
from logd.store.segment import index_name, open_in, store_errors

_REMEMBERED_SEGMENTS = 64
"""How many segments, from the newest, are searched for the last batch of a session that is not known otherwise."""


def session_key(uid: int, session: str) -> int:
    """What stands for a session in the index: 64 bits of a hash of the user and the session's id."""
    digest = hashlib.blake2b(f"{uid}/{session}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def last_batch(folder_fd: int, extent: Extent, key: int, begun_us: int | None = None) -> int:
    """The number of the newest stored batch of a session, 0 for a session that stored none.

    Args:
        begun_us: when the session first began, where that is known: it is searched for as far back as that, and in
            the newest segments in any case.
    """
    for number, segment in enumerate(reversed(extent.segments)):
        try:
            fd = open_in(folder_fd, index_name(segment), os.O_RDONLY)
        except StoreError as error:
            if error.is_absence:
                continue
            raise
        try:
            with store_errors("read", index_name(segment)):
                index = Index(fd)
                batch = index.last_batch(key, extent.active_entries if number == 0 else None)
                header = index.header()
        finally:
            os.close(fd)
        is_older = begun_us is None or (header is not None and header.created_us < begun_us)
        if batch or (is_older and number >= _REMEMBERED_SEGMENTS - 1):
            return batch
    return 0
