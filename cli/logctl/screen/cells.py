"""Text in a terminal's cells: made harmless, with tabs as spaces, and cut to columns.

A `Line` is text that can be shown as it is, and where its attributes end. It is cut between what a terminal draws in
one place: a wide character is not halved, and no combining mark is parted from what it is on. Widths are wcwidth's,
which urwid draws by. Plain ASCII, most text by far, is cut without looking at its characters.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from wcwidth import iter_graphemes, width

from logctl.screen.attributes import PLAIN, Attribute, Segment, Style, styled
from logctl.terminal_text import SGR, escape_text

TAB_COLUMNS: Final = 8
MORE: Final = Attribute("more")
"""Of the marks at either side of a line that is cut off there."""

_SPECIAL = re.compile(rf"({SGR.pattern}|\t)")


class Line(NamedTuple):
    text: str
    ends: tuple[tuple[int, Attribute], ...]
    """Where each attribute ends, in characters, and which it is."""

    def between(self, start: int, end: int) -> tuple[Segment, ...]:
        """The text from one character to before another, with its attributes."""
        segments: list[Segment] = []
        at = bisect_right(self.ends, start, key=lambda each: each[0])
        while start < end and at < len(self.ends):
            stop, attribute = self.ends[at]
            segments.append((attribute, self.text[start : min(stop, end)]))
            start = stop
            at += 1
        return tuple(segments)


def line(segments: Iterable[Segment]) -> Line:
    """A line of segments that can be shown as they are."""
    ends: list[tuple[int, Attribute]] = []
    texts: list[str] = []
    length = 0
    for attribute, text in segments:
        if text:
            texts.append(text)
            length += len(text)
            ends.append((length, attribute))
    return Line("".join(texts), tuple(ends))


def segments_of(text: str, role: str, *, colour: bool, style: Style = PLAIN) -> tuple[list[Segment], Style]:
    """A record's text as segments that can be shown, and the style that goes on behind it.

    Args:
        text: without newlines. What could drive a terminal is made visible.
        colour: whether its own colours are kept.
    """
    if text.isprintable():
        return [(Attribute(role, style), text)], style
    segments: list[Segment] = []
    column = 0
    for part in _SPECIAL.split(text):
        if part.startswith("\x1b[") and SGR.fullmatch(part):
            style = styled(style, part) if colour else style
        elif part:
            spaces = " " * (TAB_COLUMNS - column % TAB_COLUMNS)
            shown = spaces if part == "\t" else escape_text(part, colour=False)
            segments.append((Attribute(role, style), shown))
            column += columns_of(shown)
    return segments, style


def columns_of(text: str) -> int:
    """The columns that text takes which can be shown as it is."""
    return len(text) if text.isascii() else width(text, control_codes="ignore")


def wrapped(of: Line, columns: int) -> list[int]:
    """Where each row of a line begins that is wrapped at so many columns: characters; at the least the first, 0."""
    if of.text.isascii():
        return list(range(0, len(of.text), columns)) or [0]
    starts, at, column = [0], 0, 0
    for grapheme, wide in _graphemes(of.text):
        if column + wide > columns and column:
            starts.append(at)
            column = 0
        column += wide
        at += len(grapheme)
    return starts


def chopped(of: Line, left: int, columns: int) -> tuple[Segment, ...]:
    """What of a line is in the columns from `left` on, with a mark at each side where there is more."""
    start, pad = _character_at(of.text, left + (left > 0))
    end, _ = _character_at(of.text, left + columns, start_after=False)
    more = end < len(of.text)
    if more:
        end, _ = _character_at(of.text, left + columns - 1, start_after=False)
    shown: list[Segment] = [(MORE, "<" + " " * pad)] if left and of.text else []
    shown += of.between(start, end)
    if more:
        # A wide character that does not fit leaves a column free.
        used = sum(columns_of(text) for _, text in shown)
        shown.append((MORE, " " * (columns - 1 - used) + ">"))
    return fitted(shown, columns)


def fitted(segments: Iterable[Segment], columns: int) -> tuple[Segment, ...]:
    """Segments cut to so many columns."""
    whole = line(segments)
    end, _ = _character_at(whole.text, columns, start_after=False)
    return whole.between(0, end)


def _character_at(text: str, column: int, *, start_after: bool = True) -> tuple[int, int]:
    """The first character that begins in a column or behind it, and how many columns behind.

    Without `start_after`, where the text ends that is before that column as a whole.
    """
    if text.isascii():
        return min(column, len(text)), 0
    at = reached = 0
    for grapheme, wide in _graphemes(text):
        if reached >= column and wide:
            break
        if not start_after and reached + wide > column:
            break
        at += len(grapheme)
        reached += wide
    return at, max(0, reached - column)


def _graphemes(text: str) -> Iterator[tuple[str, int]]:
    return ((grapheme, width(grapheme, control_codes="ignore")) for grapheme in iter_graphemes(text))
