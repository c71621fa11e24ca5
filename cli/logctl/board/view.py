"""A board's state as a screen.

    scan  running  5.3 items/s  1 m 28 s left  2 m 3 s so far
    [███████████████████░░░░░░░░░░░░░░░░░░░░░░]  47%  412/882 items
    20 running  1 failed  449 pending  412 done   queue_depth 12
      STATE    ITEM     DONE            %   RATE     LEFT  STATUS
     ⠋ running  page-1   47/500 lines    9%  3.2/s    2 m  reading
    ▸✗ failed   page-2   12/500 lines    2%                no answer
     1-20 of 882  by state  /page/                        h help  q quit

What a row's colour says, its state says in a word and a sign.
"""

from __future__ import annotations

from typing import Final

from logctl.board.cells import COLUMNS, amounts_of, cells, counts_of, gauges, times_of
from logctl.board.keys import KIND
from logctl.board.model import SPIN_SECONDS, State
from logctl.figures import human_age, human_percent
from logctl.screen.attributes import Attribute, Segment
from logctl.screen.cells import columns_of, fitted, line, wrapped
from logctl.screen.table_view import CURRENT, KEY, TEXT, TITLE, framed, help_rows, sheet
from logctl.screen.view import Row, View
from logctl.terminal_text import escape_text
from logd.progress import STOPPED, figures
from logd.record import rfc3339

SPINNER: Final = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
SIGNS: Final = {"done": "✓", "failed": "✗", "pending": "·", STOPPED: "■"}
_ROLES: Final = {
    "running": TEXT,
    "done": Attribute("level.info"),
    "failed": Attribute("level.error"),
    "pending": Attribute("time"),
    STOPPED: Attribute("level.warn"),
}
CLEARED_SECONDS: Final = 60.0
_STATUS_COLUMNS: Final = 24
"""For the status, where there is any; columns that tell less go where there is no room for that."""
_LEAVE: Final = ("time", "rate", "done", "left")
"""Which these are, the first one first."""
_GAP: Final = "  "


def view(state: State) -> View:
    """What the screen shows."""
    if state.sheet:
        return framed(state, sheet(state, help_rows(KIND) if state.sheet == "help" else _detail(state)))
    return framed(state, [*_head(state)[: state.head_rows], *_table(state)])


def _head(state: State) -> list[Row]:
    overall = state.overall
    how = str(state.how)
    times = _GAP.join(times_of(overall))
    name: Row = ((TITLE, state.run), (TEXT, f"{_GAP}{how}" if how else ""), (TEXT, f"{_GAP}{times}"), _cleared(state))
    said = amounts_of(overall)
    if overall.share is not None:
        said = f"{human_percent(overall.share):>4}{_GAP}{said}"
    bar = _bar(overall.share, state.columns - columns_of(said) - 4) if overall.share is not None else ""
    counts = _GAP.join([*counts_of(overall), "", *gauges(state.items)]).strip()
    return [name, ((TEXT, f"{bar}{_GAP if bar else ''}{said}"),), ((TEXT, counts),)]


def _cleared(state: State) -> Segment:
    """That the board was begun anew, for as long as somebody may wonder where its items are."""
    seconds = (state.now_us - (state.how.cleared_us or 0)) / 1e6
    return TEXT, f"{_GAP}cleared {human_age(seconds)} ago" if 0 <= seconds < CLEARED_SECONDS else ""


def _bar(share: float, columns: int) -> str:
    if columns < 5:
        return ""
    filled = int(share * columns)
    return f"[{'█' * filled}{'░' * (columns - filled)}]"


def _table(state: State) -> list[Row]:
    keys, ended_us = state.shown_keys, state.how.ended_us
    rows = [cells(key, item, figures(item, state.now_us, ended_us)) for key in keys for item in (state.items[key],)]
    if not rows:
        return [(), ((Attribute("empty"), _nothing(state)),)]
    widths = _widths(rows, state.columns)
    spinner = SPINNER[int(state.now / SPIN_SECONDS) % len(SPINNER)] if state.connected else SPINNER[0]
    header = _GAP.join([_padded(COLUMNS[name].header, name, width) for name, width in widths.items()])
    made: list[Row] = [((TEXT, "   "), (TITLE, header))]
    for key, row in zip(keys, rows, strict=True):
        is_chosen = key == state.chosen
        sign = SIGNS.get(row["state"], spinner)
        text = _GAP.join([_padded(row[name], name, width) for name, width in widths.items()])
        role = CURRENT if is_chosen else _ROLES[row["state"]]
        made.append(((role, f"{'▸' if is_chosen else ' '}{sign} {text}"),))
    return made


def _nothing(state: State) -> str:
    if state.how.waits:
        return f"waiting for {state.run} to start"
    if state.all_count:
        return "No item is like that · Esc shows all"
    return "Nothing was reported yet" if not state.items else "There are gauges alone"


def _widths(rows: list[dict[str, str]], columns: int) -> dict[str, int]:
    """How wide each column is that there is room for; those without anything in them are left out."""
    widths = {}
    for name, column in COLUMNS.items():
        width = max(columns_of(row[name]) for row in rows)
        if width:
            widths[name] = max(width, len(column.header), column.least)
    widths["item"] = min(widths["item"], max(12, columns // 3))
    status = min(widths.pop("status", 0), _STATUS_COLUMNS)
    room = columns - 3
    for name in _LEAVE:
        if sum(widths.values()) + len(_GAP) * (len(widths) - (not status)) + status > room:
            widths.pop(name, None)
    if status:
        left = room - sum(widths.values()) - len(_GAP) * len(widths)
        widths["status"] = max(1, left)
    return widths


def _padded(text: str, name: str, width: int) -> str:
    over = columns_of(text) - width
    if over > 0:
        text = "".join([part for _, part in fitted(((TEXT, text),), width - 1)]) + "…"
        over = columns_of(text) - width
    pad = " " * -over
    return pad + text if COLUMNS[name].is_figure else text + pad


def _detail(state: State) -> list[Row]:
    """All that there is of the chosen item."""
    item = state.items.get(state.chosen or "")
    if state.chosen is None or item is None:
        return []
    shown = cells(state.chosen, item, figures(item, state.now_us, state.how.ended_us))
    fields = {COLUMNS[name].header.lower(): text for name, text in shown.items() if text and name != "item"}
    fields["percent"] = fields.pop("%", "")
    for name, value in item.items():
        if name.endswith("_us") and isinstance(value, int):
            fields[name.removesuffix("_us")] = rfc3339(value)
        elif name not in ("state", "done", "total", "unit", "status", "rate", "rate_seconds"):
            fields[name] = str(value)
    if "status" in item:
        fields["status"] = item["status"]
    width = max(map(columns_of, fields))
    rows: list[Row] = [((TITLE, shown["item"]),), ()]
    for name, value in fields.items():
        if value:
            label = f"{escape_text(name, colour=False):{width}}{_GAP}"
            whole = line([(KEY, label), (TEXT, escape_text(value, colour=False))])
            starts = wrapped(whole, state.columns)
            rows += [whole.between(at, end) for at, end in zip(starts, [*starts[1:], len(whole.text)], strict=True)]
    return rows
