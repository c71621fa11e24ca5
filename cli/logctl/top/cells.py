"""What is shown of runs, as text: the columns of the table, and which of them there is room for.

RUN       STATE    RATE ▁▂▃▅█  WARN  ERR  PROGRESS   LEFT  VIEW  QUEUE  SIZE
scrape-1  running  1.2k ▃▃▄█▆    12    3  ███▌  71%  3m       1     40  1.2G
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from logctl.figures import human_age, human_percent
from logctl.screen.columns import Column
from logctl.top.lines import Run
from logd.states import told

COLUMNS: Final[Mapping[str, Column]] = {
    "name": Column("RUN", False, 8),
    "state": Column("STATE", False, 7),
    "rate": Column("RATE", True, 5),
    "spark": Column("", False),
    "warnings": Column("WARN", True, 4),
    "errors": Column("ERR", True, 4),
    "progress": Column("PROGRESS", False),
    "left": Column("LEFT", True, 6),
    "viewers": Column("VIEW", True, 4),
    "queue": Column("QUEUE", True, 5),
    "size": Column("SIZE", True, 5),
    "emitters": Column("EMIT", True, 4),
    "records": Column("RECORDS", True, 7),
    "last": Column("LAST", True, 6),
}
LEAVE: Final = ("records", "emitters", "last", "size", "queue", "left", "viewers", "progress", "spark", "warnings")
"""Which go where there is no room, the first one first."""
OPTIONAL: Final = frozenset({"progress", "left", "queue"})
"""Which are there only where a run has something in them."""
NAME_COLUMNS: Final = 12
"""What a name is cut to before a column goes."""
NARROW: Final = 100
"""Columns below which the screen is a narrow one."""


def short(number: float) -> str:
    """A number in five columns: "0.5", "987", "1.2k", "34M"."""
    if number < 9.95 and number != int(number):
        return f"{number:.1f}"
    if number < 999.5:
        return f"{number:.0f}"
    for unit in "kMGTP":
        number /= 1000
        if number < 999.5:
            return f"{number:.1f}{unit}" if number < 9.95 else f"{number:.0f}{unit}"
    return f"{number:.0f}P"


def short_bytes(size: int) -> str:
    """A size in five columns: "17B", "1.2M", of units of 1024."""
    number = float(size)
    for unit in "BKMGT":
        if number < 999.5:
            return f"{number:.1f}{unit}" if number < 9.95 and unit != "B" else f"{number:.0f}{unit}"
        number /= 1024
    return f"{number:.0f}P"


def short_age(seconds: float) -> str:
    """A time span in its two largest units, as `human_age` has it, without spaces: "2h5m"."""
    return human_age(seconds).replace(" ", "")


def shortened(name: str, columns: int) -> str:
    """A name that is cut in its middle: what tells it from others is often at its end."""
    if len(name) <= columns:
        return name
    behind = max(0, columns - 1) // 2
    return f"{name[: max(0, columns - 1 - behind)]}…{name[len(name) - behind :]}"[:columns]


def cells(run: Run, now_us: int) -> dict[str, str]:
    """What each column has of a run, but for what is drawn."""
    return {
        "name": run.name,
        "state": told(run.state, run.exit_status, stalled=bool(run.stalled)),
        "rate": short(run.per_second) if run.per_second else "",
        "spark": "",
        "warnings": short(run.warnings) if run.warnings else "",
        "errors": short(run.errors) if run.errors else "",
        "progress": "" if run.progress is None else human_percent(run.progress),
        "left": "" if run.left_seconds is None else short_age(run.left_seconds),
        "viewers": short(run.viewers) if run.viewers else "",
        "queue": "" if run.queue is None else short(run.queue),
        "size": short_bytes(run.size_bytes) if run.size_bytes else "",
        "emitters": short(run.emitters) if run.emitters else "",
        "records": short(run.records) if run.records else "",
        "last": short_age((now_us - run.last_us) / 1e6) if run.last_us else "",
    }


def bar(share: float, columns: int) -> str:
    """How much is done, drawn in eighths of a column: "███▌░░"."""
    eighths = round(share * columns * 8)
    full, part = divmod(eighths, 8)
    return ("█" * full + (" ▏▎▍▌▋▊▉"[part] if part else "")).ljust(columns, "░")


def widths(rows: Sequence[Mapping[str, str]], longest_name: int, columns: int) -> dict[str, int]:
    """How wide each column is for which there is room.

    Args:
        rows: of all runs that are shown, also off the screen, so that scrolling moves no column.
        longest_name: of these.
        columns: for all, and the space between them.
    """
    narrow = columns < NARROW
    drawn = {"spark": 6 if narrow else min(30, columns // 6), "progress": 9 if narrow else min(30, columns // 7)}
    made = {}
    for name, column in COLUMNS.items():
        widest = max((len(row[name]) for row in rows), default=0)
        if name in OPTIONAL and not widest:
            continue
        made[name] = max(drawn.get(name, widest), len(column.header), column.least)
    made["name"] = max(longest_name, COLUMNS["name"].least)
    gap = gap_of(columns)

    def over() -> int:
        return sum(made.values()) + gap * (len(made) - 1) - columns

    for name in LEAVE:
        cut = min(over(), made["name"] - NAME_COLUMNS)
        if over() <= max(0, cut):
            break
        made.pop(name, None)
    made["name"] = max(COLUMNS["name"].least, made["name"] - max(0, over()))
    return made


def gap_of(columns: int) -> int:
    return 1 if columns < NARROW else 2
