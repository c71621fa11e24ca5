"""Records of several runs: nothing is lost, each run's order is kept, and what comes late is marked."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from logctl.merging import MAX_HELD_BYTES, MERGE_SECONDS, Merger
from logctl.reading import Chunk
from logd.record import Rows


def chunk(run: str, seq: int, time_us: int, size_bytes: int = 2) -> Chunk:
    return Chunk(run, Rows(seq, 1, b"x" * (size_bytes - 1) + b"\n"), seq + 1, time_us, matches=True)


arrivals = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 30), st.booleans()), max_size=40)


@given(arrivals)
def test_all_that_comes_is_shown_once_in_order_but_for_what_is_late(arrivals: list[tuple[str, int, bool]]) -> None:
    merger = Merger()
    time_of, seq_of = dict.fromkeys("abc", 1000), dict.fromkeys("abc", 0)
    came: list[Chunk] = []
    shown: list[Chunk] = []
    for number, (run, later_us, take) in enumerate(arrivals):
        time_of[run] += later_us  # in a run it never falls
        seq_of[run] += 1
        came.append(chunk(run, seq_of[run], time_of[run]))
        merger.add(came[-1], float(number))
        if take:
            shown += merger.take()
    shown += merger.take()
    assert sorted(each._replace(late=False) for each in shown) == sorted(came)
    for run in "abc":
        assert [each.rows.first_seq for each in shown if each.run == run] == [*range(1, seq_of[run] + 1)]
    newest_us = 0
    for each in shown:
        assert each.late == (each.time_us < newest_us)
        newest_us = max(newest_us, each.time_us)


def test_what_was_received_at_one_time_is_shown_as_it_came() -> None:
    merger = Merger()
    came = [chunk(run, 1, 1000) for run in "bca"]
    for each in came:
        merger.add(each, 0.0)
    assert merger.take() == came
    merger.add(chunk("a", 2, 1000), 1.0)
    assert not merger.take()[0].late


def test_what_is_held_is_due_an_interval_after_the_first_came() -> None:
    merger = Merger()
    assert merger.due == math.inf
    for now in (5.0, 5.05, 5.2):
        merger.add(chunk("a", 1, 1000), now)
        assert merger.due == 5.0 + MERGE_SECONDS
    merger.take()
    assert merger.due == math.inf
    assert merger.take() == []
    merger.add(chunk("a", 1, 1000), 9.0)
    assert merger.due == 9.0 + MERGE_SECONDS


def test_more_than_is_held_is_due_at_once() -> None:
    merger = Merger()
    merger.add(chunk("a", 1, 1000, MAX_HELD_BYTES), 5.0)
    assert merger.due > 5.0
    merger.add(chunk("b", 1, 900), 5.01)
    assert merger.due == 5.01
    assert [each.run for each in merger.take()] == ["b", "a"]
    merger.add(chunk("a", 2, 2000), 6.0)
    assert merger.due > 6.0
