"""What `logctl logs` reads of one run or several: what was asked for, in its order, however it is found."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from memory_daemon import MemoryClient, MemoryRun, blocks_of

from logctl import reading
from logctl.reading import Chunk, Gap, Query, Reading
from logd.errors import BadFilter, Refused

X = {"pattern": "x", "fixed": True}

Shown = tuple[str, int, bool]
"""A run, a seq, and whether the record matches."""


def shown(chunks: Iterator[Chunk], *, reverse: bool = False) -> list[Shown]:
    """Each record as it is shown. Its seq is the one that its row says."""
    records = []
    for chunk in chunks:
        lines = chunk.rows.data.splitlines()
        assert len(lines) == chunk.rows.record_count
        seqs = [int(json.loads(line)["msg"].strip("xy")) for line in lines]
        assert (seqs[0], seqs[-1]) == (chunk.rows.first_seq, chunk.next_seq - 1)
        records += [(chunk.run, seq, chunk.matches) for seq in (seqs[::-1] if reverse else seqs)]
    return records


def expected(runs: dict[str, list[str]], blocks: dict[str, MemoryRun], query: Query) -> list[Shown]:
    """The same of all records, by way of a sorted list of them."""
    time_of = {
        (name, seq): block.time_us
        for name, run in blocks.items()
        for block in run.blocks
        for seq in range(block.rows.first_seq, block.rows.next_seq)
    }
    names = list(runs)
    every = sorted(time_of, key=lambda each: (time_of[each], names.index(each[0]), each[1]))
    found = [
        (name, seq)
        for name, seq in every
        if seq >= (query.first_seq or 1) and (query.criteria is None or runs[name][seq - 1] == "x")
    ]
    if query.oldest:
        found = found[: query.oldest]
    if query.newest:
        # Of blocks that came at the same time, those of the runs that are named first are the newest, too.
        backward = sorted(found, key=lambda each: (-time_of[each], names.index(each[0]), -each[1]))
        found = [each for each in found if each in backward[: query.newest]]
    return [(name, seq, True) for name, seq in (found[::-1] if query.reverse else found)]


runs = st.dictionaries(
    st.sampled_from(["a", "b", "c"]), st.lists(st.sampled_from(["x", "y"]), max_size=20), min_size=1, max_size=3
)
limits = st.sampled_from([(None, None), (3, None), (None, 3), (8, None), (None, 8)])


@pytest.mark.parametrize("held_bytes", [100, 1_000_000])
@given(
    runs=runs,
    sizes=st.lists(st.integers(1, 5), min_size=1, max_size=3),
    criteria=st.sampled_from([None, X]),
    first_seq=st.sampled_from([None, 4]),
    limit=limits,
    reverse=st.booleans(),
)
def test_what_matches_is_shown_in_its_order(
    runs: dict[str, list[str]],
    sizes: list[int],
    criteria: dict[str, object] | None,
    first_seq: int | None,
    limit: tuple[int | None, int | None],
    reverse: bool,
    held_bytes: int,
) -> None:
    # Each block comes at a time of its own: those of different runs take turns.
    blocks = {
        name: MemoryRun(blocks_of(messages, sizes, first_time_us=1000 + number, step_us=3))
        for number, (name, messages) in enumerate(runs.items())
    }
    query = Query(criteria, first_seq, limit[0], limit[1], reverse=reverse)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "HELD_BYTES", held_bytes)
        gaps: list[Gap] = []
        found = Reading(MemoryClient(**blocks), list(runs), query, on_gap=gaps.append)
        assert shown(iter(found), reverse=reverse) == expected(runs, blocks, query)
    assert gaps == []
    assert found.matched == len(expected(runs, blocks, query))


@given(
    runs=runs,
    sizes=st.lists(st.integers(1, 5), min_size=1, max_size=3),
    limit=limits,
    reverse=st.booleans(),
    sides=st.tuples(st.integers(0, 2), st.integers(0, 2)),
)
def test_with_the_records_around_them_the_same_match(
    runs: dict[str, list[str]],
    sizes: list[int],
    limit: tuple[int | None, int | None],
    reverse: bool,
    sides: tuple[int, int],
) -> None:
    blocks = {
        name: MemoryRun(blocks_of(messages, sizes, first_time_us=1000 + number, step_us=3))
        for number, (name, messages) in enumerate(runs.items())
    }
    query = Query(X, None, limit[0], limit[1], *sides, reverse=reverse)
    records = shown(iter(Reading(MemoryClient(**blocks), list(runs), query)), reverse=reverse)
    matching = expected(runs, blocks, query)
    assert [each for each in records if each[2]] == matching
    assert len({(run, seq) for run, seq, _ in records}) == len(records)
    before, after = sides
    around = {
        (run, seq)
        for run, match, _ in matching
        for seq in range(match - before, match + after + 1)
        if 1 <= seq <= len(runs[run])
    }
    assert {(run, seq) for run, seq, _ in records} <= around
    if limit == (None, None):
        assert {(run, seq) for run, seq, _ in records} == around


# What is not there


MISSING = frozenset({0, 2, 3, 6})


@pytest.mark.parametrize("reverse", [False, True])
def test_what_is_not_there_any_more_is_told(reverse: bool) -> None:
    run = MemoryRun(blocks_of([""] * 14, [2], missing=MISSING), head=14)
    gaps: list[Gap] = []
    found = Reading(MemoryClient(build=run), ["build"], Query(reverse=reverse), on_gap=gaps.append)
    assert sorted(seq for _, seq, _ in shown(iter(found))) == [3, 4, 9, 10, 11, 12]
    assert sorted(gaps) == [Gap("build", 1, 2), Gap("build", 5, 8), Gap("build", 13, 14)]


def test_a_gap_is_told_once_though_it_is_read_over_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "HELD_BYTES", 100)
    run = MemoryRun(blocks_of([""] * 14, [2], missing=MISSING), head=14)
    gaps: list[Gap] = []
    found = Reading(MemoryClient(build=run), ["build"], Query(newest=5), on_gap=gaps.append)
    assert [seq for _, seq, _ in shown(iter(found))] == [4, 9, 10, 11, 12]
    assert sorted(gaps) == [Gap("build", 5, 8), Gap("build", 13, 14)]


def test_what_was_removed_before_is_no_gap_unless_it_is_asked_for() -> None:
    run = MemoryRun(blocks_of([""] * 9, [3], missing=frozenset({0})), first_seq=4)
    for first_seq, told in ((None, []), (4, []), (2, [Gap("build", 2, 3)]), (20, [])):
        gaps: list[Gap] = []
        list(Reading(MemoryClient(build=run), ["build"], Query(first_seq=first_seq), on_gap=gaps.append))
        assert gaps == told


def test_where_records_are_filtered_out_nothing_is_missed() -> None:
    run = MemoryRun(blocks_of(["x"] * 14, [2], missing=MISSING), head=14)
    gaps: list[Gap] = []
    list(Reading(MemoryClient(build=run), ["build"], Query(X), on_gap=gaps.append))
    assert gaps == []


def test_other_runs_are_shown_where_one_is_refused() -> None:
    refused: list[tuple[str, Refused]] = []
    client = MemoryClient(a=MemoryRun(blocks_of([""] * 3, [1])))
    found = Reading(client, ["none", "a"], Query(), on_refused=lambda run, error: refused.append((run, error)))
    assert [seq for _, seq, _ in shown(iter(found))] == [1, 2, 3]
    assert [(run, error.code) for run, error in refused] == [("none", "no_such_run")]


def test_a_pattern_that_is_none_ends_it() -> None:
    client = MemoryClient(a=MemoryRun(blocks_of([""], [1])))
    with pytest.raises(BadFilter):
        list(Reading(client, ["a"], Query({"pattern": "("})))


def test_it_says_how_far_it_is() -> None:
    client = MemoryClient(
        a=MemoryRun(blocks_of([""] * 200, [50])), b=MemoryRun(blocks_of([""] * 200, [50], first_time_us=2000))
    )
    told: list[float] = []
    found = Reading(client, ["a", "b"], Query(), on_wait=lambda reading: told.append(reading.done))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "MERGED_RECORDS", 100)
        list(found)
    assert told[0] == 0
    assert told == sorted(told)
    assert len(set(told)) > 4
    assert found.done == 1
    assert found.matched == 400
