"""Checking: a sound run has no problems, whatever happens to it meanwhile; and no damage goes unnoticed."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from store_damage import AGED, SEALED, check, made_run, write_over
from store_helpers import (
    TIME_US,
    append,
    block,
    compress_all,
    copied,
    failing_at,
    flip,
    folder_fd,
    open_descriptors,
    opened,
    rows,
    text_of,
)

from logd.errors import StoreError
from logd.store import Extent, RunStore, report
from logd.store.index import ENTRY_BYTES, HEADER_BYTES, Entry, Header, Index, Kind
from logd.store.report import Problem, Report
from logd.store.scan import READ_BYTES
from logd.store.segment import compressed_name, index_name, segment_name
from logd.store.verify import verify

ALL = rows(1, 16)
SOUND = Report([], 0, [], 4, 10, 16, len(ALL))
"""Of the sample."""
SMALLEST = ((block(1), block(2)), (block(3),))
"""A sealed segment of two blocks, and one that is written."""
TEXT, INDEX, COMPRESSED = segment_name(1), index_name(1), compressed_name(1)


def sentences(run: RunStore, segment: int = 1) -> list[str]:
    """What is wrong, all of it in one segment."""
    found = check(run)
    assert {problem.segment for problem in found.problems} <= {segment}
    assert found.problem_count == len(found.problems)
    return [problem.what for problem in found.problems]


class TestSound:
    @pytest.mark.parametrize("compressed", [(), SEALED, (7,)])
    def test_runs(self, tmp_path: Path, compressed: tuple[int, ...]) -> None:
        before = open_descriptors()
        with made_run(tmp_path / "run", compressed=compressed) as run:
            assert check(run) == SOUND
        with opened(tmp_path / "run", AGED) as run:
            assert check(run) == SOUND
        assert open_descriptors() == before

    def test_an_empty_run(self, tmp_path: Path) -> None:
        with opened(tmp_path / "run") as run:
            assert check(run) == Report([], 0, [], 0, 0, 0, 0)

    def test_a_cleared_run(self, tmp_path: Path) -> None:
        with made_run(tmp_path / "run") as run:
            run.drop_before(17, TIME_US + 9_000_000)
            assert check(run) == Report([], 0, [], 1, 0, 0, 0)
            append(run, block(17), now_us=TIME_US + 10_000_000)
            assert check(run).records == 1

    @pytest.mark.parametrize("seq", [6, 7, 11, 16])
    def test_a_run_whose_oldest_are_gone(self, tmp_path: Path, seq: int) -> None:
        with made_run(tmp_path / "run", compressed=SEALED) as run:
            run.drop_before(seq, TIME_US + 9_000_000)
            assert check(run).problems == []
            assert check(run).records == 17 - run.extent.first_seq

    def test_a_run_that_was_killed(self, tmp_path: Path) -> None:
        """Amid writing, before it is written to again and after."""
        with made_run(tmp_path / "run"):
            killed = copied(tmp_path / "run", tmp_path / "killed")
        path = killed / segment_name(15)
        path.write_bytes(path.read_bytes() + b"torn")
        with opened(killed, AGED) as run:
            assert check(run) == SOUND
            append(run, block(17), now_us=TIME_US + 6_000_000)
            assert check(run) == SOUND._replace(
                notes=[f"{path.name}.torn has what was never acknowledged, and cut off behind a stop"],
                blocks=11,
                records=17,
                text_bytes=len(rows(1, 17)),
            )

    def test_segments_that_could_not_be_marked_as_closed(self, tmp_path: Path) -> None:
        with made_run(tmp_path / "run") as run:
            for segment in SEALED:
                path = tmp_path / "run" / index_name(segment)
                os.truncate(path, path.stat().st_size - ENTRY_BYTES)
            assert check(run) == SOUND

    @pytest.mark.parametrize("compressed", [(), SEALED])
    def test_a_run_whose_lost_indexes_were_made_again(self, tmp_path: Path, compressed: tuple[int, ...]) -> None:
        with made_run(tmp_path / "run", compressed=compressed) as run:
            run.drop_before(1, TIME_US)
        for segment in (1, 11, 15):
            (tmp_path / "run" / index_name(segment)).unlink()
        with opened(tmp_path / "run", AGED) as run:
            assert check(run) == SOUND._replace(blocks=6)
            assert text_of(tmp_path / "run") == ALL

    def test_parts_that_do_not_count_yet(self, tmp_path: Path) -> None:
        with made_run(tmp_path / "run") as run:
            append(run, block(17, part=True), now_us=TIME_US + 6_000_000)
            assert check(run) == SOUND


@contextmanager
def amid(number: int, action: Callable[[], None]) -> Iterator[list[str]]:
    """Within, something is done before the call of that number that reads from the disk. All of them are listed."""
    calls: list[str] = []
    acting = False

    def watched(name: str) -> Callable[..., Any]:
        real = getattr(os, name)

        def call(*args: Any, **options: Any) -> Any:
            nonlocal acting
            if not acting:
                calls.append(name)
                if len(calls) == number + 1:
                    acting = True
                    action()
                    acting = False
            return real(*args, **options)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in ("open", "pread", "stat", "listdir"):
            patch.setattr(os, name, watched(name))
        yield calls


def rotate(run: RunStore) -> None:
    for seq in (18, 19):
        append(run, block(seq), now_us=TIME_US + seq * 2_000_000)


def drop(run: RunStore) -> None:
    run.drop_before(11, TIME_US + 40_000_000)


def clear(run: RunStore) -> None:
    run.drop_before(run.next_seq, TIME_US + 40_000_000)


def fail_to_sync(run: RunStore) -> None:
    """What is not synced goes to another file, of the same name where that is all of it."""
    append(run, block(18, 2), now_us=TIME_US + 6_000_000)
    with failing_at("fdatasync", 1):
        assert run.sync() is not None


class TestWhatOthersDoMeanwhile:
    @pytest.mark.parametrize("synced", [False, True])
    @pytest.mark.parametrize("action", [rotate, compress_all, drop, clear, fail_to_sync])
    def test_is_no_problem(self, tmp_path: Path, action: Callable[[RunStore], None], synced: bool) -> None:
        with made_run(tmp_path / "run"):
            sound = copied(tmp_path / "run", tmp_path / "sound")
        number, call_count = 0, 1
        while number < call_count:
            folder = copied(sound, tmp_path / str(number))
            with opened(folder, AGED) as run:
                append(run, block(17), now_us=TIME_US + 6_000_000)
                if synced:
                    assert run.sync() is None
                with amid(number, partial(action, run)) as calls:
                    assert check(run).problems == []
                assert check(run).problems == []
            call_count = len(calls)
            number += 2
        assert number > 10

    def test_is_checked_where_it_is_new(self, tmp_path: Path) -> None:
        """Also a segment that was one with another at the beginning; but none behind what was the end then."""
        with made_run(tmp_path / "run") as run:
            actions = iter([fail_to_sync, rotate])
            extents: list[Extent] = []

            def current_extent() -> Extent:
                for action in actions:
                    action(run)
                extents.append(run.extent)
                return extents[-1]

            append(run, block(17), now_us=TIME_US + 6_000_000)
            with folder_fd(tmp_path / "run") as fd:
                found = verify(fd, current_extent)
            assert (found.problems, found.segments) == ([], len(extents[0].segments))

    def test_may_be_told_to_stop(self, tmp_path: Path) -> None:
        def stop(done_bytes: int, total_bytes: int) -> None:
            raise InterruptedError

        before = open_descriptors()
        with made_run(tmp_path / "run", compressed=(7,)) as run, pytest.raises(InterruptedError):
            run.verify(stop)
        assert open_descriptors() == before

    def test_is_told_how_far_it_is(self, tmp_path: Path) -> None:
        steps: list[tuple[int, int]] = []
        with made_run(tmp_path / "run", [[block(1, 10, pad=READ_BYTES // 4), block(11, 3)], [block(14)]]) as run:
            run.verify(lambda *step: steps.append(step))
        total_bytes = sum(path.stat().st_size for path in (tmp_path / "run").glob("*.jsonl"))
        assert [total for _, total in steps] == [total_bytes] * len(steps)
        assert steps == sorted(steps)
        assert steps[-1][0] == total_bytes
        assert len(steps) >= 3


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, tuple[Path, RunStore]]]:
    """A run for each file, in which it is."""
    home = tmp_path_factory.mktemp("runs")
    with (
        made_run(home / "plain", SMALLEST) as plain,
        made_run(home / "zst", SMALLEST, compressed=[1]) as compressed,
    ):
        yield {
            TEXT: (home / "plain", plain),
            INDEX: (home / "plain", plain),
            COMPRESSED: (home / "zst", compressed),
            segment_name(3): (home / "plain", plain),
            index_name(3): (home / "zst", compressed),
        }


class TestEveryDamage:
    """To each of the files of a segment, a bit at a time and a byte at a time."""

    @pytest.mark.parametrize("name", [TEXT, INDEX, COMPRESSED, segment_name(3), index_name(3)])
    def test_of_a_bit_is_found(self, runs: dict[str, tuple[Path, RunStore]], name: str) -> None:
        folder, run = runs[name]
        data = (folder / name).read_bytes()
        text = text_of(folder)
        harmless = 0
        # Of the segment that is written, one in each byte.
        for at in range(0, 8 * len(data), 1 if name.startswith(TEXT[:20]) else 9):
            write_over(folder / name, bytes([data[at // 8] ^ 1 << at % 8]), at // 8)
            found = check(run)
            if found.problems:
                assert all(problem.segment == int(name.partition(".")[0]) for problem in found.problems)
                assert all(problem.repairable == (problem.segment == 1) for problem in found.problems)
            else:
                assert text_of(folder) == text
                harmless += 1
            write_over(folder / name, data)
        assert harmless == (1 if name == COMPRESSED else 0), "the one unused bit of each frame's header"
        assert check(run).problems == []

    @pytest.mark.parametrize("name", [TEXT, INDEX, COMPRESSED, segment_name(3), index_name(3)])
    def test_that_cuts_a_file_off_is_found(self, runs: dict[str, tuple[Path, RunStore]], name: str) -> None:
        folder, run = runs[name]
        data = (folder / name).read_bytes()
        harmless = []
        for length in range(len(data)):
            os.truncate(folder / name, length)
            if not check(run).problems:
                harmless.append(length)
            write_over(folder / name, data)
        assert harmless == ([len(data) - ENTRY_BYTES] if name == INDEX else []), "the mark of a closed segment"

    def test_that_adds_to_a_file_is_found_in_sealed_segments(self, runs: dict[str, tuple[Path, RunStore]]) -> None:
        for name, (folder, run) in runs.items():
            data = (folder / name).read_bytes()
            for more in (b"x", b"\n", bytes(ENTRY_BYTES), data):
                (folder / name).write_bytes(data + more)
                assert bool(check(run).problems) == (name in {TEXT, INDEX, COMPRESSED})
            (folder / name).write_bytes(data)


class TestProblems:
    """What a user is told."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return tmp_path / "run"

    @pytest.fixture
    def run(self, folder: Path) -> Iterator[RunStore]:
        with made_run(folder) as run:
            yield run

    def test_of_lost_files(self, folder: Path, run: RunStore) -> None:
        (folder / INDEX).unlink()
        assert sentences(run) == ["its index is lost", "the text of records 1 to 6 is not in the index"]
        (folder / TEXT).unlink()
        assert check(run).problems == [Problem(1, "its text is lost", 0, 1, 6, repairable=True)]

    def test_of_text(self, folder: Path, run: RunStore) -> None:
        flip(folder / TEXT, 100)
        flip(folder / TEXT, 150)
        flip(folder / TEXT, 250)
        what = "the text of records 3 to 6 does not match its checksum"
        assert check(run).problems == [Problem(1, what, 98, 3, 4, repairable=True)]
        os.truncate(folder / TEXT, 120)
        assert sentences(run) == ["the text of records 3 to 6 is behind the end of the file"]

    def test_of_what_belongs_to_nothing(self, folder: Path, run: RunStore) -> None:
        path = folder / segment_name(7)
        path.write_bytes(path.read_bytes() + rows(11, 2))
        assert check(run).problems == [
            Problem(7, "100 bytes of its text belong to no record", len(rows(7, 4)), 11, 0, repairable=True)
        ]

    def test_of_compressed_text(self, folder: Path, run: RunStore) -> None:
        compress_all(run)
        data = (folder / COMPRESSED).read_bytes()
        flip(folder / COMPRESSED, 40)
        assert sentences(run) == ["the text of records 1 to 2 cannot be read"]
        (folder / COMPRESSED).write_bytes(data[:-1])
        assert check(run).problems == [
            Problem(1, "the seek table of its compressed text is damaged", 0, 1, 6, repairable=True)
        ]

    def test_of_entries(self, folder: Path, run: RunStore) -> None:
        data = (folder / INDEX).read_bytes()
        for number in (1, 2):
            flip(folder / INDEX, HEADER_BYTES + number * ENTRY_BYTES)
        assert sentences(run) == [
            "the text of records 3 to 4 is not in the index",
            "2 of the entries of its index are damaged, or out of place",
        ]
        flip(folder / TEXT, text_of(folder).index(b"\n"), 3)
        flip(folder / TEXT, 98 + rows(3, 2).index(b"\n"), 3)
        assert sentences(run) == [
            "the text of records 1 to 2 does not match its checksum",
            "the text of records 3 to 4 is not in the index, and damaged",
            "2 of the entries of its index are damaged, or out of place",
        ]
        (folder / INDEX).write_bytes(data[:-30])
        assert "its index ends in 50 bytes that are no entry" in sentences(run)

    def test_of_headers(self, folder: Path, run: RunStore) -> None:
        data = (folder / INDEX).read_bytes()
        flip(folder / INDEX, 30)
        assert sentences(run) == ["the header of its index is damaged"]
        later_us = TIME_US + 3_000_000
        for header, what in [
            (Header(1, 7, TIME_US), "its index is that of the segment of record 7"),
            (Header(2, 1, TIME_US), "its index is of generation 2, and out of order by that"),
            (Header(0, 1, TIME_US), "its index is of generation 0, and out of order by that"),
            (Header(1, 1, later_us), "its index says that it was begun later than the segment behind it"),
        ]:
            (folder / INDEX).write_bytes(header.pack() + data[HEADER_BYTES:])
            assert what in sentences(run)

    def test_of_times(self, folder: Path, run: RunStore) -> None:
        first = folder_entries(folder)[0]
        rewrite_entry(folder, 0, first._replace(time_us=TIME_US + 1))
        assert sentences(run) == ["the times in its index fall"]
        last = folder_entries(folder)[3]
        rewrite_entry(folder, 0, first)
        rewrite_entry(folder, 3, last._replace(time_us=TIME_US + 9_000_000))
        assert sentences(run) == ["its index has times after the segment behind it was begun"]

    @pytest.mark.parametrize(
        ("number", "change"),
        [
            (1, {"offset": 97}),
            (1, {"first_seq": 2}),
            (1, {"first_seq": 2**63}),
            (1, {"length": 0}),
            (1, {"record_count": 0}),
            (1, {"record_count": 7}),
            (1, {"kind": Kind.CLOSE}),
            (1, {"kind": 9}),
            (4, {"length": 1}),
            (4, {"record_count": 1}),
            (4, {"offset": 300}),
            (4, {"offset": 10**15}),
            (4, {"first_seq": 6}),
        ],
    )
    def test_of_entries_that_are_sound_and_cannot_be(
        self, folder: Path, run: RunStore, number: int, change: dict[str, int]
    ) -> None:
        rewrite_entry(folder, number, folder_entries(folder)[number]._replace(**change))
        assert sentences(run)

    def test_of_a_block_that_has_other_lines(self, folder: Path, run: RunStore) -> None:
        """Its sum is right."""
        entries = folder_entries(folder)
        rewrite_entry(folder, 0, entries[0]._replace(record_count=1))
        rewrite_entry(folder, 1, entries[1]._replace(first_seq=2, record_count=2))
        assert sentences(run) == ["the text of records 1 to 3 has another number of lines"]

    def test_of_a_segment_that_is_not_there(self, folder: Path, run: RunStore) -> None:
        run.extent = run.extent._replace(segments=(1, 11, 15))
        assert check(run).problems == [Problem(1, "the text of records 7 to 10 is missing", 294, 7, 4, repairable=True)]

    def test_is_bounded(self, run: RunStore, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(report, "MAX_PROBLEMS", 2)
        for segment in SEALED:
            (folder / segment_name(segment)).unlink()
        found = check(run)
        assert ([problem.segment for problem in found.problems], found.problem_count) == ([1, 7], 3)

    def test_of_a_disk_that_cannot_read(self, run: RunStore, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        real = os.pread

        def pread(fd: int, length: int, offset: int) -> bytes:
            path = os.readlink(f"/proc/self/fd/{fd}")
            if path.endswith(TEXT) and offset <= 120 < offset + length:
                raise OSError(code, os.strerror(code))
            return real(fd, length, offset)

        monkeypatch.setattr(os, "pread", pread)
        code = errno.EIO
        assert sentences(run) == ["the text of record 3 cannot be read"]
        code = errno.ENOMEM
        with pytest.raises(StoreError, match=r"cannot check 0+1\.jsonl: Cannot allocate memory"):
            check(run)


class TestNotes:
    def test_name_what_was_left_in_the_folder(self, tmp_path: Path) -> None:
        folder = tmp_path / "run"
        with made_run(folder, compressed=[7]) as run:
            for name in (f"{TEXT}.torn", f"{TEXT}.damaged", f"{TEXT}.new", index_name(3), segment_name(3), "notes.txt"):
                (folder / name).write_bytes(b"")
            (folder / segment_name(7)).write_bytes(rows(7, 4))
            found = check(run)
            assert found.problems == []
            assert found.notes == [
                f"{TEXT}.damaged has what a repair left out",
                f"{TEXT}.new is unfinished: it is being written, or was when the daemon was stopped",
                f"{TEXT}.torn has what was never acknowledged, and cut off behind a stop",
                f"{index_name(3)} is an index without text",
                f"{segment_name(3)} is not read",
                f"{compressed_name(7)} is not read",
                "notes.txt is not read",
            ]

    def test_are_bounded(self, tmp_path: Path) -> None:
        with made_run(tmp_path / "run") as run:
            for number in range(report.MAX_NOTES + 1):
                (tmp_path / "run" / f"{number}.torn").write_bytes(b"")
            assert len(check(run).notes) == report.MAX_NOTES


def folder_entries(folder: Path) -> list[Entry]:
    with (folder / INDEX).open("rb") as file:
        return [entry for entry in Index(file.fileno()).entries() if entry is not None]


def rewrite_entry(folder: Path, number: int, entry: Entry) -> None:
    write_over(folder / INDEX, entry.pack(), HEADER_BYTES + number * ENTRY_BYTES)
