"""The list of runs that T shows: pure, as the pager's model is. The newest is first; a line is chosen, and opened.

▸ scrape-1   running   12,345  1.2 MiB  3 s ago   120/s
  nightly    ended 0  998,877  80.0 MiB  2 h ago
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from logctl.figures import human_age, human_bytes
from logctl.pager.attributes import Attribute, Segment
from logctl.pager.cells import columns_of, fitted
from logctl.pager.keys import ACTIONS
from logctl.pager.view import View
from logd.states import GOES_ON, told

TITLE: Final = Attribute("title")
TEXT: Final = Attribute("text")
CURRENT: Final = Attribute("current")
STATUS: Final = Attribute("status")
_HEADERS = ("run", "state", "records", "size", "last", "rate")


@dataclass(frozen=True)
class RunsList:
    """What is listed, and which run is chosen.

    Args:
        runs: each as the reply to `runs` has it.
    """

    runs: tuple[dict[str, Any], ...]
    now_us: int
    chosen: int = 0
    opens: str = ""
    """The run that the user has opened."""
    closes: bool = False
    """Whether the user has left the list."""

    @classmethod
    def of(cls, runs: Sequence[dict[str, Any]], now_us: int, current: str = "") -> RunsList:
        """The list with the run that was written last before the others, and one of them chosen."""
        newest = tuple(
            sorted(runs, key=lambda run: (run["state"] not in GOES_ON, -(run["last_time_us"] or 0), run["name"]))
        )
        names = [run["name"] for run in newest]
        return cls(newest, now_us, names.index(current) if current in names else 0)

    def press(self, key: str, height: int) -> RunsList:
        """The list after a key; keys move in it as they do in records."""
        action = ACTIONS.get(key, "")
        last = max(0, len(self.runs) - 1)
        if key == "esc" or action in ("quit", "runs", "interrupt"):
            return replace(self, closes=True)
        if action == "open" and self.runs:
            return replace(self, opens=self.runs[self.chosen]["name"])
        if action in ("start", "end"):
            return replace(self, chosen=0 if action == "start" else last)
        step = _STEPS.get(action)
        return self if step is None else replace(self, chosen=min(last, max(0, self.chosen + step(height))))


_STEPS: Final[dict[str, Callable[[int], int]]] = {
    "line_down": lambda height: 1,
    "line_up": lambda height: -1,
    "page_down": lambda height: max(1, height - 2),
    "page_up": lambda height: -max(1, height - 2),
    "half_down": lambda height: max(1, height // 2),
    "half_up": lambda height: -max(1, height // 2),
}


def view_of_runs(listed: RunsList, rows: int, columns: int) -> View:
    """The list as a screen, with the chosen run on it."""
    cells = [_HEADERS, *(_cells(run, listed.now_us) for run in listed.runs)]
    widths = [max(columns_of(row[number]) for row in cells) for number in range(len(_HEADERS))]
    lines = [_line(row, widths) for row in cells]
    height = max(1, rows - 2)
    top = min(max(0, listed.chosen - height // 2), max(0, len(listed.runs) - height))
    shown: list[tuple[Segment, ...]] = [fitted(((TITLE, f"  {lines[0]}"),), columns)]
    for number, text in enumerate(lines[1 + top : 1 + top + height], start=top):
        role = CURRENT if number == listed.chosen else TEXT
        shown.append(fitted(((role, f"{'▸' if number == listed.chosen else ' '} {text}"),), columns))
    shown += [()] * (rows - 1 - len(shown))
    said = (
        f" {len(listed.runs):,} runs · Enter opens · q closes" if listed.runs else " There are no runs yet · q closes"
    )
    status = fitted(((STATUS, said),), columns)
    used = sum(columns_of(text) for _, text in status)
    return View((*shown[: rows - 1], (*status, (STATUS, " " * (columns - used)))), None)


def _cells(run: dict[str, Any], now_us: int) -> tuple[str, ...]:
    last = human_age(max(0.0, (now_us - run["last_time_us"]) / 1e6)) + " ago" if run["last_time_us"] else ""
    rate = f"{run['records_per_second']:,.0f}/s" if run["records_per_second"] else ""
    return (
        run["name"],
        told(run["state"], run["exit_status"]),
        f"{run['records']:,}",
        human_bytes(run["bytes"]),
        last,
        rate,
    )


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    """Names and states to the left, figures to the right."""
    padded = [
        cell + " " * (width - columns_of(cell)) if number < 2 else " " * (width - columns_of(cell)) + cell
        for number, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  ".join(padded).rstrip()
