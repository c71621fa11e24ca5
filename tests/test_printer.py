"""What is around the rendered records: whose they are, which match, and groups of them."""

from __future__ import annotations

import json
import re
from itertools import pairwise

import pytest

from logctl.output import Format
from logctl.printer import Printer
from logctl.reading import Chunk
from logd.record import MAX_TEXT_BYTES, Rows

TIME = "2026-11-21T10:20:30.123456Z"
STAMP = "2026-11-21 10:20:30.123"


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("logctl.output._local_seconds", lambda utc: (utc.replace("T", " "), ""))


def chunk(*messages: str, seq: int = 1, run: str = "a", matches: bool = True) -> Chunk:
    data = b"".join(
        json.dumps({"time": TIME, "msg": each}, separators=(",", ":")).encode() + b"\n" for each in messages
    )
    return Chunk(run, Rows(seq, len(messages), data), seq + len(messages), 0, matches)


def printed(printer: Printer, *chunks: Chunk) -> str:
    return (b"".join([printer.render(each) for each in chunks]) + printer.finish()).decode()


def printer(format: Format = "text", *, colour: bool = False, **settings: object) -> Printer:
    return Printer(format, colour=colour, escape=False, **settings)  # type: ignore[arg-type]


def test_one_run_is_shown_as_it_is() -> None:
    chunks = [chunk("one"), chunk("two", seq=7)]
    assert printed(printer("raw"), *chunks) == "one\ntwo\n"
    assert printed(printer("text"), *chunks) == f"{STAMP}       one\n{STAMP}       two\n"
    assert printed(printer("json"), *chunks) == "".join(each.rows.data.decode() for each in chunks)


def test_each_line_of_several_runs_says_whose_it_is() -> None:
    shown = printed(printer(runs=["a", "books"]), chunk("one\ntwo", "three"), chunk("four", run="books"))
    assert shown.splitlines() == [
        f"a     | {STAMP}       one",
        f"a     | {' ' * 30}two",
        f"a     | {STAMP}       three",
        f"books | {STAMP}       four",
    ]


def test_each_run_has_its_colour() -> None:
    runs = [f"run-{number}" for number in range(12)]
    shown = printed(printer(colour=True, runs=runs), *(chunk("x", run=run) for run in runs))
    colours = re.findall(r"(\x1b\[\d+m)run-\d+ *\x1b\[0m", shown)
    assert len(colours) == 12
    assert all(one != other for one, other in pairwise(colours))


def test_each_json_object_has_its_run_first() -> None:
    shown = printed(printer("json", runs=["a", "b"]), chunk("one", '{"msg"'), chunk("three", run="b"))
    assert [list(json.loads(line).items()) for line in shown.splitlines()] == [
        [("run", run), ("time", TIME), ("msg", message)]
        for run, message in (("a", "one"), ("a", '{"msg"'), ("b", "three"))
    ]


def test_csv_has_one_header_and_a_column_of_runs() -> None:
    shown = printed(printer("csv", runs=["a", "b"]), chunk("one"), chunk("two\nlines", run="b"))
    assert shown == f'run,time,level,source,stream,message,fields\na,{TIME},,,,one,\nb,{TIME},,,,"two\nlines",\n'
    assert printed(printer("csv"), chunk("one")).startswith("time,level")
    assert printed(printer("csv")) == "time,level,source,stream,message,fields\n"


def test_raw_has_no_runs() -> None:
    assert printed(printer("raw", runs=["a", "b"]), chunk("one"), chunk("two", run="b")) == "one\ntwo\n"


