"""Damage to any bit, and cuts at any byte, of the files of a small run: no row is ever wrong, and few are missing.

What is read has its own seq and its own bytes, or is left out. Left out is the block whose bytes are damaged; of
compressed text, those of its frame, or where the table is damaged all of the segment; at the end of a run that was not
closed in good order, what cannot be told from what was never stored.
"""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_helpers import (
    TIME_US,
    append,
    block,
    compress_all,
    copied,
    every_state,
    failing_at,
    flip,
    opened,
    read_all,
    read_blocks,
    rows,
)

from logd.config import StoreConfig
from logd.store import RunStore, compression
from logd.store.index import ENTRY_BYTES
from logd.store.segment import compressed_name, index_name, segment_name

SEGMENTS = {
    1: [block(1, 2), block(3), block(4, 2, part=True, batch=6), block(6, batch=6), block(7)],
    8: [block(8), block(9, 2, pad=400), block(11), block(12, 3)],
    15: [block(15, 2), block(17), block(18, part=True, batch=19), block(19, batch=19), block(20, 2)],
}
"""By their first seqs, what is appended to each."""
KNOWN = dict(enumerate(rows(1, 8).splitlines(keepends=True) + rows(9, 2, 400).splitlines(keepends=True), 1))
KNOWN |= dict(enumerate(rows(11, 11).splitlines(keepends=True), 11))
HEAD = 21
CONFIG = StoreConfig(segment_age_seconds=60)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The run as it is when it was closed, when it was killed, and with its sealed segments compressed."""
    folder = tmp_path_factory.mktemp("whole")
    with opened(folder / "closed", CONFIG) as run:
        for number, appends in enumerate(SEGMENTS.values()):
            append(run, *appends, now_us=TIME_US + number * 60_000_000)
        assert (run.extent.segments, run.extent.head) == (tuple(SEGMENTS), HEAD)
        killed = copied(folder / "closed", folder / "killed")
    compressed = copied(folder / "closed", folder / "compressed")
    with opened(compressed) as run, pytest.MonkeyPatch.context() as patch:
        patch.setattr(compression, "FRAME_BYTES", 150)
        compress_all(run)
    return {"closed": folder / "closed", "killed": killed, "compressed": compressed}


@contextmanager
def damaged(whole: Path, to: Path) -> Iterator[Path]:
    """A copy to be damaged."""
    yield copied(whole, to)
    shutil.rmtree(to)


def read(run: RunStore) -> set[int]:
    """The seqs of what can be read, forward and backward; they have their own rows."""
    found = read_blocks(run)
    assert read_blocks(run, 500, backward=True) == found
    assert found.items() <= KNOWN.items()
    for seq in sorted(found)[:3]:
        assert run.reader.read(run.extent, seq, 1).first_seq == seq
    return set(found)


def read_again(folder: Path) -> set[int]:
    """The same of a run that is opened, is written to, and is opened again."""
    with opened(folder) as run:
        found = read(run)
        head = run.extent.head
        append(run, block(head + 1, 2))
    with opened(folder) as run:
        again = read_blocks(run)
        assert {seq: again.pop(seq) for seq in (head + 1, head + 2)} == dict(
            enumerate(rows(head + 1, 2).splitlines(keepends=True), head + 1)
        )
        assert again == {seq: KNOWN[seq] for seq in found}
    return found


def of_block(segment: int, offset: int) -> set[int]:
    """The seqs of the block that has a byte of a segment's text; none for one behind it."""
    seq, end = segment, 0
    for each in SEGMENTS[segment]:
        end += len(each.data)
        if offset < end:
            return set(range(seq, seq + each.record_count))
        seq += each.record_count
    return set()


def of_segment(segment: int) -> set[int]:
    return set(range(segment, segment + sum(each.record_count for each in SEGMENTS[segment])))


NEWEST = max(SEGMENTS)
SEALED = [segment for segment in SEGMENTS if segment != NEWEST]
FORMS = ["closed", "killed", "compressed"]


