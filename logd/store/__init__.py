"""Blocks on disk: rotating segments of JSON Lines with an index each. Nothing here knows of sockets or of trio."""

from logd.store.batches import session_key
from logd.store.catalog import MAX_ITEMS_OF_RUN, Catalog, Item, RunFigures, RunRow, SessionRow
from logd.store.index import Entry
from logd.store.reader import Extent, Reader
from logd.store.report import Report
from logd.store.retention import Limits, excess_bytes, keep_from
from logd.store.run import Append, RunStore
from logd.store.store import Store

__all__ = [
    "MAX_ITEMS_OF_RUN",
    "Append",
    "Catalog",
    "Entry",
    "Extent",
    "Item",
    "Limits",
    "Reader",
    "Report",
    "RunFigures",
    "RunRow",
    "RunStore",
    "SessionRow",
    "Store",
    "excess_bytes",
    "keep_from",
    "session_key",
]
