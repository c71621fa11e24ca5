"""A sieve over blocks in memory: what it finds is what matches, and each stretch is looked through once."""

from __future__ import annotations

from itertools import accumulate, pairwise

import pytest
import trio
from fake_run import HITS, FakeRun, block, is_hit, row
from hypothesis import given, settings
from hypothesis import strategies as st

from logd.errors import StoreError
from logd.fanout import Filter, Sieve
from logd.fanout.sieve import KEPT_BYTES, MAX_KEPT
from logd.record import ANY_LEVEL, Severity, Stored

Found = tuple[list[Stored], int]


def seqs_of(blocks: list[Stored]) -> list[int]:
    return [seq for each in blocks for seq in range(each.rows.first_seq, each.rows.next_seq)]


def check(found: Found, seq: int) -> None:
    """What was found from `seq` on is just what matches, as it is stored."""
    blocks, next_seq = found
    assert next_seq > seq
    assert seqs_of(blocks) == [each for each in range(seq, next_seq) if is_hit(each)]
    for each in blocks:
        assert each.rows.data == b"".join(map(row, range(each.rows.first_seq, each.rows.next_seq)))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=8), st.data(), st.sampled_from([1, 500, 10**6]))
def test_what_is_found_is_what_matches_wherever_it_is_asked_from(
    sizes: list[int], data: st.DataObject, read_bytes: int
) -> None:
    run = FakeRun(read_bytes=read_bytes)
    for size in sizes:
        run.store(size)
    asked = data.draw(st.lists(st.integers(1, run.head), max_size=20))
    sieve = run.sieve()

    async def main() -> None:
        for seq in asked:
            check(await sieve.blocks(seq), seq)

    trio.run(main)


async def test_what_was_looked_through_is_not_again() -> None:
    run = FakeRun(read_bytes=500)
    run.store(100)
    sieve = run.sieve()
    await sieve.blocks(1)
    sifted, reads = sieve.sifted_bytes, run.reads
    for seq in (1, 50, 100):
        check(await sieve.blocks(seq), seq)
    assert (sieve.sifted_bytes, run.reads) == (sifted, reads)


async def test_those_who_come_together_wait_for_the_first(autojump_clock: object) -> None:
    run = FakeRun(100)
    run.read_seconds = 1.0
    sieve = run.sieve()
    found: list[Found] = []

    async def look() -> None:
        found.append(await sieve.blocks(1))

    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(look)
    assert run.reads == 1
    assert found == [found[0]] * 10


async def test_one_who_gives_up_leaves_it_to_the_next(autojump_clock: object) -> None:
    run = FakeRun(100)
    run.read_seconds = 1.0
    sieve = run.sieve()
    async with trio.open_nursery() as nursery:
        with trio.move_on_after(0.5):
            await sieve.blocks(1)
        nursery.start_soon(sieve.blocks, 1)
    assert run.reads == 2
    check(await sieve.blocks(1), 1)
    assert run.reads == 2


async def test_the_disks_no_is_everyones_own() -> None:
    run = FakeRun(10)
    says_no = [True]

    async def read(seq: int, max_bytes: int, level_mask: int) -> Found:
        if says_no:
            says_no.clear()
            raise StoreError("read", "1.jsonl", OSError(5, "bad"))
        return await run.blocks(seq, max_bytes, level_mask)

    sieve = Sieve(Filter.of(HITS), read)
    with pytest.raises(StoreError):
        await sieve.blocks(1)
    check(await sieve.blocks(1), 1)


async def test_blocks_without_a_level_that_is_looked_for_are_not_read() -> None:
    masks: list[int] = []

    async def read(seq: int, max_bytes: int, level_mask: int) -> Found:
        masks.append(level_mask)
        return [], seq + 1000

    sieve = Sieve(Filter.of({"min_severity": int(Severity.ERROR)}), read)
    assert await sieve.blocks(1) == ([], 1001)
    assert masks == [Severity.ERROR.mask_bit | Severity.FATAL.mask_bit]
    assert sieve.sifted_bytes == 0


async def test_what_is_long_is_looked_through_in_a_thread_with_the_same_result() -> None:
    run = FakeRun(read_bytes=10**6)
    run.store(2000)
    sieve = run.sieve()
    check(await sieve.blocks(1), 1)
    assert sieve.sifted_bytes > 32 * 1024


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 6000), min_size=1, max_size=150))
def test_what_is_kept_is_bounded(counts: list[int]) -> None:
    async def read(seq: int, max_bytes: int, level_mask: int) -> Found:
        count = counts[seqs.index(seq)]
        return [block(seq, 1, pad=count * 10)], seq + 3

    seqs = [1 + 3 * each for each in range(len(counts))]
    sieve = Sieve(Filter.of({"pattern": "t", "fixed": True}), read)

    async def main() -> None:
        for seq in seqs:
            await sieve.blocks(seq)

    trio.run(main)
    kept = sieve._kept
    assert sieve._kept_bytes == sum(each.found_bytes for each in kept)
    assert len(kept) <= MAX_KEPT
    assert sieve._kept_bytes <= KEPT_BYTES or len(kept) == 1
    assert [each.first_seq for each in kept] == seqs[-len(kept) :], "the oldest go"


def test_the_model_is_one() -> None:
    """There are hits in a row and alone, so that a block is cut into several."""
    hits = [seq for seq in range(1, 41) if is_hit(seq)]
    assert {other - one for one, other in pairwise(hits)} >= {1, 3}
    assert [*accumulate(len(row(seq)) for seq in hits)][-1] > 0
    assert block(1, 3).level_mask == ANY_LEVEL
