"""What text on the screen looks like: a role, which a theme gives its colours, and what a record's own SGR says.

Attribute("level.warn")                                 a theme's colour for that
Attribute("text", Style(fg=1, styles=("bold",)))        a record that wrote ESC [ 1 ; 31 m
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias

Colour: TypeAlias = int | tuple[int, int, int] | None
"""One of the 256 colours by number, of which the first 16 are the terminal's own; red, green, blue; or the default."""


class Style(NamedTuple):
    """`styles` are of bold, dim, italics, underline, blink, standout, strikethrough."""

    fg: Colour = None
    bg: Colour = None
    styles: tuple[str, ...] = ()


PLAIN: Final = Style()


class Attribute(NamedTuple):
    role: str
    """One of ROLES; or "run" and a dot and its number, from 1, of which there may be many."""
    style: Style = PLAIN


ROLES: Final = (
    # Of records
    "text",
    "time",
    *("level.trace", "level.debug", "level.info", "level.warn", "level.error", "level.fatal"),
    "source",
    "field",
    "fold",
    "hit",
    "more",
    "run",
    # Between and beside them
    "gap",
    "divider",
    "current",
    "new",
    "mark",
    "empty",
    # Of sheets
    "title",
    "key",
    # Of the last row
    "status",
    *("status.run", "status.follow", "status.warn", "status.new", "status.filter"),
    "note",
    *("prompt", "prompt.text"),
)
"""All that a theme gives colours to."""


Segment: TypeAlias = tuple[Attribute, str]

_ON = {
    1: "bold",
    2: "dim",
    3: "italics",
    4: "underline",
    5: "blink",
    6: "blink",
    7: "standout",
    9: "strikethrough",
    21: "underline",
}
_OFF = {
    22: ("bold", "dim"),
    23: ("italics",),
    24: ("underline",),
    25: ("blink",),
    27: ("standout",),
    29: ("strikethrough",),
}


@lru_cache(maxsize=256)
def styled(style: Style, sgr: str) -> Style:
    """The style after a complete SGR sequence, "ESC [ 1 ; 31 m"; what it says that is not known changes nothing."""
    codes = [_number(code) for code in re.split("[;:]", sgr[2:-1])]
    fg, bg, styles = style.fg, style.bg, set(style.styles)
    at = 0
    while at < len(codes):
        code = codes[at]
        at += 1
        if code == 0:
            fg, bg, styles = None, None, set()
        elif code in _ON:
            styles.add(_ON[code])
        elif code in _OFF:
            styles.difference_update(_OFF[code])
        elif code in (38, 48):
            colour, at = _extended(codes, at)
            fg, bg = (colour, bg) if code == 38 else (fg, colour)
        elif 30 <= code <= 39 or 90 <= code <= 97:
            fg = None if code == 39 else code - 30 if code < 40 else code - 82
        elif 40 <= code <= 49 or 100 <= code <= 107:
            bg = None if code == 49 else code - 40 if code < 50 else code - 92
    return Style(fg, bg, tuple(sorted(styles)))


def _number(code: str) -> int:
    return int(code[:4]) if code else 0


def _extended(codes: list[int], at: int) -> tuple[Colour, int]:
    """The colour behind a 38 or 48, and where the next code is. A colour space's place may be there, and empty."""
    form, values = codes[at : at + 1], codes[at + 1 :]
    if form == [5] and values:
        return min(values[0], 255), at + 2
    if form == [2] and len(values) >= 3:
        start = 1 if len(values) == 4 and values[0] == 0 else 0
        red, green, blue = (min(value, 255) for value in values[start : start + 3])
        return (red, green, blue), at + 4 + start
    return None, len(codes)
