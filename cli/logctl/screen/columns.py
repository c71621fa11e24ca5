"""The columns of a table: on a screen, and in a pipe, where no screen is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from logctl.figures import table


class Column(NamedTuple):
    header: str
    is_figure: bool
    """Which are to the right."""
    least: int = 0
    """How wide it is at the least, so that a figure that gets longer does not move the others."""


def text_lines(columns: Mapping[str, Column], rows: Sequence[Mapping[str, str]]) -> list[str]:
    """The rows for a pipe, behind an empty line and without the columns that have nothing in them; none for none."""
    if not rows:
        return []
    shown = [(name, column) for name, column in columns.items() if any(row[name] for row in rows)]
    figured = {number for number, (_, column) in enumerate(shown) if column.is_figure}
    headers = [column.header for _, column in shown]
    return ["", table(headers, [[row[name] for name, _ in shown] for row in rows], figured)]