class TestABit:
    @pytest.mark.parametrize("form", ["closed", "killed"])
    @pytest.mark.parametrize("segment", SEGMENTS)
    def test_of_text_loses_its_block(self, tmp_path: Path, whole: dict[str, Path], form: str, segment: int) -> None:
        with damaged(whole[form], tmp_path / "run") as folder, opened(folder) as run:
            path = folder / segment_name(segment)
            for at in range(0, path.stat().st_size, 17):
                flip(path, at, at % 8)
                left = KNOWN.keys() - of_block(segment, at)
                assert read(run) == left
                if at % 7 == 0:
                    with damaged(folder, tmp_path / "again") as again:
                        assert read_again(again) == left
                flip(path, at, at % 8)

    @pytest.mark.parametrize("form", FORMS)
    @pytest.mark.parametrize("segment", SEGMENTS)
    def test_of_an_index_loses_nothing(self, tmp_path: Path, whole: dict[str, Path], form: str, segment: int) -> None:
        """But for the last sending of a run that was killed."""
        with damaged(whole[form], tmp_path / "run") as folder, opened(folder) as run:
            path = folder / index_name(segment)
            last = path.stat().st_size - ENTRY_BYTES
            for at in range(segment % 13, path.stat().st_size, 13):
                flip(path, at, at % 8)
                assert read(run) == KNOWN.keys()
                if at % 5 == 0 or segment == NEWEST:
                    cut = form == "killed" and segment == NEWEST and at >= last
                    with damaged(folder, tmp_path / "again") as again:
                        assert read_again(again) == KNOWN.keys() - ({20, 21} if cut else set())
                flip(path, at, at % 8)

    @pytest.mark.parametrize("segment", SEALED)
    def test_of_compressed_text_loses_its_frame_or_the_segment(
        self, tmp_path: Path, whole: dict[str, Path], segment: int
    ) -> None:
        """Or nothing, as of some bits nothing depends."""
        lost = []
        with damaged(whole["compressed"], tmp_path / "run") as folder:
            path = folder / compressed_name(segment)
            for at in range(0, path.stat().st_size, 5):
                flip(path, at, at % 8)
                with opened(folder) as run:
                    lost.append(frozenset(KNOWN.keys() - read(run)))
                flip(path, at, at % 8)
            assert read_again(folder) == KNOWN.keys()
        assert lost.count(frozenset()) < len(lost) / 10
        frames = {each for each in lost if each and each != of_segment(segment)}
        assert len(frames) > 1
        assert all(each < of_segment(segment) for each in frames)
        assert not any(one & other for one, other in itertools.combinations(frames, 2))

    @settings(max_examples=40, deadline=None)
    @given(st.data())
    def test_of_many_makes_no_row_wrong(
        self, tmp_path_factory: pytest.TempPathFactory, whole: dict[str, Path], data: st.DataObject
    ) -> None:
        """In the text of a segment, or in its index: each is held to the other."""
        to = tmp_path_factory.mktemp("damage") / "run"
        with damaged(whole[data.draw(st.sampled_from(FORMS))], to) as folder:
            for segment in SEGMENTS:
                texts = [name for name in (segment_name(segment), compressed_name(segment)) if (folder / name).exists()]
                path = folder / data.draw(st.sampled_from([index_name(segment), *texts]))
                for at in data.draw(st.lists(st.integers(0, path.stat().st_size - 1), max_size=4)):
                    flip(path, at, at % 8)
                if data.draw(st.booleans()):
                    os.truncate(path, data.draw(st.integers(0, path.stat().st_size)))
            read_again(folder)


class TestACut:
    @pytest.mark.parametrize("form", ["closed", "killed"])
    @pytest.mark.parametrize("segment", SEGMENTS)
    def test_of_text_loses_what_is_behind_it(
        self, tmp_path: Path, whole: dict[str, Path], form: str, segment: int
    ) -> None:
        """Of a sending that is not whole nothing counts, where it is the last."""
        size_bytes = (whole[form] / segment_name(segment)).stat().st_size
        with damaged(whole[form], tmp_path / "run") as folder, opened(folder) as run:
            for length in range(size_bytes - 1, -1, -31):
                os.truncate(folder / segment_name(segment), length)
                left = KNOWN.keys() - set[int]().union(*(of_block(segment, at) for at in range(length, size_bytes)))
                assert read(run) == left
                with damaged(folder, tmp_path / "again") as again:
                    assert read_again(again) == left - ({18} if segment == NEWEST and 19 not in left else set())

    @pytest.mark.parametrize("form", FORMS)
    @pytest.mark.parametrize("segment", SEALED)
    def test_of_a_sealed_segments_index_loses_nothing(
        self, tmp_path: Path, whole: dict[str, Path], form: str, segment: int
    ) -> None:
        with damaged(whole[form], tmp_path / "run") as folder, opened(folder) as run:
            path = folder / index_name(segment)
            for length in range(path.stat().st_size - 1, -1, -13):
                os.truncate(path, length)
                assert read(run) == KNOWN.keys()
                if length % 5 == 0:
                    with damaged(folder, tmp_path / "again") as again:
                        assert read_again(again) == KNOWN.keys()

    def test_of_compressed_text_loses_the_segment(self, tmp_path: Path, whole: dict[str, Path]) -> None:
        with damaged(whole["compressed"], tmp_path / "run") as folder, opened(folder) as run:
            path = folder / compressed_name(1)
            for length in range(path.stat().st_size - 1, -1, -5):
                os.truncate(path, length)
                assert read(run) == KNOWN.keys() - of_segment(1)


