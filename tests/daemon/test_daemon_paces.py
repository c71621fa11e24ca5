"""Paces: each kind's own, for throttles that there are as for those to come."""

from __future__ import annotations

import pytest

from logd.config import FanoutConfig
from logd.daemon.paces import KINDS, Paces
from logd.errors import ConfigError
from logd.fanout import Pace


def test_each_kind_has_the_configurations_pace() -> None:
    paces = Paces(FanoutConfig(rate_window_seconds=3.0))
    assert {kind: paces.pace(kind) for kind in KINDS} == {
        "view": Pace(0.010, 0.100, 3.0),
        "stream": Pace(0.0, 0.250, 3.0),
        "counters": Pace(0.5, 0.5, 3.0),
        "runs": Pace(1.0, 1.0, 3.0),
        "board": Pace(1.0, 1.0, 3.0),
        "presence": Pace(5.0, 5.0, 3.0),
    }


def test_every_setting_is_of_some_kind() -> None:
    """Each changes the pace of one kind, or of all, but for the one that is of no pace."""
    for name, value in vars(FanoutConfig()).items():
        if name == "silent_seconds":
            continue
        if name.endswith("_max_interval_seconds") or name == "rate_window_seconds":
            value = value * 2
        elif name.endswith("_min_interval_seconds"):
            value = value + 0.001
        elif name.endswith("_interval_seconds"):
            value = value + 1
        else:
            value = not value
        before, paces = Paces(FanoutConfig()), Paces(FanoutConfig())
        paces.change({name: value})
        changed = [kind for kind in KINDS if paces.pace(kind) != before.pace(kind)]
        assert changed == ([name.split("_")[0]] if name.endswith("_interval_seconds") else list(KINDS))


def test_a_change_is_for_the_throttles_that_there_are() -> None:
    paces = Paces(FanoutConfig())
    view, slow, stream = paces.throttler("view"), paces.throttler("view", 3.0), paces.throttler("stream")
    paces.change({"view_max_interval_seconds": 5, "adaptive": False})
    assert view.pace == Pace(0.010, 5, 2.0, enabled=False)
    assert slow.pace == Pace(3.0, 5, 2.0, enabled=False)
    assert stream.pace == Pace(0.0, 0.250, 2.0, enabled=False)
    assert paces.throttler("view").pace == view.pace
    assert paces.config.view_max_interval_seconds == 5


def test_a_throttle_turns_to_another_kind_and_keeps_what_it_asked_for() -> None:
    paces = Paces(FanoutConfig())
    throttler = paces.throttler("view", 0.2)
    paces.turn(throttler, "counters")
    assert throttler.pace == Pace(0.5, 0.5)
    paces.change({"counters_interval_seconds": 0.1})
    assert throttler.pace == Pace(0.2, 0.2)
    paces.turn(throttler, "view")
    assert throttler.pace == Pace(0.2, 0.2)


def test_one_that_is_forgotten_is_left_as_it_is() -> None:
    paces = Paces(FanoutConfig())
    throttler = paces.throttler("view")
    paces.forget(throttler)
    paces.change({"view_max_interval_seconds": 5})
    assert throttler.pace == Pace(0.010, 0.100)
    assert not paces._throttlers


@pytest.mark.parametrize(
    "changes",
    [
        {"view_max_interval_seconds": 0.001},
        {"view_max_interval_seconds": 61},
        {"view_min_interval_seconds": float("nan")},
        {"rate_window_seconds": 0},
        {"adaptive": 1},
        {"board_interval_seconds": True},
        {"no_such": 1},
        {"board_interval_seconds": 2, "presence_interval_seconds": -1},
    ],
)
def test_a_change_that_cannot_be_changes_nothing(changes: dict[str, float | bool]) -> None:
    paces = Paces(FanoutConfig())
    throttler = paces.throttler("view")
    with pytest.raises(ConfigError):
        paces.change(changes)
    assert paces.config == FanoutConfig()
    assert throttler.pace == Pace(0.010, 0.100)
