"""Reading back: from any record, forward and backward, in portions of any size, exactly the rows that are stored.

What is read of damaged files is in test_store_damage.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_helpers import (
    SMALL,
    TIME_US,
    append,
    block,
    compress_all,
    failing_at,
    flip,
    lines_of,
    open_descriptors,
    opened,
    read_all,
    read_blocks,
    row,
    rows,
)

from logd.config import StoreConfig
from logd.errors import StoreError
from logd.record import Rows, Stored
from logd.store import Entry, Extent, Reader, disk, reader
from logd.store.index import ENTRY_BYTES, HEADER_BYTES
from logd.store.segment import compressed_name, index_name, segment_name
from logd.store.text import FrameCache


class Piece(NamedTuple):
    """A block to be written, and what is done before it."""

    pads: list[int]
    """By how much each of its records is longer than it must be."""
    part: bool
    levels: int
    pause_us: int
    compress: bool


pieces = st.lists(
    st.builds(
        Piece,
        st.lists(st.sampled_from([0, 1, 5, 100, 2000]), min_size=1, max_size=6),
        st.sampled_from([False, False, True]),
        st.sampled_from([1, 2, 4]),
        st.sampled_from([0, 0, 1, 10]),
        st.sampled_from([False, False, True]),
    ),
    max_size=12,
)
portions = st.sampled_from([1, 10, 60, 64, 500, 5000, 10**6])
WANTED: dict[str, Callable[[Entry], bool] | None] = {
    "all": None,
    "level 2": lambda entry: entry.level_mask == 2,
    "none": lambda entry: False,
}


class Written(NamedTuple):
    """A run that was written, and what it is known to hold."""

    reader: Reader
    extent: Extent
    blocks: list[tuple[int, list[bytes], int, int]]
    """First seq, rows, levels, and when it was received."""

    def rows(self, levels: int = 7) -> dict[int, bytes]:
        return {
            seq: data for first, lines, mask, _ in self.blocks if mask & levels for seq, data in enumerate(lines, first)
        }


@pytest.fixture(scope="module")
def written_in(tmp_path_factory: pytest.TempPathFactory) -> Callable[[list[Piece]], Written]:
    """Writes pieces to a new run, parts whose last block is missing at the end, some segments compressed."""

    def write(pieces: list[Piece]) -> Written:
        blocks, whole, seq, time_us = [], 0, 1, TIME_US
        with opened(tmp_path_factory.mktemp("run")) as run, pytest.MonkeyPatch.context() as patch:
            patch.setattr(disk, "fsync", lambda fd: None)
            patch.setattr(disk, "fdatasync", lambda fd: None)
            for number, piece in enumerate(pieces):
                lines = [row(seq + at, pad) for at, pad in enumerate(piece.pads)]
                time_us += piece.pause_us
                appended = block(seq, len(lines), part=piece.part, levels=piece.levels)
                append(run, appended._replace(data=b"".join(lines)), now_us=time_us)
                blocks.append((seq, lines, piece.levels, time_us))
                seq += len(lines)
                whole = whole if piece.part else number + 1
                if piece.compress:
                    compress_all(run)
            folder_fd = os.dup(run._folder_fd)
            return Written(Reader(folder_fd, FrameCache()), run.extent, blocks[:whole])

    return write


def close(written: Written) -> None:
    os.close(written.reader._folder_fd)


class TestAnyRun:
    """Of plain and compressed segments, mixed."""

    @settings(max_examples=60, deadline=None)
    @given(pieces, st.data())
    def test_from_any_record_in_any_portions_it_is_what_was_stored(
        self, written_in: Callable[[list[Piece]], Written], pieces: list[Piece], data: st.DataObject
    ) -> None:
        written = written_in(pieces)
        try:
            known = written.rows()
            seq = data.draw(st.integers(0, len(known) + 3))
            max_bytes = data.draw(portions)
            while True:
                read = written.reader.read(written.extent, seq, max_bytes)
                seq = min(max(seq, 1), len(known) + 1)
                assert read.first_seq == seq
                assert read.data == b"".join(known[at] for at in range(seq, read.next_seq))
                assert len(read.data) <= max_bytes or read.record_count == 1
                if not read.record_count:
                    assert seq == len(known) + 1
                    break
                seq = read.next_seq
        finally:
            close(written)

    @settings(max_examples=80, deadline=None)
    @given(pieces, st.data(), st.sampled_from(sorted(WANTED)), st.booleans(), st.sampled_from([1, 3, 65_536]))
    def test_by_block_either_way_it_is_what_was_wanted(
        self,
        written_in: Callable[[list[Piece]], Written],
        pieces: list[Piece],
        data: st.DataObject,
        wanted: str,
        backward: bool,
        max_entries: int,
    ) -> None:
        written = written_in(pieces)
        known = written.rows({"all": 7, "level 2": 2, "none": 0}[wanted])
        head = written.extent.head
        start = seq = data.draw(st.integers(1, head + 1))
        max_bytes = data.draw(portions)
        taken: dict[int, bytes] = {}
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(reader, "MAX_ENTRIES", max_entries)
                while True:
                    stored, following = written.reader.blocks(
                        written.extent, seq, max_bytes, wanted=WANTED[wanted], backward=backward
                    )
                    assert len(stored) <= 1 or sum(len(each.rows.data) for each in stored) <= max_bytes
                    assert len(stored) <= max_entries
                    lines = lines_of(stored)
                    assert all(following <= at < seq if backward else seq <= at < following for at in lines)
                    times = {first: time_us for first, _, _, time_us in written.blocks}
                    assert all(times.get(each.rows.first_seq, each.time_us) == each.time_us for each in stored)
                    taken |= lines
                    if following == seq:
                        break
                    seq = following
        finally:
            close(written)
        assert seq == (written.extent.first_seq if backward else head + 1)
        assert taken == {at: line for at, line in known.items() if (at < start if backward else at >= start)}

    @settings(max_examples=80, deadline=None)
    @given(pieces, st.integers(1, 30), st.sampled_from(sorted(WANTED)), st.booleans(), st.sampled_from([1, 200, 10**6]))
    def test_what_can_hold_something_is_left_when_others_are_left_out_by_their_text(
        self,
        written_in: Callable[[list[Piece]], Written],
        pieces: list[Piece],
        looked_for: int,
        wanted: str,
        backward: bool,
        max_stretch_bytes: int,
    ) -> None:
        written = written_in(pieces)
        needle = b'"msg":"%d' % looked_for
        extent, asked = written.extent, []

        def can_hold(text: bytes) -> bool:
            asked.append(text)
            return needle in text

        def scan(**screen: Callable[[bytes], bool]) -> list[tuple[Stored | None, int]]:
            seq = extent.head + 1 if backward else 1
            return list(written.reader.scan(extent, seq, wanted=WANTED[wanted], backward=backward, **screen))

        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(reader, "MAX_STRETCH_BYTES", max_stretch_bytes)
                all_of_it, left = scan(), scan(can_hold=can_hold)
        finally:
            close(written)
        assert [following for _, following in left] == [following for _, following in all_of_it]
        for (stored, _), (kept, _) in zip(all_of_it, left, strict=True):
            assert kept in (stored, None)
            assert kept == stored or stored is None or needle not in stored.rows.data
        size_bytes = sum(len(block.rows.data) for block, _ in all_of_it if block is not None)
        assert sum(map(len, asked)) == size_bytes
        if max_stretch_bytes == 10**6 and wanted == "all":
            assert len(asked) <= len(extent.segments)

    @settings(max_examples=60, deadline=None)
    @given(pieces, st.integers(-2, 60))
    def test_by_time_it_is_the_first_block_that_was_received_then_or_later(
        self, written_in: Callable[[list[Piece]], Written], pieces: list[Piece], after_us: int
    ) -> None:
        written = written_in(pieces)
        try:
            since = [first for first, _, _, time_us in written.blocks if time_us >= TIME_US + after_us]
            expected = since[0] if since else written.extent.head + 1
            assert written.reader.find_time(written.extent, TIME_US + after_us) == expected
        finally:
            close(written)


@pytest.mark.parametrize("seq", [0, 1, 2, 100])
def test_a_run_without_records_has_nothing_to_read(tmp_path: Path, seq: int) -> None:
    with opened(tmp_path) as run:
        empty = run.extent
        assert run.reader.read(empty, seq, 1000) == Rows(1, 0, b"")
        assert run.reader.blocks(empty, seq, 1000) == ([], 1)
        assert run.reader.blocks(empty, seq, 1000, backward=True) == ([], min(seq, 1))
        assert run.reader.find_time(empty, TIME_US) == 1
        append(run, block(1, 3))
        assert run.reader.read(empty, seq, 1000) == Rows(1, 0, b"")
        assert run.reader.read(run.extent, 1, 1000) == Rows(1, 3, rows(1, 3))


def test_behind_the_newest_is_where_new_records_come(tmp_path: Path) -> None:
    """Also when those are in a new segment."""
    with opened(tmp_path) as run:
        for seq in range(1, 20):
            append(run, block(seq, pad=900))
            assert run.reader.read(run.extent, seq, 10_000) == Rows(seq, 1, row(seq, 900))
            assert run.reader.read(run.extent, seq + 1, 10_000) == Rows(seq + 1, 0, b"")
        assert len(run.extent.segments) > 3


def test_a_row_longer_than_a_portion_comes_whole(tmp_path: Path) -> None:
    with opened(tmp_path, StoreConfig()) as run:
        append(run, block(1, 3)._replace(data=row(1) + row(2, 300_000) + row(3)))
        assert run.reader.read(run.extent, 2, 10) == Rows(2, 1, row(2, 300_000))
        assert run.reader.read(run.extent, 3, 10) == Rows(3, 1, row(3))


def test_no_more_is_read_than_the_extent_has(tmp_path: Path) -> None:
    with opened(tmp_path) as run:
        append(run, block(1, 2))
        extent = run.extent
        append(run, block(3, 2), block(5, pad=5000), block(6))
        assert run.reader.read(extent, 1, 10_000) == Rows(1, 2, rows(1, 2))
        assert run.reader.read(extent, 5, 10_000) == Rows(3, 0, b"")
        assert run.reader.blocks(extent, 100, 10_000, backward=True)[0] == [Stored(Rows(1, 2, rows(1, 2)), TIME_US, 1)]


def test_what_is_between_the_segments_of_a_time_is_found(tmp_path: Path) -> None:
    """Blocks of many segments that were received in one microsecond."""
    with opened(tmp_path) as run:
        append(run, *(block(seq, pad=5000) for seq in range(1, 6)), now_us=TIME_US)
        append(run, *(block(seq, pad=5000) for seq in range(6, 10)), now_us=TIME_US + 1)
        assert len(run.extent.segments) == 9
        assert [run.reader.find_time(run.extent, TIME_US + after) for after in (-1, 0, 1, 2)] == [1, 1, 6, 10]


@pytest.mark.parametrize("number", range(4))
def test_by_time_it_is_found_though_a_header_is_damaged(tmp_path: Path, number: int) -> None:
    """Of which it cannot be told then when its segment was begun."""
    with opened(tmp_path) as run:
        for seq in range(1, 9):
            append(run, block(seq, pad=2100), now_us=TIME_US + 10 * seq)
        assert run.extent.segments == (1, 3, 5, 7)
        flip(tmp_path / index_name(run.extent.segments[number]), 20)
        for seq in range(1, 9):
            for after_us in (10 * seq - 5, 10 * seq):
                assert run.reader.find_time(run.extent, TIME_US + after_us) == seq
        assert run.reader.find_time(run.extent, TIME_US + 81) == 9


@pytest.mark.parametrize("damaged", [(0,), (2,), (5,), (0, 1), (2, 3), (1, 2, 4), (2, 3, 4, 5)])
def test_by_time_it_is_never_behind_what_was_looked_for(tmp_path: Path, damaged: tuple[int, ...]) -> None:
    """Where entries are damaged that say when, it may be a little before."""
    with opened(tmp_path) as run:
        for seq in range(1, 7):
            append(run, block(seq), now_us=TIME_US + seq)
        for number in damaged:
            flip(tmp_path / index_name(1), HEADER_BYTES + number * ENTRY_BYTES)
        for seq in range(1, 7):
            found = run.reader.find_time(run.extent, TIME_US + seq)
            assert found <= seq
            assert {at - 1 for at in range(found, seq)} <= set(damaged)


def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    with opened(tmp_path) as run:
        append(run, *(block(seq, pad=2000) for seq in range(1, 9)))
        assert run.sync() is None
        before = open_descriptors()
        read_all(run, 100)
        compress_all(run)
        read_blocks(run, 100, backward=True)
        run.reader.find_time(run.extent, TIME_US)
        assert open_descriptors() == before


class TestOldExtents:
    """Who reads by an extent from before sees the rows that it had, or a gap; never others."""

    def test_are_read_as_before_when_segments_are_compressed(self, tmp_path: Path) -> None:
        with opened(tmp_path) as run:
            append(run, *(block(seq, pad=900) for seq in range(1, 14)))
            before = run.extent
            append(run, *(block(seq, pad=900) for seq in range(14, 30)))
            compress_all(run)
            assert read_all(run, 3000, before) == rows(1, 13, 900)

    @pytest.mark.parametrize("compress", [True, False])
    def test_have_a_gap_where_segments_are_removed(self, tmp_path: Path, compress: bool) -> None:
        with opened(tmp_path) as run:
            append(run, *(block(seq, pad=2000) for seq in range(1, 9)))
            before = run.extent
            if compress:
                compress_all(run)
            run.drop_before(5, TIME_US)
            assert run.reader.read(before, 1, 100_000) == Rows(5, 4, rows(5, 4, 2000))
            stored, seq = run.reader.blocks(before, 9, 100_000, backward=True)
            assert (list(lines_of(stored)), seq) == ([5, 6, 7, 8], 1)
            assert run.reader.find_time(before, TIME_US) == 5
            run.drop_before(9, TIME_US)
            assert run.reader.read(before, 1, 100_000) == Rows(9, 0, b"")
            append(run, block(9))
            assert run.reader.read(before, 1, 100_000) == Rows(9, 0, b"")
            assert run.reader.read(run.extent, 1, 100_000) == Rows(9, 1, row(9))

    def test_have_a_gap_where_records_were_written_to_another_file(self, tmp_path: Path) -> None:
        with opened(tmp_path) as run:
            append(run, block(1, 3))
            run.sync()
            append(run, block(4), block(5, 2))
            before = run.extent
            with failing_at("fdatasync", 1):
                assert run.sync() is not None
            assert read_all(run) == rows(1, 6)
            assert run.reader.read(before, 1, 10_000) == Rows(1, 3, rows(1, 3))
            assert run.reader.read(before, 4, 10_000) == Rows(7, 0, b"")
            stored, seq = run.reader.blocks(before, 7, 10_000, backward=True)
            assert (list(lines_of(stored)), seq) == ([1, 2, 3], 1)

    @pytest.mark.parametrize("compress", [True, False])
    @pytest.mark.parametrize("backward", [True, False])
    def test_may_change_at_any_file_that_is_opened(self, tmp_path: Path, compress: bool, backward: bool) -> None:
        """Segments are compressed, or removed, between any two openings of files by one who reads."""
        for number in range(9):
            with opened(tmp_path / str(number)) as run:
                append(run, *(block(seq, pad=2000) for seq in range(1, 9)))
                with before_opening(number, partial(compress_all, run) if compress else partial(run.drop_before, 7, 0)):
                    found = read_blocks(run, backward=backward)
                known = {seq: row(seq, 2000) for seq in range(1, 9)}
                assert found.items() <= known.items()
                assert {7, 8} <= found.keys()
                if compress:
                    assert found == known


@contextmanager
def before_opening(number: int, act: Callable[[], object]) -> Iterator[None]:
    """Within, something is done before so many files more are opened."""
    real_open, left = os.open, number

    def open_later(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        nonlocal left
        left -= 1
        if left == 0:
            act()
        return real_open(path, flags, mode, dir_fd=dir_fd)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "open", open_later)
        yield


class TestFiles:
    def test_an_index_that_is_gone_is_an_error(self, tmp_path: Path) -> None:
        with opened(tmp_path) as run:
            append(run, block(1, 3))
            (tmp_path / index_name(1)).rename(tmp_path / "moved")
            before = open_descriptors()
            with pytest.raises(StoreError, match=f"cannot open {index_name(1)}: No such file"):
                run.reader.read(run.extent, 2, 1000)
            assert open_descriptors() == before

    @pytest.mark.parametrize("compress", [True, False])
    def test_a_text_that_is_gone_is_a_gap(self, tmp_path: Path, compress: bool) -> None:
        with opened(tmp_path) as run:
            append(run, *(block(seq, pad=5000) for seq in range(1, 4)))
            if compress:
                compress_all(run)
            (tmp_path / (compressed_name if compress else segment_name)(2)).unlink()
            assert list(read_blocks(run)) == list(read_blocks(run, backward=True)) == [1, 3]

    @pytest.mark.parametrize("name", [segment_name(1), index_name(1)])
    def test_a_link_in_its_place_is_not_followed(self, tmp_path: Path, name: str) -> None:
        with opened(tmp_path, SMALL) as run:
            append(run, block(1, 3), now_us=TIME_US)
            (tmp_path / name).rename(tmp_path / "moved")
            (tmp_path / name).symlink_to("moved")
            with pytest.raises(StoreError, match=f"cannot open {name}"):
                run.reader.read(run.extent, 2, 1000)
