"""All runs as they are at one moment, as text for a pipe, or as JSON for a program."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from logctl.figures import table
from logctl.top.cells import COLUMNS, cells
from logctl.top.lines import Run
from logctl.top.view import head_lines

_NAMES = [name for name in COLUMNS if name != "spark"]


def as_text(runs: Iterable[Run], totals: Mapping[str, Any], now_us: int) -> str:
    """The daemon as a whole, and a table of the runs in their order."""
    shown = list(runs)
    said, parts = head_lines(shown, dict(totals), sum(run.size_bytes for run in shown))
    rows = [cells(run, now_us) for run in shown]
    names = [name for name in _NAMES if any(row[name] for row in rows)]
    lines = [said, "  ".join(parts)]
    if rows:
        headers = [COLUMNS[name].header for name in names]
        figured = {number for number, name in enumerate(names) if COLUMNS[name].is_figure}
        lines += ["", table(headers, [[row[name] for name in names] for row in rows], figured)]
    return "\n".join(lines)


def as_json(runs: Iterable[Run], totals: Mapping[str, Any]) -> dict[str, Any]:
    """All that is known; null where something is not."""
    return {"totals": dict(totals), "runs": [_run(run) for run in runs]}


def _run(run: Run) -> dict[str, Any]:
    return {
        "name": run.name,
        "state": run.state,
        "exit_status": run.exit_status,
        "records_per_second": run.per_second,
        "warnings": run.warnings,
        "errors": run.errors,
        "progress": run.progress,
        "left_seconds": run.left_seconds,
        "queue": run.queue,
        "emitters": run.emitters,
        "viewers": run.viewers,
        "bytes": run.size_bytes,
        "records": run.records,
        "last_time_us": run.last_us or None,
        "stalled": run.stalled or None,
    }
