"""From a run to its subscribers. The store is the only queue: a subscription is a cursor, and nothing else."""

from logd.fanout.bell import Bell
from logd.fanout.filter import Filter
from logd.fanout.recent import RecentBlocks, Shelf
from logd.fanout.sieve import Sieve
from logd.fanout.subscription import READ_BYTES, Source, Subscription
from logd.fanout.table import Table, TableSubscription
from logd.fanout.throttle import AdaptiveThrottler, Pace

__all__ = [
    "READ_BYTES",
    "AdaptiveThrottler",
    "Bell",
    "Filter",
    "Pace",
    "RecentBlocks",
    "Shelf",
    "Sieve",
    "Source",
    "Subscription",
    "Table",
    "TableSubscription",
]
