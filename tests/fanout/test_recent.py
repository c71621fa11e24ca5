"""Recent rows against a plain list of all rows: what is given is right, and what is held is bounded."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logd.fanout.recent import RECENT_BYTES, RecentRows
from logd.protocol import MAX_FRAME_BYTES
from logd.record import Rows

SIZES = st.sampled_from([2, 10, 1000, 100_000, 300_000, RECENT_BYTES // 2, RECENT_BYTES, RECENT_BYTES + 1])


def block(first_seq: int, lengths: list[int]) -> Rows:
    """Rows of these lengths, each of which says its seq."""
    rows = [b"%d" % seq + b" " * (length - len(str(seq)) - 1) + b"\n" for seq, length in enumerate(lengths, first_seq)]
    return Rows(first_seq, len(lengths), b"".join(rows))


def filled(blocks: list[Rows]) -> RecentRows:
    recent = RecentRows()
    for rows in blocks:
        recent.add(rows)
    return recent


def consecutive(first_seq: int, lengths: list[list[int]]) -> list[Rows]:
    blocks: list[Rows] = []
    for of_block in lengths:
        blocks.append(block(blocks[-1].next_seq if blocks else first_seq, of_block))
    return blocks


def test_without_rows_there_is_nothing_to_read() -> None:
    recent = RecentRows()
    assert all(recent.read(seq, 100) is None for seq in (0, 1, 2))


@given(
    st.integers(1, 10**9),
    st.lists(st.lists(SIZES.map(lambda size: max(size, 12)), min_size=1, max_size=4), min_size=1, max_size=8),
    st.data(),
)
def test_what_is_read_is_what_was_added(first_seq: int, lengths: list[list[int]], data: st.DataObject) -> None:
    blocks = consecutive(first_seq, lengths)
    recent = filled(blocks)
    newest = blocks[-1]
    seq = data.draw(st.integers(first_seq - 1, newest.next_seq + 1))
    max_bytes = data.draw(st.sampled_from([1, 20, 1000, 200_000, 10 * RECENT_BYTES]))

    rows = recent.read(seq, max_bytes)

    if rows is None:
        assert not newest.first_seq <= seq < newest.next_seq
        return
    everything = Rows(first_seq, newest.next_seq - first_seq, b"".join(rows.data for rows in blocks))
    assert rows.first_seq == seq
    assert rows.record_count > 0
    assert rows == everything.after(seq).up_to(rows.next_seq - 1)
    assert len(rows.data) <= max_bytes or rows.record_count == 1


@given(st.lists(st.lists(SIZES.map(lambda size: max(size, 12)), min_size=1, max_size=4), min_size=1, max_size=20))
def test_the_newest_blocks_are_held_that_fit(lengths: list[list[int]]) -> None:
    blocks = consecutive(1, lengths)
    recent = filled(blocks)
    held_bytes = 0
    for number, rows in enumerate(reversed(blocks)):
        held_bytes += len(rows.data)
        holds = number == 0 or held_bytes <= RECENT_BYTES
        assert (recent.read(rows.first_seq, 1) is not None) == holds
        if not holds:
            break


@pytest.mark.parametrize("gap", [-3, 1, 1000])
def test_rows_that_do_not_follow_replace_those_before(gap: int) -> None:
    recent = filled([block(10, [20, 20]), block(12 + gap, [20])])
    assert recent.read(12 + gap, 1000) == block(12 + gap, [20])
    assert recent.read(10 if gap > 0 else 11, 1000) is None


def test_those_that_were_replaced_take_no_room() -> None:
    half = [RECENT_BYTES // 2]
    recent = filled([block(1, half), block(10, half), block(11, half)])
    assert recent.read(10, 1) is not None


def test_memory_is_bounded_however_much_goes_through() -> None:
    recent = RecentRows()
    tracemalloc.start()
    try:
        for number in range(50):
            recent.add(block(1 + number, [RECENT_BYTES // 4]))
        held_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held_bytes < 1.5 * RECENT_BYTES


def test_what_is_read_can_be_sent() -> None:
    """Blocks are larger than a frame where escapes make them so, or the words of a level in every record."""
    recent = filled([block(1, [100] * (MAX_FRAME_BYTES // 100 + 100))])
    rows = recent.read(1, MAX_FRAME_BYTES // 2)
    assert rows is not None
    assert MAX_FRAME_BYTES // 2 - 100 < len(rows.data) <= MAX_FRAME_BYTES // 2
    following = recent.read(rows.next_seq, MAX_FRAME_BYTES // 2)
    assert following is not None
    assert following.first_seq == rows.next_seq
