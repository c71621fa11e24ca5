"""Rendering of stored rows: exact layouts by example, and what must hold for any text as properties."""

from __future__ import annotations

import base64
import csv
import io
import itertools
import json
import os
import re
import subprocess
import sys
import time
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from logctl import output
from logctl.output import CSV_HEADER, CsvRenderer, Format, Renderer, parse_rows, renderer, wants_colour
from logctl.terminal_text import display_width, escape_text
from logd.record import MAX_TEXT_BYTES, RESERVED_KEYS

STORED_TIME = "2026-11-21T10:20:30.123456Z"
STAMP = "2026-11-21 10:20:30.123"
CENTRAL_EUROPE = "CET-1CEST,M3.5.0,M10.5.0/3"


@contextmanager
def zone(name: str) -> Iterator[None]:
    before = os.environ.get("TZ")

    def enter(value: str | None) -> None:
        if value is None:
            os.environ.pop("TZ", None)
        else:
            os.environ["TZ"] = value
        time.tzset()
        output._local_seconds.cache_clear()

    enter(name)
    try:
        yield
    finally:
        enter(before)


@pytest.fixture(autouse=True, scope="module")
def utc() -> Iterator[None]:
    with zone("UTC"):
        yield


def row(
    msg: str, rest: Mapping[str, Any] | None = None, *, at: str = STORED_TIME, level: str = "", **more: Any
) -> bytes:
    record = {"time": at} | ({"level": level} if level else {}) | {"msg": msg, **(rest or {}), **more}
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def stored_line(line: bytes) -> list[bytes]:
    """The rows that a line of input becomes: cut at 64 KiB between characters, bytes kept where it is not UTF-8."""
    pieces = []
    while len(line) > MAX_TEXT_BYTES:
        end = MAX_TEXT_BYTES
        while end > MAX_TEXT_BYTES - 3 and line[end] & 0xC0 == 0x80:
            end -= 1
        pieces.append(line[:end])
        line = line[end:]
    pieces.append(line)
    rows = []
    for number, piece in enumerate(pieces):
        shown = piece.decode("utf-8", "replace")
        raw = {} if shown.encode() == piece else {"raw": base64.b64encode(piece).decode()}
        rows.append(row(shown, {**raw, **({"cont": True} if number else {})}))
    return rows


def render_all(target: Renderer, blocks: list[bytes]) -> bytes:
    return b"".join([target.render(block) for block in blocks]) + target.finish()


def render_one(format: Format, rows: bytes, *, colour: bool = False, escape: bool = False) -> str:
    return render_all(renderer(format, colour=colour, escape=escape), [rows]).decode()


def controls_in(text: str) -> set[str]:
    """What could drive a terminal, by Unicode's own tables; tab and newline may stay."""
    drivers = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    marks = {"\N{ARABIC LETTER MARK}", "\N{LEFT-TO-RIGHT MARK}", "\N{RIGHT-TO-LEFT MARK}"}
    return {
        character
        for character in set(text) - {"\t", "\n"}
        if unicodedata.category(character) in {"Cc", "Zl", "Zp"}
        or unicodedata.bidirectional(character) in drivers
        or character in marks
    }


def without_sgr(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;:]*m", "", text)


