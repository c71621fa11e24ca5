"""The line cutter: whatever the pieces that input comes in, the same lines go."""

from __future__ import annotations

from fake_daemon import Clock
from hypothesis import example, given, settings
from hypothesis import strategies as st

from logd.client.lines import GATHER_SECONDS, MAX_BLOCK_BYTES, MIN_BLOCK_BYTES, Block, LineCutter
from logd.record import MAX_TEXT_BYTES

LINES = st.lists(
    st.tuples(
        st.sampled_from([b"x", "é".encode(), b"\xff", b"\0\r "]),
        st.one_of(st.integers(0, 20), st.integers(MAX_TEXT_BYTES // 2 - 2, MAX_TEXT_BYTES + 2)),
    ),
    max_size=8,
)
"""What a line is made of, and how many times."""


def taken(cutter: LineCutter, *, gather: bool = False) -> list[Block]:
    blocks = []
    while block := cutter.next_block(gather=gather):
        blocks.append(block)
    return blocks


def text_of(blocks: list[Block]) -> bytes:
    """What the blocks say; pieces of a line are joined again."""
    text = b""
    for lines, cont in blocks:
        assert lines.endswith(b"\n")
        assert len(lines) <= MAX_BLOCK_BYTES
        assert not cont or lines.count(b"\n") == 1
        text = (text[:-1] if cont else text) + lines
    return text


@given(LINES, st.lists(st.integers(1, MAX_BLOCK_BYTES), max_size=10), st.booleans(), st.booleans())
@example([(b"x", 1), (b"x", MAX_BLOCK_BYTES + 100), (b"x", 0)], [3], False, True)
@example([(b"x", MAX_TEXT_BYTES * 2 + 2), (b"x", 0)], [MAX_TEXT_BYTES + 1], False, False)
@settings(max_examples=100, deadline=None)
def test_any_input_in_any_pieces_goes_whole(
    lines: list[tuple[bytes, int]], sizes: list[int], ended: bool, gather: bool
) -> None:
    data = b"\n".join(text * times for text, times in lines) + (b"\n" if ended and lines else b"")
    cutter = LineCutter(Clock())
    blocks: list[Block] = []
    start = 0
    for size in [*sizes, len(data)]:
        cutter.feed(memoryview(data)[start : start + size])
        start += size
        blocks += taken(cutter, gather=gather)
    cutter.finish()
    blocks += taken(cutter, gather=gather)
    assert text_of(blocks) == (data if not data or data.endswith(b"\n") else data + b"\n")
    assert len(cutter) == 0
    assert all(len(line) <= MAX_TEXT_BYTES for block in blocks if block[1] for line in block[0].splitlines())


def test_what_gathers_is_bounded_though_its_last_line_has_no_end() -> None:
    cutter = LineCutter(Clock())
    for _ in range(20):
        cutter.feed(b"short\n" + b"x" * 20_000)
        assert [*taken(cutter, gather=True)] or len(cutter) < MAX_BLOCK_BYTES
        assert len(cutter) < MAX_BLOCK_BYTES + 20_006


def test_lines_that_gather_go_when_they_are_many() -> None:
    cutter = LineCutter(Clock())
    cutter.feed(b"x" * (MIN_BLOCK_BYTES // 2) + b"\n")
    assert taken(cutter, gather=True) == []
    cutter.feed(b"x" * (MIN_BLOCK_BYTES // 2) + b"\n")
    assert len(taken(cutter, gather=True)) == 1


def test_or_when_it_is_time() -> None:
    clock = Clock()
    cutter = LineCutter(clock)
    cutter.feed(b"one\ntwo\nthr")
    assert taken(cutter, gather=True) == []
    assert cutter.due == clock.now + GATHER_SECONDS
    clock.now += GATHER_SECONDS / 2
    cutter.feed(b"ee\n")
    assert taken(cutter, gather=True) == []
    clock.now = cutter.due
    assert taken(cutter, gather=True) == [(b"one\ntwo\nthree\n", False)]
    assert cutter.due > clock.now


def test_a_line_that_is_not_whole_does_not_go_by_the_clock() -> None:
    clock = Clock()
    cutter = LineCutter(clock)
    cutter.feed(b"half")
    clock.now += 100
    assert taken(cutter) == []
    cutter.finish()
    assert taken(cutter) == [(b"half\n", False)]
