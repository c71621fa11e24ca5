"""Compressing a sealed segment: the same text, or the plain one stays, after a stop or a failure at any step."""

from __future__ import annotations

import errno
import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_helpers import (
    SMALL,
    TIME_US,
    append,
    block,
    every_state,
    failing_at,
    flip,
    folder_fd,
    full_disk,
    open_descriptors,
    opened,
    read_all,
    read_blocks,
    row,
    rows,
    text_of,
)
from store_platter import platter_of

from logd.errors import StoreError
from logd.store import RunStore, compression, disk
from logd.store.compression import UNFINISHED, tidy, write_compressed
from logd.store.seekable import SeekableWriter
from logd.store.segment import compressed_name, index_name, segment_name

TEXT = rows(1, 12, 950)


def at_once() -> None:
    """The machine has time."""


@contextmanager
def sealed_run(folder: Path) -> Iterator[RunStore]:
    """Of twelve records in segments from 1, 6 and 11 on, of which the first two can be compressed."""
    with opened(folder) as run:
        append(run, *(block(seq, pad=950) for seq in range(1, 13)))
        run.sync()
        assert run.compressible() == [1, 6]
        yield run


def names_of(folder: Path, segment: int = 1) -> list[str]:
    """What there is of a segment, by what follows its number."""
    stem = index_name(segment).removesuffix(".idx")
    return sorted(path.name.removeprefix(stem) for path in folder.glob(f"{stem}*"))


class TestASegment:
    def test_is_the_same_text_in_less_room(self, tmp_path: Path) -> None:
        with sealed_run(tmp_path) as run:
            before = {each.first_seq: each.size_bytes for each in run.segments()}
            assert run.compress(1, at_once)
            assert names_of(tmp_path) == [".idx", ".jsonl.zst"]
            assert run.compressible() == [6]
            assert read_all(run) == text_of(tmp_path) == TEXT
            after = {each.first_seq: each.size_bytes for each in run.segments()}
            assert after[1] < before[1] / 2
            assert {**after, 1: 0} == {**before, 1: 0}
        with opened(tmp_path) as run:
            assert read_all(run) == TEXT
            append(run, block(13))

    @pytest.mark.skipif(shutil.which("zstdcat") is None, reason="there is no zstdcat")
    def test_can_be_read_by_the_tools_of_others(self, tmp_path: Path) -> None:
        with sealed_run(tmp_path) as run:
            assert run.compress(1, at_once)
        shown = subprocess.run(["zstdcat", str(tmp_path / compressed_name(1))], capture_output=True, check=True)
        assert shown.stdout == rows(1, 5, 950)

    @settings(max_examples=25, deadline=None)
    @given(st.lists(st.sampled_from([0, 10, 700, 5000, 9000]), min_size=1, max_size=12), st.integers(100, 9000))
    def test_has_frames_of_whole_blocks(
        self, tmp_path_factory: pytest.TempPathFactory, pads: list[int], frame_bytes: int
    ) -> None:
        with opened(tmp_path_factory.mktemp("run"), SMALL) as run, pytest.MonkeyPatch.context() as patch:
            patch.setattr(compression, "FRAME_BYTES", frame_bytes)
            for pad in pads:
                append(run, block(run.next_seq, 2, pad=pad))
            expected = read_all(run)
            run.sync()
            waits = list[int]()
            for segment in run.compressible():
                assert run.compress(segment, lambda: waits.append(1))
            assert len(waits) >= len(run.extent.segments) - 1
            assert read_all(run) == expected

    def test_is_not_compressed_while_it_is_written_or_not_synced(self, tmp_path: Path) -> None:
        with opened(tmp_path) as run:
            assert run.compressible() == []
            append(run, block(1, pad=5000), block(2))
            assert run.compressible() == []
            assert not run.compress(2, at_once)
            assert not run.compress(7, at_once)
            run.sync()
            assert run.compressible() == [1]

    def test_that_is_removed_meanwhile_is_left_out(self, tmp_path: Path) -> None:
        before = open_descriptors()
        with sealed_run(tmp_path) as run:
            removed: list[int] = []
            assert not run.compress(1, lambda: removed.append(run.drop_before(6, TIME_US)))
            assert removed[0] == 5
            assert names_of(tmp_path) == []
            assert not run.compress(1, at_once)
            assert read_all(run) == rows(6, 7, 950)
        assert open_descriptors() == before

    def test_that_is_removed_just_before_it_is_opened_is_left_out(self, tmp_path: Path) -> None:
        with sealed_run(tmp_path) as run, pytest.MonkeyPatch.context() as patch:

            def late(folder_fd: int, segment: int, end_seq: int, wait: Callable[[], None]) -> bool:
                run.drop_before(6, TIME_US)
                return write_compressed(folder_fd, segment, end_seq, wait)

            patch.setattr("logd.store.run.write_compressed", late)
            assert not run.compress(1, at_once)


