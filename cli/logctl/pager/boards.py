"""How far a run is, of its board: all its items together, as `logctl progress` has it, in the words of a status line.

{"page-1": {"done": 450, "total": 1000, "unit": "pages"}}    "pages 45%"
{"lines": {"done": 4500}}                                    "4,500"
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from logd.progress import overall


def told_of(board: Mapping[str, dict[str, Any] | None], now_us: int) -> str:
    """How far a run with this board is; "" where it does not tell."""
    of_all = overall([item for item in board.values() if item is not None], now_us)
    if of_all.share is not None:
        # All of it is 100 %, and nothing else is.
        percent = 100 if of_all.share >= 1 else min(99, int(100 * of_all.share))
        return f"{of_all.unit or 'done'} {percent}%"
    return f"{int(of_all.done):,} {of_all.unit}".rstrip() if of_all.done else ""
