"""When a new segment is begun, and that nothing is lost where that fails."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from store_helpers import (
    SMALL,
    TIME_US,
    append,
    block,
    entries,
    full_disk,
    open_descriptors,
    opened,
    read_all,
    row,
    rows,
    text_of,
)

from logd.config import StoreConfig
from logd.errors import StoreError
from logd.store.index import Kind
from logd.store.rotation import rotation_due
from logd.store.segment import segment_name


class TestRotation:
    @given(st.integers(0, 10**4), st.floats(0, 10**6))
    def test_is_due_by_size_or_by_age_where_there_is_something(self, size_bytes: int, age_seconds: float) -> None:
        config = StoreConfig(segment_bytes=5000, segment_age_seconds=1000.0)
        due = rotation_due(config, size_bytes=size_bytes, age_seconds=age_seconds)
        assert due == (size_bytes >= 5000 or (age_seconds >= 1000 and size_bytes > 0))

    def test_follows_the_block_that_fills_a_segment(self, tmp_path: Path) -> None:
        with opened(tmp_path) as run:
            append(run, *(block(seq, pad=950) for seq in range(1, 13)))
            assert run.extent.segments == (1, 6, 11)
        for first_seq in (1, 6):
            assert (tmp_path / segment_name(first_seq)).stat().st_size >= SMALL.segment_bytes
            assert entries(tmp_path, first_seq)[-1].kind == Kind.CLOSE
        assert text_of(tmp_path) == rows(1, 12, 950)

    def test_follows_a_segment_that_is_old(self, tmp_path: Path) -> None:
        config = StoreConfig(segment_age_seconds=60)
        with opened(tmp_path, config) as run:
            append(run, block(1), now_us=TIME_US)
            append(run, block(2), now_us=TIME_US + 59_999_999)
            append(run, block(3), now_us=TIME_US + 60_000_000)
            assert run.extent.segments == (1, 3)
        with opened(tmp_path, config) as run:
            append(run, block(4), now_us=TIME_US + 119_999_999)
            append(run, block(5), now_us=TIME_US + 120_000_000)
            assert run.extent.segments == (1, 3, 5)

    def test_a_block_larger_than_a_segment_has_one_to_itself(self, tmp_path: Path) -> None:
        with opened(tmp_path) as run:
            append(run, block(1, pad=20_000), block(2, pad=20_000), block(3))
            assert run.extent.segments == (1, 2, 3)
            assert read_all(run) == row(1, 20_000) + row(2, 20_000) + row(3)

    def test_that_fails_is_done_by_the_next_append(self, tmp_path: Path) -> None:
        with opened(tmp_path) as run:
            append(run, block(1, pad=5000))
            before = run.extent
            descriptors = open_descriptors()
            for _ in range(3):
                with full_disk(10), pytest.raises(StoreError):
                    run.append([block(2)], TIME_US)
            assert open_descriptors() == descriptors
            assert run.extent == before
            assert read_all(run) == row(1, 5000)
            append(run, block(2))
            assert run.extent.segments == (1, 2)

    def test_that_fails_within_an_append_stores_what_is_before_it(self, tmp_path: Path) -> None:
        appends = [block(1, pad=5000), block(2, pad=5000), block(3, pad=5000)]
        with opened(tmp_path) as run:
            with full_disk(2 * (len(appends[0].data) + 64 + 2 * 80) + 70):
                assert run.append(appends, TIME_US) == 2
            assert read_all(run) == rows(1, 2, 5000)
            append(run, appends[2])
            assert read_all(run) == rows(1, 3, 5000)
