from __future__ import annotations

import pytest
from pager_bed import START_US, row

from logctl.pager.layout import LINE_START, Look, Times, fields_of, lay_out, time_us
from logctl.pager.screen import Paper
from logctl.pager.texts import record_fields, record_text

TRACE = "Traceback\n  File one\n  two\nValueError: no"


def text_of(stored: bytes, look: Look, **options: object) -> list[str]:
    rows = lay_out(stored, look, **options)  # type: ignore[arg-type]
    return ["".join(text for _, text in each.segments) for each in rows]


@pytest.mark.parametrize(
    ("stored", "look", "expected"),
    [
        (row("plain"), Look(60), ["11:06:40.000       plain"]),
        (row("plain", "WARN"), Look(60), ["11:06:40.000 WARN  plain"]),
        (row("plain", "WARN", source="w1"), Look(60), ["11:06:40.000 WARN  [w1] plain"]),
        (row("plain", stream="stderr", logger="x"), Look(60), ["11:06:40.000       plain"]),
        (row("plain", n=1, url="a b"), Look(60), ['11:06:40.000       plain n=1 url="a b"']),
        (row("", n=1), Look(60), ["11:06:40.000       n=1"]),
        (row("plain"), Look(120), ["2026-11-18 11:06:40.000       plain"]),
        (row("plain"), Look(60, times=Times.OFF), ["      plain"]),
        (
            row("abcdefghijklmnopqrstuvwxyz0123456789"),
            Look(45),
            ["11:06:40.000       abcdefghijklmnopqrstuvwxyz", "                   0123456789"],
        ),
        (row("abcdefghijklmnopqrstuvwxyz0"), Look(45, wrap=False), ["11:06:40.000       abcdefghijklmnopqrstuvwxy>"]),
        (
            row("abcdefghijklmnopqrstuvwxyz0"),
            Look(45, wrap=False, left=3),
            ["11:06:40.000       <efghijklmnopqrstuvwxyz0"],
        ),
        (row("two\nlines"), Look(60), ["11:06:40.000       two", "                   lines"]),
        (row("one\n"), Look(60), ["11:06:40.000       one"]),
        (
            row(TRACE, n=1),
            Look(60),
            ["11:06:40.000       Traceback", "                   ⋯ 2 lines ⋯ ValueError: no n=1"],
        ),
        (row("narrow"), Look(20), ["11:06:40.000       n", "arrow"]),
        (b"not JSON \x1b[2J", Look(60), ["not JSON ^[[2J"]),
        (b'{"msg":1}', Look(60), ['{"msg":1}']),
        (b"[1]", Look(60), ["[1]"]),
    ],
)
def test_a_record_is_laid_out(stored: bytes, look: Look, expected: list[str]) -> None:
    assert text_of(stored, look) == expected


def test_a_record_is_laid_out_with_all_its_lines_when_it_is_opened() -> None:
    assert text_of(row(TRACE), Look(60), opened=True) == [
        "11:06:40.000       Traceback",
        "                     File one",
        "                     two",
        "                   ValueError: no",
    ]


def test_times_are_relative_to_the_run() -> None:
    look = Look(60, times=Times.RELATIVE)
    stored = row("x", time_us=START_US + 3_723_004_000)
    assert text_of(stored, look, origin_us=START_US) == ["+1:02:03.004       x"]
    assert text_of(stored, look, origin_us=START_US + 3_723_014_000) == ["-0:00:00.010       x"]
    assert time_us("2026-11-18T11:06:40.000123Z") == START_US + 123


def test_a_run_is_named_where_there_are_several() -> None:
    assert text_of(row("x"), Look(60, name_columns=6), name="job") == ["job    11:06:40.000       x"]


def test_a_row_knows_where_it_begins_however_it_is_wrapped() -> None:
    stored = row("a" * 100 + "\n" + "b" * 100)
    for columns in (40, 60, 300):
        rows = lay_out(stored, Look(columns))
        starts = [each.start for each in rows]
        assert starts == sorted(set(starts)) and starts[0] == 0 and LINE_START in starts


def test_what_matches_is_seen() -> None:
    rows = lay_out(row("a slow page, slowly"), Look(60, pattern="slow[a-z]*"))
    assert [text for attribute, text in rows[0].segments if attribute.role == "hit"] == ["slow", "slowly"]
    for pattern in ("(", "x*", ""):
        rows = lay_out(row("a slow page"), Look(60, pattern=pattern))
        assert not [text for attribute, text in rows[0].segments if attribute.role == "hit"]


def test_levels_and_fields_have_roles() -> None:
    (only,) = lay_out(row("x", "ERROR", source="w", n=1), Look(60))
    assert [attribute.role for attribute, _ in only.segments] == [
        "time",
        "level.error",
        "source",
        "text",
        "text",
        "field",
    ]


def test_colours_go_on_from_line_to_line() -> None:
    rows = lay_out(row("\x1b[31mone\ntwo\x1b[0m"), Look(60))
    assert [row.segments[-1][0].style.fg for row in rows] == [1, 1]
    rows = lay_out(row("\x1b[31mone"), Look(60, colour=False))
    assert rows[0].segments[-1][0].style.fg is None


def test_a_record_as_text_and_as_fields() -> None:
    stored = row("two\nlines", "WARN", source="w", raw="eA==", n={"a": [1]})
    assert record_text(stored) == '2026-11-18 11:06:40.000 WARN [w] two\nlines n={"a":[1]}'
    assert dict(record_fields(stored)) == {
        "time": "2026-11-18 11:06:40.000  (2026-11-18T11:06:40.000000Z)",
        "level": "WARN",
        "source": "w",
        "raw": "eA==",
        "n": '{\n  "a": [\n    1\n  ]\n}',
        "msg": "two\nlines",
    }
    assert record_text(b"no JSON") == "no JSON" and record_fields(b"no JSON") == [("", "no JSON")]
    assert fields_of({"a": "x", "b": "", "c": 'q"', "msg": "m"}) == 'a=x b="" c="q\\""'


def test_paper_of_nothing_is_empty() -> None:
    from logctl.pager.document import Document

    assert Paper(Document()).following(3).lines == (None, None, None)
