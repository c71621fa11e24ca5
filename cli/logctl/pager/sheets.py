"""Pages of text that cover the records: the help, all fields of one record, and who is present."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

from logctl.pager.help import help_rows
from logctl.pager.state import Sheet, State
from logctl.pager.texts import record_fields
from logctl.pager.turns import Turn
from logctl.presence import tables
from logctl.screen.attributes import Attribute, Segment
from logctl.screen.cells import line, segments_of, wrapped

TITLE = Attribute("title")
TEXT = Attribute("text")


def sheet_rows(state: State) -> tuple[tuple[Segment, ...], ...]:
    """All rows of the sheet that is open; none if there is none."""
    sheet = state.sheet
    if sheet is None:
        return ()
    if sheet.kind == "help":
        return _help(state.columns)
    if sheet.kind == "people":
        return _people(state)
    return _detail(sheet.run, sheet.seq, sheet.row, state.columns, state.colour)


def sheet_top(state: State) -> int:
    """The first of the sheet's rows that is shown."""
    if state.sheet is None:
        return 0
    return max(0, min(state.sheet.top, len(sheet_rows(state)) - state.height))


def scroll_sheet(turn: Turn, rows: int) -> None:
    sheet = turn.state.sheet
    if sheet is not None:
        turn.change(sheet=sheet._replace(top=sheet_top(turn.state) + rows))
        turn.change(sheet=sheet._replace(top=sheet_top(turn.state)))


def sheet_title(sheet: Sheet) -> str:
    """What the status line calls it."""
    return {"help": "Help", "people": "Who is present"}.get(sheet.kind) or f"Record {sheet.seq:,}"


def _people(state: State) -> tuple[tuple[Segment, ...], ...]:
    shown = tables(state.people or (), state.epoch_us + int(state.now * 1e6))
    rows: list[tuple[Segment, ...]] = [((TITLE, "Who emits, and who else watches"),), ()]
    nobody = "not known before the daemon answers" if state.people is None else "nobody at present"
    for text in (shown or nobody).split("\n"):
        rows += _wrapped([(TEXT, text)], state.columns, 4)
    return tuple(rows)


@lru_cache(maxsize=4)
def _help(columns: int) -> tuple[tuple[Segment, ...], ...]:
    rows: list[tuple[Segment, ...]] = []
    for row in help_rows(columns):
        rows += _wrapped(list(row), columns, 20)
    return tuple(rows)


@lru_cache(maxsize=4)
def _detail(run: str, seq: int, row: bytes, columns: int, colour: bool) -> tuple[tuple[Segment, ...], ...]:
    rows: list[tuple[Segment, ...]] = [((TITLE, f"Record {seq:,} of {run}"),), ()]
    fields = record_fields(row)
    width = min(max((len(name) for name, _ in fields), default=0), 20)
    for name, value in fields:
        label, _ = segments_of(name, "key", colour=False)
        head = [*label, (TEXT, " " * (width - len(name) + 2))]
        for number, text in enumerate(value.rstrip("\n").split("\n")):
            shown, _ = segments_of(text, "text", colour=colour)
            before = [(TEXT, " " * (width + 2))]
            rows += _wrapped([*(before if number else head), *shown], columns, width + 2)
    return tuple(rows)


def _wrapped(segments: list[Segment], columns: int, indent: int) -> list[tuple[Segment, ...]]:
    """A line as rows, those after the first indented where that leaves room."""
    whole = line(segments)
    first = wrapped(whole, columns)
    if len(first) == 1:
        return [tuple(segments)]
    if indent * 2 > columns:
        indent = 0
    end = first[1]
    rest = line(whole.between(end, len(whole.text)))
    rows = [whole.between(0, end)]
    for at, stop in pairwise([*wrapped(rest, columns - indent), len(rest.text)]):
        rows.append(((TEXT, " " * indent), *rest.between(at, stop)))
    return rows
