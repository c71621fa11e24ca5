"""When to try again for a daemon that is away: soon at first, then more and more seldom."""

from __future__ import annotations

from collections.abc import Iterator

from logd.errors import ConnectionLost, DaemonUnavailable, LogdError, Refused
from logd.protocol import ErrorCode

MIN_DELAY_SECONDS = 0.05
MAX_DELAY_SECONDS = 2.0


def delays() -> Iterator[float]:
    """How many seconds to wait before each attempt in turn; it doubles up to a bound."""
    delay_seconds = MIN_DELAY_SECONDS
    while True:
        yield delay_seconds
        delay_seconds = min(2 * delay_seconds, MAX_DELAY_SECONDS)


def may_pass(error: LogdError) -> bool:
    """Whether another attempt may succeed: nobody answers, or the daemon has too many connections at present."""
    if isinstance(error, Refused):
        return error.code == ErrorCode.TOO_MANY_CONNECTIONS
    return isinstance(error, DaemonUnavailable | ConnectionLost)
