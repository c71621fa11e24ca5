"""When to begin a new segment. Pure: it is told sizes and times."""

from __future__ import annotations

from logd.config import StoreConfig


def rotation_due(config: StoreConfig, *, size_bytes: int, age_seconds: float) -> bool:
    """Whether the next block belongs in a new segment: the present one holds something, and is large or old enough."""
    return size_bytes > 0 and (size_bytes >= config.segment_bytes or age_seconds >= config.segment_age_seconds)
