"""What the screens' roles look like: on a dark background and on a light one, with many colours, with 16, or with none.

Without colours, as NO_COLOR asks for, there are bold, underline and reverse alone. What a record's own SGR says goes
over its role, but for what was searched for: that is to be seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final, Literal, NamedTuple

from urwid.display.common import AttrSpec

from logctl.screen.attributes import Attribute, Colour

Colours = Literal[1, 16, 256, 16777216]
"""How many a terminal has, as urwid counts them."""

TRUE: Final = 16777216


class Look(NamedTuple):
    """A foreground with settings, and a background, as urwid names them; of 16 colours, or of 256."""

    fg: str = "default"
    bg: str = "default"


_NAMES: Final = (
    *("black", "dark red", "dark green", "brown", "dark blue", "dark magenta", "dark cyan", "light gray"),
    *("dark gray", "light red", "light green", "yellow", "light blue", "light magenta", "light cyan", "white"),
)
_RGB: Final = (
    *((0, 0, 0), (205, 0, 0), (0, 205, 0), (205, 205, 0), (0, 0, 238), (205, 0, 205), (0, 205, 205), (229, 229, 229)),
    *((127, 127, 127), (255, 0, 0), (0, 255, 0), (255, 255, 0), (92, 92, 255), (255, 0, 255), (0, 255, 255)),
    (255, 255, 255),
)
"""xterm's 16 colours."""

_MONO: Final[Mapping[str, str]] = {
    "level.warn": "bold",
    "level.error": "bold,underline",
    "level.fatal": "standout,bold",
    "source": "default",
    "hit": "standout",
    "fold": "underline",
    "current": "bold",
    "new": "bold",
    "mark": "bold",
    "title": "bold,underline",
    "key": "bold",
    "status": "standout",
    "status.run": "standout,bold",
    "status.follow": "standout",
    "status.warn": "standout,bold",
    "status.new": "standout,bold",
    "status.filter": "standout",
    "note": "standout,bold",
    "prompt": "bold",
}

_DARK: Final[Mapping[str, Look]] = {
    "time": Look("dark gray"),
    "level.trace": Look("dark gray"),
    "level.debug": Look("dark cyan"),
    "level.info": Look("dark green"),
    "level.warn": Look("yellow"),
    "level.error": Look("light red,bold"),
    "level.fatal": Look("white,bold", "dark red"),
    "source": Look("dark cyan"),
    "field": Look("dark gray"),
    "fold": Look("light blue"),
    "hit": Look("black", "brown"),
    "more": Look("light blue"),
    "gap": Look("dark gray"),
    "divider": Look("light blue"),
    "current": Look("yellow,bold"),
    "new": Look("light green,bold"),
    "mark": Look("light magenta,bold"),
    "empty": Look("dark gray"),
    "title": Look("white,bold,underline"),
    "key": Look("light cyan"),
    "status": Look("black", "light gray"),
    "status.run": Look("black,bold", "light gray"),
    "status.follow": Look("dark blue", "light gray"),
    "status.warn": Look("dark red,bold", "light gray"),
    "status.new": Look("black,bold", "light gray"),
    "status.filter": Look("dark magenta", "light gray"),
    "note": Look("white,bold", "dark blue"),
    "prompt": Look("light cyan,bold"),
}
_LIGHT: Final[Mapping[str, Look]] = {
    **_DARK,
    "level.warn": Look("brown,bold"),
    "level.error": Look("dark red,bold"),
    "source": Look("dark cyan"),
    "fold": Look("dark blue"),
    "more": Look("dark blue"),
    "divider": Look("dark blue"),
    "current": Look("dark blue,bold"),
    "new": Look("dark green,bold"),
    "mark": Look("dark magenta,bold"),
    "title": Look("black,bold,underline"),
    "key": Look("dark blue"),
    "status": Look("white", "dark blue"),
    "status.run": Look("white,bold", "dark blue"),
    "status.follow": Look("yellow", "dark blue"),
    "status.warn": Look("yellow,bold", "dark blue"),
    "status.new": Look("white,bold", "dark blue"),
    "status.filter": Look("light cyan", "dark blue"),
    "note": Look("black,bold", "light gray"),
    "prompt": Look("dark blue,bold"),
}
_DARK_256: Final[Mapping[str, Look]] = {
    **_DARK,
    **dict.fromkeys(("time", "field", "gap", "level.trace"), Look("h245")),
    "empty": Look("h240"),
    "hit": Look("h16", "h220"),
    "fold": Look("h111"),
    "more": Look("h111"),
    "divider": Look("h111"),
    "status": Look("h252", "h237"),
    "status.run": Look("h231,bold", "h237"),
    "status.follow": Look("h114", "h237"),
    "status.warn": Look("h215,bold", "h237"),
    "status.new": Look("h220,bold", "h237"),
    "status.filter": Look("h177", "h237"),
    "note": Look("h231,bold", "h24"),
}
_LIGHT_256: Final[Mapping[str, Look]] = {
    **_LIGHT,
    **dict.fromkeys(("time", "field", "gap", "level.trace"), Look("h242")),
    "empty": Look("h250"),
    "hit": Look("h16", "h221"),
    "level.warn": Look("h130,bold"),
    "status": Look("h236", "h253"),
    "status.run": Look("h16,bold", "h253"),
    "status.follow": Look("h22", "h253"),
    "status.warn": Look("h124,bold", "h253"),
    "status.new": Look("h94,bold", "h253"),
    "status.filter": Look("h90", "h253"),
    "note": Look("h231,bold", "h25"),
}
_RUNS: Final = {
    "dark": ("dark cyan", "yellow", "light green", "light magenta", "light blue", "light red", "light cyan"),
    "light": ("dark cyan", "brown", "dark green", "dark magenta", "dark blue", "dark red"),
}
"""The names of several runs, by their numbers; there may be more runs than colours, and each has its name beside it."""

