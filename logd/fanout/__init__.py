"""From a run to its subscribers. The store is the only queue: a subscription is a cursor, and nothing else."""

from logd.fanout.filter import Filter
from logd.fanout.recent import RecentRows
from logd.fanout.subscription import RowSource, Subscription

__all__ = ["Filter", "RecentRows", "RowSource", "Subscription"]
