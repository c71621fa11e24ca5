"""How far the items of a board are, and the run as a whole: pure, of the items' own fields and the time.

    {"state": "running", "done": 47, "total": 500, "unit": "samples", "status": "page 47",       as it was reported
     "started_us": …, "updated_us": …, "moved_us": …, "rate": 0.25, "rate_seconds": 31.5}        as the daemon adds it

A *rate* is steps divided by seconds, where both wear off exponentially with time, as in indicatif's Estimator
(console-rs/indicatif, src/state.rs): so it is exact for an even pace however seldom or unevenly it is told of, from the
second report on. What is added to an item changes only when the item does; whoever shows it works out the rest. All
that is needed to go on measuring is in the item, so that it outlives the daemon and costs no memory of its own.

The *overall* progress is that of all items that are no gauges. Each counts the same, and one that is not at its end by
its share; where all totals are in one unit, each counts by its total, and one that has none by the others' mean. Failed
items are at their end, too, and without a total no larger than what they had done. Items with neither total nor state
are counters, of which no share is known: they count only where there is nothing else. The overall rate follows from
when items began, moved and ended.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

STATES: Final = ("pending", "running", "done", "failed")
"""What a job says of an item; `stopped` is what is said of one that was running when its run ended."""
STOPPED: Final = "stopped"
RANKED: Final = ("running", "failed", STOPPED, "pending", "done")
"""All states, in the order in which people want to hear of them."""
ITEMS: Final = "items"
"""The unit in which items count that have none in common."""
RATE_SECONDS: Final = 30.0
"""In so long what was measured wears off to 1/e; and so long nothing need move for the rate to hold."""
LEAST_KEPT: Final = 0.8
"""But no step makes what was before it count less than this: of what moves seldom, some five steps are measured."""
_OVERALL_SHARE: Final = 0.25
"""Overall, it wears off over this share of the time since the beginning, where that is longer."""

Item = Mapping[str, Any]


class Rate(NamedTuple):
    per_second: float
    seconds: float
    """Over how long it was measured, of which older time counts for less."""

    def after(self, steps: float, seconds: float) -> Rate:
        """The rate when so many steps more were done in so many seconds."""
        kept = self.seconds * max(math.exp(-seconds / RATE_SECONDS), LEAST_KEPT)
        whole = kept + seconds
        return Rate((self.per_second * kept + steps) / whole, whole) if whole > 0 else self

    def held(self, silent_seconds: float) -> float:
        """Steps a second now, where nothing has moved for a while: less, when that is longer than is usual."""
        steady_seconds = max(RATE_SECONDS, self.seconds)
        return self.per_second * min(1.0, steady_seconds / max(silent_seconds, 1e-6))


class Figures(NamedTuple):
    """What is derived of one item."""

    state: str
    """One of STATES or STOPPED; "" of a gauge."""
    share: float | None
    """How much of it is done, 0 to 1, where that is known."""
    per_second: float | None
    """Of one that runs, its rate now; of one that has ended, its mean."""
    eta_seconds: float | None
    elapsed_seconds: float | None


class Overall(NamedTuple):
    """What is derived of all items of a run together."""

    share: float | None
    done: float
    """How much, or how many items are at their end."""
    total: float | None
    unit: str
    """What `done` and `total` are of: the items' unit, or ITEMS."""
    per_second: float | None
    eta_seconds: float | None
    elapsed_seconds: float | None
    counts: dict[str, int]
    """How many items are in each state, of those in which some are; gauges are not counted."""
    is_on: bool
    """Whether anything is still to come."""


def is_gauge(item: Item) -> bool:
    return "gauge" in item


def state_of(item: Item, run_ended_us: int | None = None) -> str:
    """One of STATES, also where the job gave none; STOPPED where its run ended before it did; "" of a gauge.

    Args:
        run_ended_us: when the run ended; None while it goes on, or where it never had a session.
    """
    if is_gauge(item):
        return ""
    state = str(item.get("state", ""))
    if not state:
        done, total = item.get("done"), item.get("total")
        state = "pending" if done is None else "done" if total and done >= total else "running"
    if state == "running" and run_ended_us is not None and item.get("updated_us", 0) <= run_ended_us:
        return STOPPED
    return state


def share_of(item: Item, state: str) -> float | None:
    """How much of an item in a state is done, 0 to 1; None where that is not known."""
    total = item.get("total")
    if state == "done":
        return 1.0
    if total:
        return min(1.0, float(item.get("done", 0) / total))
    return 0.0 if state == "pending" else None


def figures(item: Item, now_us: int, run_ended_us: int | None = None) -> Figures:
    """What is derived of an item at a time.

    Args:
        run_ended_us: as of `state_of`.
    """
    state = state_of(item, run_ended_us)
    started_us, ended_us = item.get("started_us"), item.get("ended_us")
    if state == STOPPED:
        ended_us = run_ended_us
    if started_us is None or state in ("", "pending"):
        return Figures(state, share_of(item, state), None, None, None)
    elapsed_seconds = max(0, (now_us if ended_us is None else ended_us) - started_us) / 1e6
    total, done = item.get("total"), item.get("done")
    if ended_us is not None:
        mean = done / elapsed_seconds if done and elapsed_seconds else None
        return Figures(state, share_of(item, state), mean, None, elapsed_seconds)
    per_second = _rate_now(item, now_us)
    eta_seconds = max(0.0, total - done) / per_second if total and done is not None and per_second else None
    return Figures(state, share_of(item, state), per_second, eta_seconds, elapsed_seconds)


