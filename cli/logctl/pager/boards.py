"""What a run's board says of how far the run is. Its items are the job's own; these names in them are understood:

{"pages": {"done": 450, "total": 1000, "text": "page 450"}}
"""

from __future__ import annotations

from typing import Any, Final

from logctl.pager.events import Board

DONE: Final = ("done", "current", "value", "n")
TOTAL: Final = ("total", "of", "max")
TEXT: Final = ("text", "label", "description")


def told_of(run: str, board: dict[str, dict[str, Any] | None]) -> Board | None:
    """The item that tells most: the first that has a total, or else the first with a number; None where none has."""
    counted = [
        Board(run, done, total or 0, _text(item) or key)
        for key, item in sorted(board.items())
        if item is not None
        if (done := _number(item, DONE)) is not None
        for total in (_number(item, TOTAL),)
    ]
    return min(counted, key=lambda each: each.total <= 0, default=None)


def _number(item: dict[str, Any], names: tuple[str, ...]) -> int | None:
    values = [item[name] for name in names if type(item.get(name)) in (int, float)]
    return int(values[0]) if values else None


def _text(item: dict[str, Any]) -> str:
    return next((item[name] for name in TEXT if isinstance(item.get(name), str)), "")