class TestDamage:
    @pytest.mark.parametrize("at", [0, 500, 2000, 4900])
    def test_of_the_text_leaves_it_as_it_is(self, tmp_path: Path, at: int) -> None:
        """For people to look at; what is sound of it can still be read."""
        with sealed_run(tmp_path) as run:
            flip(tmp_path / segment_name(1), at)
            damaged = (tmp_path / segment_name(1)).read_bytes()
            assert not run.compress(1, at_once)
            assert names_of(tmp_path) == [".idx", ".jsonl"]
            assert (tmp_path / segment_name(1)).read_bytes() == damaged
            assert len(read_blocks(run)) == 11

    @pytest.mark.parametrize("change", [b"more\n", b"x", -1, -1001])
    def test_of_its_length_does_so(self, tmp_path: Path, change: bytes | int) -> None:
        with sealed_run(tmp_path) as run:
            path = tmp_path / segment_name(1)
            path.write_bytes(path.read_bytes()[:change] if isinstance(change, int) else path.read_bytes() + change)
            assert not run.compress(1, at_once)
            assert names_of(tmp_path) == [".idx", ".jsonl"]

    def test_of_an_entry_does_not_keep_the_text_from_it(self, tmp_path: Path) -> None:
        with sealed_run(tmp_path) as run:
            flip(tmp_path / index_name(1), 64 + 80 + 3)
            assert run.compress(1, at_once)
            assert read_all(run) == TEXT

    def test_of_what_was_written_is_noticed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """It is read back before it takes the text's place."""
        places, finish = [0], SeekableWriter.finish

        def finish_and_change(writer: SeekableWriter) -> None:
            finish(writer)
            at = places.pop()
            os.pwrite(writer._fd, bytes([os.pread(writer._fd, 1, at)[0] ^ 1]), at)

        with sealed_run(tmp_path) as run, folder_fd(tmp_path) as fd:
            assert write_compressed(fd, 1, 6, at_once)
            size_bytes = (tmp_path / (compressed_name(1) + UNFINISHED)).stat().st_size
            monkeypatch.setattr(SeekableWriter, "finish", finish_and_change)
            places = list(range(0, size_bytes, 3))
            while places:
                assert not run.compress(1, at_once)
                assert names_of(tmp_path) == [".idx", ".jsonl"]
            assert read_all(run) == TEXT