hostile_texts = st.lists(
    st.one_of(
        st.text(max_size=8),
        st.sampled_from(
            ["\x1b[31m", "\x1b[38;5;9m", "\x1b[4:3m", "\x1b[m", "\x1b]0;title\x07", "\x1b[2J", "\x9b31m", "31m"]
        ),
        st.sampled_from('\x1b[\r\n\t\x00\x7f\x9b\u202e\u2066\u200f\u061c\u2028\ufffd\\" =é漢\u0301'),
    ),
    max_size=8,
).map("".join)
own_fields = st.dictionaries(
    hostile_texts.filter(lambda key: key not in RESERVED_KEYS),
    st.one_of(hostile_texts, st.integers(-(2**63), 2**63), st.booleans(), st.none(), st.lists(hostile_texts)),
    max_size=3,
)
hostile_rows = st.builds(
    lambda msg, source, own: row(msg, {"stream": "stderr", "source": source, **own}),
    hostile_texts,
    hostile_texts,
    own_fields,
)
lines_of_input = st.one_of(
    st.binary(max_size=12).map(lambda line: line.replace(b"\n", b" ")),
    st.text(max_size=12).map(lambda line: line.replace("\n", " ").encode()),
    st.builds(
        lambda unit, size, shift: b"x" * shift + (unit * (size // len(unit) + 1))[:size],
        st.sampled_from([b"a", "é".encode(), "漢".encode(), "🙂".encode(), b"\xff"]),
        st.integers(MAX_TEXT_BYTES - 6, MAX_TEXT_BYTES + 6) | st.integers(2 * MAX_TEXT_BYTES, 2 * MAX_TEXT_BYTES + 9),
        st.integers(0, 3),
    ),
)


def blocks_of(rows: list[bytes], cuts: list[int]) -> list[bytes]:
    """`rows` in blocks, cut at `cuts` where they fall inside."""
    at = sorted({min(cut, len(rows)) for cut in cuts} | {0, len(rows)})
    return [b"".join(rows[start:end]) for start, end in itertools.pairwise(at)]


# -- json


def test_a_stack_trace_that_is_a_field_is_shown_under_the_message() -> None:
    trace = "Traceback (most recent call last):\n  File x\nKeyError: 1\n"
    told = {"exception.type": "KeyError", "exception.message": "1", "exception.stacktrace": trace, "n": 3}
    row = json.dumps({"time": "2026-11-21T10:20:30.123456Z", "level": "ERROR", "msg": "oops", **told}).encode() + b"\n"
    first, *lines = render_all(renderer("text", colour=False, escape=False), [row]).decode().splitlines()
    assert first.endswith(" ERROR oops")
    assert [line.strip() for line in lines] == ["Traceback (most recent call last):", "File x", "KeyError: 1 n=3"]
    assert render_all(renderer("json", colour=False, escape=False), [row]) == row


def test_json_is_what_is_stored() -> None:
    rows = row("one\x7f") + row("two", cont=True)
    target = renderer("json", colour=False, escape=False)
    assert target.render(rows) is rows
    assert target.finish() == b""


def test_json_on_a_terminal_escapes_what_json_leaves_raw() -> None:
    rows = row("a\x7fb\x9b2J\u202ec\u2066é\x1b", {"k\u061c": "\u2028"})
    assert render_one("json", rows, escape=True) == (
        '{"time":"2026-11-21T10:20:30.123456Z","msg":"a\\u007fb\\u009b2J\\u202ec\\u2066é\\u001b","k\\u061c":"\\u2028"}\n'
    )


@given(st.lists(hostile_rows))
def test_json_on_a_terminal_means_the_same_and_has_no_controls(rows: list[bytes]) -> None:
    shown = render_one("json", b"".join(rows), escape=True)
    assert controls_in(shown) == set()
    assert [json.loads(line) for line in shown.splitlines()] == [json.loads(stored) for stored in rows]


# -- raw


def test_raw_gives_the_original_bytes() -> None:
    rows = b"".join(stored_line(b"plain") + stored_line('é \x1b[31m"\\'.encode()) + stored_line(b"\xff\x00!"))
    target = renderer("raw", colour=False, escape=False)
    assert render_all(target, [rows]) == b'plain\n\xc3\xa9 \x1b[31m"\\\n\xff\x00!\n'


@settings(deadline=None)
@given(st.lists(lines_of_input, max_size=5), st.lists(st.integers(0, 12), max_size=4))
@example([b"a" * MAX_TEXT_BYTES, b"b"], [1])
@example([b"a" * (2 * MAX_TEXT_BYTES + 1), b""], [1, 2])
@example([("漢" * MAX_TEXT_BYTES).encode()], [1, 2, 3])
def test_raw_gives_back_any_lines_however_they_are_cut_into_blocks(lines: list[bytes], cuts: list[int]) -> None:
    rows = list(itertools.chain.from_iterable(map(stored_line, lines)))
    target = renderer("raw", colour=False, escape=False)
    assert render_all(target, blocks_of(rows, cuts)) == b"".join(line + b"\n" for line in lines)


@settings(deadline=None)
@given(
    st.sampled_from(["text", "json", "raw", "csv"]),
    st.booleans(),
    st.booleans(),
    st.lists(st.one_of(hostile_rows, lines_of_input.map(lambda line: b"".join(stored_line(line)))), max_size=6),
    st.lists(st.integers(0, 8), max_size=4),
)
def test_blocks_do_not_show_in_any_format(
    format: Format, colour: bool, escape: bool, rows: list[bytes], cuts: list[int]
) -> None:
    whole = render_all(renderer(format, colour=colour, escape=escape), [b"".join(rows)])
    pieces = render_all(renderer(format, colour=colour, escape=escape), blocks_of(rows, cuts))
    assert pieces == whole


@pytest.mark.parametrize("size", [0, 1, MAX_TEXT_BYTES - 5])
def test_raw_ends_a_line_at_once_when_it_cannot_go_on(size: int) -> None:
    target = renderer("raw", colour=False, escape=False)
    assert target.render(row("é" * (size // 2) + "a" * (size % 2))).endswith(b"\n")
    assert target.finish() == b""


@pytest.mark.parametrize("missing", range(4))
@pytest.mark.parametrize("escape", [False, True])
def test_raw_holds_only_the_newline_of_text_that_may_go_on(missing: int, escape: bool) -> None:
    text = "a" * (MAX_TEXT_BYTES - missing)
    target = renderer("raw", colour=False, escape=escape)
    assert target.render(row(text)) == text.encode()
    assert target.render(b"") == b""
    assert target.render(row("rest", cont=True)) == b"rest\n"
    assert target.render(row(text)) == text.encode()
    assert target.render(row("next")) == b"\nnext\n"
    assert target.render(row(text)) == text.encode()
    assert target.finish() == b"\n"
    assert target.finish() == b""


def test_raw_holds_the_newline_by_the_length_of_the_original_bytes() -> None:
    original = b"\xff" * MAX_TEXT_BYTES
    first, second = stored_line(original + b"end")
    target = renderer("raw", colour=False, escape=False)
    assert target.render(first) == original
    assert target.render(second) == b"end\n"


@pytest.mark.parametrize(
    ("rows", "colour", "shown"),
    [
        (row("\x1b[31mred\x1b]0;t\x07"), True, "\x1b[31mred^[]0;t^G\x1b[0m\n"),
        (row("\x1b[31mred\x1b[0m"), False, "red\n"),
        (row("a\nb\r"), False, "a\nb^M\n"),
        (b"".join(stored_line(b"bad \xff\x1b")), False, "bad \ufffd^[\n"),
    ],
)
def test_raw_on_a_terminal_is_escaped(rows: bytes, colour: bool, shown: str) -> None:
    assert render_one("raw", rows, colour=colour, escape=True) == shown


# -- text


@pytest.mark.parametrize(
    ("rows", "shown"),
    [
        (row("hello"), f"{STAMP}       hello\n"),
        (row(""), f"{STAMP}       \n"),
        (row("slow page", level="WARN", source="w3", stream="stderr"), f"{STAMP} WARN  [w3] slow page\n"),
        (row("done", level="ERROR", logger="app"), f"{STAMP} ERROR done\n"),
        (row("done", stream="stdout", raw="eA==", cont=True), f"{STAMP}       done\n"),
        (
            row("m", level="INFO", url="http://x/?a=b", n=3, s=2.5, path="C:\\x", ok=True, gone=None),
            f"{STAMP} INFO  m url=http://x/?a=b n=3 s=2.5 path=C:\\x ok=true gone=null\n",
        ),
        (
            row("m", {"a key": 1}, a="two words", b='say "hi"', c="", d=["é", 1], e={"k": "v w"}, f="x\ny"),
            f'{STAMP}       m "a key"=1 a="two words" b="say \\"hi\\"" c="" d=["é",1] e={{"k":"v w"}} f="x\\ny"\n',
        ),
        (
            row("Traceback:\n  line 1\n\tline 2", level="ERROR", source="w3", n=1),
            f"{STAMP} ERROR [w3] Traceback:\n{' ' * 35}  line 1\n{' ' * 35}\tline 2 n=1\n",
        ),
        (row("a\nb"), f"{STAMP}       a\n{' ' * 30}b\n"),
        (row("a\nb", source="漢é"), f"{STAMP}       [漢é] a\n{' ' * 36}b\n"),
    ],
)
@pytest.mark.parametrize("escape", [False, True])
def test_text_layout(rows: bytes, shown: str, escape: bool) -> None:
    assert render_one("text", rows, escape=escape) == shown


def test_text_of_many_records_has_each_ones_own_time_and_level() -> None:
    rows = [
        row(f"m{n}", at=f"2026-11-21T10:20:3{n}.00{n}999Z", level=level)
        for n, level in enumerate(["WARN", "", "FATAL"])
    ]
    assert render_one("text", b"".join(rows)) == (
        "2026-11-21 10:20:30.000 WARN  m0\n2026-11-21 10:20:31.001       m1\n2026-11-21 10:20:32.002 FATAL m2\n"
    )


@pytest.mark.parametrize(
    ("stored", "local"),
    [
        ("2026-03-29T00:59:59.999999Z", "2026-03-29 01:59:59.999"),
        ("2026-03-29T01:00:00.000000Z", "2026-03-29 03:00:00.000"),
        ("2026-10-25T00:59:59.000000Z", "2026-10-25 02:59:59.000"),
        ("2026-10-25T01:00:00.000000Z", "2026-10-25 02:00:00.000"),
        ("2026-12-31T23:30:00.500000Z", "2027-01-01 00:30:00.500"),
        ("1970-01-01T00:00:00.000000Z", "1970-01-01 01:00:00.000"),
        ("9999-12-31T23:59:59.000000Z", "9999-12-31 23:59:59.000Z"),
    ],
)
def test_times_are_local_across_daylight_saving(stored: str, local: str) -> None:
    with zone(CENTRAL_EUROPE):
        assert render_one("text", row("m", at=stored)).startswith(f"{local}       m")


@pytest.mark.parametrize(
    ("level", "painted"),
    [
        ("TRACE", "\x1b[2mTRACE\x1b[0m"),
        ("DEBUG", "\x1b[2mDEBUG\x1b[0m"),
        ("INFO", "\x1b[32mINFO\x1b[0m "),
        ("WARN", "\x1b[33mWARN\x1b[0m "),
        ("ERROR", "\x1b[1;31mERROR\x1b[0m"),
        ("FATAL", "\x1b[37;41mFATAL\x1b[0m"),
        ("", "     "),
    ],
)
@pytest.mark.parametrize("escape", [False, True])
def test_colours(level: str, painted: str, escape: bool) -> None:
    rows = row("a\nb", level=level, source="w3", n=1)
    assert render_one("text", rows, colour=True, escape=escape) == (
        f"\x1b[2m{STAMP}\x1b[0m {painted} \x1b[36m[w3]\x1b[0m a\n{' ' * 35}b \x1b[2mn=1\x1b[0m\n"
    )


@pytest.mark.parametrize(
    ("msg", "colour", "escape", "shown"),
    [
        ("\x1b[31mred", True, True, "\x1b[31mred\x1b[0m"),
        ("\x1b[31mred", True, False, "\x1b[31mred\x1b[0m"),
        ("\x1b[31mred", False, True, "red"),
        ("\x1b[31mred", False, False, "\x1b[31mred"),
        ("\x1b[\x1b[0m2J", False, True, "^[[2J"),
        ("\x1b[\x1b[0m31mred", False, True, "^[[31mred"),
        ("\x1b[2J\x1b[31", True, True, "^[[2J^[[31"),
        ("a\rb\x00\x7f\t\x9b31m", True, True, "a^Mb^@^?\t<U+009B>31m"),
        (
            "\u202eevil\u2069\u200e\u061c\u2028 \ufffd",
            True,
            True,
            "<U+202E>evil<U+2069><U+200E><U+061C><U+2028> \ufffd",
        ),
        ("a\rb\x9b\u202e\x1b]", False, False, "a\rb\x9b\u202e\x1b]"),
    ],
)
def test_what_passes_in_a_message(msg: str, colour: bool, escape: bool, shown: str) -> None:
    printed = render_one("text", row(msg), colour=colour, escape=escape)
    stamp = f"\x1b[2m{STAMP}\x1b[0m" if colour else STAMP
    assert printed == f"{stamp}       {shown}\n"


def test_source_and_fields_are_escaped_and_stay_on_their_line() -> None:
    rows = row("m", {"k\x9b": "v\x1b]0;t\x07", "q": "a b\x7f", "l": ["\x85\x1b"]}, source="w\n\x1b[2J\u202e")
    assert render_one("text", rows, escape=True) == (
        f'{STAMP}       [w^J^[[2J<U+202E>] m k<U+009B>=v^[]0;t^G q="a b^?" l=["<U+0085>\\u001b"]\n'
    )


@pytest.mark.parametrize("format", ["text", "raw", "csv"])
@given(rows=st.lists(hostile_rows, max_size=4))
def test_no_control_reaches_a_terminal(format: Format, rows: list[bytes]) -> None:
    assert controls_in(render_one(format, b"".join(rows), escape=True)) == set()
    coloured = render_one(format, b"".join(rows), escape=True, colour=True)
    assert controls_in(without_sgr(coloured)) == set()


@given(msg=hostile_texts)
def test_a_records_colours_end_with_its_message(msg: str) -> None:
    for format in ("text", "raw"):
        shown = render_one(format, row(msg), escape=True, colour=True)
        sequences = re.findall(r"\x1b\[[0-9;:]*m", shown)
        assert not sequences or sequences[-1] == "\x1b[0m"


@given(rows=st.lists(hostile_rows, max_size=4))
def test_colour_only_adds_sgr(rows: list[bytes]) -> None:
    plain = render_one("text", b"".join(rows), escape=True)
    assert without_sgr(render_one("text", b"".join(rows), escape=True, colour=True)) == plain


@given(msg=hostile_texts, own=own_fields)
def test_text_to_a_pipe_keeps_every_character_of_the_message(msg: str, own: dict[str, Any]) -> None:
    shown = render_one("text", row(msg, own))
    head = f"{STAMP}       "
    assert shown.startswith(head + msg.replace("\n", "\n" + " " * len(head)))


@given(text=hostile_texts)
def test_escaping_is_idempotent_and_leaves_plain_text_alone(text: str) -> None:
    for colour in (False, True):
        once = escape_text(text, colour=colour)
        assert escape_text(once, colour=colour) == once
    assert escape_text("plain é 漢 \t", colour=False) == "plain é 漢 \t"


# -- csv


@pytest.mark.parametrize(
    ("rows", "shown"),
    [
        (row("hello"), f"{STORED_TIME},,,,hello,\n"),
        (row("slow", level="WARN", stream="stderr", source="w3"), f"{STORED_TIME},WARN,w3,stderr,slow,\n"),
        (row("a,b", url="/x", n=1), f'{STORED_TIME},,,,"a,b","{{""url"":""/x"",""n"":1}}"\n'),
        (
            row("m", logger="app", raw="eA==", cont=True),
            f'{STORED_TIME},,,,m,"{{""logger"":""app"",""raw"":""eA=="",""cont"":true}}"\n',
        ),
        (row('say "hi"\nthere\rnow'), f'{STORED_TIME},,,,"say ""hi""\nthere\rnow",\n'),
        (b"", ""),
    ],
)
def test_csv_has_a_column_for_each_and_one_for_the_rest(rows: bytes, shown: str) -> None:
    assert render_one("csv", rows) == shown


def test_csv_can_say_of_which_run_records_are() -> None:
    assert CsvRenderer(escape=False, run="build").render(row("m")).decode() == f"build,{STORED_TIME},,,,m,\n"
    assert CSV_HEADER == b"time,level,source,stream,message,fields\n"


@given(st.lists(hostile_rows))
def test_csv_is_read_back_as_what_is_stored(rows: list[bytes]) -> None:
    shown = render_one("csv", b"".join(rows))
    read = list(csv.reader(io.StringIO(shown, newline="")))
    for stored, columns in zip(map(json.loads, rows), read, strict=True):
        columns_of = [stored.pop(key, "") for key in ("time", "level", "source", "stream", "msg")]
        assert columns == [*columns_of, columns[-1]]
        assert (json.loads(columns[-1]) if columns[-1] else {}) == stored


# -- parsing


@given(st.lists(hostile_rows, max_size=4))
def test_rows_parse_the_same_with_and_without_orjson(rows: list[bytes]) -> None:
    pytest.importorskip("orjson")
    parsed = []
    for form in (output._parse_reference, output._parse_by_orjson):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(output, "_parse", lambda size_bytes, data, form=form: form(data))
            parsed.append(parse_rows(b"".join(rows)))
    assert parsed[0] == parsed[1] == [json.loads(stored) for stored in rows]


@given(st.dictionaries(st.text(), st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)))
@example({"past": 2**64, "last": 2**64 - 1, "before": -(2**63) - 1, "first": -(2**63)})
def test_numbers_are_read_alike(numbers: dict[str, int | float]) -> None:
    """As are those of more than 64 bits, which orjson takes for floating-point."""
    pytest.importorskip("orjson")
    rows = json.dumps([numbers], ensure_ascii=False).encode()
    assert repr(output._parse_reference(rows)) == repr(output._parse_by_orjson(rows))


@pytest.mark.parametrize("format", ["text", "raw"])
def test_a_row_that_is_not_json_is_refused(format: Format) -> None:
    with pytest.raises(ValueError, match=r"."):
        renderer(format, colour=False, escape=False).render(b'{"time":\n')


def test_imports_stay_light() -> None:
    heavy = ["click", "trio", "urwid", "orjson", "json", "base64", "datetime", "cbor2"]
    code = (
        f"import sys; before = set(sys.modules); import logctl.output; print(set(sys.modules) & set({heavy}) - before)"
    )
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environ, check=True, capture_output=True, text=True)
    assert done.stdout == "set()\n"


# -- helpers


class Stream:
    def __init__(self, terminal: bool) -> None:
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


@pytest.mark.parametrize(
    ("terminal", "environ", "wanted"),
    [
        (True, {}, True),
        (True, {"NO_COLOR": "", "TERM": "xterm"}, True),
        (True, {"NO_COLOR": "1"}, False),
        (True, {"TERM": "dumb"}, False),
        (False, {}, False),
    ],
)
def test_wants_colour(terminal: bool, environ: dict[str, str], wanted: bool) -> None:
    assert wants_colour(Stream(terminal), environ) is wanted


@pytest.mark.parametrize(
    ("text", "width"), [("", 0), ("abc", 3), ("é", 1), ("e\u0301", 1), ("漢字", 4), ("a\u200db", 2)]
)
def test_display_width(text: str, width: int) -> None:
    assert display_width(text) == width
