"""Level detection: what names a level and what does not, and that a block's search finds what a line's does."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from logd.ingest import levels
from logd.ingest.levels import severities_by_stem, severity_of_line
from logd.record import LEVEL_WORDS, Severity, severity_from_word

UNSET, TRACE, DEBUG, INFO, WARN, ERROR, FATAL = Severity

NAMED = [
    # a word in capitals, alone
    ("ERROR", ERROR),
    ("2026-11-21 10:20:30,123 WARN slow", WARN),
    ("INFORMATION about", INFO),
    ("pid=12|FATAL|gone", FATAL),
    ("ERROR\r", ERROR),
    ("\x1b[31mERROR\x1b[0m", UNSET),  # an escape sequence ends in a letter, which is as good as any other
    ("\x1b[31m ERROR\x1b[0m", ERROR),
    ("(ERR)", ERROR),
    ("éERROR", ERROR),  # a letter of ASCII alone makes a name
    # a word before a colon
    ("warning: unused", WARN),
    ("Error: no such file", ERROR),
    ("error[E0308]: mismatched types", ERROR),
    ("warning[unused_imports]: x", WARN),
    ("src/a.c:12:3: error: expected ';'", ERROR),
    ("debug:", DEBUG),
    ("info:x", INFO),
    # a word within brackets
    ("[warn] x", WARN),
    ("<Err> x", ERROR),
    ("(notice)", INFO),
    ("[error) x", ERROR),
    # a word as a value
    ("level=debug msg=x", DEBUG),
    ('level="debug"', DEBUG),
    ("lvl=warn", WARN),
    ("severity: alert", FATAL),
    ("severity:alert", FATAL),
    ('{"level":"info","msg":"x"}', INFO),
    ('{"level": "Info"}', INFO),
    ('{"msg":"x","severity":"trace"}', TRACE),
    ("loglevel=verbose", DEBUG),
    # the first that is named is the line's
    ("ERROR WARN", ERROR),
    ("no error, WARN", WARN),
    ("[info] ERROR", INFO),
    ("level=debug ERROR", DEBUG),
    ("errors errorerror error: x", ERROR),
]

UNNAMED = [
    "",
    "no error was found",
    "0 errors",
    "errors: 0",
    "ValueError: x",
    "NO_ERROR",
    "ERROR_CODE=3",
    "ERRORS",
    "ERR0",
    "xerror: x",
    "_error: x",
    "an error",
    "an Error",
    "error [x]: y",
    "error[a b]: y",
    "error[]: y",
    "error[x] y",
    "error :",
    "[ warn ]",
    "[warn",
    "warn]",
    "{warn}",
    "level = debug",
    "level=  debug",
    "level='debug'",
    "level=debugging",
    "level=5",
    "Level=debug",
    "levels=debug",
    "wArNiNg: x",
    "WARNing",
    "INFORM",
]

FRAGMENTS = sorted(
    {
        *(spelling for word in LEVEL_WORDS for spelling in (word, word.upper(), word.title())),
        *("level", "lvl", "severity", "x", "X", "_", "0", "é", "ation", "or", "sev", "eRR"),
        *("[", "]", "(", ")", "<", ">", ":", ": ", "=", '="', '":"', '": "', '"', " ", ".", "\r", "\t"),
    }
)


def severities_in_block(lines: bytes) -> dict[int, Severity]:
    return levels.severities_in_block(len(lines), lines)


texts = st.lists(st.sampled_from(FRAGMENTS) | st.just("\n") | st.just("\n"), max_size=40).map("".join)


@pytest.mark.parametrize(("line", "severity"), NAMED)
def test_a_line_that_names_a_level_has_it(line: str, severity: Severity) -> None:
    assert severity_of_line(line.encode()) is severity
    assert severities_in_block(line.encode() + b"\n") == ({0: severity} if severity else {})


@pytest.mark.parametrize("line", UNNAMED)
def test_a_line_that_names_none_has_none(line: str) -> None:
    assert severity_of_line(line.encode()) is Severity.UNSET
    assert severities_in_block(line.encode() + b"\n") == {}


@pytest.mark.parametrize("word", LEVEL_WORDS)
def test_every_word_is_found_in_every_form(word: str) -> None:
    severity = severity_from_word(word)
    assert severity_of_line(word.encode()) is Severity.UNSET
    assert severity_of_line(b"a %s b" % word.upper().encode()) is severity
    for spelling in (word, word.upper(), word.title()):
        for form in (
            "{}: x",
            "{}[x_1]: x",
            "x: {}: x",
            "[{}]",
            "x <{}> x",
            "level={} x",
            'lvl="{}"',
            '"severity":"{}"',
        ):
            assert severity_of_line(form.format(spelling).encode()) is severity


def by_line(lines: bytes) -> dict[int, Severity]:
    found = {number: severity_of_line(line) for number, line in enumerate(lines.split(b"\n"))}
    return {number: severity for number, severity in found.items() if severity}


@settings(max_examples=600)
@given(texts)
@example("severerr: x")
@example("level=\nerror\n[\nwarn]\nERROR")
@example("errorerror:\nerror[x]:error:\n")
@example("[critical\ncrit]\n")
def test_a_block_has_the_levels_of_its_lines(text: str) -> None:
    lines = (text + "\n").encode()
    assert severities_in_block(lines) == severities_by_stem(lines) == by_line(lines)


@given(st.lists(st.sampled_from(FRAGMENTS).map(str.encode) | st.binary(max_size=4) | st.just(b"\n"), max_size=40))
def test_so_it_has_whatever_bytes_are_among_them(fragments: list[bytes]) -> None:
    lines = b"".join(fragments) + b"\n"
    assert severities_in_block(lines) == severities_by_stem(lines) == by_line(lines)


@given(st.lists(st.sampled_from(["x", "ERROR", "[warn] ERROR", "", "info: x"]), min_size=1, max_size=30))
def test_lines_are_numbered_as_they_come(lines: list[str]) -> None:
    found = severities_in_block("".join(line + "\n" for line in lines).encode())
    expected = {"ERROR": Severity.ERROR, "[warn] ERROR": Severity.WARN, "info: x": Severity.INFO}
    assert found == {number: expected[line] for number, line in enumerate(lines) if line in expected}


def test_an_empty_block_has_none() -> None:
    assert severities_in_block(b"") == {}


def test_long_names_in_brackets_are_not_remembered() -> None:
    tracemalloc.start()
    try:
        for number in range(100):
            line = b"error[%d%s]: x\n" % (number, b"e" * 60_000)
            assert severities_in_block(line) == {0: Severity.ERROR}
            assert severity_of_line(line) is Severity.ERROR
        held_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held_bytes < 1_000_000
