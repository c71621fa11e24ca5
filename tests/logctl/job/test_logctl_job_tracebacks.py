"""A traceback is one text, whatever it is chained to and however it comes; all else passes as it is."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logctl.job.tracebacks import MAX_HELD_BYTES, Piece, Tracebacks

CHAINED = """
try:
    try:
        {}["x"]
    except KeyError as error:
        raise ValueError("bad") from error
except ValueError:
    open("/nowhere")
"""
GROUP = 'raise ExceptionGroup("several", [ValueError(1), ExceptionGroup("inner", [KeyError("k")])])'

JAVA = b"""\
Exception in thread "main" java.lang.RuntimeException: cannot
\tat app.Main.run(Main.java:12)
\tat app.Main.main(Main.java:3)
Caused by: java.io.IOException: disk
\tat app.Store.write(Store.java:99)
\t... 2 more
"""
JAVASCRIPT = b"""\
TypeError [ERR_INVALID]: x is not a function
    at run (/srv/app.js:3:5)
    at Module._compile (node:internal/modules/cjs/loader:1254:14)
"""
RANK = b"""\
[rank0]: Traceback (most recent call last):
[rank0]:   File "train.py", line 3, in <module>
[rank0]:     step()
[rank0]: RuntimeError: out of memory
"""


def raised_by(code: str) -> bytes:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).stderr


def merged(pieces: list[Piece]) -> list[Piece]:
    """With lines that follow each other as one piece."""
    left: list[Piece] = []
    for piece in pieces:
        if left and not piece.is_text and not left[-1].is_text:
            piece = Piece(left.pop().data + piece.data, is_text=False)
        left.append(piece)
    return left


def all_of(*chunks: bytes) -> list[Piece]:
    tracebacks = Tracebacks()
    return merged([piece for chunk in chunks for piece in tracebacks.feed(chunk)] + tracebacks.release())


SAMPLES = [raised_by("{}['x']"), raised_by(CHAINED), raised_by(GROUP), JAVA, JAVASCRIPT, RANK]


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_traceback_among_lines_is_one_text(sample: bytes) -> None:
    assert all_of(b"before\n" + sample + b"after\n") == [
        Piece(b"before\n", is_text=False),
        Piece(sample[:-1], is_text=True),
        Piece(b"after\n", is_text=False),
    ]


def test_two_in_a_row_are_two() -> None:
    assert [piece.data for piece in all_of(SAMPLES[0] * 2)] == [SAMPLES[0][:-1]] * 2


def test_empty_lines_behind_one_are_lines() -> None:
    assert all_of(RANK + b"\n\n") == [Piece(RANK[:-1], is_text=True), Piece(b"\n\n", is_text=False)]


@pytest.mark.parametrize(
    "lines",
    [
        b"a line\nanother\n",
        b"Error: that was all\nnext\n",
        b"Traceback (most recent call last):\nnot one\n",
        b"see the Traceback (most recent call last): it says\n",
        b"    at the end\n",
        b"ValueError\n",
    ],
)
def test_what_is_none_passes_as_it_is(lines: bytes) -> None:
    assert all_of(lines) == [Piece(lines, is_text=False)]


def test_what_stands_before_the_first_line_alone_is_no_matter() -> None:
    sample = b"12:00 ERROR " + SAMPLES[0]
    assert all_of(sample) == [Piece(sample[:-1], is_text=True)]


def test_lines_pass_at_once_where_nothing_begins() -> None:
    tracebacks = Tracebacks()
    assert tracebacks.feed(b"one\n") == [Piece(b"one\n", is_text=False)]
    assert not tracebacks


def test_what_is_held_is_whole_when_it_tells_the_exception() -> None:
    tracebacks = Tracebacks()
    whole = []
    for line in SAMPLES[1].splitlines(keepends=True):
        assert tracebacks.feed(line) == []
        whole.append(tracebacks.is_whole)
    assert whole.count(True) > 1
    assert whole[-1]


def test_a_traceback_without_an_end_is_given_out_in_time() -> None:
    frame = b'  File "deep.py", line 1, in f\n'
    pieces = all_of(b"Traceback (most recent call last):\n" + frame * 10_000)
    assert b"".join(piece.data + (b"\n" if piece.is_text else b"") for piece in pieces).count(frame) == 10_000
    assert pieces[0].is_text
    assert len(pieces[0].data) <= MAX_HELD_BYTES


LINES = st.sampled_from([line for sample in SAMPLES for line in sample.splitlines(keepends=True)] + [b"x\n", b"\n"])


@settings(max_examples=100, deadline=None)
@given(st.one_of(st.sampled_from(SAMPLES), st.lists(LINES, max_size=25).map(b"".join)), st.data())
def test_any_chunking_gives_the_same_and_nothing_is_lost(lines: bytes, data: st.DataObject) -> None:
    each = lines.splitlines(keepends=True)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(each)), max_size=6)))
    chunks = [b"".join(each[start:end]) for start, end in zip([0, *cuts], [*cuts, len(each)], strict=True)]
    pieces = all_of(lines)
    assert all_of(*chunks) == pieces
    assert b"".join(piece.data + (b"\n" if piece.is_text else b"") for piece in pieces) == lines
