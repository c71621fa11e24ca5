"""One segment: names, and failures after which nothing of what failed is stored."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from store_helpers import KEY, TIME_US, entries, failing, folder_fd, full_disk, open_descriptors, rows

from logd.errors import StoreError
from logd.store import disk
from logd.store.index import ENTRY_BYTES, HEADER_BYTES, Entry, Header, Kind
from logd.store.segment import (
    Mark,
    SegmentWriter,
    compressed_name,
    first_seqs,
    index_name,
    open_in,
    segment_name,
    store_errors,
)

HEADER = Header(2, 1, TIME_US)


@contextmanager
def writer_in(folder: Path, end: Mark | None = None) -> Iterator[SegmentWriter]:
    with folder_fd(folder) as fd:
        writer = SegmentWriter(fd, HEADER, end)
    try:
        yield writer
    finally:
        writer.close()


def some_entries(first_seq: int, counts: list[int], offset: int) -> tuple[list[bytes], list[Entry]]:
    """Blocks of so many records each, and their entries."""
    blocks, found = [], []
    for count in counts:
        blocks.append(rows(first_seq, count))
        found.append(Entry(offset, len(blocks[-1]), count, first_seq, TIME_US, KEY, 1, 0, 1, Kind.BLOCK, 2, 3))
        first_seq, offset = found[-1].next_seq, found[-1].end
    return blocks, found


def data_of(folder: Path) -> bytes:
    return (folder / segment_name(1)).read_bytes()


def index_of(folder: Path) -> bytes:
    return (folder / index_name(1)).read_bytes()


class TestNames:
    def test_are_by_the_first_seq_in_twenty_digits(self) -> None:
        assert segment_name(1) == "00000000000000000001.jsonl"
        assert compressed_name(1) == "00000000000000000001.jsonl.zst"
        assert index_name(18_446_744_073_709_551_615) == "18446744073709551615.idx"

    @given(st.lists(st.integers(0, 2**64 - 1), unique=True), st.sampled_from([(0,), (1,), (0, 1)]))
    def test_are_read_back_in_order(self, seqs: list[int], forms: tuple[int, ...]) -> None:
        texts = [(segment_name, compressed_name)[form] for form in forms]
        names = [name(seq) for seq in seqs for name in (index_name, *texts)]
        assert first_seqs(names) == sorted(seqs)
        assert sorted(map(segment_name, seqs)) == list(map(segment_name, sorted(seqs)))

    @pytest.mark.parametrize(
        "name",
        [
            *("", ".jsonl", "1.jsonl", "0000000000000000001.jsonl", "000000000000000000001.jsonl"),
            *(segment_name(1) + ".torn", segment_name(1) + ".new", compressed_name(1) + ".new", index_name(1)),
            *("00000000000000000001.bak.jsonl", "00000000000000000001.zst.jsonl", "+0000000000000000001.jsonl"),
            *("0000_0000_0000_00001.jsonl", " 0000000000000000001.jsonl", "-0000000000000000001.jsonl"),
            *("²" * 20 + ".jsonl", "٣" * 20 + ".jsonl"),
        ],
    )
    def test_of_other_files_are_none(self, name: str) -> None:
        assert first_seqs([name, segment_name(5)]) == [5]


class TestErrors:
    def test_say_what_was_tried_on_what(self) -> None:
        with (
            pytest.raises(StoreError, match=r"cannot write 1\.jsonl: No space left on device") as caught,
            store_errors("write", "1.jsonl"),
        ):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        assert (caught.value.operation, caught.value.path, caught.value.errno) == ("write", "1.jsonl", errno.ENOSPC)

    def test_a_file_is_not_opened_through_a_link(self, tmp_path: Path) -> None:
        (tmp_path / "target").write_text("text")
        (tmp_path / "link").symlink_to("target")
        (tmp_path / "dangling").symlink_to("nowhere")
        with folder_fd(tmp_path) as fd:
            for name in ("link", "dangling"):
                with pytest.raises(StoreError, match=f"cannot open {name}"):
                    open_in(fd, name, os.O_RDWR | os.O_CREAT)
        assert not (tmp_path / "nowhere").exists()

    def test_a_file_is_for_its_owner_alone_and_not_for_children(self, tmp_path: Path) -> None:
        before = os.umask(0)
        try:
            with folder_fd(tmp_path) as fd:
                opened = open_in(fd, "file", os.O_RDWR | os.O_CREAT)
        finally:
            os.umask(before)
        assert stat.S_IMODE(os.fstat(opened).st_mode) == 0o600
        assert not os.get_inheritable(opened)
        os.close(opened)


class TestCreation:
    def test_makes_an_index_with_a_header_and_an_empty_text(self, tmp_path: Path) -> None:
        with writer_in(tmp_path):
            assert data_of(tmp_path) == b""
            assert index_of(tmp_path) == HEADER.pack()

    def test_begins_an_index_that_was_left_there_anew(self, tmp_path: Path) -> None:
        _, old = some_entries(1, [1, 2, 3], 0)
        (tmp_path / index_name(1)).write_bytes(HEADER.pack() + b"".join(entry.pack() for entry in old))
        with writer_in(tmp_path):
            assert entries(tmp_path) == []

    @pytest.mark.parametrize("room_bytes", [0, 1, HEADER_BYTES - 1])
    def test_that_fails_leaves_no_segment_and_no_descriptor(self, tmp_path: Path, room_bytes: int) -> None:
        before = open_descriptors()
        for _ in range(3):
            with full_disk(room_bytes), pytest.raises(StoreError, match="No space left"), writer_in(tmp_path):
                pass
        assert open_descriptors() == before
        assert first_seqs(os.listdir(tmp_path)) == []
        with writer_in(tmp_path):
            assert index_of(tmp_path) == HEADER.pack()

    @pytest.mark.parametrize("name", [segment_name(1), index_name(1)])
    def test_does_not_go_through_a_link(self, tmp_path: Path, name: str) -> None:
        (tmp_path / name).symlink_to(tmp_path / "target")
        before = open_descriptors()
        with pytest.raises(StoreError, match=f"cannot open {name}"), writer_in(tmp_path):
            pass
        assert open_descriptors() == before
        assert not (tmp_path / "target").exists()

    def test_of_one_that_is_there_is_not_asked_for(self, tmp_path: Path) -> None:
        with pytest.raises(StoreError, match="No such file"), writer_in(tmp_path, Mark(0, 0, 1)):
            pass
        assert os.listdir(tmp_path) == []


class TestAppend:
    def test_goes_on_where_the_last_ended(self, tmp_path: Path) -> None:
        with writer_in(tmp_path) as writer:
            blocks, first = some_entries(1, [2, 1], 0)
            writer.append(blocks, first)
            more, second = some_entries(4, [5], writer.end.size_bytes)
            writer.append(more, second)
            assert writer.end == Mark(len(rows(1, 8)), 3, 9)
        assert data_of(tmp_path) == rows(1, 8)
        assert entries(tmp_path) == first + second

    def test_goes_on_in_one_that_was_there(self, tmp_path: Path) -> None:
        with writer_in(tmp_path) as writer:
            blocks, first = some_entries(1, [2], 0)
            writer.append(blocks, first)
        with writer_in(tmp_path, Mark(first[-1].end, 1, 3)) as writer:
            more, second = some_entries(3, [1], writer.end.size_bytes)
            writer.append(more, second)
        assert data_of(tmp_path) == rows(1, 3)
        assert entries(tmp_path) == first + second

    @pytest.mark.parametrize("read_only", [False, True], ids=["", "what was written cannot be cut"])
    def test_that_fails_after_any_number_of_bytes_stores_nothing(self, tmp_path: Path, read_only: bool) -> None:
        blocks, first = some_entries(1, [1], 0)
        more, second = some_entries(2, [1, 2], first[-1].end)
        needed = sum(map(len, more)) + len(second) * ENTRY_BYTES
        for room_bytes in range(needed):
            with writer_in(tmp_path) as writer:
                writer.append(blocks, first)
                with full_disk(room_bytes, read_only=read_only), pytest.raises(StoreError) as caught:
                    writer.append(more, second)
                assert caught.value.errno == errno.ENOSPC
                assert writer.end == Mark(first[-1].end, 1, 2)
                if not read_only:
                    assert data_of(tmp_path) == blocks[0]
                    assert entries(tmp_path) == first
                other, third = some_entries(2, [1], writer.end.size_bytes)
                writer.append(other, third)
                assert data_of(tmp_path) == rows(1, 2)
                assert entries(tmp_path) == first + third
            (tmp_path / segment_name(1)).unlink()

    def test_what_failed_is_cut_off_before_the_next_is_written(self, tmp_path: Path) -> None:
        """Entries of a longer write would stand behind those of a shorter one, and pass for stored."""
        with writer_in(tmp_path) as writer:
            more, entries_of_more = some_entries(1, [1, 1, 1], 0)
            with full_disk(len(rows(1, 3)) + 2 * ENTRY_BYTES, read_only=True), pytest.raises(StoreError):
                writer.append(more, entries_of_more)
            assert len(entries(tmp_path)) == 2
            with full_disk(10_000, read_only=True), pytest.raises(StoreError, match="Read-only"):
                writer.append(*some_entries(1, [1], 0))
            assert data_of(tmp_path) == rows(1, 3)
            writer.append(*some_entries(1, [1], 0))
            assert len(entries(tmp_path)) == 1

    def test_of_many_blocks_is_one_write_and_one_of_their_entries(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with writer_in(tmp_path) as writer:
            calls, pwritev = [], disk.pwritev

            def counting(fd: int, views: Sequence[bytes], offset: int) -> int:
                calls.append(len(views))
                return pwritev(fd, views, offset)

            monkeypatch.setattr(disk, "pwritev", counting)
            writer.append(*some_entries(1, [1] * 100, 0))
            assert calls == [100, 1]


class TestSeal:
    def test_marks_the_end(self, tmp_path: Path) -> None:
        before = open_descriptors()
        blocks, stored = some_entries(1, [3], 0)
        with writer_in(tmp_path) as writer:
            writer.append(blocks, stored)
            writer.seal(TIME_US + 5)
        mark = Entry(len(blocks[0]), 0, 0, 4, TIME_US + 5, 0, 0, 0, 0, Kind.CLOSE, 0, 0)
        assert entries(tmp_path) == [*stored, mark]
        assert open_descriptors() == before

    @pytest.mark.parametrize("room_bytes", [0, 30])
    def test_on_a_full_disk_leaves_it_unmarked(self, tmp_path: Path, room_bytes: int) -> None:
        blocks, stored = some_entries(1, [3], 0)
        with writer_in(tmp_path) as writer:
            writer.append(blocks, stored)
            with full_disk(room_bytes):
                writer.seal(TIME_US)
        assert entries(tmp_path) == stored
        assert len(index_of(tmp_path)) == HEADER_BYTES + ENTRY_BYTES

    def test_where_what_failed_cannot_be_cut_off_leaves_it_unmarked(self, tmp_path: Path) -> None:
        """With a mark in place of its first entry, the others would follow on nothing."""
        with writer_in(tmp_path) as writer:
            blocks, unstored = some_entries(1, [1, 1, 1], 0)
            with full_disk(len(rows(1, 3)) + 2 * ENTRY_BYTES, read_only=True), pytest.raises(StoreError):
                writer.append(blocks, unstored)
            with full_disk(10_000, read_only=True):
                writer.seal(TIME_US)
        assert entries(tmp_path) == unstored[:2]


class TestUnsynced:
    def test_is_what_was_stored_since(self, tmp_path: Path) -> None:
        with writer_in(tmp_path) as writer:
            blocks, first = some_entries(1, [2, 1], 0)
            assert writer.unsynced() == (b"", [])
            writer.append(blocks, first)
            assert writer.unsynced() == (rows(1, 3), first)
            writer.synced = writer.end
            assert writer.unsynced() == (b"", [])
            more, _ = some_entries(4, [5, 1], 0)
            writer.append(more, some_entries(4, [5, 1], writer.end.size_bytes)[1])
            assert writer.unsynced() == (rows(4, 6), some_entries(4, [5, 1], 0)[1])

    def test_is_read_however_little_the_system_reads_at_once(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pread = os.pread
        with writer_in(tmp_path) as writer:
            blocks, first = some_entries(1, [50], 0)
            writer.append(blocks, first)
            index_bytes = len(first) * ENTRY_BYTES
            monkeypatch.setattr(os, "pread", lambda fd, length, at: pread(fd, min(length, index_bytes), at))
            assert writer.unsynced() == (rows(1, 50), first)

    def test_descriptors_for_another_thread_are_of_the_same_files(self, tmp_path: Path) -> None:
        before = open_descriptors()
        with writer_in(tmp_path) as writer:
            data_fd, index_fd = writer.duplicates()
        assert os.fstat(data_fd).st_ino == (tmp_path / segment_name(1)).stat().st_ino
        assert os.fstat(index_fd).st_ino == (tmp_path / index_name(1)).stat().st_ino
        os.close(data_fd)
        os.close(index_fd)
        assert open_descriptors() == before

    @pytest.mark.parametrize("number", [1, 2])
    def test_where_there_are_no_more_none_is_left_open(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
    ) -> None:
        left = [os.dup] * (number - 1) + [failing(errno.EMFILE)]
        monkeypatch.setattr(os, "dup", lambda fd: left.pop(0)(fd))
        with writer_in(tmp_path) as writer:
            before = open_descriptors()
            with pytest.raises(OSError, match="Too many open files"):
                writer.duplicates()
            assert open_descriptors() == before
