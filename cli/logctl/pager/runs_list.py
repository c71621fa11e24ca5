"""The list of runs that T shows: pure, as the pager's model is. The newest is first; a line is chosen, and opened.

▸ scrape-1   running   12,345  1.2 MiB  3 s ago   120/s
  nightly    ended 0  998,877  80.0 MiB  2 h ago
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from logctl.figures import counted, human_age, human_bytes
from logctl.pager.keys import ACTIONS
from logctl.screen.attributes import Attribute, Segment
from logctl.screen.cells import columns_of, fitted
from logctl.screen.view import View, filled
from logd.states import GOES_ON, told

if TYPE_CHECKING:
    from logctl.pager.listing import Listing

TITLE: Final = Attribute("title")
TEXT: Final = Attribute("text")
CURRENT: Final = Attribute("current")
STATUS: Final = Attribute("status")
_HEADERS = ("run", "state", "records", "size", "last", "rate")


@dataclass(frozen=True)
class RunsList:
    """What is listed, and which run is chosen.

    A run keeps its place while the list is open, and what is chosen stays chosen, so that no key acts on another run
    than the one that was seen. What is new is first.

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
    connected: bool = True

    @classmethod
    def of(cls, runs: Iterable[dict[str, Any]], now_us: int, current: str = "") -> RunsList:
        """The list with the run that was written last before the others, and one of them chosen."""
        return cls(_newest_first(runs), now_us).choosing(current)

    def choosing(self, name: str) -> RunsList:
        names = [run["name"] for run in self.runs]
        return replace(self, chosen=names.index(name) if name in names else min(self.chosen, max(0, len(names) - 1)))

    @property
    def chosen_name(self) -> str:
        return str(self.runs[self.chosen]["name"]) if self.runs else ""

    def told(self, listing: Listing, now_us: int) -> RunsList:
        """The list with what is known by now."""
        runs, places = self.runs, {run["name"]: number for number, run in enumerate(self.runs)}
        if listing.runs is not None:
            known = {run["name"]: run for run in listing.runs}
            fresh = _newest_first(run for name, run in known.items() if name not in places)
            runs = (*fresh, *(known[name] for name in places if name in known))
        elif listing.changed:
            updated = (_updated(run, listing.changed.get(run["name"]), now_us) for run in runs)
            fresh = tuple(
                _updated(_new(name), value, now_us)
                for name, value in listing.changed.items()
                if value is not None and name not in places
            )
            runs = (*fresh, *updated)
        listed = replace(self, runs=runs, now_us=now_us, connected=listing.connected)
        return listed.choosing(self.chosen_name)

    def press(self, key: str, height: int) -> RunsList:
        """The list after a key; keys move in it as they do in records."""
        action = ACTIONS.get(key, "")
        if key == "esc" or action in ("quit", "runs", "interrupt"):
            return replace(self, closes=True)
        if action == "open" and self.runs:
            return replace(self, opens=self.chosen_name)
        if action in ("start", "end"):
            return self.moved(len(self.runs) if action == "end" else -len(self.runs))
        step = _STEPS.get(action)
        return self if step is None else self.moved(step(height))

    def moved(self, rows: int) -> RunsList:
        return replace(self, chosen=min(max(0, len(self.runs) - 1), max(0, self.chosen + rows)))

    def click(self, row: int, height: int) -> RunsList:
        """The list after a click: it chooses a run, and opens the one that is chosen."""
        number = self.top(height) + row - 1
        if not (0 < row < height - 1 and number < len(self.runs)):
            return self
        return replace(self, opens=self.chosen_name) if number == self.chosen else replace(self, chosen=number)

    def top(self, height: int) -> int:
        """The first run that is shown on so many rows."""
        room = max(1, height - 2)
        return min(max(0, self.chosen - room // 2), max(0, len(self.runs) - room))


def _newest_first(runs: Iterable[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    return tuple(sorted(runs, key=lambda run: (run["state"] not in GOES_ON, -(run["last_time_us"] or 0), run["name"])))


def _new(name: str) -> dict[str, Any]:
    return {"name": name, "records": 0, "bytes": 0, "last_time_us": None}


def _updated(run: dict[str, Any], value: dict[str, Any] | None, now_us: int) -> dict[str, Any]:
    """A run with what is told of it while it is in use."""
    if value is None:
        return run
    records = value["head"] + 1 - value["first_seq"]
    return {
        **run,
        "state": value["state"],
        "exit_status": value["exit_status"],
        "stalled": value["stalled"],
        "records": records,
        "records_per_second": value["records_per_second"],
        "last_time_us": now_us if records > run["records"] else run["last_time_us"],
    }


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
    top = listed.top(rows)
    shown: list[tuple[Segment, ...]] = [fitted(((TITLE, f"  {lines[0]}"),), columns)]
    for number, text in enumerate(lines[1 + top : 1 + top + height], start=top):
        role = CURRENT if number == listed.chosen else TEXT
        shown.append(fitted(((role, f"{'▸' if number == listed.chosen else ' '} {text}"),), columns))
    shown += [()] * (rows - 1 - len(shown))
    count = f"{counted(len(listed.runs), 'run')} · Enter opens" if listed.runs else "There are no runs yet"
    said = f" {count} · q closes{'' if listed.connected else ' · reconnecting…'}"
    return View((*shown[: rows - 1], filled(((STATUS, said),), columns)), None)


def _cells(run: dict[str, Any], now_us: int) -> tuple[str, ...]:
    last = human_age(max(0.0, (now_us - run["last_time_us"]) / 1e6)) + " ago" if run["last_time_us"] else ""
    rate = f"{run['records_per_second']:,.0f}/s" if run["records_per_second"] else ""
    return (
        run["name"],
        told(run["state"], run["exit_status"], stalled=bool(run["stalled"])),
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
