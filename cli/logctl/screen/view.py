"""A screen as it is to be shown: rows of segments, each with an attribute, and where the cursor is."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from logctl.screen.attributes import Attribute, Segment
from logctl.screen.cells import columns_of, fitted

Row: TypeAlias = tuple[Segment, ...]


class View(NamedTuple):
    rows: tuple[Row, ...]
    """As many as the screen has, none wider than it is; the status line is the last."""
    cursor: tuple[int, int] | None
    """Its row and column, from 0, while something is typed."""

    def text(self) -> str:
        """The screen as plain text, a line for each row."""
        return "".join(["".join([text for _, text in row]).rstrip() + "\n" for row in self.rows])


def filled(row: Row, columns: int, role: str = "status") -> Row:
    """A row up to the screen's right edge."""
    row = fitted(row, columns)
    used = sum(columns_of(text) for _, text in row)
    return (*row, (Attribute(role), " " * (columns - used)))


def help_row(keys: str, text: str, key_columns: int) -> Row:
    """A row of a help: it may be longer than the screen is wide."""
    gap = " " * max(1, key_columns - columns_of(keys))
    return (Attribute("text"), "  "), (Attribute("key"), keys), (Attribute("text"), gap + text)
