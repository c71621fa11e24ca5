"""All runs as they are at one moment, as text for a pipe, or as JSON for a program."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from logctl.screen.columns import text_lines
from logctl.top.cells import COLUMNS, cells
from logctl.top.lines import Run
from logctl.top.view import head_lines


def as_text(runs: Iterable[Run], totals: Mapping[str, Any], now_us: int) -> str:
    """The daemon as a whole, and a table of the runs in their order."""
    shown = list(runs)
    said, parts = head_lines(shown, dict(totals), sum(run.size_bytes for run in shown))
    return "\n".join([said, "  ".join(parts), *text_lines(COLUMNS, [cells(run, now_us) for run in shown])])


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
