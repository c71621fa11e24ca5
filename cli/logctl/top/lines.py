"""What is known of a run, of two sources: the list of all runs, asked for now and then, and the table of those in use.

What the table says goes before what the list says. A run that goes out of use is as it was last in the table, until the
next list: it is closed soon after its last emitter and viewer have gone, and nothing has changed since.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from logd.states import GOES_ON

Value = Mapping[str, Any]

HISTORY_SAMPLES = 120
"""Rates that are kept of each run, a second apart: what a wide screen shows."""


class Run(NamedTuple):
    """A line of the screen."""

    name: str
    state: str
    exit_status: int | None = None
    per_second: float = 0.0
    warnings: int = 0
    errors: int = 0
    progress: float | None = None
    """How much of its board is done, 0 to 1."""
    left_seconds: float | None = None
    queue: float | None = None
    emitters: int = 0
    viewers: int = 0
    size_bytes: int = 0
    records: int = 0
    last_us: int = 0
    """When its newest record came; 0 for never."""
    stalled: str = ""
    """Why it cannot be stored."""

    @property
    def goes_on(self) -> bool:
        return self.state in GOES_ON


def run_of(name: str, listed: Value | None, live: Value | None) -> Run:
    """A run as one or both sources have it."""
    listed, live = listed or {}, live or {}
    both = {**listed, **live}
    records = live["head"] + 1 - live["first_seq"] if live else both.get("records", 0)
    return Run(
        name,
        both.get("state", ""),
        both.get("exit_status") if both.get("state") == "ended" else None,
        live.get("records_per_second", 0.0),
        both.get("warnings", 0),
        both.get("errors", 0),
        both.get("progress"),
        live.get("left_seconds"),
        both.get("queue"),
        live.get("emitters", 0),
        live.get("viewers", 0),
        listed.get("bytes", 0),
        records,
        both.get("last_time_us") or 0,
        live.get("stalled", ""),
    )


def remembered(listed: Value | None, live: Value) -> Value:
    """What the list is taken to say of a run that goes out of use."""
    kept = {name: live[name] for name in _KEPT if name in live}
    return {**(listed or {}), **kept, "records": live["head"] + 1 - live["first_seq"]}


_KEPT = ("state", "exit_status", "warnings", "errors", "progress", "queue", "last_time_us")


def sampled(history: Mapping[str, tuple[float, ...]], runs: Mapping[str, Value]) -> dict[str, tuple[float, ...]]:
    """The rates with those of now behind them. Of a run that is in use no more nothing is kept."""
    return {
        name: (*history.get(name, ())[1 - HISTORY_SAMPLES :], float(value["records_per_second"]))
        for name, value in runs.items()
    }


_BARS = " ▁▂▃▄▅▆▇█"


def sparkline(rates: tuple[float, ...], columns: int) -> str:
    """The newest rates as bars, of which the highest is the highest of them; no rate is no bar."""
    shown = rates[-columns:] if columns else ()
    most = max(shown, default=0.0)
    if not most:
        return " " * columns
    bars = [_BARS[max(1, round(rate / most * 8))] if rate else " " for rate in shown]
    return "".join(bars).rjust(columns)
