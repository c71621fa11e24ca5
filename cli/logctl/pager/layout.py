"""A record as rows of the screen.

    10:20:30.123 WARN  [w3] slow page url=http://example.org/     a head, the message, and its own fields
                       seconds=3.2                                what does not fit goes on below it
    10:20:31.042 ERROR Traceback (most recent call last):         of three lines or more there are
                       ⋯ 12 lines ⋯ ValueError: no such page      the first and the last, until it is opened

A row knows where in the record it begins, by line and character, so that a place in a record is found again however it
is wrapped. Only what is shown is parsed and laid out; what was shown last is kept.
"""

from __future__ import annotations

from enum import Enum
from functools import lru_cache
from itertools import pairwise
from json import JSONEncoder
from typing import Any, Final, NamedTuple

from logctl.output import lay_out_stack_trace, local_time, parse_rows
from logctl.pager.highlight import hits
from logctl.screen.attributes import PLAIN, ROLES, Attribute, Segment
from logctl.screen.cells import Line, chopped, columns_of, line, segments_of, wrapped
from logctl.terminal_text import escape_text
from logd.record import RESERVED_KEYS

LONG_ROW_BYTES: Final = 4096
"""A record that is longer counts as a long one: few of them are on a screen if they are wrapped."""
CACHED_RECORDS: Final = 512
"""Some screens of what was laid out last."""
CACHED_LONG_RECORDS: Final = 16
"""The same of long ones, which may be 64 KiB each and have hundreds of rows."""
CACHED_CHOPPED_RECORDS: Final = 160
"""The same of long ones that are chopped, of which a screen has one in each row."""
FOLDED_LINES: Final = 3
"""A message of so many lines is folded."""
LEAST_COLUMNS: Final = 20
"""For text beside a head; if there are fewer, the text begins below it at the screen's left."""
LINE_START: Final = 1 << 20
"""More than a line has characters, also where controls are shown by several."""
WIDE_COLUMNS: Final = 120
"""A screen so wide shows dates, too."""
LATE: Final = "~"
"""Behind the name of its run: of a record that came late."""
_CHOPPED_CHARACTERS = 4
"""Of a line that is chopped, so many characters for each column are looked at: most take one, colours none."""


class Times(Enum):
    """What the time column shows: the local time, the time since the first record of the run, or nothing."""

    ABSOLUTE = "absolute"
    RELATIVE = "relative"
    OFF = "off"


class Look(NamedTuple):
    """All that says how records are laid out.

    Args:
        columns: the room for them.
        left: of lines that are not wrapped, the column that is at the left.
        times: what is shown of their times.
        colour: whether their own colours are kept.
        pattern: what is to be seen in their messages, RE2; "" for nothing.
        name_columns: of runs' names before them; 0 for none.
    """

    columns: int
    wrap: bool = True
    left: int = 0
    times: Times = Times.ABSOLUTE
    colour: bool = True
    pattern: str = ""
    name_columns: int = 0


class Row(NamedTuple):
    start: int
    """Where it begins in its record: LINE_START for each line of the message, and a character. Below 0 before it."""
    segments: tuple[Segment, ...]
    folds: bool = False
    """Whether lines of the record are left out before it."""


class Label(NamedTuple):
    """What a record's run adds to it."""

    name: str
    role: str
    origin_us: int
    late: bool = False


def lay_out(
    row: bytes,
    look: Look,
    *,
    name: str = "",
    role: str = "run",
    origin_us: int = 0,
    late: bool = False,
    opened: bool = False,
) -> tuple[Row, ...]:
    """A record's rows, one at the least.

    Args:
        row: as it is stored.
        name, role: of its run, and of what the name is written in.
        origin_us: what times are relative to.
        late: whether it stands behind others that were received after it.
        opened: whether it is shown with all its lines.
    """
    label = Label(name, role, origin_us if look.times is Times.RELATIVE else 0, late)
    if len(row) <= LONG_ROW_BYTES:
        return _lay_out(row, look, label, opened)
    return (_lay_out_long if look.wrap else _lay_out_chopped)(row, look, label, opened)


class Stretch(NamedTuple):
    """Columns of a line, as it would be if it were not chopped, and how many there is room for."""

    start: int
    end: int
    room: int


def hit_of(row: bytes, look: Look, *, name: str = "", origin_us: int = 0, opened: bool = False) -> Stretch | None:
    """Where what is searched for is first seen in a record's lines; None where it is not. Arguments as of `lay_out`."""
    whole = look._replace(wrap=True, left=0)
    _, columns, lines = _parts(row, whole, Label(name, "run", origin_us), opened)
    for _, text, _ in lines:
        start = 0
        for end, attribute in text.ends:
            if attribute.role == "hit":
                return Stretch(columns_of(text.text[:start]), columns_of(text.text[:end]), columns)
            start = end
    return None


def _parts(
    row: bytes, look: Look, label: Label, opened: bool
) -> tuple[list[Segment], int, list[tuple[int, Line, int]]]:
    """What is before a record's message, the columns that there are for its lines, and these, as of `_lines`."""
    try:
        record = parse_rows(row)[0]
        lay_out_stack_trace(record)
        lines = _lines(record, look, opened)
        head = _head(record, look, label)
    except (ValueError, LookupError, AttributeError, TypeError):
        # Whatever stands where a record should be is shown, too.
        shown, _ = segments_of(row.decode("utf-8", "replace"), "text", colour=False)
        lines, head = [(0, line(shown), 0)], []
    indent = sum(columns_of(text) for _, text in head)
    if look.columns - indent < LEAST_COLUMNS:
        number, first, folded = lines[0]
        lines[0] = number, line([*head, *first.between(0, len(first.text))]), folded
        head, indent = [], 0
    return head, max(1, look.columns - indent), lines


