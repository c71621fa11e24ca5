"""Recent blocks against a plain list of all blocks: what is given is right, and what is held is bounded."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logd.fanout.recent import MAX_RECENT_BYTES, RECENT_BYTES, RecentBlocks, Shelf
from logd.protocol import MAX_FRAME_BYTES
from logd.record import ANY_LEVEL, Rows, Severity, Stored

INFO, WARN = Severity.INFO.mask_bit, Severity.WARN.mask_bit
SIZES = st.sampled_from([12, 20, 1000, 100_000, 300_000, RECENT_BYTES // 2, RECENT_BYTES, RECENT_BYTES + 1])
LENGTHS = st.lists(SIZES, min_size=1, max_size=4)


def block(first_seq: int, lengths: list[int], level_mask: int = ANY_LEVEL) -> Stored:
    """Rows of these lengths, each of which says its seq."""
    rows = [b"%d" % seq + b" " * (length - len(str(seq)) - 1) + b"\n" for seq, length in enumerate(lengths, first_seq)]
    return Stored(Rows(first_seq, len(lengths), b"".join(rows)), 1000 + first_seq, level_mask)


def filled(blocks: list[Stored], shelf: Shelf | None = None) -> RecentBlocks:
    recent = RecentBlocks(shelf or Shelf())
    for each in blocks:
        recent.add(each)
    return recent


def consecutive(first_seq: int, lengths: list[list[int]], masks: tuple[int, ...] = (ANY_LEVEL,)) -> list[Stored]:
    blocks: list[Stored] = []
    for number, of_block in enumerate(lengths):
        seq = blocks[-1].rows.next_seq if blocks else first_seq
        blocks.append(block(seq, of_block, masks[number % len(masks)]))
    return blocks


def holds(recent: RecentBlocks, seq: int) -> bool:
    return recent.read(seq, 1, ANY_LEVEL) is not None


def test_without_blocks_there_is_nothing_to_read() -> None:
    assert not any(holds(RecentBlocks(Shelf()), seq) for seq in (0, 1, 2))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 10**9), st.lists(LENGTHS, min_size=1, max_size=8), st.data())
def test_what_is_read_is_what_was_added(first_seq: int, lengths: list[list[int]], data: st.DataObject) -> None:
    blocks = consecutive(first_seq, lengths, (INFO, INFO | WARN, WARN))
    recent = filled(blocks)
    newest = blocks[-1].rows
    seq = data.draw(st.integers(first_seq - 1, newest.next_seq + 1))
    max_bytes = data.draw(st.sampled_from([1, 20, 1000, 200_000, 10 * RECENT_BYTES]))
    level_mask = data.draw(st.sampled_from([ANY_LEVEL, INFO, WARN, INFO | WARN, 0]))

    read = recent.read(seq, max_bytes, level_mask)

    if read is None:
        assert not newest.first_seq <= seq < newest.next_seq
        return
    found, next_seq = read
    assert seq < next_seq <= newest.next_seq
    wanted = [each for each in blocks if each.level_mask & level_mask and each.rows.next_seq > seq]
    for got, each in zip(found, wanted, strict=False):
        rows = each.rows.after(max(seq, each.rows.first_seq))
        assert rows.data.startswith(got.rows.data)
        assert (got.rows.first_seq, got.rows.record_count) == (rows.first_seq, got.rows.data.count(b"\n"))
        assert (got.time_us, got.level_mask) == (each.time_us, each.level_mask)
    assert [each for each in wanted if each.rows.first_seq < next_seq][len(found) :] == [], "what is passed by is given"
    assert not found or found[-1].rows.next_seq <= next_seq
    if next_seq == newest.next_seq:
        assert sum(each.rows.record_count for each in found) == sum(
            each.rows.next_seq - max(seq, each.rows.first_seq) for each in wanted
        )
    size_bytes = sum(len(each.rows.data) for each in found)
    assert size_bytes <= max_bytes or [each.rows.record_count for each in found] == [1]


@settings(max_examples=60, deadline=None)
@given(st.lists(LENGTHS, min_size=1, max_size=8), st.sampled_from([1, 20, 200_000, 2 * RECENT_BYTES]))
def test_reading_on_comes_to_every_record_once(lengths: list[list[int]], max_bytes: int) -> None:
    blocks = consecutive(1, lengths)
    recent = filled(blocks)
    seq = next(each.rows.first_seq for each in blocks if holds(recent, each.rows.first_seq))
    everything = b"".join(each.rows.data for each in blocks if each.rows.first_seq >= seq)
    read = b""
    while (found := recent.read(seq, max_bytes, ANY_LEVEL)) is not None:
        assert found[1] > seq
        seq = found[1]
        read += b"".join(each.rows.data for each in found[0])
    assert read == everything


@settings(max_examples=40, deadline=None)
@given(st.lists(LENGTHS, min_size=1, max_size=20))
def test_the_newest_blocks_are_held_that_fit(lengths: list[list[int]]) -> None:
    blocks = consecutive(1, lengths)
    recent = filled(blocks)
    held_bytes = 0
    for number, each in enumerate(reversed(blocks)):
        held_bytes += len(each.rows.data)
        if number == 0 or held_bytes <= RECENT_BYTES - 20 * 1024:
            assert holds(recent, each.rows.first_seq)
        elif held_bytes > RECENT_BYTES:
            assert not holds(recent, each.rows.first_seq)


@pytest.mark.parametrize("gap", [-3, 1, 1000])
def test_blocks_that_do_not_follow_replace_those_before(gap: int) -> None:
    new = block(12 + gap, [20])
    recent = filled([block(10, [20, 20]), new])
    assert recent.read(12 + gap, 1000, ANY_LEVEL) == ([new], 13 + gap)
    assert not holds(recent, 10 if gap > 0 else 11)


def test_those_that_were_replaced_take_no_room() -> None:
    half = [RECENT_BYTES // 2 - 1024]
    recent = filled([block(1, half), block(10, half), block(11, half)])
    assert holds(recent, 10)


def test_what_is_read_can_be_sent() -> None:
    """Blocks are larger than a frame where escapes make them so, or the words of a level in every record."""
    recent = filled([block(1, [100] * (MAX_FRAME_BYTES // 100 + 100))])
    read = recent.read(1, MAX_FRAME_BYTES // 2, ANY_LEVEL)
    assert read is not None
    ((stored,), next_seq) = read
    assert MAX_FRAME_BYTES // 2 - 100 < len(stored.rows.data) <= MAX_FRAME_BYTES // 2
    following = recent.read(next_seq, MAX_FRAME_BYTES // 2, ANY_LEVEL)
    assert following is not None
    assert following[0][0].rows.first_seq == stored.rows.next_seq == next_seq


# All runs together


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from([12, 30_000, 400_000, RECENT_BYTES])), max_size=40))
def test_all_runs_together_are_bounded_and_the_one_written_longest_ago_gives(writes: list[tuple[int, int]]) -> None:
    max_bytes = RECENT_BYTES * 3 // 2
    shelf = Shelf(max_bytes)
    runs = [RecentBlocks(shelf) for _ in range(5)]
    next_seqs = [1] * 5
    order: list[int] = []
    for number, length in writes:
        held = [run.size_bytes for run in runs]
        runs[number].add(block(next_seqs[number], [length]))
        next_seqs[number] += 1
        order = [each for each in order if each != number] + [number]
        assert shelf.size_bytes == sum(run.size_bytes for run in runs)
        assert shelf.size_bytes <= max_bytes
        gave = [each for each in order if each != number and runs[each].size_bytes < held[each]]
        assert gave == [each for each in order if each != number and held[each]][: len(gave)]
        assert all(not runs[each].size_bytes for each in gave[:-1]), "the next gives when the one before has nothing"
        assert holds(runs[number], next_seqs[number] - 1), "what is new is held"
    for run in runs:
        run.clear()
    assert shelf.size_bytes == 0


def test_a_large_block_takes_the_place_of_many_small_ones() -> None:
    shelf = Shelf(RECENT_BYTES)
    small = filled(consecutive(1, [[20]] * 4000), shelf)
    large = filled([block(1, [RECENT_BYTES])], shelf)
    assert not small.size_bytes
    assert holds(large, 1)


@pytest.mark.parametrize("length", [60, RECENT_BYTES // 4])
def test_memory_is_bounded_however_much_goes_through(length: int) -> None:
    """Also of blocks that are a line each, as a job emits them that says something now and then."""
    recent = RecentBlocks(Shelf())
    tracemalloc.start()
    try:
        for number in range(50 if length > 1000 else 20_000):
            recent.add(block(1 + number, [length]))
        held_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held_bytes < 1.5 * RECENT_BYTES


def test_the_bounds_are_those_that_are_promised() -> None:
    assert (RECENT_BYTES, MAX_RECENT_BYTES) == (1024 * 1024, 32 * 1024 * 1024)