_STYLES: Final = {"dim": "faint"}
"""Of Style's words those that are urwid's under another name."""


def colours_of(environ: Mapping[str, str]) -> Colours:
    """How many colours the terminal has, by what its environment says; none where NO_COLOR asks for that."""
    if environ.get("NO_COLOR"):
        return 1
    if environ.get("COLORTERM", "").lower() in ("truecolor", "24bit") or "direct" in environ.get("TERM", ""):
        return TRUE
    return 256 if "256color" in environ.get("TERM", "") else 16


def is_light_background(environ: Mapping[str, str]) -> bool | None:
    """Whether the terminal's background is light, by COLORFGBG: "0;15"; None where that does not say."""
    number = environ.get("COLORFGBG", "").rpartition(";")[2]
    return int(number) in (7, *range(9, 16)) if number.isdecimal() else None


def is_light(red: int, green: int, blue: int) -> bool:
    """Whether a colour is rather light than dark, by how bright the eye has it; each part in 0 to 255."""
    return 0.299 * red + 0.587 * green + 0.114 * blue > 127


class Theme:
    """The looks of all attributes on one terminal.

    Args:
        light: whether its background is.
    """

    def __init__(self, colours: Colours, *, light: bool = False) -> None:
        self.colours: Colours = colours
        self.light = light
        if colours >= 256:
            self._looks = _LIGHT_256 if light else _DARK_256
        else:
            self._looks = _LIGHT if light else _DARK
        self.spec = lru_cache(maxsize=1024)(self._spec)
        """The look of an attribute, as urwid draws it."""

    def _spec(self, attribute: Attribute) -> AttrSpec:
        role, style = attribute
        if self.colours == 1:
            settings = _MONO.get(role, "default") if role != "hit" or not style.styles else "standout"
            own = [each for each in style.styles if each in ("bold", "underline", "standout")]
            return AttrSpec(",".join(dict.fromkeys([*settings.split(","), *own])), "default", 1)
        look = self._look(role)
        fg, *settings_of_role = look.fg.split(",")
        bg = look.bg
        if role != "hit":
            fg = self._colour(style.fg) or fg
            bg = self._background(style.bg) or bg
        own = [_STYLES.get(each, each) for each in style.styles]
        return AttrSpec(",".join(dict.fromkeys([fg, *settings_of_role, *own])), bg, self.colours)

    def _look(self, role: str) -> Look:
        kind, _, number = role.partition(".")
        if kind == "run" and number.isdecimal():
            names = _RUNS["light" if self.light else "dark"]
            return Look(names[(int(number) - 1) % len(names)])
        return self._looks.get(role, Look())

    def _colour(self, colour: Colour) -> str:
        """A record's own colour by urwid's name, the nearest that the terminal has; "" for the role's."""
        if colour is None:
            return ""
        if isinstance(colour, tuple):
            if self.colours == TRUE:
                return "#{:02x}{:02x}{:02x}".format(*colour)
            colour = _nearest(colour) if self.colours == 16 else _of_256(colour)
        elif colour >= 16 and self.colours == 16:
            colour = _nearest(_rgb_of(colour))
        if self.colours == TRUE and colour >= 16:
            return "#{:02x}{:02x}{:02x}".format(*_rgb_of(colour))
        return _NAMES[colour] if colour < 16 else f"h{colour}"

    def _background(self, colour: Colour) -> str:
        """The same for a background, of which there are 8 with names."""
        name = self._colour(colour)
        return _NAMES[_NAMES.index(name) - 8] if name in _NAMES[8:] else name


def _nearest(rgb: tuple[int, int, int]) -> int:
    """Of the 16 colours the one most like another."""
    distances = [sum((a - b) ** 2 for a, b in zip(rgb, other, strict=True)) for other in _RGB]
    return distances.index(min(distances))


_LEVELS: Final = (0, 95, 135, 175, 215, 255)
"""Of red, green and blue in the cube of 6x6x6 colours that begins with number 16."""


def _of_256(rgb: tuple[int, int, int]) -> int:
    red, green, blue = (min(range(6), key=lambda step: abs(_LEVELS[step] - part)) for part in rgb)
    return 16 + 36 * red + 6 * green + blue


def _rgb_of(number: int) -> tuple[int, int, int]:
    """A colour from number 16 on: of the cube, or of the 24 greys behind it."""
    if number >= 232:
        grey = 8 + 10 * (number - 232)
        return grey, grey, grey
    red, rest = divmod(number - 16, 36)
    return _LEVELS[red], _LEVELS[rest // 6], _LEVELS[rest % 6]