def _rate_now(item: Item, now_us: int) -> float | None:
    if item.get("rate") is None:
        return None
    return Rate(item["rate"], item.get("rate_seconds", 0)).held((now_us - item.get("moved_us", now_us)) / 1e6)


class _Part(NamedTuple):
    """How much an item adds to what is done, and in which time."""

    amount: float
    since_us: int | None
    """None where it came all at once."""
    until_us: int


def overall(items: Iterable[Item], now_us: int, run_ended_us: int | None = None) -> Overall:
    """What is derived of all items at a time.

    Args:
        run_ended_us: as of `state_of`.
    """
    counted = [(item, state_of(item, run_ended_us)) for item in items if not is_gauge(item)]
    of_states = Counter(state for _, state in counted)
    counts = {state: of_states[state] for state in RANKED if of_states[state]}
    shared = [(item, state) for item, state in counted if item.get("total") or "state" in item]
    share: float | None = None
    if shared:
        weights, unit = _weights(shared)
        whole = math.fsum(weights)
        parts = [
            _part(item, weight * reached)
            for weight, (item, state) in zip(weights, shared, strict=True)
            if (reached := 1.0 if state == "failed" else share_of(item, state))
        ]
        share = min(1.0, math.fsum(part.amount for part in parts) / whole)
    else:
        unit, whole = _unit_of(item for item, _ in counted), 0.0
        parts = [_part(item, item["done"]) for item, _ in counted if item.get("done")]
    if unit == ITEMS:
        done, total = float(of_states["done"] + of_states["failed"]), float(len(counted))
    else:
        done, total = math.fsum(_done_of(item, state) for item, state in counted), whole
    is_on = "running" in counts or ("pending" in counts and run_ended_us is None)
    begun_us = min((item["started_us"] for item, _ in counted if "started_us" in item), default=None)
    known = Overall(share, done, total if shared else None, unit, None, None, None, counts, is_on)
    if begun_us is None:
        return known
    if not is_on:
        over_us = max(item.get("ended_us", item.get("updated_us", 0)) for item, _ in counted)
        if STOPPED in counts and run_ended_us is not None:
            over_us = max(over_us, run_ended_us)
        elapsed_seconds = max(0, over_us - begun_us) / 1e6
        mean = done / elapsed_seconds if done and elapsed_seconds else None
        return known._replace(per_second=mean, elapsed_seconds=elapsed_seconds)
    rate = _overall_rate(parts, begun_us, now_us)
    eta_seconds = None
    if share is not None and rate:
        running = [figures(item, now_us).eta_seconds or 0.0 for item, state in shared if state == "running"]
        eta_seconds = max((1 - share) * whole / rate, *running, 0.0)
    return known._replace(per_second=rate, eta_seconds=eta_seconds, elapsed_seconds=max(0, now_us - begun_us) / 1e6)


def _part(item: Item, amount: float) -> _Part:
    """What an item adds: while it moved where it told how far it is, or else when it ended."""
    if "done" in item and "moved_us" in item:
        return _Part(amount, item.get("started_us"), item["moved_us"])
    return _Part(amount, None, item.get("ended_us", item.get("updated_us", 0)))


def _done_of(item: Item, state: str) -> float:
    return float((item.get("total") if state == "done" else 0) or item.get("done", 0))


def _weights(shared: list[tuple[Item, str]]) -> tuple[list[float], str]:
    """By how much each item counts, and in which unit."""
    with_total = [item for item, _ in shared if item.get("total")]
    if not with_total or len({item.get("unit") for item in with_total}) > 1:
        return [1.0] * len(shared), ITEMS
    mean = math.fsum(item["total"] for item in with_total) / len(with_total)
    # What has failed without a total comes to no more than it had done.
    weights = [
        float(item.get("total") or (item.get("done", 0) if state == "failed" else mean)) for item, state in shared
    ]
    return weights, _unit_of(with_total)


def _unit_of(items: Iterable[Item]) -> str:
    units = {item.get("unit", "") for item in items}
    return units.pop() if len(units) == 1 else ""


def _overall_rate(parts: list[_Part], begun_us: int, now_us: int) -> float | None:
    """What is done in a second: each part spread over the time that it took, and older time counting for less.

    One that came all at once took the time since what came before it.
    """
    if not parts:
        return None
    parts.sort(key=lambda part: part.until_us)
    last_us = parts[-1].until_us
    wears_seconds = max(RATE_SECONDS, _OVERALL_SHARE * (last_us - begun_us) / 1e6)
    amount, before_us = 0.0, begun_us
    for part in parts:
        since_us = before_us if part.since_us is None else part.since_us
        amount += part.amount * _mean_weight((last_us - part.until_us) / 1e6, (last_us - since_us) / 1e6, wears_seconds)
        before_us = part.until_us
    measured_seconds = (last_us - begun_us) / 1e6
    weight = measured_seconds * _mean_weight(0.0, measured_seconds, wears_seconds)
    if weight <= 0:
        return None
    return Rate(amount / weight, wears_seconds).held((now_us - last_us) / 1e6)


def _mean_weight(newer_seconds: float, older_seconds: float, wears_seconds: float) -> float:
    """How much the time between two ages counts, on the average."""
    length = max(0.0, older_seconds - newer_seconds) / wears_seconds
    weight = math.exp(-max(0.0, newer_seconds) / wears_seconds)
    return weight * -math.expm1(-length) / length if length > 1e-9 else weight
