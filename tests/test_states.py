"""The words for what runs do: one of them for each case, and what is told of it."""

from __future__ import annotations

import pytest

from logd.states import GOES_ON, state_of, told


@pytest.mark.parametrize(
    ("goes_on", "lost", "quiet_seconds", "state"),
    [
        (True, False, 0.0, "running"),
        (True, False, 19.9, "running"),
        (True, False, 20.0, "silent"),
        (True, True, 0.0, "running"),
        (False, False, 0.0, "ended"),
        (False, False, 99.0, "ended"),
        (False, True, 99.0, "lost"),
    ],
)
def test_a_state_follows_from_who_is_there(goes_on: bool, lost: bool, quiet_seconds: float, state: str) -> None:
    assert state_of(goes_on=goes_on, lost=lost, quiet_seconds=quiet_seconds, silent_seconds=20.0) == state
    assert (state in GOES_ON) == goes_on


def test_a_status_is_told_of_what_has_ended_with_one() -> None:
    assert told("ended", 3) == "ended 3"
    assert told("ended", None) == "ended"
    assert told("running", None, stalled=True) == "running !"
    assert [told(state, 3) for state in ("running", "silent", "lost")] == ["running", "silent", "lost"]
