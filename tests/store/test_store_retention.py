"""What to let go: the oldest, no more than is over, and the newest only of a run that nobody writes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logd.store import Limits, excess_bytes, keep_from
from logd.store.run import SegmentFigures

NOW_US = 1_700_000_000_000_000
SECOND_US = 1_000_000


@st.composite
def segments(draw: st.DrawFn) -> list[SegmentFigures]:
    """Of a run: in order, by seq and by time."""
    seq, time_us, found = draw(st.integers(1, 5)), NOW_US - 100 * SECOND_US, list[SegmentFigures]()
    for _ in range(draw(st.integers(0, 8))):
        time_us += draw(st.integers(0, 20)) * SECOND_US
        found.append(SegmentFigures(seq, draw(st.integers(0, 50)), time_us))
        seq += draw(st.integers(1, 9))
    return found


limits = st.builds(Limits, st.just(0) | st.integers(1, 300), st.just(0) | st.floats(1, 150))


def kept(segments: list[SegmentFigures], limits: Limits, *, idle: bool = False) -> list[SegmentFigures]:
    keep = keep_from(segments, limits, NOW_US, idle=idle)
    assert all(segment.first_seq != keep for segment in segments) == (keep > 1000)
    return [segment for segment in segments if segment.first_seq >= keep]


class TestOneRun:
    @given(segments(), limits, st.booleans())
    def test_keeps_the_most_that_its_limits_allow(
        self, segments: list[SegmentFigures], limits: Limits, idle: bool
    ) -> None:
        left = kept(segments, limits, idle=idle)
        gone = segments[: len(segments) - len(left)]
        assert gone + left == segments

        def within(some: list[SegmentFigures]) -> bool:
            """Of one that is written the newest does not count, whatever it is."""
            oldest_us = NOW_US - limits.max_age_seconds * SECOND_US
            in_size = not limits.max_bytes or sum(each.size_bytes for each in some) <= limits.max_bytes
            in_time = not limits.max_age_seconds or not some or some[0].last_time_us >= oldest_us
            return (in_size or len(some) == 1) and (in_time or (len(some) == 1 and not idle))

        assert within(left) or not left
        assert not any(within(segments[number:]) for number in range(len(gone)))

    @given(segments(), st.booleans())
    def test_without_limits_keeps_all(self, segments: list[SegmentFigures], idle: bool) -> None:
        assert kept(segments, Limits(), idle=idle) == segments

    @given(segments(), limits)
    def test_that_is_written_keeps_its_newest_segment(self, segments: list[SegmentFigures], limits: Limits) -> None:
        assert kept(segments, limits)[-1:] == segments[-1:]

    @given(segments(), st.integers(1, 300))
    def test_is_not_emptied_for_its_size(self, segments: list[SegmentFigures], max_bytes: int) -> None:
        assert kept(segments, Limits(max_bytes), idle=True)[-1:] == segments[-1:]

    @pytest.mark.parametrize(("age", "idle", "left"), [(99, True, 1), (100, True, 1), (101, True, 0), (101, False, 1)])
    def test_that_nobody_writes_goes_when_its_newest_is_too_old(self, age: int, idle: bool, left: int) -> None:
        newest = SegmentFigures(1, 10, NOW_US - age * SECOND_US)
        assert len(kept([newest], Limits(0, 100), idle=idle)) == left


class TestAllRuns:
    @pytest.mark.parametrize(
        ("total", "max_total", "free", "keep_free", "excess"),
        [
            (100, 0, 50, 0, 0),
            (100, 100, 50, 50, 0),
            (100, 60, 50, 50, 40),
            (100, 0, 50, 80, 30),
            (100, 60, 50, 80, 40),
            (100, 90, 50, 80, 30),
            (0, 0, 0, 0, 0),
        ],
    )
    def test_let_go_what_is_over_either_limit(
        self, total: int, max_total: int, free: int, keep_free: int, excess: int
    ) -> None:
        assert excess_bytes(total, max_total, free, keep_free) == excess
