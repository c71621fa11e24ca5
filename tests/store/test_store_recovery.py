"""Opening what a process left that was killed, or what else befell the files.

The main tests cut the files of a small run at every byte, and stop at every step of the mending, and say of each what
must be there then: every record whose entry and bytes are whole, and nothing of any other but in `.torn`. What befell
one bit is in test_store_damage.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_helpers import (
    KEY,
    TIME_US,
    append,
    block,
    blocks_in,
    copied,
    entries,
    every_state,
    flip,
    folder_fd,
    full_disk,
    open_descriptors,
    open_run,
    opened,
    read_all,
    row,
    rows,
    text_of,
    torn_of,
)

from logd.errors import StoreError
from logd.store import Extent
from logd.store.index import ENTRY_BYTES, HEADER_BYTES, Header, Kind
from logd.store.recovery import Found, find_end, mend
from logd.store.segment import Mark, index_name, segment_name

DATA, INDEX = segment_name(1), index_name(1)
APPENDS = [block(1, 2), block(3), block(4, part=True, batch=6), block(5, 2, batch=6), block(7)]
"""A small run: 7 records in 5 blocks, two of them sent together."""
ENDS = [sum(len(append.data) for append in APPENDS[: number + 1]) for number in range(len(APPENDS))]
TEXT = rows(1, 7)


@pytest.fixture(scope="module")
def small_runs(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    """The small run, closed in good order (True) and killed (False)."""
    folder = tmp_path_factory.mktemp("small")
    with opened(folder / "closed") as run:
        append(run, *APPENDS)
        killed = copied(folder / "closed", folder / "killed")
    assert entries(folder / "closed")[-1].kind == Kind.CLOSE
    return {True: folder / "closed", False: killed}


def cut_copy(folder: Path, to: Path, data_bytes: int | None = None, index_bytes: int | None = None) -> Path:
    """A copy of the small run, its files cut to so many bytes."""
    copied(folder, to)
    for name, length in ((DATA, data_bytes), (INDEX, index_bytes)):
        if length is not None:
            os.truncate(to / name, length)
    return to


def sound_blocks(data_bytes: int, index_bytes: int) -> int:
    """How many of the small run's blocks count, by what is left of the files."""
    whole = sum(end <= data_bytes for end in ENDS)
    number = min(whole, max(0, index_bytes - HEADER_BYTES) // ENTRY_BYTES)
    return number - (number > 0 and APPENDS[number - 1].part)


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def check_recovered(folder: Path, data_bytes: int, index_bytes: int) -> None:
    """The run in a folder, which has so much left of its files, opens with what it must have and goes on."""
    lost_index = index_bytes < HEADER_BYTES
    if lost_index:
        end = TEXT.rfind(b"\n", 0, data_bytes) + 1
        number = int(end > 0)
    else:
        number = sound_blocks(data_bytes, index_bytes)
        end = ENDS[number - 1] if number else 0
    head = TEXT[:end].count(b"\n")
    torn = TEXT[end:data_bytes]
    generation = 1 + lost_index + bool(torn)
    before = files_of(folder)
    with opened(folder) as run:
        assert run.torn_bytes == len(torn)
        assert run.extent == Extent((1,), end, number, head, generation, head + 1 if torn else 0)
        assert read_all(run) == TEXT[:end]
        assert run.last_batch(KEY) == (0 if lost_index or not head else APPENDS[number - 1].batch)
        assert lost_index or files_of(folder) == before
        append(run, block(head + 1, 2), now_us=TIME_US + 1)
        assert run.torn_bytes == 0
        assert read_all(run) == text_of(folder) == TEXT[:end] + rows(head + 1, 2)
    assert torn_of(folder) == torn
    with opened(folder) as run:
        assert run.torn_bytes == 0
        assert run.extent.generation == generation
        assert read_all(run) == TEXT[:end] + rows(head + 1, 2)
        assert run.last_batch(KEY) == head + 2


class TestEveryTruncation:
    @pytest.mark.parametrize("closed", [True, False])
    def test_of_the_text(self, tmp_path: Path, small_runs: dict[bool, Path], closed: bool) -> None:
        for length in range(0, len(TEXT), 3 if closed else 1):
            folder = cut_copy(small_runs[closed], tmp_path / str(length), data_bytes=length)
            check_recovered(folder, length, HEADER_BYTES + len(APPENDS) * ENTRY_BYTES)

    @pytest.mark.parametrize("closed", [True, False])
    def test_of_the_index(self, tmp_path: Path, small_runs: dict[bool, Path], closed: bool) -> None:
        for length in range(0, (small_runs[closed] / INDEX).stat().st_size, 1 if closed else 3):
            folder = cut_copy(small_runs[closed], tmp_path / str(length), index_bytes=length)
            check_recovered(folder, len(TEXT), length)

    @settings(max_examples=80, deadline=None)
    @given(st.booleans(), st.integers(0, len(TEXT)), st.integers(0, HEADER_BYTES + len(APPENDS) * ENTRY_BYTES))
    def test_of_both(
        self,
        tmp_path_factory: pytest.TempPathFactory,
        small_runs: dict[bool, Path],
        closed: bool,
        data_bytes: int,
        index_bytes: int,
    ) -> None:
        to = tmp_path_factory.mktemp("cut") / "run"
        check_recovered(cut_copy(small_runs[closed], to, data_bytes, index_bytes), data_bytes, index_bytes)


class TestEveryStop:
    """Mending that is itself killed, after any of its steps, is done by the next opening."""

    @pytest.mark.parametrize("data_bytes", [ENDS[1], ENDS[2] + 3, len(TEXT) - 1])
    def test_amid_the_cutting_of_a_torn_end(
        self, tmp_path: Path, small_runs: dict[bool, Path], data_bytes: int
    ) -> None:
        folder = cut_copy(small_runs[False], tmp_path / "run", data_bytes=data_bytes)
        number = sound_blocks(data_bytes, 10_000)
        stored, torn = TEXT[: ENDS[number - 1]], TEXT[ENDS[number - 1] : data_bytes]
        head = stored.count(b"\n")
        with folder_fd(folder) as fd, every_state(folder, tmp_path / "states") as states:
            mend(fd, find_end(fd, 1))
        assert len(states) >= (5 if torn else 1)
        for state in states:
            with opened(state) as run:
                assert read_all(run) == stored
                assert (run.extent.generation > 1) == bool(torn)
                assert run.last_batch(KEY) == APPENDS[number - 1].batch
                append(run, block(head + 1))
                assert read_all(run) == text_of(state) == stored + row(head + 1)
            assert torn_of(state).endswith(torn)
            assert len(blocks_in(state)) == number + 1

    @pytest.mark.parametrize("data_bytes", [len(TEXT), len(TEXT) - 1])
    def test_amid_the_making_of_an_index(self, tmp_path: Path, small_runs: dict[bool, Path], data_bytes: int) -> None:
        folder = cut_copy(small_runs[False], tmp_path / "run", data_bytes=data_bytes)
        (folder / INDEX).unlink()
        with every_state(folder, tmp_path / "states") as states:
            open_run(folder).close()
        assert len(states) >= 4
        end = TEXT.rfind(b"\n", 0, data_bytes) + 1
        for state in states:
            with opened(state) as run:
                assert read_all(run) == TEXT[:end]
                assert run.torn_bytes == data_bytes - end

    def test_amid_the_making_of_an_index_on_a_full_disk(self, tmp_path: Path) -> None:
        (tmp_path / DATA).write_bytes(rows(1, 6000))
        before = open_descriptors()
        for room_bytes in (0, HEADER_BYTES - 1, HEADER_BYTES, HEADER_BYTES + 1, HEADER_BYTES + ENTRY_BYTES):
            with full_disk(room_bytes), pytest.raises(StoreError, match=f"cannot write {INDEX}: No space left"):
                open_run(tmp_path)
        assert open_descriptors() == before
        with opened(tmp_path) as run:
            assert (run.extent.head, run.torn_bytes) == (6000, 0)


class TestFullDisk:
    @pytest.mark.parametrize("read_only", [True, False])
    @pytest.mark.parametrize("room_bytes", [0, 20, 47])
    def test_a_torn_run_is_read_and_mended_when_there_is_room(
        self, tmp_path: Path, small_runs: dict[bool, Path], room_bytes: int, read_only: bool
    ) -> None:
        folder = cut_copy(small_runs[False], tmp_path / "run", data_bytes=len(TEXT) - 1)
        before, torn = open_descriptors(), TEXT[ENDS[3] : -1]
        with opened(folder) as run, full_disk(room_bytes, read_only=read_only) as small:
            for _ in range(3):
                with pytest.raises(StoreError, match=r"cannot (mend|write) .*: (No space left|Read-only)"):
                    run.append([block(7)], TIME_US)
                assert read_all(run) == TEXT[: ENDS[3]]
                assert run.torn_bytes == len(torn)
            with opened(folder) as another:
                assert read_all(another) == TEXT[: ENDS[3]]
            small.room_bytes = 10_000
            if not read_only:
                append(run, block(7, 3))
        if read_only:
            with opened(folder) as run:
                append(run, block(7, 3))
        with opened(folder) as run:
            assert read_all(run) == TEXT[: ENDS[3]] + rows(7, 3)
        assert torn_of(folder).endswith(torn)
        assert open_descriptors() == before


class TestDamage:
    @pytest.mark.parametrize("number", range(len(APPENDS)))
    @pytest.mark.parametrize("at", [0, 30, 79])
    def test_of_the_newest_entries_is_cut_off(
        self, tmp_path: Path, small_runs: dict[bool, Path], number: int, at: int
    ) -> None:
        """From the first that is damaged on, where all behind it are."""
        folder = copied(small_runs[False], tmp_path / "run")
        index = bytearray((folder / INDEX).read_bytes())
        for damaged in range(number, len(APPENDS)):
            index[HEADER_BYTES + damaged * ENTRY_BYTES + at] ^= 1
        (folder / INDEX).write_bytes(index)
        check_recovered(folder, len(TEXT), HEADER_BYTES + number * ENTRY_BYTES)

    def test_of_the_newest_blocks_bytes_is_cut_off(self, tmp_path: Path, small_runs: dict[bool, Path]) -> None:
        for at in range(ENDS[3], len(TEXT), 5):
            folder = copied(small_runs[False], tmp_path / str(at))
            flip(folder / DATA, at)
            damaged = (folder / DATA).read_bytes()
            with opened(folder) as run:
                assert run.extent == Extent((1,), ENDS[3], 4, 6, 2, 7)
                append(run, block(7))
            assert torn_of(folder) == damaged[ENDS[3] :]

    @pytest.mark.parametrize("closed", [True, False])
    @pytest.mark.parametrize("junk", [b"\n", b"junk", b"x" * 3_000_000])
    def test_bytes_that_were_never_stored_are_cut_off(
        self, tmp_path: Path, small_runs: dict[bool, Path], closed: bool, junk: bytes
    ) -> None:
        folder = copied(small_runs[closed], tmp_path / "run")
        (folder / DATA).write_bytes(TEXT + junk)
        with opened(folder) as run:
            assert run.torn_bytes == len(junk)
            assert run.extent == Extent((1,), len(TEXT), 5, 7, 2, 8)
            append(run, block(8))
        assert torn_of(folder) == junk
        assert text_of(folder) == rows(1, 8)

    def test_what_is_torn_off_again_is_put_behind_what_was(self, tmp_path: Path) -> None:
        for number in range(3):
            with opened(tmp_path) as run:
                assert run.extent.generation == 1 + number
                append(run, block(1 + number))
            with (tmp_path / DATA).open("ab") as file:
                file.write(b"torn %d\n" % number)
        with opened(tmp_path) as run:
            assert run.extent.generation == 4
            assert read_all(run) == rows(1, 3)
            append(run, block(4))
        assert torn_of(tmp_path) == b"torn 0\ntorn 1\ntorn 2\n"

    def test_a_new_segment_has_the_generation_of_the_one_before(self, tmp_path: Path) -> None:
        with opened(tmp_path) as run:
            append(run, block(1, pad=5000))
        with (tmp_path / DATA).open("ab") as file:
            file.write(b"torn")
        with opened(tmp_path) as run:
            append(run, block(2), block(3))
            assert run.extent == Extent((1, 2), len(rows(2, 2)), 2, 3, 2, 2)
        with opened(tmp_path) as run:
            assert run.extent.generation == 2

    def test_what_is_left_of_one_that_was_being_begun_is_not_in_the_way(self, tmp_path: Path) -> None:
        with opened(tmp_path) as run:
            append(run, block(1, pad=5000))
        (tmp_path / index_name(2)).write_bytes(Header(1, 2, TIME_US).pack()[:40])
        with opened(tmp_path) as run:
            append(run, block(2))
            assert read_all(run) == row(1, 5000) + row(2)


class TestLinks:
    """None is followed, for reading or for writing."""

    @pytest.mark.parametrize("name", [DATA, INDEX])
    def test_in_place_of_a_file_are_refused(self, tmp_path: Path, small_runs: dict[bool, Path], name: str) -> None:
        folder = copied(small_runs[False], tmp_path / "run")
        (folder / name).rename(tmp_path / "outside")
        (folder / name).symlink_to(tmp_path / "outside")
        outside = (tmp_path / "outside").read_bytes()
        before = open_descriptors()
        with pytest.raises(StoreError, match=f"cannot open {name}"):
            open_run(folder)
        assert open_descriptors() == before
        assert (tmp_path / "outside").read_bytes() == outside

    def test_that_lead_nowhere_make_no_file(self, tmp_path: Path, small_runs: dict[bool, Path]) -> None:
        folder = copied(small_runs[True], tmp_path / "run")
        (folder / INDEX).unlink()
        (folder / INDEX).symlink_to(tmp_path / "outside")
        with pytest.raises(StoreError):
            open_run(folder)
        assert not (tmp_path / "outside").exists()

    def test_in_place_of_what_was_torn_are_refused_before_anything_is_cut(
        self, tmp_path: Path, small_runs: dict[bool, Path]
    ) -> None:
        folder = cut_copy(small_runs[False], tmp_path / "run", data_bytes=len(TEXT) - 1)
        (folder / (DATA + ".torn")).symlink_to(tmp_path / "outside")
        before = {name: (folder / name).read_bytes() for name in (DATA, INDEX)}
        with opened(folder) as run:
            assert read_all(run) == TEXT[: ENDS[3]]
            with pytest.raises(StoreError, match=r"cannot open .*\.torn"):
                run.append([block(7)], TIME_US)
        assert {name: (folder / name).read_bytes() for name in (DATA, INDEX)} == before
        assert not (tmp_path / "outside").exists()


def test_where_a_segment_ends_is_said(tmp_path: Path, small_runs: dict[bool, Path]) -> None:
    folder = copied(small_runs[True], tmp_path / "run")
    with folder_fd(folder) as fd:
        assert find_end(fd, 1) == Found(Header(1, 1, TIME_US), Mark(len(TEXT), len(APPENDS), 8), TIME_US)
        os.truncate(folder / DATA, ENDS[0] - 1)
        found = Found(Header(2, 1, TIME_US, 1), Mark(0, 0, 1), TIME_US, torn_bytes=ENDS[0] - 1, clean=False)
        assert find_end(fd, 1) == found == find_end(fd, 1)
        mend(fd, found)
        assert find_end(fd, 1) == found._replace(torn_bytes=0)
    assert (folder / DATA).read_bytes() == b""
    assert (folder / INDEX).read_bytes() == Header(2, 1, TIME_US, 1).pack()
