"""Who and when, as people read it: users by name, and times of this place."""

from __future__ import annotations

import time
from functools import lru_cache


@lru_cache(maxsize=256)
def user_name(uid: int) -> str:
    """A user's name, or the number of one that this system does not know."""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def local_time(time_us: int) -> str:
    """A time to the second: "2026-11-21 23:36:18"."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(time_us // 1_000_000))
