"""What to let go, and when. Pure: it is told of segments and limits, and says which of them are over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from logd.store.run import SegmentFigures


class Limits(NamedTuple):
    """How much of a run is kept; 0 is without a limit."""

    max_bytes: int = 0
    max_age_seconds: float = 0


def keep_from(segments: Sequence[SegmentFigures], limits: Limits, now_us: int, *, idle: bool) -> int:
    """The seq of the first segment to be kept of a run; behind all of them where none is.

    Args:
        segments: the run's, in order.
        idle: whether nobody writes the run, so that its newest segment may go as well, by age.

    Returns:
        A seq for `RunStore.drop_before`.
    """
    kept_bytes = sum(segment.size_bytes for segment in segments)
    oldest_us = now_us - limits.max_age_seconds * 1e6 if limits.max_age_seconds else 0
    for number, segment in enumerate(segments):
        newest = number == len(segments) - 1
        too_large = limits.max_bytes and kept_bytes > limits.max_bytes and not newest
        too_old = segment.last_time_us < oldest_us and (idle or not newest)
        if not (too_large or too_old):
            return segment.first_seq
        kept_bytes -= segment.size_bytes
    return _PAST_ALL


_PAST_ALL = 2**63


def excess_bytes(total_bytes: int, max_total_bytes: int, free_bytes: int, keep_free_bytes: int) -> int:
    """How much is to be let go of all runs together."""
    over = total_bytes - max_total_bytes if max_total_bytes else 0
    return max(0, over, keep_free_bytes - free_bytes)
