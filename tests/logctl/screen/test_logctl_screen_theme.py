"""Roles as colours: all have a look, on any terminal, and without colours none has one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logctl.screen.attributes import ROLES, Attribute, Style
from logctl.screen.theme import TRUE, Colours, Theme, colours_of, is_light, is_light_background

COLOURS: tuple[Colours, ...] = (1, 16, 256, TRUE)
STYLES = ("bold", "dim", "italics", "underline", "blink", "standout", "strikethrough")

one_colour = st.none() | st.integers(0, 255) | st.tuples(*[st.integers(0, 255)] * 3)
styles = st.builds(Style, one_colour, one_colour, st.lists(st.sampled_from(STYLES), unique=True).map(tuple))


@given(st.sampled_from([*ROLES, "run.1", "run.99"]), styles, st.sampled_from(COLOURS), st.booleans())
def test_every_attribute_has_a_look_on_every_terminal(role: str, style: Style, colours: Colours, light: bool) -> None:
    spec = Theme(colours, light=light).spec(Attribute(role, style))
    if colours == 1:
        assert (spec.foreground_number, spec.background_number) == (0, 0)
        assert not (spec.faint or spec.blink or spec.italics or spec.strikethrough)


@pytest.mark.parametrize("light", [False, True])
def test_levels_are_told_apart(light: bool) -> None:
    for colours in COLOURS:
        looks = {
            str(Theme(colours, light=light).spec(Attribute(f"level.{level}")))
            for level in ("info", "warn", "error", "fatal")
        }
        assert len(looks) == 4


def test_a_records_own_colour_goes_over_its_role_but_not_over_what_was_searched_for() -> None:
    theme = Theme(TRUE)
    red = Style(fg=(255, 0, 0), bg=4, styles=("dim",))
    assert str(theme.spec(Attribute("text", red))) == "AttrSpec('#ff0000,faint', 'dark blue')"
    assert theme.spec(Attribute("hit", red)).background == theme.spec(Attribute("hit")).background


@pytest.mark.parametrize(("colours", "shown"), [(16, "light red"), (256, "h196"), (TRUE, "#fe0102")])
def test_a_colour_becomes_the_nearest_that_there_is(colours: Colours, shown: str) -> None:
    assert Theme(colours)._colour((254, 1, 2)) == shown


@pytest.mark.parametrize(
    ("environ", "colours"),
    [
        ({"TERM": "xterm"}, 16),
        ({"TERM": "xterm-256color"}, 256),
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, TRUE),
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor", "NO_COLOR": "1"}, 1),
        ({"TERM": "xterm-256color", "NO_COLOR": ""}, 256),
    ],
)
def test_how_many_colours_there_are_is_said_by_the_environment(environ: dict[str, str], colours: int) -> None:
    assert colours_of(environ) == colours


def test_backgrounds() -> None:
    assert is_light_background({"COLORFGBG": "0;15"})
    assert is_light_background({"COLORFGBG": "15;default;0"}) is False
    assert is_light_background({}) is None
    assert is_light(253, 246, 227)
    assert not is_light(0, 43, 54)
