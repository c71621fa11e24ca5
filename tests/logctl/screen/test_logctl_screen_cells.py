from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logctl.screen.attributes import PLAIN, Attribute, Style, styled
from logctl.screen.cells import chopped, columns_of, fitted, line, segments_of, wrapped

FAMILY = "\U0001f469\u200d\U0001f469\u200d\U0001f467"
TEXT = Attribute("text")


def shown(text: str, *, colour: bool = True) -> str:
    return "".join(part for _, part in segments_of(text, "text", colour=colour)[0])


def rows(text: str, columns: int) -> list[str]:
    whole = line(segments_of(text, "text", colour=True)[0])
    starts = wrapped(whole, columns)
    return [
        "".join(part for _, part in whole.between(at, end))
        for at, end in zip(starts, [*starts[1:], len(whole.text)], strict=True)
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("a\tb", "a       b"),
        ("1234567\tb", "1234567 b"),
        ("12345678\tb", "12345678        b"),
        ("漢\tb", "漢      b"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[31m\tb", "        b"),
        ("\x1b[2Jclear", "^[[2Jclear"),
        ("\x1b]0;title\x07", "^[]0;title^G"),
        ("\x1b[\x1b[31m2J", "^[[2J"),
        ("\x9b31m", "<U+009B>31m"),
        ("a\rb\x7f", "a^Mb^?"),
        ("\u202eright", "<U+202E>right"),
        ("", ""),
    ],
)
def test_text_is_made_harmless_and_tabs_are_spaces(text: str, expected: str) -> None:
    assert shown(text) == shown(text, colour=False) == expected


def test_colours_are_kept_and_go_on() -> None:
    segments, style = segments_of("a\x1b[1;31mb\x1b[39mc", "text", colour=True)
    bold = Style(styles=("bold",))
    assert segments == [
        (TEXT, "a"),
        (Attribute("text", Style(1, None, ("bold",))), "b"),
        (Attribute("text", bold), "c"),
    ]
    assert style == bold
    assert segments_of("a\x1b[1;31mb", "text", colour=False)[1] == PLAIN


@pytest.mark.parametrize(
    ("sgr", "style"),
    [
        ("\x1b[m", PLAIN),
        ("\x1b[0m", PLAIN),
        ("\x1b[31m", Style(1)),
        ("\x1b[97;100m", Style(15, 8)),
        ("\x1b[38;5;200m", Style(200)),
        ("\x1b[48;5;7;1m", Style(None, 7, ("bold",))),
        ("\x1b[38;2;1;2;3m", Style((1, 2, 3))),
        ("\x1b[38:2::1:2:3m", Style((1, 2, 3))),
        ("\x1b[38:2:1:2:3m", Style((1, 2, 3))),
        ("\x1b[38;2;999;2;3;4m", Style((255, 2, 3), None, ("underline",))),
        ("\x1b[38;9;1m", PLAIN),
        ("\x1b[38m", PLAIN),
        (
            "\x1b[1;2;3;4;5;7;9m",
            Style(styles=("blink", "bold", "dim", "italics", "standout", "strikethrough", "underline")),
        ),
        ("\x1b[1;4;22m", Style(styles=("underline",))),
        ("\x1b[777777777777777777m", PLAIN),
    ],
)
def test_sgr_is_understood(sgr: str, style: Style) -> None:
    assert styled(PLAIN, sgr) == style


@pytest.mark.parametrize(
    ("text", "columns", "expected"),
    [
        ("", 4, [""]),
        ("abcd", 4, ["abcd"]),
        ("abcde", 4, ["abcd", "e"]),
        ("漢字漢", 4, ["漢字", "漢"]),
        ("a漢字", 4, ["a漢", "字"]),
        ("abce\u0301d", 4, ["abce\u0301", "d"]),
        (f"abc{FAMILY}d", 4, ["abc", f"{FAMILY}d"]),
        ("漢字", 1, ["漢", "字"]),
        ("\x1b[31mabcdef", 4, ["abcd", "ef"]),
    ],
)
def test_lines_are_wrapped_between_what_is_one(text: str, columns: int, expected: list[str]) -> None:
    assert rows(text, columns) == expected


@pytest.mark.parametrize(
    ("text", "left", "columns", "expected"),
    [
        ("abcdefgh", 0, 8, "abcdefgh"),
        ("abcdefgh", 0, 4, "abc>"),
        ("abcdefgh", 2, 4, "<de>"),
        ("abcdefgh", 4, 4, "<fgh"),
        ("abcdefgh", 9, 4, "<"),
        ("", 3, 4, ""),
        ("漢字漢字", 0, 5, "漢字>"),
        ("漢字漢字", 0, 4, "漢 >"),
        ("漢字漢字", 1, 8, "<字漢字"),
        ("漢字漢字", 2, 8, "< 漢字"),
        ("e\u0301e\u0301e\u0301", 1, 2, "<e\u0301"),
    ],
)
def test_lines_are_chopped_with_marks(text: str, left: int, columns: int, expected: str) -> None:
    whole = line([(TEXT, text)])
    cut = "".join(part for _, part in chopped(whole, left, columns))
    assert cut == expected
    assert columns_of(cut) <= columns


ANY_TEXT = st.text(st.sampled_from("ab漢e\u0301\u200d\U0001f469\t\x1b[31m\x00\x9b ")).map(
    lambda text: text.replace("\n", "")
)


@given(ANY_TEXT, st.integers(2, 12), st.integers(0, 12))
def test_whatever_the_text_its_rows_fit_and_nothing_is_lost(text: str, columns: int, left: int) -> None:
    segments, _ = segments_of(text, "text", colour=True)
    whole = line(segments)
    made = rows(text, columns)
    assert "".join(made) == whole.text == "".join(part for _, part in segments)
    for row in [*made, "".join(part for _, part in chopped(whole, left, columns))]:
        assert columns_of(row) <= columns
    assert columns_of("".join(part for _, part in fitted(segments, columns))) <= columns
