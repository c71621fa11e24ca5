"""A board as it is at one moment, as text for a pipe, or as JSON for a program."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from logctl.board.cells import COLUMNS, HowIs, amounts_of, cells, counts_of, gauges, times_of
from logctl.board.listing import listing
from logctl.figures import human_percent
from logctl.screen.columns import text_lines
from logctl.screen.table import Wanted
from logd.progress import Item, figures, is_gauge, overall


def as_text(run: str, items: Mapping[str, Item], how: HowIs, now_us: int) -> str:
    """The run as a whole, and a table of its items, those that run first."""
    whole = overall(items.values(), now_us, how.ended_us)
    share = human_percent(whole.share) if whole.share is not None else ""
    lines = ["  ".join(filter(None, (run, str(how), share, amounts_of(whole), *times_of(whole))))]
    lines += filter(None, ("  ".join(counts_of(whole)), "  ".join(gauges(items))))
    keys = listing(items, Wanted(), now_us, how.ended_us).keys
    lines += text_lines(COLUMNS, [cells(key, items[key], figures(items[key], now_us, how.ended_us)) for key in keys])
    return "\n".join(lines)


def as_json(run: str, items: Mapping[str, Item], how: HowIs, now_us: int) -> dict[str, Any]:
    """All that was reported, and what is derived of it; null where that is not known."""
    whole = overall(items.values(), now_us, how.ended_us)
    return {
        "run": run,
        "state": how.state,
        "exit_status": how.exit_status,
        "ended_us": how.ended_us,
        "percent": _percent(whole.share),
        "done": whole.done,
        "total": whole.total,
        "unit": whole.unit,
        "per_second": whole.per_second,
        "eta_seconds": whole.eta_seconds,
        "elapsed_seconds": whole.elapsed_seconds,
        "counts": whole.counts,
        "items": [_item(key, items[key], now_us, how.ended_us) for key in sorted(items)],
    }


def _item(key: str, item: Item, now_us: int, run_ended_us: int | None) -> dict[str, Any]:
    if is_gauge(item):
        return {"key": key, **item} | {"key": key}
    of = figures(item, now_us, run_ended_us)
    derived = {
        "state": of.state,
        "percent": _percent(of.share),
        "per_second": of.per_second,
        "eta_seconds": of.eta_seconds,
        "elapsed_seconds": of.elapsed_seconds,
    }
    return {"key": key, **item, **derived} | {"key": key}  # a field of the job's may be called so


def _percent(share: float | None) -> float | None:
    return None if share is None else round(100 * share, 2)
