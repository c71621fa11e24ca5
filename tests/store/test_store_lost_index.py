"""An index that is lost is made again from the text: blocks of bounded size, and times that are in order."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from store_helpers import (
    KEY,
    TIME_US,
    append,
    block,
    blocks_in,
    copied,
    entries,
    opened,
    read_all,
    row,
    rows,
)

from logd.config import StoreConfig
from logd.record import Severity
from logd.store import Extent
from logd.store.index import Header
from logd.store.segment import index_name, segment_name

DATA, INDEX = segment_name(1), index_name(1)
TEXT = rows(1, 7)


@pytest.fixture(scope="module")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of seven records."""
    folder = tmp_path_factory.mktemp("small") / "run"
    with opened(folder) as run:
        append(run, block(1, 2), block(3), block(4, 4))
    return folder


class TestLostIndex:
    def test_is_made_again_from_the_text(self, tmp_path: Path, small_run: Path) -> None:
        folder = copied(small_run, tmp_path / "run")
        (folder / INDEX).unlink()
        with opened(folder) as run:
            assert (run.torn_bytes, run.extent) == (0, Extent((1,), len(TEXT), 1, 7, 2))
            assert read_all(run) == TEXT
            assert run.last_batch(KEY) == 0
            append(run, block(8))
        rebuilt, added = blocks_in(folder)
        assert (rebuilt.time_us, added.time_us) == (TIME_US + 1, TIME_US + 1)
        assert (rebuilt.oldest_us, rebuilt.newest_us) == (TIME_US + 1, TIME_US + 7)
        assert rebuilt.level_mask == sum(severity.mask_bit for severity in Severity)

    @pytest.mark.parametrize("index", [b"", b"junk", bytes(1000), Header(9, 5, 0).pack(), b"logdidx1" + bytes(56)])
    def test_so_is_one_that_is_another_file(self, tmp_path: Path, small_run: Path, index: bytes) -> None:
        folder = copied(small_run, tmp_path / "run")
        (folder / INDEX).write_bytes(index)
        with opened(folder) as run:
            assert (run.torn_bytes, run.extent) == (0, Extent((1,), len(TEXT), 1, 7, 2))

    def test_so_is_that_of_an_older_segment(self, tmp_path: Path) -> None:
        with opened(tmp_path) as run:
            append(run, *(block(1 + 2 * number, 2, pad=1000) for number in range(8)))
            segments = run.extent.segments
            assert len(segments) == 4
        for first_seq in segments[:2]:
            (tmp_path / index_name(first_seq)).unlink()
        with opened(tmp_path) as run:
            for seq in range(1, 17):
                assert run.reader.read(run.extent, seq, 10) == (seq, 1, row(seq, 1000))
            assert run.last_batch(KEY) == 16
            append(run, block(17))
            assert read_all(run) == rows(1, 16, 1000) + row(17)

    def test_has_blocks_of_bounded_size_but_for_a_longer_row(self, tmp_path: Path) -> None:
        text = rows(1, 12_000) + row(12_001, 700_000) + rows(12_002, 10_000)
        (tmp_path / DATA).write_bytes(text + b'{"half":')
        with opened(tmp_path, StoreConfig()) as run:
            assert run.extent == Extent((1,), len(text), len(entries(tmp_path)), 22_001, 3, 22_002)
            for seq in (1, 2, 9000, 12_000, 12_001, 12_002, 20_000, 22_001):
                assert run.reader.read(run.extent, seq, 10) == (seq, 1, row(seq, 700_000 if seq == 12_001 else 0))
        found = blocks_in(tmp_path)
        assert len(found) >= 5
        assert sum(entry.length > 256 * 1024 for entry in found) == 1
        assert [entry.time_us for entry in found] == [TIME_US + entry.first_seq for entry in found]

    @pytest.mark.parametrize(
        "first_row",
        [
            *(b"{}\n", b'{"msg":"x"}\n', b"\xff\xfe\n", b"\n"),
            b'{"time":"2026-11-21T10:20:30.123456 ","msg":""}\n',
            b'{"time":"0001-01-01T00:00:00.000000Z","msg":""}\n',
            b'{"time":"1960-01-01T00:00:00.000000Z","msg":""}\n',
        ],
    )
    def test_of_rows_that_say_no_time_has_the_files(self, tmp_path: Path, first_row: bytes) -> None:
        (tmp_path / DATA).write_bytes(first_row)
        os.utime(tmp_path / DATA, ns=(0, 1_600_000_000_123_456_000))
        with opened(tmp_path) as run:
            assert run.extent.head == 1
        (stored,) = blocks_in(tmp_path)
        assert stored.time_us == 1_600_000_000_123_456
        assert (stored.oldest_us, stored.newest_us) == (0, 2**63)

    def test_of_rows_from_the_future_has_no_later_time_than_the_file(self, tmp_path: Path) -> None:
        (tmp_path / DATA).write_bytes(b'{"time":"9999-01-01T00:00:00.000000Z","msg":"a client said so"}\n')
        os.utime(tmp_path / DATA, ns=(0, TIME_US * 1000))
        with opened(tmp_path) as run:
            append(run, block(2), now_us=TIME_US + 5)
        assert [entry.time_us for entry in blocks_in(tmp_path)] == [TIME_US, TIME_US + 5]

    def test_of_an_empty_segment_is_empty(self, tmp_path: Path) -> None:
        (tmp_path / DATA).touch()
        with opened(tmp_path) as run:
            assert (run.torn_bytes, run.extent) == (0, Extent((1,), 0, 0, 0, 2))
            append(run, block(1))
            assert read_all(run) == row(1)


def test_a_block_is_found_by_time_in_an_index_that_was_made_again(tmp_path: Path) -> None:
    (tmp_path / DATA).write_bytes(rows(1, 12_000))
    with opened(tmp_path, StoreConfig()) as run:
        begins = [entry.first_seq for entry in entries(tmp_path)]
        assert len(begins) == 3
        for seq in begins:
            assert run.reader.find_time(run.extent, TIME_US + seq) == seq
        assert run.reader.find_time(run.extent, TIME_US + 12_001) == 12_001
