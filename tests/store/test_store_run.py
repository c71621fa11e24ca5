"""One run: appending, batches, letting go, closing. All of it in any order is in test_store_run_model."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from store_helpers import (
    KEY,
    TIME_US,
    append,
    block,
    blocks_in,
    compress_all,
    copied,
    failing_at,
    flip,
    full_disk,
    open_descriptors,
    open_run,
    opened,
    read_all,
    read_blocks,
    row,
    rows,
    text_of,
    torn_of,
)

from logd.errors import StoreError
from logd.store import Extent, session_key
from logd.store.segment import compressed_name, index_name, segment_name

HOUR_US = 3600 * 1_000_000


class TestAppend:
    def test_gives_seqs_from_one_without_a_gap(self, tmp_path: Path) -> None:
        with opened(tmp_path) as run:
            assert (run.extent, run.next_seq, run.extent.first_seq) == (Extent(), 1, 1)
            append(run, block(1, 3), block(4, 2))
            append(run, block(6))
            assert run.extent == Extent((1,), len(rows(1, 6)), 3, 6, 1)
            assert [entry.first_seq for entry in blocks_in(tmp_path)] == [1, 4, 6]

    def test_of_nothing_does_nothing(self, tmp_path: Path) -> None:
        with opened(tmp_path) as run:
            assert run.append([], TIME_US) == 0
        assert os.listdir(tmp_path) == []

    def test_replaces_the_extent_and_leaves_the_one_before_as_it_was(self, tmp_path: Path) -> None:
        with opened(tmp_path) as run:
            append(run, block(1, 2))
            before = run.extent
            append(run, block(3, 2))
            assert before.head == 2
            assert run.reader.read(before, 1, 10_000).data == rows(1, 2)

    @pytest.mark.parametrize("step_us", [-HOUR_US, -1, 0])
    def test_times_never_decrease_though_the_clock_does(self, tmp_path: Path, step_us: int) -> None:
        for number in range(3):
            with opened(tmp_path) as run:
                append(run, block(1 + 2 * number, pad=5000), now_us=TIME_US + 3 * number * step_us)
                append(run, block(2 + 2 * number), now_us=TIME_US + (3 * number + 1) * step_us)
        assert [entry.time_us for entry in blocks_in(tmp_path)] == [TIME_US] * 6

    def test_nor_when_it_was_killed_as_it_began_a_segment(self, tmp_path: Path) -> None:
        with opened(tmp_path / "run") as run:
            append(run, block(1, pad=5000))
            append(run, block(2, part=True))
            killed = copied(tmp_path / "run", tmp_path / "killed")
        with opened(killed) as run:
            assert run.extent.segments == (1, 2)
            append(run, block(2), now_us=TIME_US - HOUR_US)
        assert [entry.time_us for entry in blocks_in(killed)] == [TIME_US, TIME_US]


class TestParts:
    def test_do_not_count_until_the_last_of_them_is_stored(self, tmp_path: Path) -> None:
        with opened(tmp_path) as run:
            append(run, block(1, 2))
            append(run, block(3, 2, batch=9, part=True), block(5, 1, batch=9, part=True))
            assert (run.extent.head, run.next_seq, run.last_batch(KEY)) == (2, 6, 2)
            assert read_all(run) == rows(1, 2)
            append(run, block(6, 1, batch=9))
            assert (run.extent.head, run.next_seq, run.last_batch(KEY)) == (6, 7, 9)
            assert read_all(run) == rows(1, 6)

    @pytest.mark.parametrize("close", [True, False])
    def test_do_not_count_after_opening_again(self, tmp_path: Path, close: bool) -> None:
        with opened(tmp_path / "run") as run:
            append(run, block(1, 2), block(3, 2, part=True), block(5, 1, part=True))
            folder = tmp_path / "run" if close else copied(tmp_path / "run", tmp_path / "killed")
        with opened(folder) as run:
            assert (run.extent, run.next_seq) == (Extent((1,), len(rows(1, 2)), 1, 2, 2, 3), 3)
            assert run.torn_bytes == len(rows(3, 3))
            assert run.last_batch(KEY) == 2
            append(run, block(3, 1))
            assert torn_of(folder) == rows(3, 3)
            assert read_all(run) == rows(1, 3)

    def test_are_in_one_segment_with_the_last_of_them(self, tmp_path: Path) -> None:
        with opened(tmp_path) as run:
            append(run, block(1, pad=3000, part=True), block(2, pad=3000, part=True))
            append(run, block(3, pad=3000, part=True), now_us=TIME_US + 48 * HOUR_US)
            append(run, block(4, pad=3000), block(5))
            assert run.extent.segments == (1, 5)

    def test_that_begin_a_segment_do_not_show_it(self, tmp_path: Path) -> None:
        with opened(tmp_path) as run:
            append(run, block(1, pad=5000))
            before = run.extent
            append(run, block(2, part=True))
            assert run.extent == before
            append(run, block(3))
            assert run.extent.segments == (1, 2)
            assert read_all(run) == row(1, 5000) + rows(2, 2)


class TestBatches:
    def test_a_resend_is_recognised_after_opening_again(self, tmp_path: Path) -> None:
        for number in range(4):
            with opened(tmp_path) as run:
                assert run.last_batch(KEY) == 10 * number
                assert run.last_batch(KEY + 1) == 0
                append(run, block(1 + number, batch=10 * (number + 1)))
                assert run.last_batch(KEY) == 10 * (number + 1)

    def test_it_is_in_older_segments(self, tmp_path: Path) -> None:
        with opened(tmp_path) as run:
            append(run, block(1, pad=5000, key=5, batch=3))
            append(run, *(block(seq, pad=5000, key=6) for seq in range(2, 40)))
            assert len(run.extent.segments) == 39
            assert run.last_batch(5) == 3
        with opened(tmp_path) as run:
            assert (run.last_batch(5), run.last_batch(6), run.last_batch(7)) == (3, 39, 0)

    def test_an_index_that_cannot_be_read_is_an_error_and_not_a_batch_that_was_not_stored(self, tmp_path: Path) -> None:
        with opened(tmp_path) as run:
            append(run, block(1))
            (tmp_path / index_name(1)).unlink()
            (tmp_path / index_name(1)).symlink_to("elsewhere")
            with pytest.raises(StoreError):
                run.last_batch(KEY)

    @given(st.integers(0, 2**32), st.text(max_size=64), st.integers(0, 2**32), st.text(max_size=64))
    def test_a_session_is_known_by_its_user_and_its_id(self, uid: int, session: str, other: int, another: str) -> None:
        key = session_key(uid, session)
        assert 0 <= key < 2**64
        assert (key == session_key(other, another)) == ((uid, session) == (other, another))

    def test_ids_and_users_do_not_run_together(self) -> None:
        assert session_key(1, "1") != session_key(11, "")
        assert session_key(1, "/2") != session_key(1, "2")


class TestLettingGo:
    def test_removes_whole_segments_and_no_record_that_is_to_be_kept(self, tmp_path: Path) -> None:
        with opened(tmp_path) as run:
            append(run, *(block(seq, pad=950) for seq in range(1, 13)))
            assert run.extent.segments == (1, 6, 11)
            for seq, count, first_seq in ((0, 0, 1), (5, 0, 1), (6, 5, 6), (10, 0, 6), (12, 5, 11), (12, 0, 11)):
                assert run.drop_before(seq, TIME_US) == count
                assert run.extent.first_seq == first_seq
                assert read_all(run) == text_of(tmp_path) == rows(first_seq, 13 - first_seq, 950)
            assert sorted(os.listdir(tmp_path)) == [index_name(11), segment_name(11)]
        with opened(tmp_path) as run:
            assert run.extent.generation == 1
            assert read_all(run) == rows(11, 2, 950)

    @pytest.mark.parametrize("reopened", [True, False])
    @pytest.mark.parametrize("pad", [0, 5000])
    def test_past_the_head_begins_anew_behind_it(self, tmp_path: Path, reopened: bool, pad: int) -> None:
        run = open_run(tmp_path)
        append(run, *(block(seq, pad=pad) for seq in range(1, 4)))
        if reopened:
            run.close()
            run = open_run(tmp_path)
        assert run.drop_before(2**63, TIME_US + 5) == 3
        assert run.extent == Extent((4,), 0, 0, 3, 2, 4)
        assert run.drop_before(2**63, TIME_US) == 0
        assert sorted(os.listdir(tmp_path)) == [index_name(4), segment_name(4)]
        run.close()
        with opened(tmp_path) as again:
            assert again.extent == Extent((4,), 0, 0, 3, 2, 4)
            append(again, block(4))
            assert read_all(again) == row(4)

    def test_of_a_run_that_holds_nothing_does_nothing(self, tmp_path: Path) -> None:
        with opened(tmp_path) as run:
            assert run.drop_before(2**63, TIME_US) == 0
            append(run, block(1, part=True))
            assert run.drop_before(2**63, TIME_US) == 0
            append(run, block(2))
            assert read_all(run) == rows(1, 2)

    def test_leaves_the_segment_that_parts_are_being_stored_in(self, tmp_path: Path) -> None:
        with opened(tmp_path) as run:
            append(run, block(1, pad=5000), block(2), block(3, part=True))
            assert run.drop_before(2**63, TIME_US) == 1
            append(run, block(4))
            assert read_all(run) == rows(2, 3)
            assert run.extent.generation == 1

    def test_where_the_newest_is_empty_raises_the_generation_all_the_same(self, tmp_path: Path) -> None:
        with opened(tmp_path / "run") as run:
            append(run, block(1, pad=5000))
            append(run, block(2, part=True))
            killed = copied(tmp_path / "run", tmp_path / "killed")
        with opened(killed) as run:
            assert run.drop_before(2**63, TIME_US) == 1
            append(run, block(2))
            assert run.sync() is None
            assert (run.extent.generation, read_all(run)) == (3, row(2))
        with opened(killed) as run:
            assert (run.extent.generation, read_all(run)) == (3, row(2))

    @pytest.mark.parametrize("compress", [True, False])
    def test_that_fails_is_done_by_the_next(self, tmp_path: Path, compress: bool) -> None:
        for number in range(1, 10):
            with opened(tmp_path / str(number)) as run:
                append(run, *(block(seq, pad=950) for seq in range(1, 13)))
                if compress:
                    compress_all(run)
                with failing_at("unlink", number) as calls:
                    try:
                        run.drop_before(11, TIME_US)
                    except StoreError as error:
                        assert error.message.startswith("cannot remove 0000")
                known = {seq: row(seq, 950) for seq in range(1, 13)}
                assert read_blocks(run).items() <= known.items()
                assert {11, 12} <= read_blocks(run).keys()
                run.drop_before(11, TIME_US)
                assert read_all(run) == text_of(tmp_path / str(number)) == rows(11, 2, 950)
                assert len(os.listdir(tmp_path / str(number))) == 2
            if len(calls) < number:
                break
        else:
            pytest.fail("it failed to the last")

    def test_a_segment_that_is_not_synced_is_forgotten(self, tmp_path: Path) -> None:
        with opened(tmp_path) as run:
            append(run, *(block(seq, pad=5000) for seq in range(1, 6)))
            before = open_descriptors()
            run.drop_before(4, TIME_US)
            assert open_descriptors() == before - 6
            assert run.sync() is None


class TestFigures:
    def test_of_segments_say_what_they_take_and_until_when_they_were_written(self, tmp_path: Path) -> None:
        with opened(tmp_path) as run:
            assert run.segments() == []
            for seq in range(1, 4):
                append(run, block(seq, pad=5000), now_us=TIME_US + seq)
            compress_all(run)
            sizes = [
                sum(path.stat().st_size for path in tmp_path.glob(f"{index_name(seq)[:-4]}.*")) for seq in range(1, 4)
            ]
            assert run.segments() == [(seq, sizes[seq - 1], TIME_US + min(seq + 1, 3)) for seq in range(1, 4)]

    def test_a_damaged_header_makes_none_older_than_it_is(self, tmp_path: Path) -> None:
        """Or it would be let go for its age."""
        with opened(tmp_path) as run:
            for seq in range(1, 5):
                append(run, block(seq, pad=5000), now_us=TIME_US + seq)
            flip(tmp_path / index_name(2), 20)
            assert [figures.last_time_us for figures in run.segments()] == [TIME_US + after for after in (3, 3, 4, 4)]
            for seq in (3, 4):
                flip(tmp_path / index_name(seq), 20)
            assert [figures.last_time_us for figures in run.segments()] == [TIME_US + 4] * 4

    def test_of_a_segment_that_is_removed_meanwhile_are_nothing(self, tmp_path: Path) -> None:
        with opened(tmp_path) as run:
            append(run, block(1, pad=5000), block(2, pad=5000))
            for name in (segment_name(1), index_name(1), index_name(2)):
                (tmp_path / name).unlink()
            size_bytes = (tmp_path / segment_name(2)).stat().st_size
            assert [figures.size_bytes for figures in run.segments()] == [0, size_bytes]


class TestLostFiles:
    def test_a_run_whose_newest_segment_is_lost_goes_on_behind_the_compressed_one(self, tmp_path: Path) -> None:
        with opened(tmp_path) as run:
            append(run, *(block(seq, pad=950) for seq in range(1, 13)), now_us=TIME_US + 7)
            compress_all(run)
        for name in (segment_name(11), index_name(11)):
            (tmp_path / name).unlink()
        for _ in range(2):
            with opened(tmp_path) as run:
                assert (run.extent.segments, run.extent.head, run.torn_bytes) == ((1, 6), 10, 0)
                assert read_all(run) == rows(1, 10, 950)
                assert run.last_batch(KEY) == 10
        with opened(tmp_path) as run:
            append(run, block(11))
            assert run.extent.segments == (1, 6, 11)
            assert read_all(run) == rows(1, 10, 950) + row(11)
            assert blocks_in(tmp_path)[-1].time_us == TIME_US + 7

    def test_so_it_does_where_the_index_of_that_one_is_lost_too(self, tmp_path: Path) -> None:
        with opened(tmp_path) as run:
            append(run, *(block(seq, pad=950) for seq in range(1, 13)))
            compress_all(run)
        for name in (segment_name(11), index_name(11), index_name(6)):
            (tmp_path / name).unlink()
        with opened(tmp_path) as run:
            assert read_all(run) == rows(1, 10, 950)
            append(run, block(11))
            assert read_all(run) == rows(1, 10, 950) + row(11)
        assert (tmp_path / compressed_name(6)).exists()


class TestClose:
    def test_in_good_order_makes_opening_read_no_text(self, tmp_path: Path) -> None:
        """A byte that was changed since goes unseen: that it was checked is what CLOSE says."""
        with opened(tmp_path) as run:
            append(run, block(1, 3))
        text = tmp_path / segment_name(1)
        text.write_bytes(text.read_bytes().replace(b'"3"', b'"X"'))
        with opened(tmp_path) as run:
            assert (run.torn_bytes, run.extent) == (0, Extent((1,), len(rows(1, 3)), 1, 3, 1))
        text.write_bytes(text.read_bytes() + b"x")
        with opened(tmp_path) as run:
            assert run.torn_bytes == len(rows(1, 3)) + 1

    def test_without_writing_leaves_all_files_as_they_were(self, tmp_path: Path) -> None:
        with opened(tmp_path) as run:
            append(run, block(1, pad=5000), block(2))
        before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
        with opened(tmp_path) as run:
            assert read_all(run) == row(1, 5000) + row(2)
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before

    def test_on_a_full_disk_loses_nothing(self, tmp_path: Path) -> None:
        run = open_run(tmp_path)
        append(run, block(1, 3))
        with full_disk():
            run.close()
        with opened(tmp_path) as again:
            assert (again.torn_bytes, again.extent.generation) == (0, 1)
            assert read_all(again) == rows(1, 3)

    def test_closes_all_files(self, tmp_path: Path) -> None:
        before = open_descriptors()
        for number in range(3):
            with opened(tmp_path) as run:
                append(run, block(1 + 2 * number, pad=5000), block(2 + 2 * number, part=number == 2))
        assert open_descriptors() == before


def test_a_run_that_cannot_be_opened_leaves_no_descriptor(tmp_path: Path) -> None:
    (tmp_path / segment_name(1)).mkdir()
    before = open_descriptors()
    with pytest.raises(StoreError, match="Is a directory"):
        open_run(tmp_path)
    assert open_descriptors() == before


def test_files_that_are_no_segments_are_left_alone(tmp_path: Path) -> None:
    for name in ("notes.txt", "1.jsonl", index_name(7), segment_name(9) + ".torn"):
        (tmp_path / name).write_text("mine")
    with opened(tmp_path) as run:
        append(run, block(1))
        assert read_all(run) == rows(1, 1)
    assert (tmp_path / "notes.txt").read_text() == (tmp_path / index_name(7)).read_text() == "mine"


def test_a_store_is_read_while_it_is_written(tmp_path: Path) -> None:
    """What a reader has seen of the extent stays readable, whatever is written or begun meanwhile."""
    with opened(tmp_path) as run:
        extents: list[Extent] = []
        for seq in range(1, 40):
            append(run, block(seq, pad=300, part=seq % 4 == 0))
            extents.append(run.extent)
        for extent in extents:
            assert read_all(run, 2000, extent) == rows(1, extent.head, 300)
