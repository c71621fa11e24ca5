"""A state as a screen: rows of segments, each with an attribute, and where the cursor is.

The first column is the gutter: `▸` is the record that keys act on, `+` one that came since follow was turned off, a
letter is the user's mark. What these say is said by no colour alone.
"""

from __future__ import annotations

from typing import Final

from logctl.pager.screen import Line
from logctl.pager.sheets import sheet_rows, sheet_title, sheet_top
from logctl.pager.state import State
from logctl.pager.status import status
from logctl.screen.attributes import Attribute, Segment
from logctl.screen.cells import columns_of, fitted
from logctl.screen.prompts import Prompt
from logctl.screen.view import View, filled
from logctl.terminal_text import escape_text

CURRENT: Final = Attribute("current")
NEW: Final = Attribute("new")
MARK: Final = Attribute("mark")
TEXT: Final = Attribute("text")


def view(state: State) -> View:
    """What the screen shows."""
    body = _sheet(state) if state.sheet is not None else _records(state)
    if state.rows < 2:
        body = []
    last, column = _last_row(state)
    cursor = (state.rows - 1, column) if column is not None else None
    return View((*body, last), cursor)


def _records(state: State) -> list[tuple[Segment, ...]]:
    marks = {(anchor.run, anchor.seq): letter for letter, anchor in state.marks.items() if letter != "'"}
    anchor = state.screen.anchor_line
    rows: list[tuple[Segment, ...]] = []
    place = None
    for line in state.screen.lines:
        if line is None:
            rows.append(((Attribute("empty"), "~"),) if place is not None else ())
            continue
        is_first = line.is_within and line.place != place
        place = line.place if line.is_within else place
        gutter = _gutter(state, line, anchor, marks, is_first=is_first)
        rows.append(fitted((gutter, *line.row.segments), state.columns))
    return rows


def _gutter(
    state: State, line: Line, anchor: Line | None, marks: dict[tuple[str, int], str], *, is_first: bool
) -> Segment:
    """The mark at the first row of a record that is on the screen."""
    document = state.document
    if not line.is_within or not document.is_record(line.place):
        return TEXT, " "
    if not is_first:
        return TEXT, " "
    if anchor is not None and line.place == anchor.place:
        return CURRENT, "▸"
    run, seq = document.entry(line.place).run, document.seq(line.place)
    if (run, seq) in marks:
        return MARK, marks[run, seq]
    return (NEW, "+") if state.is_new(run, seq) else (TEXT, " ")


def _sheet(state: State) -> list[tuple[Segment, ...]]:
    top = sheet_top(state)
    rows = [fitted(row, state.columns) for row in sheet_rows(state)[top : top + state.height]]
    return rows + [()] * (state.height - len(rows))


def _last_row(state: State) -> tuple[tuple[Segment, ...], int | None]:
    """The status line, or what stands in its place; and the cursor's column."""
    if state.prompt is not None:
        return _prompt(state.prompt, state.columns)
    note = state.shown_note
    if note:
        return filled(((Attribute("note"), f" {escape_text(note, colour=False)}"),), state.columns, "note"), None
    if state.sheet is not None:
        top, count = sheet_top(state), len(sheet_rows(state))
        away = "" if state.connected else " · reconnecting…"
        more = "" if count <= state.height else f" · {min(count, top + state.height)}/{count}"
        said = f" {sheet_title(state.sheet)}{away}{more} · q closes"
        return filled(((Attribute("status"), said),), state.columns), None
    return filled(status(state).segments, state.columns), None


_ASKS = {"m": "mark: a letter", "'": "go to mark: a letter, or '", "-": "option: S wraps or chops, i ignores case"}


def _prompt(prompt: Prompt, columns: int) -> tuple[tuple[Segment, ...], int]:
    kind = _ASKS.get(prompt.kind, prompt.kind)
    before = escape_text(prompt.text[: prompt.cursor], colour=False)
    behind = escape_text(prompt.text[prompt.cursor :], colour=False)
    room = max(1, columns - columns_of(kind) - 1)
    while columns_of(before) > room:
        # What is left of the cursor is cut off at its beginning, so that one sees what one types.
        before = before[max(1, len(before) - room) :]
    row = ((Attribute("prompt"), kind), (Attribute("prompt.text"), before + behind))
    return filled(row, columns, "prompt.text"), min(columns - 1, columns_of(kind + before))