class TestAnIndex:
    """That is lost, or is not what belongs there."""

    @pytest.mark.parametrize("form", FORMS)
    @pytest.mark.parametrize("lost", [*([segment] for segment in SEGMENTS), list(SEGMENTS)])
    def test_that_is_lost_is_made_again(
        self, tmp_path: Path, whole: dict[str, Path], form: str, lost: list[int]
    ) -> None:
        with damaged(whole[form], tmp_path / "run") as folder:
            for segment in lost:
                (folder / index_name(segment)).unlink()
            assert read_again(folder) == KNOWN.keys()

    @pytest.mark.parametrize("pads", [(0, 0), (3000, 0), (0, 300)])
    def test_that_is_lost_of_text_that_is_in_the_next_segment_too_makes_no_row_come_twice(
        self, tmp_path: Path, pads: tuple[int, int]
    ) -> None:
        """As it is after a stop while records are written to another file."""
        with opened(tmp_path / "run") as run:
            append(run, block(1, 2, pad=pads[0]))
            run.sync()
            append(run, block(3, 2, pad=pads[1]), block(5))
            with failing_at("fdatasync", 1), every_state(tmp_path / "run", tmp_path / "states") as states:
                assert run.sync() is not None
        known = rows(1, 2, pads[0]) + rows(3, 2, pads[1]) + rows(5, 1)
        for state in states:
            (state / index_name(1)).unlink()
            with opened(state) as run:
                run.tidy()
                assert read_all(run) == known
                assert b"".join(read_blocks(run, backward=True).values()) == known
                for seq in range(1, 6):
                    assert run.reader.read(run.extent, seq, 1).first_seq == seq

    @pytest.mark.parametrize("form", FORMS)
    @pytest.mark.parametrize(("segment", "other"), [*itertools.permutations(SEGMENTS, 2)])
    def test_of_another_segment_is_not_believed(
        self, tmp_path: Path, whole: dict[str, Path], form: str, segment: int, other: int
    ) -> None:
        with damaged(whole[form], tmp_path / "run") as folder:
            shutil.copy(folder / index_name(other), folder / index_name(segment))
            assert read_again(folder) == KNOWN.keys()

    def test_of_another_time_loses_no_more_than_is_behind_it(self, tmp_path: Path) -> None:
        """An older copy that is put back, of a segment that has grown since, or has been followed."""
        with opened(tmp_path / "run") as run:
            olds: list[tuple[int, bytes]] = []
            for seq in range(1, 12):
                append(run, block(seq, pad=900), now_us=TIME_US + seq)
                olds.append((seq, (tmp_path / "run" / index_name(run.extent.segments[-1])).read_bytes()))
            segments = run.extent.segments
        assert segments == (1, 6, 11)
        known = {seq: rows(seq, 1, 900) for seq in range(1, 12)}
        for seq, index in olds:
            segment = max(first for first in segments if first <= seq)
            with damaged(tmp_path / "run", tmp_path / "again") as folder:
                (folder / index_name(segment)).write_bytes(index)
                with opened(folder) as run:
                    assert read_blocks(run) == read_blocks(run, backward=True) == known

    def test_of_text_that_was_cut_off_since_makes_no_row_wrong(self, tmp_path: Path) -> None:
        """As a power cut may leave it, where the text was put on the disk itself, and the index was not."""
        for was, now, then in itertools.product((0, 10, 48), (0, 10, 48), (0, 10)):
            folder = tmp_path / "run"
            with opened(folder) as run:
                append(run, block(1, pad=was, part=True), block(2, part=True))
            index = (folder / index_name(1)).read_bytes()
            known = {seq: rows(seq, 1, pad) for seq, pad in enumerate((now, then, 5000, 0), 1)}
            with opened(folder) as run:
                for seq, data in known.items():
                    append(run, block(seq)._replace(data=data))
                assert run.extent.segments == (1, 4)
            (folder / index_name(1)).write_bytes(index)
            with opened(folder) as run:
                found = read_blocks(run)
                assert found.items() <= known.items()
                assert 4 in found
                run.repair(1)
                repaired = read_blocks(run)
                assert repaired.items() <= known.items()
                assert 4 in repaired
            shutil.rmtree(folder)
