"""What the user can do while looking at records: one function for each action of keys.py.

Moving takes a line of the screen to another row of it, as far as the document goes, and has the record that is then
nearest the middle as the anchor. Where the screen cannot move any more, the anchor itself does, so that every record
can be reached.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count, islice
from typing import Final

from logctl.pager.document import Edge
from logctl.pager.events import CaptureMouse, Copy, OpenEditor, ShowRuns
from logctl.pager.filters import Filter
from logctl.pager.goals import is_refiltering, leave, remember, search, seek, shown_filter
from logctl.pager.layout import Times
from logctl.pager.prompts import open_prompt
from logctl.pager.screen import Line
from logctl.pager.seeking import Aim, Seek, Target
from logctl.pager.sheets import scroll_sheet
from logctl.pager.state import Sheet, Source, State
from logctl.pager.texts import record_fields, record_text
from logctl.pager.tiling import Kind
from logctl.pager.turns import Turn
from logctl.screen.events import Quit, Repaint, Suspend
from logd.record import Severity

MAX_OPENED: Final = 1000
"""Records that are shown with all their lines; when there are more, all are folded again."""
MAX_COUNT: Final = 10**15
"""That can be typed before a command; further digits are dropped."""

_LEVELS = (0, Severity.INFO, Severity.WARN, Severity.ERROR)
"""What `l` goes through: the least level that is shown."""

Action = Callable[[Turn, int | None], None]


def scroll(turn: Turn, rows: int, source: Source = Source.SCROLLED_AWAY) -> None:
    """Move the screen down by so many rows, or up if that is negative."""
    if turn.state.sheet is not None:
        scroll_sheet(turn, rows)
        return
    if not rows or (turn.state.follow and rows > 0):
        return
    turn.set_follow(False, source)
    if not is_refiltering(turn.state):
        turn.set_goal(None)
    leave(turn)
    state = turn.state
    line, row = state.screen.anchor_line, state.screen.anchor_row
    if line is None or row is None:
        return
    rows = _as_far_as_read(state, line, row, rows)
    if not rows:
        turn.note("reading what is there…")
        return
    paper, height = state.paper, state.height
    settled = paper.settled_row(line, row - rows, height)
    if settled == row:
        _move_anchor(turn, line, row, rows)
        return
    line, row = paper.moved(line, settled, height)
    turn.change(anchor=paper.chosen(paper.around(line, row, height)) or state.anchor)


def _as_far_as_read(state: State, line: Line, row: int, rows: int) -> int:
    """How far the screen may move of so many rows: what is about to be read is not passed by.

    Args:
        line, row: the anchor's.
    """
    if not state.connected:
        return rows
    paper, height, step = state.paper, state.height, -1 if rows < 0 else 1
    lines = paper.up(line.place, line.number) if rows < 0 else islice(paper.down(line.place, line.number), 1, None)
    for at, other in zip(count(row + step, step), lines, strict=False):
        beyond = max(0, -at if rows < 0 else at - height + 1)
        if beyond >= abs(rows):
            break
        run, span = state.document.entry(other.place)
        is_unread = isinstance(span, Edge) and span.span.kind is Kind.UNREAD and other.is_within
        if is_unread and (beyond or any(reading.run == run for reading in state.readings.values())):
            return step * beyond
    return rows


def _move_anchor(turn: Turn, line: Line, row: int, count: int) -> None:
    """Have another record of the screen for the anchor, so many records down or up, as far as there are."""
    state = turn.state
    step, left, place = (1 if count > 0 else -1), abs(count), line.place
    while left and 0 <= row + step < state.height:
        row += step
        other = state.screen.lines[row]
        if other is not None and other.is_within and other.place != place and state.document.is_record(other.place):
            place, left = other.place, left - 1
            turn.change(anchor=state.paper.anchor(other, row))


def go(turn: Turn, target: Target, source: Source = Source.JUMP) -> None:
    """Go elsewhere, and remember where this was."""
    turn.set_follow(False, source)
    remember(turn)
    seek(turn, target, shown_filter(turn.state) if is_refiltering(turn.state) else None)


def follow_now(turn: Turn, source: Source) -> None:
    """Turn follow on: what is shown is now."""
    filter = shown_filter(turn.state)
    if not turn.set_follow(True, source):
        return
    turn.drop_readings()
    seek(turn, Target(Aim.STAY if filter != turn.state.document.filter else Aim.END), filter)


def toggle_follow(turn: Turn, _count: int | None = None, source: Source = Source.KEY) -> None:
    if turn.state.follow:
        turn.set_follow(False, source)
    else:
        turn.change(sheet=None)
        follow_now(turn, source)


def end(turn: Turn, count: int | None) -> None:
    state = turn.state
    if count is not None:
        go_to_seq(turn, count)
    elif state.sheet is not None:
        scroll_sheet(turn, 1 << 30)
    elif not state.follow and (state.at_end or state.last_action == "end"):
        follow_now(turn, Source.END_AGAIN)
    elif not state.follow:
        go(turn, Target(Aim.END))


def start(turn: Turn, count: int | None) -> None:
    if count is not None:
        go_to_seq(turn, count)
    elif turn.state.sheet is not None:
        scroll_sheet(turn, -(1 << 30))
    else:
        go(turn, Target(Aim.START))


def go_to_seq(turn: Turn, seq: int) -> None:
    """Go to a record by its number, of the run that is read."""
    run = _run_of(turn)
    if run:
        go(turn, Target(Aim.SEQ, run, max(1, min(seq, turn.state.document.reel(run).head))))


def go_to_percent(turn: Turn, count: int | None) -> None:
    run = _run_of(turn)
    if run:
        reel = turn.state.document.reel(run)
        go_to_seq(turn, reel.first_seq + (reel.head - reel.first_seq) * min(count or 0, 100) // 100)


def _run_of(turn: Turn) -> str:
    """The run that is read: that of the current record, or else the first."""
    current = turn.state.current
    return current[0] if current is not None else next(iter(turn.state.shown_runs), "")


def interrupt(turn: Turn, _count: int | None) -> None:
    """Stop what is under way; if nothing is, pause."""
    state = turn.state
    if state.sheet is not None:
        turn.change(sheet=None)
    elif state.goal is not None:
        turn.set_goal(None)
        turn.note("The filter is left as it was" if isinstance(state.goal, Seek) else "The search is cancelled")
    elif state.follow:
        turn.set_follow(False, Source.INTERRUPT)
    else:
        turn.note("q quits")


def sideways(turn: Turn, columns: int) -> None:
    if turn.state.wrap:
        turn.note("Lines are wrapped · S chops them")
    else:
        turn.change(left=max(0, turn.state.left + columns))


def again(turn: Turn, count: int | None, *, backward: bool) -> None:
    found = turn.state.found
    if found is None:
        turn.note("Nothing was searched for yet")
    else:
        search(turn, found.filter, found.said, backward=found.backward != backward, count=count or 1)


def to_level(turn: Turn, severity: Severity, count: int | None, *, backward: bool) -> None:
    said = "an error" if severity == Severity.ERROR else "a warning"
    search(turn, Filter(min_severity=severity), said, backward=backward, count=count or 1)


def cycle_level(turn: Turn, _count: int | None) -> None:
    filter = shown_filter(turn.state)
    following = [level for level in _LEVELS if level > filter.min_severity]
    level = following[0] if following else 0
    refilter(turn, Filter(filter.patterns, level, filter.source, filter.stream))


def refilter(turn: Turn, filter: Filter) -> None:
    """Show what matches, around the same place."""
    seek(turn, Target(Aim.STAY), filter)


def toggle_run(turn: Turn, number: int) -> None:
    state = turn.state
    name = list(state.document.reels)[number - 1]
    hidden = state.document.hidden ^ {name}
    if len(hidden) == len(state.document.reels):
        turn.note(f"{name} is the only run that is shown")
        return
    leave(turn)
    turn.show(state.document.with_hidden(hidden))
    turn.note(
        f"{name} is {'hidden' if name in hidden else 'shown'} · {number} {'shows' if name in hidden else 'hides'} it"
    )


def open_record(turn: Turn, count: int | None) -> None:
    """Show all lines of the record if it is folded; or else all its fields."""
    state = turn.state
    place = state.document.find(*state.current[:2]) if state.current is not None else None
    if state.sheet is None and place is not None and any(row.folds for row in state.paper.rows(place)):
        fold(turn, count)
    else:
        detail(turn, count)


def detail(turn: Turn, _count: int | None) -> None:
    current = turn.state.current
    if turn.state.sheet is not None:
        turn.change(sheet=None)
    elif current is not None:
        turn.set_follow(False, Source.DETAIL)
        turn.change(sheet=Sheet("detail", 0, *current))


def fold(turn: Turn, _count: int | None) -> None:
    """Show all lines of the record, or only the first and the last."""
    current = turn.state.current
    if current is not None:
        turn.set_follow(False, Source.DETAIL)
        opened = turn.state.opened ^ {current[:2]}
        turn.change(opened=opened if len(opened) <= MAX_OPENED else frozenset({current[:2]}))


def copy(turn: Turn, _count: int | None) -> None:
    if (current := turn.state.current) is not None:
        turn.do(Copy(record_text(current[2])))
        turn.note(f"Record {current[1]:,} is copied")


def edit(turn: Turn, _count: int | None) -> None:
    if (current := turn.state.current) is not None:
        turn.set_follow(False, Source.DETAIL)
        turn.do(OpenEditor(record_text(current[2])))


def where(turn: Turn, _count: int | None) -> None:
    if (current := turn.state.current) is None:
        turn.note("There is no record yet")
        return
    run, seq, row = current
    reel, time = turn.state.document.reel(run), record_fields(row)[0][1].partition("  ")[0]
    turn.note(f"{run}: record {seq:,} of {reel.first_seq:,} to {reel.head:,} · {time}")


def toggle_wrap(turn: Turn, _count: int | None = None) -> None:
    turn.change(wrap=not turn.state.wrap, left=0)
    turn.note("Long lines are wrapped" if turn.state.wrap else "Long lines are chopped")


def cycle_times(turn: Turn, _count: int | None) -> None:
    order = list(Times)
    turn.change(times=order[(order.index(turn.state.times) + 1) % len(order)])


def toggle_mouse(turn: Turn, _count: int | None) -> None:
    mouse = not turn.state.mouse
    turn.change(mouse=mouse)
    turn.do(CaptureMouse(mouse))
    turn.note("The mouse is the pager's · F2 gives it back" if mouse else "The mouse is the terminal's")


def toggle_highlight(turn: Turn, _count: int | None) -> None:
    found = turn.state.found
    shown = found.filter.patterns[0] if found is not None and found.filter.patterns else ""
    turn.change(pattern="" if turn.state.pattern else shown)


def show_sheet(turn: Turn, kind: str) -> None:
    """Show a sheet, or take it away where it is shown."""
    sheet = turn.state.sheet
    turn.change(sheet=None if sheet is not None and sheet.kind == kind else Sheet(kind))


def quit(turn: Turn, _count: int | None = None) -> None:
    if turn.state.sheet is not None:
        turn.change(sheet=None)
    else:
        turn.do(Quit())


def _page(turn: Turn) -> int:
    return max(1, turn.state.height - 1)


def _half(turn: Turn) -> int:
    return max(1, turn.state.height // 2)


ACTIONS: Final[dict[str, Action]] = {
    "toggle_follow": toggle_follow,
    "end": end,
    "interrupt": interrupt,
    "line_down": lambda turn, count: scroll(turn, count or 1),
    "line_up": lambda turn, count: scroll(turn, -(count or 1)),
    "page_down": lambda turn, count: scroll(turn, count or _page(turn)),
    "page_up": lambda turn, count: scroll(turn, -(count or _page(turn))),
    "half_down": lambda turn, count: scroll(turn, count or _half(turn)),
    "half_up": lambda turn, count: scroll(turn, -(count or _half(turn))),
    "start": start,
    "percent": go_to_percent,
    "right": lambda turn, count: sideways(turn, count or turn.state.columns // 2),
    "left": lambda turn, count: sideways(turn, -(count or turn.state.columns // 2)),
    "set_mark": lambda turn, _count: open_prompt(turn, "m"),
    "go_to_mark": lambda turn, _count: open_prompt(turn, "'"),
    "search": lambda turn, _count: open_prompt(turn, "/"),
    "search_back": lambda turn, _count: open_prompt(turn, "?"),
    "again": lambda turn, count: again(turn, count, backward=False),
    "again_back": lambda turn, count: again(turn, count, backward=True),
    "next_error": lambda turn, count: to_level(turn, Severity.ERROR, count, backward=False),
    "last_error": lambda turn, count: to_level(turn, Severity.ERROR, count, backward=True),
    "next_warning": lambda turn, count: to_level(turn, Severity.WARN, count, backward=False),
    "last_warning": lambda turn, count: to_level(turn, Severity.WARN, count, backward=True),
    "no_highlight": toggle_highlight,
    "filter": lambda turn, _count: open_prompt(turn, "&"),
    "cycle_level": cycle_level,
    "command": lambda turn, _count: open_prompt(turn, ":"),
    "toggle_run": lambda turn, count: toggle_run(turn, count or 1),
    "open": open_record,
    "detail": detail,
    "fold": fold,
    "copy": copy,
    "edit": edit,
    "option": lambda turn, _count: open_prompt(turn, "-"),
    "toggle_wrap": toggle_wrap,
    "cycle_times": cycle_times,
    "toggle_mouse": toggle_mouse,
    "where": where,
    "repaint": lambda turn, _count: turn.do(Repaint()),
    "runs": lambda turn, _count: turn.do(ShowRuns()),
    "suspend": lambda turn, _count: turn.do(Suspend()),
    "people": lambda turn, _count: show_sheet(turn, "people"),
    "help": lambda turn, _count: show_sheet(turn, "help"),
    "quit": quit,
}

IN_SHEET: Final = frozenset(
    {
        "line_down",
        "line_up",
        "page_down",
        "page_up",
        "half_down",
        "half_up",
        "start",
        "end",
        "toggle_follow",
        "interrupt",
        "open",
        "detail",
        "copy",
        "edit",
        "repaint",
        "suspend",
        "people",
        "help",
        "quit",
    }
)
"""What can be done while a sheet covers the records; all else closes it first."""