def _rows(row: bytes, look: Look, label: Label, opened: bool) -> tuple[Row, ...]:
    head, columns, lines = _parts(row, look, label, opened)
    indent = look.columns - columns
    rows: list[Row] = []
    before = [(Attribute("text"), " " * indent)] if indent else []
    for number, text, folded in lines:
        if look.wrap:
            starts = wrapped(text, columns)
            cuts = [(at, text.between(at, end)) for at, end in pairwise([*starts, len(text.text)])]
        else:
            cuts = [(0, chopped(text, look.left, columns))]
        for at, segments in cuts:
            shown = before if rows else head
            rows.append(Row(number * LINE_START + at, (*shown, *segments), bool(folded) and not at))
    return tuple(rows)


_lay_out = lru_cache(CACHED_RECORDS)(_rows)
_lay_out_long = lru_cache(CACHED_LONG_RECORDS)(_rows)
_lay_out_chopped = lru_cache(CACHED_CHOPPED_RECORDS)(_rows)


def _head(record: dict[str, Any], look: Look, label: Label) -> list[Segment]:
    """What is before a record's message."""
    segments: list[Segment] = []
    if look.name_columns:
        name = label.name[: look.name_columns]
        pad = " " * (look.name_columns - len(name)) + (LATE if label.late else " ")
        segments += [(Attribute(label.role), name), (Attribute("text"), pad)]
    if stamp := stamp_of(str(record["time"]), look, label.origin_us):
        segments.append((Attribute("time"), f"{stamp} "))
    level = escape_text(str(record.get("level", "")), colour=False)
    role = f"level.{level.lower()}"
    segments.append((Attribute(role if role in ROLES else "text"), f"{level:5} "))
    if source := escape_text(str(record.get("source", "")), colour=False):
        segments += [(Attribute("source"), f"[{source}]"), (Attribute("text"), " ")]
    return segments


def stamp_of(time: str, look: Look, origin_us: int) -> str:
    """A stored time as the time column has it."""
    if look.times is Times.OFF:
        return ""
    if look.times is Times.RELATIVE:
        return _relative(time_us(time) - origin_us)
    stamp = escape_text(local_time(time), colour=False)
    return stamp if look.columns >= WIDE_COLUMNS else stamp[11:]


def time_us(time: str) -> int:
    """A stored time in microseconds since the epoch; ValueError for none."""
    from datetime import datetime

    moment = datetime.fromisoformat(time[:19] + "+00:00")
    return int(moment.timestamp()) * 1_000_000 + int(time[20:26].ljust(6, "0"))


def _relative(span_us: int) -> str:
    sign = "-" if span_us < 0 else "+"
    seconds, milliseconds = divmod(abs(span_us) // 1000, 1000)
    minutes, seconds = divmod(seconds, 60)
    return f"{sign}{minutes // 60}:{minutes % 60:02}:{seconds:02}.{milliseconds:03}".rjust(12)


def _lines(record: dict[str, Any], look: Look, opened: bool) -> list[tuple[int, Line, int]]:
    """The message's lines that are shown: each one's number, its text, and how many before it are left out."""
    message: str = record["msg"].rstrip("\n")
    last = message.count("\n")
    if last + 1 < FOLDED_LINES or opened:
        texts = list(enumerate(message.split("\n")))
    else:
        texts = [(0, message[: message.index("\n")]), (last, message[message.rindex("\n") + 1 :])]
    lines: list[tuple[int, Line, int]] = []
    style = PLAIN
    for number, text in texts:
        seen = text if look.wrap else text[: (look.left + look.columns) * _CHOPPED_CHARACTERS]
        segments, style = segments_of(seen, "text", colour=look.colour, style=style)
        if look.pattern:
            segments = _highlighted(segments, look.pattern)
        folded = number - len(lines)
        if folded:
            segments.insert(0, (Attribute("fold"), f"⋯ {folded:,} line{'s' * (folded > 1)} ⋯ "))
        if number == last and (fields := fields_of(record)):
            segments.append((Attribute("field"), f" {fields}" if text else fields))
        lines.append((number, line(segments), folded))
    return lines


def _highlighted(segments: list[Segment], pattern: str) -> list[Segment]:
    """The segments, with what matches in a role of its own."""
    whole = line(segments)
    found = hits(pattern, whole.text)
    if not found:
        return segments
    cut: list[Segment] = []
    at = 0
    for start, end in found:
        cut += whole.between(at, start)
        cut += [(Attribute("hit", attribute.style), text) for attribute, text in whole.between(start, end)]
        at = end
    return [*cut, *whole.between(at, len(whole.text))]


_encode = JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def fields_of(record: dict[str, Any]) -> str:
    """A record's own fields as "key=value" words."""
    return " ".join([f"{word(name)}={word(value)}" for name, value in record.items() if name not in RESERVED_KEYS])


def word(value: object) -> str:
    """A field's key or value as one word: a string that is one already as it is, anything else as JSON."""
    plain = isinstance(value, str) and value.isprintable() and value and not set(value) & {" ", '"'}
    return str(value) if plain else escape_text(_encode(value), colour=False)
