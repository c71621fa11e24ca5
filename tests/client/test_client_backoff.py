"""When it is tried again, and when that is in vain."""

from __future__ import annotations

from itertools import islice

import pytest

from logd.client.backoff import MAX_DELAY_SECONDS, MIN_DELAY_SECONDS, delays, may_pass
from logd.errors import ConnectionLost, DaemonUnavailable, LogdError, NotPermitted, Refused
from logd.protocol import ErrorCode


def test_delays_double_up_to_a_bound() -> None:
    first = list(islice(delays(), 10))
    assert first[:3] == [MIN_DELAY_SECONDS, 2 * MIN_DELAY_SECONDS, 4 * MIN_DELAY_SECONDS]
    assert first[-2:] == [MAX_DELAY_SECONDS] * 2


@pytest.mark.parametrize(
    ("error", "may"),
    [
        (DaemonUnavailable("nobody"), True),
        (ConnectionLost("gone"), True),
        (Refused(ErrorCode.TOO_MANY_CONNECTIONS, "many"), True),
        (Refused(ErrorCode.BAD_MESSAGE, "bad"), False),
        (NotPermitted("theirs"), False),
    ],
)
def test_what_may_pass_is_tried_again(error: LogdError, may: bool) -> None:
    assert may_pass(error) == may
