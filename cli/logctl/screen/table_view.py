"""A table's screen, but for what is the table: its last row, the sheets that cover it, and what all is cut to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from logctl.screen.attributes import Attribute, Segment
from logctl.screen.cells import columns_of, fitted
from logctl.screen.keys import shown_keys
from logctl.screen.table import Kind, Table
from logctl.screen.view import Row, View, filled, help_row
from logctl.terminal_text import escape_text

TITLE, TEXT, KEY, CURRENT = Attribute("title"), Attribute("text"), Attribute("key"), Attribute("current")
STATUS, WARN, FILTER = Attribute("status"), Attribute("status.warn"), Attribute("status.filter")
HELP: Final = "h help  q quit "
_KEY_COLUMNS: Final = 24


def framed(state: Table, body: Sequence[Row], *, hint: str = "", note: str = "") -> View:
    """A screen of these rows, as far as there is room for them, and the last one below.

    Args:
        hint: what is said of keys before HELP, where there is room.
        note: what is told in place of the status.
    """
    if state.rows < 2:
        return View((_last_row(state, hint, note),), None)
    rows = [fitted(row, state.columns) for row in body[: state.rows - 1]]
    rows += [()] * (state.rows - 1 - len(rows))
    cursor = None
    if (prompt := state.prompt) is not None:
        before = escape_text(prompt.text[: prompt.cursor], colour=False)
        cursor = state.rows - 1, min(1 + columns_of(before), state.columns - 1)
    return View((*rows, _last_row(state, hint, note)), cursor)


def _last_row(state: Table, hint: str, note: str) -> Row:
    row: list[Segment] = []
    if state.prompt is not None:
        row.append((Attribute("prompt"), f"/{escape_text(state.prompt.text, colour=False)}"))
    elif note:
        row.append((Attribute("note"), f" {escape_text(note, colour=False)}"))
    elif state.sheet:
        row.append((STATUS, " Esc closes this"))
    else:
        row.append((STATUS, " "))
        for part in _status(state):
            row += [part, (STATUS, "  ")]
        room = state.columns - sum(columns_of(text) for _, text in row)
        said = next((each for each in (hint + HELP, HELP) if len(each) <= room), "")
        row.append((STATUS, said.rjust(room)))
    return filled(tuple(row), state.columns)


def _status(state: Table) -> Iterator[Segment]:
    wanted, count, top = state.wanted, len(state.keys), state.top
    if not state.connected:
        yield WARN, "reconnecting…"
    if count:
        of_all = f", {state.all_count:,} in all" if count < state.all_count else ""
        yield STATUS, f"{top + 1:,}-{top + len(state.shown_keys):,} of {count:,}{of_all}"
    yield STATUS, f"by {wanted.sort}{' reversed' if wanted.reverse else ''}"
    if wanted.only:
        yield FILTER, f"{wanted.only} alone"
    if wanted.text:
        yield FILTER, f"/{escape_text(wanted.text, colour=False)}/"


def sheet(state: Table, rows: Sequence[Row]) -> Sequence[Row]:
    """What is seen of a sheet of these rows."""
    height = state.rows - 1
    top = max(0, min(state.sheet_top, len(rows) - height))
    return rows[top : top + height]


def help_rows(kind: Kind) -> list[Row]:
    """The help, as rows that may be longer than the screen is wide."""
    return [
        ((TITLE, "Keys"),),
        *(help_row(shown_keys(binding), binding.text, _KEY_COLUMNS) for binding in kind.bindings),
        (),
        ((TITLE, "On the screen"),),
        *(help_row(*sign, _KEY_COLUMNS) for sign in kind.signs),
    ]
