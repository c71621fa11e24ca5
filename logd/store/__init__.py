"""Blocks on disk: rotating segments of JSON Lines with an index each. Nothing here knows of sockets or of trio."""

from logd.store.reader import Extent, Position, Reader
from logd.store.run import Append, RunStore, session_key
from logd.store.store import RunSummary, Store

__all__ = [
    "Append",
    "Extent",
    "Position",
    "Reader",
    "RunStore",
    "RunSummary",
    "Store",
    "session_key",
]
