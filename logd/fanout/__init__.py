"""From a run to its subscribers. The store is the only queue: a subscription is a cursor, and nothing else."""

from logd.fanout.recent import RecentRows
from logd.fanout.subscription import RowSource, Subscription

__all__ = ["RecentRows", "RowSource", "Subscription"]
