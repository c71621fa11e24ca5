"""What is shown of a board, as text: the columns of its table, and the lines about the run as a whole.

STATE    ITEM    DONE           %   RATE   LEFT  TIME  STATUS
running  page-1  47/500 lines   9%  3.2/s  2 m   14 s  reading
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from logctl.figures import human_age, human_amount, human_percent, human_span, human_speed
from logctl.screen.columns import Column
from logctl.terminal_text import escape_text
from logd.progress import Figures, Item, Overall, is_gauge
from logd.states import told

MAX_STATUS_CHARACTERS: Final = 1000
"""Of a status; the rest is not shown in a table."""


COLUMNS: Final = {
    "state": Column("STATE", False, 7),
    "item": Column("ITEM", False),
    "done": Column("DONE", True),
    "percent": Column("%", True, 4),
    "rate": Column("RATE", True, 8),
    "left": Column("LEFT", True, 8),
    "time": Column("TIME", True, 8),
    "status": Column("STATUS", False),
}


class HowIs(NamedTuple):
    """How the run is whose board it is."""

    state: str = ""
    """As `runs` has it; "waiting" where there is none yet."""
    exit_status: int | None = None
    ended_us: int | None = None
    cleared_us: int | None = None
    """When all that the board had was removed at once, if that was lately."""

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> HowIs:
        """What the daemon has told of it, as the protocol's `items` describes it."""
        return cls(told.get("state", ""), told.get("exit_status"), told.get("ended_us"), told.get("cleared_us"))

    @property
    def waits(self) -> bool:
        """Whether there is no such run yet."""
        return self.state == "waiting"

    def __str__(self) -> str:
        if self.state == "ended" and self.ended_us is None:
            return ""  # nobody ever emitted into it: it is no more than a board
        return told(self.state, self.exit_status)


def cells(key: str, item: Item, of: Figures) -> dict[str, str]:
    """What each column has of an item that is no gauge."""
    return {
        "state": of.state,
        "item": escape_text(key, colour=False),
        "done": _amounts(item.get("done"), item.get("total"), item.get("unit", "")),
        "percent": human_percent(of.share) if of.share is not None and (of.share or item.get("total")) else "",
        "rate": human_speed(of.per_second) if of.per_second else "",
        "left": human_age(of.eta_seconds) if of.eta_seconds is not None else "",
        "time": human_age(of.elapsed_seconds) if of.elapsed_seconds is not None else "",
        "status": _status(item),
    }


def _status(item: Item) -> str:
    status = escape_text(item.get("status", "")[:MAX_STATUS_CHARACTERS], colour=False)
    retries = f"retry {item['retries']}" if item.get("retries") else ""
    return " · ".join(filter(None, (retries, status)))


def _amounts(done: float | None, total: float | None, unit: str) -> str:
    if done is None and total is None:
        return ""
    amounts = human_amount(done or 0) + (f"/{human_amount(total)}" if total is not None else "")
    return f"{amounts} {escape_text(unit, colour=False)}".rstrip()


def gauges(items: Mapping[str, Item]) -> list[str]:
    """Each gauge with its value: "queue_depth 12 jobs"."""
    return [
        f"{escape_text(key, colour=False)} {_amounts(item['gauge'], None, item.get('unit', ''))}"
        for key, item in sorted(items.items())
        if is_gauge(item)
    ]


def amounts_of(overall: Overall) -> str:
    """How much is done of all: "412/882 items"."""
    total = overall.total if overall.total is None else round(overall.total, 2)
    return _amounts(round(overall.done, 2), total, overall.unit) if overall.counts else ""


def times_of(overall: Overall) -> Iterable[str]:
    """How fast it is, what is left, and since when it goes: as far as that is known."""
    if overall.per_second:
        unit = escape_text(overall.unit, colour=False)
        speed, slash, of_time = human_speed(overall.per_second).partition("/")
        yield f"{speed} {unit}{slash}{of_time}" if unit else f"{speed}{slash}{of_time}"
    if overall.eta_seconds is not None:
        yield f"{human_span(overall.eta_seconds)} left"
    if overall.elapsed_seconds is not None:
        yield (
            f"{human_span(overall.elapsed_seconds)} so far"
            if overall.is_on
            else f"took {human_span(overall.elapsed_seconds)}"
        )


def counts_of(overall: Overall) -> list[str]:
    """How many items are in each state: "20 running"."""
    return [f"{count:,} {state}" for state, count in overall.counts.items()]
