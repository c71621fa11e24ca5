"""All runs as a screen.

    200 runs: 50 running, 2 silent, 1 lost, 147 ended                      10:20:30
    12,345 records/s  1.2 MiB/s  53 emitters  4 viewers  2.1 GiB kept, 88.0 GiB free
     RUN       STATE    RATE        WARN  ERR PROGRESS    LEFT VIEW SIZE
    ▸scrape-1  running  1.2k ▂▃▅█▆▅   12    3 ██▌░  71%     3m    1 1.2G
     nightly   ended 1                        ████ 100%              88M
     1-20 of 200  by state  /scrape/                              h help  q quit

What a cell's colour says, its figure or word says, too.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from logctl.figures import counted, human_bytes, human_count
from logctl.screen.attributes import Attribute, Segment
from logctl.screen.cells import columns_of
from logctl.screen.table_view import CURRENT, TEXT, TITLE, framed, help_rows, sheet
from logctl.screen.view import Row, View
from logctl.terminal_text import escape_text
from logctl.top.cells import COLUMNS, bar, cells, gap_of, shortened, widths
from logctl.top.keys import KIND
from logctl.top.lines import Run, sparkline
from logctl.top.listing import FILTERS
from logctl.top.model import State

DIM = Attribute("time")
GOOD, WARN, ERROR = Attribute("level.info"), Attribute("level.warn"), Attribute("level.error")
_STATES: Final = {"running": GOOD, "silent": WARN, "lost": ERROR, "unreadable": ERROR}
_PERCENT_COLUMNS: Final = 5
MEASURED_RUNS: Final = 500
"""Columns are as wide as the first so many runs need."""


def view(state: State) -> View:
    """What the screen shows."""
    rows = sheet(state, help_rows(KIND)) if state.sheet else [*_head(state)[: state.head_rows], *_table(state)]
    return framed(state, rows, hint="Enter attaches  ", note=state.shown_note)


# About the daemon


def head_lines(runs: list[Run], totals: dict[str, object], size_bytes: int) -> tuple[str, list[str]]:
    """How many runs there are in which states; and what the daemon does, in parts of which the last tell least."""
    states = [run.state for run in runs]
    counts = ", ".join(f"{states.count(state):,} {state}" for state in FILTERS if state and state in states)
    said = f"{counted(len(runs), 'run')}{': ' if counts else ''}{counts}"
    if not totals:
        return said, []
    free = totals["free_bytes"]
    disk = f"{human_bytes(size_bytes)} kept"
    parts = [
        f"{human_count(round(_number(totals['records_per_second'])))} records/s",
        f"{human_bytes(round(_number(totals['bytes_per_second'])))}/s",
        counted(int(_number(totals["emitters"])), "emitter"),
        counted(int(_number(totals["viewers"])), "viewer"),
        disk if free is None else f"{disk}, {human_bytes(int(_number(free)))} free",
    ]
    return said, parts


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _head(state: State) -> list[Row]:
    size_bytes = sum([run.size_bytes for run in state.runs.values()])
    said, parts = head_lines(list(state.runs.values()), dict(state.totals), size_bytes)
    clock = time.strftime("%H:%M:%S", time.localtime(state.now_us // 1_000_000))
    room = state.columns - columns_of(said) - len(clock)
    first: Row = ((TITLE, said), (TEXT, " " * room + clock)) if room >= 2 else ((TITLE, said),)
    error = escape_text(str(state.totals.get("store_error", "")), colour=False)
    if error:
        return [first, ((ERROR, f"cannot be stored: {error}"),)]
    # Figures that get longer are not to move the others, where there is room.
    steady = "   ".join(part.ljust(width) for part, width in zip(parts, (18, 11, 13, 11, 0), strict=False)).rstrip()
    lines = [steady, "  ".join(parts), "  ".join(parts).replace(" records/s", "/s")]
    return [first, ((TEXT, next((line for line in lines if columns_of(line) <= state.columns), lines[-1])),)]


# The table


def _table(state: State) -> list[Row]:
    if not state.keys:
        said = "No run is like that · Esc shows all" if state.runs else "There are no runs yet"
        return [(), ((Attribute("empty"), said),)]
    now_us = state.now_us
    shown = [cells(state.runs[name], now_us) for name in state.shown_keys]
    longest = max(map(len, state.keys))
    wide = _widths_of(state, longest)
    gap = " " * gap_of(state.columns)
    header = gap.join(_padded(COLUMNS[name].header, name, width) for name, width in wide.items())
    rows: list[Row] = [((TEXT, " "), (TITLE, header))]
    index = state.index - state.top
    for number, (name, row) in enumerate(zip(state.shown_keys, shown, strict=True)):
        is_chosen = number == index and state.chosen is not None
        rows.append(tuple(_segments(state, state.runs[name], row, wide, gap, is_chosen=is_chosen)))
    return rows


def _widths_of(state: State, longest: int) -> dict[str, int]:
    return widths(
        [cells(state.runs[name], state.now_us) for name in state.keys[:MEASURED_RUNS]],
        longest,
        state.columns - 1,
    )


def _segments(
    state: State, run: Run, row: dict[str, str], wide: dict[str, int], gap: str, *, is_chosen: bool
) -> Iterator[Segment]:
    yield (CURRENT, "▸") if is_chosen else (TEXT, " ")
    first = True
    for name, width in wide.items():
        if not first:
            yield TEXT, gap
        first = False
        if name == "spark":
            text = sparkline(state.history.get(run.name, ()), width)
        elif name == "progress" and run.progress is not None:
            text = f"{bar(run.progress, width - _PERCENT_COLUMNS)}{row[name]:>{_PERCENT_COLUMNS}}"
        else:
            text = _padded(row[name], name, width)
        role = TEXT if text.isspace() else _role(run, name)
        yield CURRENT if is_chosen and name == "name" else role, text


def _role(run: Run, name: str) -> Attribute:
    if name == "state":
        if run.stalled:
            return ERROR
        return _STATES.get(run.state, ERROR if run.exit_status else DIM)
    if name == "warnings":
        return WARN
    if name == "errors":
        return ERROR
    if name == "name":
        return TEXT
    return TEXT if run.goes_on else DIM


@lru_cache(maxsize=4096)
def _padded(text: str, name: str, width: int) -> str:
    text = shortened(text, width)
    return text.rjust(width) if COLUMNS[name].is_figure else text.ljust(width)