def test_groups_with_context_are_apart_where_they_are_not_adjacent() -> None:
    chunks = [
        chunk("1", matches=False),
        chunk("2", seq=2),
        chunk("3", seq=3, matches=False),
        chunk("7", seq=7),
        chunk("8", seq=8, run="b"),
    ]
    assert printed(printer("raw", context=True), *chunks) == "1\n2\n3\n--\n7\n--\n8\n"
    backward = chunks[3::-1]
    assert printed(printer("raw", context=True, reverse=True), *backward) == "7\n--\n3\n2\n1\n"
    assert printed(printer("raw"), *chunks) == "1\n2\n3\n7\n8\n"
    assert "--" not in printed(printer("json", context=True), *chunks)
    assert "--" not in printed(printer("csv", context=True), *chunks)


def test_in_colour_context_is_dim_and_what_matches_is_not() -> None:
    chunks = [chunk("around\nit", matches=False), chunk("match", seq=2), chunk("far", seq=9)]
    shown = printed(printer(colour=True, context=True), *chunks)
    assert shown.splitlines() == [
        f"\x1b[2m{STAMP}       around\x1b[0m",
        f"\x1b[2m{' ' * 30}it\x1b[0m",
        f"\x1b[2m{STAMP}\x1b[0m       match",
        "\x1b[36m--\x1b[0m",
        f"\x1b[2m{STAMP}\x1b[0m       far",
    ]
    assert "\x1b" not in printed(printer(context=True), *chunks)


def test_in_reverse_the_last_record_of_a_chunk_comes_first() -> None:
    assert printed(printer("raw", reverse=True), chunk("3", "4", seq=3), chunk("1", "2")) == "4\n3\n2\n1\n"


def test_a_line_that_may_go_on_ends_where_another_runs_begins() -> None:
    long = "x" * MAX_TEXT_BYTES
    shown = printed(printer("raw", runs=["a", "b"]), chunk(long), chunk("next", run="b"))
    assert shown == f"{long}\nnext\n"


def test_what_comes_late_is_marked_in_text_alone() -> None:
    chunks = [chunk("one"), chunk("two\nlines", run="b")._replace(late=True), chunk("three", seq=2)]
    assert printed(printer(runs=["a", "b"]), *chunks).splitlines() == [
        f"a | {STAMP}       one",
        f"b ~ {STAMP}       two",
        f"b ~ {' ' * 30}lines",
        f"a | {STAMP}       three",
    ]
    coloured = printed(printer(colour=True, runs=["a", "b"]), *chunks)
    assert "\x1b[33mb\x1b[0m ~ " in coloured
    forms: tuple[Format, ...] = ("json", "raw")
    for form in forms:
        late, on_time = (
            printed(printer(form, runs=["a", "b"]), *(each._replace(late=flag) for each in chunks))
            for flag in (True, False)
        )
        assert late == on_time


def test_runs_that_come_later_are_tagged_too_and_the_column_widens() -> None:
    shown = printed(printer(tagged=True), chunk("one"), chunk("two", run="scrape-1"), chunk("three", run="b"))
    assert shown.splitlines() == [
        f"a | {STAMP}       one",
        f"scrape-1 | {STAMP}       two",
        f"b        | {STAMP}       three",
    ]


def test_a_run_that_comes_later_has_a_colour_of_its_own_and_keeps_it() -> None:
    runs = ["a", "b", "c", "a"]
    shown = printed(printer(colour=True, tagged=True), *(chunk("x", run=run) for run in runs))
    colours = re.findall(r"(\x1b\[\d+m)[abc] *\x1b\[0m", shown)
    assert len(set(colours)) == 3
    assert colours[0] == colours[3]


@pytest.mark.parametrize("format", ["json", "csv", "raw"])
def test_runs_that_come_later_are_told_of_in_every_form(format: Format) -> None:
    chunks = [chunk("one"), chunk("two", run="b"), chunk("three", seq=2)]
    known = printed(printer(format, runs=["a", "b"]), *chunks)
    assert printed(printer(format, tagged=True), *chunks) == known


def test_one_run_is_not_tagged_though_it_is_named() -> None:
    assert printed(printer(runs=["a"], tagged=False), chunk("one")) == f"{STAMP}       one\n"
