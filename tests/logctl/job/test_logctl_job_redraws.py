"""Lines that are drawn again are left as what was seen of them last, however they come."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logctl.job.redraws import Redraws
from logd.record import MAX_TEXT_BYTES

NESTED = (
    b"\router  0%\n\rinner  0%\x1b[A\n\rinner 50%\x1b[A"
    b"\n\r         \x1b[A\router 10%\n\rinner 0%\x1b[A\r          \rwritten between\n\router 10%"
    b"\n\rinner 99%\x1b[A\n\r         \r\x1b[A\router 20%\n\r\x1b[Klast\n"
)


def all_of(*chunks: bytes) -> bytes:
    redraws = Redraws()
    return b"".join(map(redraws.feed, chunks)) + redraws.finish()


@pytest.mark.parametrize(
    ("written", "left"),
    [
        (b"plain\nlines\n", b"plain\nlines\n"),
        (b"of a terminal\r\nand more\r\r\n", b"of a terminal\nand more\n"),
        (b"\r 10%\r 20%\r100%\n", b"100%\n"),
        (b"\r 99%\r100%\r\nnext\n", b"100%\nnext\n"),
        (b"10%\x1b[K\r20%\x1b[K\n", b"20%\n"),
        (b"\r50%|##|\r        \rwritten between\n\r51%|##|\n", b"written between\n51%|##|\n"),
        (b"bar\r      \r\n", b"bar\n"),
        (b"bar\r\x1b[2K", b"bar\n"),
        (b"\x1b[1Gstep 1\x1b[0K\x1b[1Gstep 2\x1b[0K\n", b"step 2\n"),
        (b"\x1b[32mgreen\x1b[0m\r\n", b"\x1b[32mgreen\x1b[0m\n"),
        (b"the last line has no end", b"the last line has no end\n"),
        (b"\n\n", b"\n\n"),
        (NESTED, b"outer  0%\nwritten between\nouter 20%\nlast\n"),
        (b"a\nb\n\x1b[2Ac\n\n\n\n", b"a\nb\nc\n"),
        (b"", b""),
    ],
)
def test_what_is_left(written: bytes, left: bytes) -> None:
    assert all_of(written) == left


def test_a_line_is_live_once_it_was_drawn_again() -> None:
    redraws = Redraws()
    seen = []
    for chunk in (b"password: ", b"\r", b" 1%", b"\r 2%", b"\r\x1b[K", b"\r 3%\n", b"more"):
        redraws.feed(chunk)
        seen.append(redraws.live)
    assert seen == [b"", b"", b" 1%", b" 2%", b" 2%", b"", b""]


def test_what_is_drawn_again_for_hours_takes_no_memory() -> None:
    redraws = Redraws()
    for number in range(20_000):
        assert redraws.feed(b"\r%6d of many" % number) == b""
    assert redraws.live == b" 19999 of many"
    assert len(redraws._rest) < 100


def test_a_line_that_is_longer_than_a_record_goes_on_as_it_comes() -> None:
    line = b"x" * (3 * MAX_TEXT_BYTES)
    redraws = Redraws()
    assert redraws.feed(line) == line
    assert redraws.feed(b"y\nz\n") == b"y\nz\n"


PIECES = st.sampled_from(
    [b"\r", b"\n", b"\r\n", b" ", b"a", b"10%", b"\x1b[K", b"\x1b[1G", b"\x1b[31m", b"\x1b[A", b"\x1b[2A", "█".encode()]
)


@settings(max_examples=200, deadline=None)
@given(st.lists(PIECES, max_size=30), st.data())
def test_any_chunking_leaves_the_same(pieces: list[bytes], data: st.DataObject) -> None:
    written = b"".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(written)), max_size=6)))
    chunks = [written[start:end] for start, end in zip([0, *cuts], [*cuts, len(written)], strict=True)]
    assert all_of(*chunks) == all_of(written)


def test_nested_bars_are_live_as_the_outer_one() -> None:
    redraws = Redraws()
    lines = b""
    lines += redraws.feed(b"\router 0%\n\rinner 0%\x1b[A")
    for number in range(1000):
        lines += redraws.feed(b"\router %d%%\n\rinner %d%%\x1b[A" % (number // 10, number % 100))
        assert redraws.live == b"outer %d%%" % (number // 10)
    assert lines == b"outer 0%\n"
    assert redraws.is_held
    assert redraws.settle() == b"outer 99%\n"
    assert redraws.finish() == b"inner 99%\n"
