"""Reading back: from any record, in portions of any size, exactly the rows that are stored."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_helpers import KEY, TIME_US, append, block, open_descriptors, opened, read_all, row, rows

from logd.config import StoreConfig
from logd.errors import StoreError
from logd.record import Rows
from logd.store import Append, Extent, Position, Reader
from logd.store.index import ENTRY_BYTES, HEADER_BYTES
from logd.store.segment import index_name, segment_name

lengths = st.lists(
    st.tuples(st.lists(st.sampled_from([0, 1, 5, 100, 2000]), min_size=1, max_size=6), st.sampled_from([False, True])),
    max_size=10,
)
"""Of blocks: by how much each of their records is longer than it must be, and whether they are parts."""


class Stored(NamedTuple):
    """A run that was written, and the rows that it is known to hold."""

    reader: Reader
    extent: Extent
    rows: list[bytes]

    def read(self, seq: int, max_bytes: int) -> tuple[Rows, Position]:
        return self.reader.read(self.extent, self.reader.locate(self.extent, seq), max_bytes)


@settings(max_examples=150, deadline=None)
@given(lengths, st.data())
def test_from_any_record_and_in_any_portions_it_is_what_was_stored(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[tuple[list[int], bool]], data: st.DataObject
) -> None:
    with opened(tmp_path_factory.mktemp("run")) as run:
        written: list[bytes] = []
        whole = 0
        for pads, part in lengths:
            of_block = [row(len(written) + 1 + number, pad) for number, pad in enumerate(pads)]
            append(run, Append(b"".join(of_block), len(of_block), 1, KEY, 1, part))
            written += of_block
            whole = whole if part else len(written)
        stored = Stored(run.reader, run.extent, written[:whole])
        seq = data.draw(st.integers(0, whole + 3))
        max_bytes = data.draw(st.sampled_from([1, 10, 60, 64, 500, 5000, 10**6]))

        position = stored.reader.locate(stored.extent, seq)
        seq = min(max(seq, 1), whole + 1)
        assert position.seq == seq
        while True:
            read, position = stored.reader.read(stored.extent, position, max_bytes)
            assert read.first_seq == seq
            assert read.data == b"".join(stored.rows[seq - 1 : seq - 1 + read.record_count])
            assert len(read.data) <= max_bytes or read.record_count == 1
            if not read.record_count:
                assert seq == whole + 1
                break
            seq = read.next_seq
            assert position.seq == seq
            assert stored.reader.read(stored.extent, position, 100) == stored.read(seq, 100)


@pytest.mark.parametrize("seq", [0, 1, 2, 100])
def test_a_run_without_records_has_nothing_to_read(tmp_path: Path, seq: int) -> None:
    with opened(tmp_path) as run:
        position = run.reader.locate(run.extent, seq)
        assert run.reader.read(run.extent, position, 1000) == (Rows(1, 0, b""), position)
        append(run, block(1, 3))
        assert run.reader.read(run.extent, position, 1000)[0] == Rows(1, 3, rows(1, 3))


def test_a_place_at_the_end_is_where_new_records_come(tmp_path: Path) -> None:
    """Also when those are in a new segment."""
    with opened(tmp_path) as run:
        position = run.reader.locate(run.extent, 1)
        for seq in range(1, 20):
            append(run, block(seq, pad=900))
            read, position = run.reader.read(run.extent, position, 10_000)
            assert read == Rows(seq, 1, row(seq, 900))
            assert run.reader.read(run.extent, position, 10_000)[0] == Rows(seq + 1, 0, b"")
        assert len(run.extent.segments) > 3


def test_a_row_longer_than_a_portion_comes_whole(tmp_path: Path) -> None:
    with opened(tmp_path, StoreConfig()) as run:
        append(run, Append(row(1) + row(2, 300_000) + row(3), 3, 1, KEY, 1))
        read, position = run.reader.read(run.extent, run.reader.locate(run.extent, 2), 10)
        assert read == Rows(2, 1, row(2, 300_000))
        assert run.reader.read(run.extent, position, 10)[0] == Rows(3, 1, row(3))


def test_no_more_is_read_than_the_extent_has(tmp_path: Path) -> None:
    with opened(tmp_path) as run:
        append(run, block(1, 2))
        extent = run.extent
        append(run, block(3, 2), block(5, pad=5000), block(6))
        assert run.reader.read(extent, run.reader.locate(extent, 1), 10_000)[0] == Rows(1, 2, rows(1, 2))
        assert run.reader.locate(extent, 5).seq == 3
        assert run.reader.read(extent, run.reader.locate(extent, 5), 10_000)[0] == Rows(3, 0, b"")


def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    with opened(tmp_path) as run:
        append(run, *(block(seq, pad=2000) for seq in range(1, 9)))
        before = open_descriptors()
        read_all(run, 100)
        assert open_descriptors() == before


class TestDamage:
    """Files that somebody else has changed. What is read is right, or StoreError says that it cannot be."""

    @pytest.mark.parametrize("number", range(5))
    def test_records_whose_entry_is_damaged_are_found_in_the_text(self, tmp_path: Path, number: int) -> None:
        with opened(tmp_path) as run:
            append(run, *(block(1 + 3 * at, 3) for at in range(5)))
            index = tmp_path / index_name(1)
            damaged = bytearray(index.read_bytes())
            damaged[HEADER_BYTES + number * ENTRY_BYTES + 20] ^= 1
            index.write_bytes(damaged)
            for seq in range(1, 16):
                position = run.reader.locate(run.extent, seq)
                assert run.reader.read(run.extent, position, 10_000)[0] == Rows(seq, 16 - seq, rows(seq, 16 - seq))

    def test_so_they_are_where_an_older_index_is_cut_off(self, tmp_path: Path) -> None:
        with opened(tmp_path) as run:
            append(run, *(block(1 + 10 * at, 10, pad=100) for at in range(10)))
            _, second, *_ = run.extent.segments
            for length in (0, HEADER_BYTES, HEADER_BYTES + 10, HEADER_BYTES + ENTRY_BYTES):
                os.truncate(tmp_path / index_name(1), length)
                for seq in range(1, second + 2):
                    read, _ = run.reader.read(run.extent, run.reader.locate(run.extent, seq), 10)
                    assert read == Rows(seq, 1, row(seq, 100))

    @pytest.mark.parametrize("length", [0, 30, len(row(1)) + 5])
    def test_a_newest_segment_that_was_cut_off_is_an_error(self, tmp_path: Path, length: int) -> None:
        with opened(tmp_path) as run:
            append(run, block(1, 3))
            os.truncate(tmp_path / segment_name(1), length)
            whole = length // len(row(1))
            position = run.reader.locate(run.extent, 1)
            if whole:
                read, position = run.reader.read(run.extent, position, 10_000)
                assert read == Rows(1, whole, rows(1, whole))
            with pytest.raises(StoreError, match=f"cannot read {segment_name(1)}: it is shorter than what was stored"):
                run.reader.read(run.extent, position, 10_000)

    def test_an_older_one_that_was_cut_off_within_a_row_is_an_error(self, tmp_path: Path) -> None:
        with opened(tmp_path) as run:
            append(run, block(1, 3, pad=2000), block(4))
            os.truncate(tmp_path / segment_name(1), len(rows(1, 2, 2000)) + 10)
            read, position = run.reader.read(run.extent, run.reader.locate(run.extent, 1), 10_000)
            assert read == Rows(1, 2, rows(1, 2, 2000))
            with pytest.raises(StoreError, match="shorter"):
                run.reader.read(run.extent, position, 10_000)

    def test_one_that_was_cut_off_between_rows_leaves_a_gap_and_no_wrong_numbers(self, tmp_path: Path) -> None:
        with opened(tmp_path) as run:
            append(run, block(1, 3, pad=2000), block(4))
            os.truncate(tmp_path / segment_name(1), len(row(1, 2000)))
            for seq in (2, 3):
                position = run.reader.locate(run.extent, seq)
                assert run.reader.read(run.extent, position, 10_000)[0] == Rows(4, 1, row(4))

    @pytest.mark.parametrize("name", [segment_name(1), index_name(1)])
    def test_a_file_that_is_gone_is_an_error(self, tmp_path: Path, name: str) -> None:
        with opened(tmp_path) as run:
            append(run, block(1, 3))
            (tmp_path / name).rename(tmp_path / "moved")
            before = open_descriptors()
            with pytest.raises(StoreError, match=f"cannot open {name}: No such file"):
                run.reader.locate(run.extent, 2)
            assert open_descriptors() == before

    @pytest.mark.parametrize("name", [segment_name(1), index_name(1)])
    def test_a_link_in_its_place_is_not_followed(self, tmp_path: Path, name: str) -> None:
        with opened(tmp_path) as run:
            append(run, block(1, 3), now_us=TIME_US)
            (tmp_path / name).rename(tmp_path / "moved")
            (tmp_path / name).symlink_to("moved")
            with pytest.raises(StoreError, match=f"cannot open {name}"):
                run.reader.locate(run.extent, 2)