class TestEveryStop:
    def test_leaves_the_text_in_one_form_or_the_other(self, tmp_path: Path) -> None:
        with sealed_run(tmp_path / "run") as run:
            with every_state(tmp_path / "run", tmp_path / "states") as states:
                assert run.compress(1, at_once)
            assert len(states) > 5
        seen = set()
        for state in states:
            seen.add(tuple(names_of(state)))
            with opened(state) as run:
                assert read_all(run) == TEXT
                run.tidy()
                assert names_of(state) in ([".idx", ".jsonl"], [".idx", ".jsonl.zst"])
                assert read_all(run) == text_of(state) == TEXT
                append(run, block(13))
                run.sync()
                if 1 in run.compressible():
                    assert run.compress(1, at_once)
                assert read_all(run) == TEXT + row(13)
        assert seen == {
            (".idx", ".jsonl", ".jsonl.zst.new"),
            (".idx", ".jsonl", ".jsonl.zst"),
            (".idx", ".jsonl.zst"),
        }

    def test_that_is_a_power_cut_loses_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        chance, cuts = random.Random(0), 0
        folder = tmp_path / "run"
        with platter_of(folder) as platter, sealed_run(folder) as run:

            def cut_after(name: str) -> None:
                operation = getattr(disk, name)

                def call(*args: Any, **options: Any) -> Any:
                    nonlocal cuts
                    done = operation(*args, **options)
                    for _ in range(10):
                        cuts += 1
                        with opened(platter.after_power_cut(tmp_path / str(cuts), chance)) as left:
                            assert read_all(left) == TEXT
                    return done

                monkeypatch.setattr(disk, name, call)

            for name in ("pwritev", "ftruncate", "rename", "unlink", "fsync"):
                cut_after(name)
            assert run.compress(1, at_once)
            monkeypatch.undo()
        assert cuts >= 50

    @pytest.mark.parametrize("operation", ["pwritev", "ftruncate", "fsync", "rename", "unlink"])
    @pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
    def test_that_is_a_failure_is_gone_on_from(self, tmp_path: Path, operation: str, code: int) -> None:
        for number in range(1, 9):
            folder, before = tmp_path / str(number), open_descriptors()
            with sealed_run(folder) as run:
                with failing_at(operation, number, code=code) as calls:
                    if number == 1:
                        with pytest.raises(StoreError, match=os.strerror(code)):
                            run.compress(1, at_once)
                    else:
                        try:
                            run.compress(1, at_once)
                        except StoreError as error:
                            assert error.errno == code
                assert read_all(run) == TEXT
                if 1 in run.compressible():
                    assert run.compress(1, at_once)
                assert names_of(folder) == [".idx", ".jsonl.zst"]
                assert read_all(run) == TEXT
            assert open_descriptors() == before
            if len(calls) < number:
                break
        else:
            pytest.fail("there was a failure to the last")

    def test_as_on_a_full_disk(self, tmp_path: Path) -> None:
        with sealed_run(tmp_path) as run:
            for room_bytes in (0, 1, 50, 100):
                with full_disk(room_bytes), pytest.raises(StoreError, match=f"cannot compress {segment_name(1)}"):
                    run.compress(1, at_once)
                assert read_all(run) == TEXT
            assert run.compress(1, at_once)

    def test_as_where_no_file_can_be_made(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        real_open = os.open

        def opening(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
            if flags & os.O_CREAT:
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            return real_open(path, flags, mode, dir_fd=dir_fd)

        with sealed_run(tmp_path) as run:
            before = open_descriptors()
            with monkeypatch.context() as patch:
                patch.setattr(os, "open", opening)
                with pytest.raises(StoreError, match="Too many open files"):
                    run.compress(1, at_once)
            assert open_descriptors() == before

    @pytest.mark.parametrize("stops", [KeyboardInterrupt, RuntimeError])
    def test_by_who_waits(self, tmp_path: Path, stops: type[BaseException]) -> None:
        def stop() -> None:
            raise stops

        with sealed_run(tmp_path) as run:
            before = open_descriptors()
            with pytest.raises(stops):
                run.compress(1, stop)
            assert open_descriptors() == before
            assert read_all(run) == TEXT
            assert run.compress(1, at_once)


class TestTidy:
    @pytest.mark.parametrize(
        ("kept", "needless"),
        [
            ([segment_name(1), index_name(1)], []),
            ([compressed_name(1), index_name(1)], [segment_name(1)]),
            ([segment_name(1), index_name(1)], [compressed_name(1) + UNFINISHED]),
            ([segment_name(1), index_name(1)], [segment_name(1) + UNFINISHED, index_name(1) + UNFINISHED]),
            ([segment_name(1), index_name(1)], [index_name(5)]),
            ([segment_name(1) + ".torn", "notes.txt", "notes.jsonl", index_name(1), compressed_name(1)], []),
        ],
    )
    def test_removes_what_was_not_finished_and_nothing_else(
        self, tmp_path: Path, kept: list[str], needless: list[str]
    ) -> None:
        for name in kept + needless:
            (tmp_path / name).write_text(name)
        with folder_fd(tmp_path) as fd:
            for _ in range(2):
                tidy(fd)
                assert {path.name for path in tmp_path.iterdir()} == set(kept)

    def test_can_stop_anywhere(self, tmp_path: Path) -> None:
        folder = tmp_path / "run"
        with sealed_run(folder) as run:
            assert run.compress(6, at_once)
        (folder / segment_name(6)).write_bytes(rows(6, 5, 950))
        (folder / (compressed_name(1) + UNFINISHED)).write_bytes(b"half")
        (folder / index_name(99)).write_bytes(b"")
        with folder_fd(folder) as fd, every_state(folder, tmp_path / "states") as states:
            tidy(fd)
        assert len(states) == 3
        for state in states:
            with opened(state) as run:
                run.tidy()
                assert read_all(run) == text_of(state) == TEXT

    def test_that_cannot_be_says_so(self, tmp_path: Path) -> None:
        (tmp_path / (compressed_name(1) + UNFINISHED)).write_bytes(b"half")
        with folder_fd(tmp_path) as fd, full_disk(read_only=True), pytest.raises(StoreError, match="cannot tidy"):
            tidy(fd)
