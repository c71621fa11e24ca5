"""The text of a segment: the same bytes from its plain file and from the compressed one; none where it is damaged."""

from __future__ import annotations

import errno
import itertools
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_helpers import failing, flip, folder_fd, open_descriptors

from logd.errors import StoreError
from logd.store.seekable import SeekableWriter
from logd.store.segment import compressed_name, segment_name
from logd.store.text import CompressedText, FrameCache, PlainText, Text, open_text

FRAMES = [bytes([65 + number]) * (100 + 7 * number) for number in range(9)]
TEXT = b"".join(FRAMES)


def compressed(path: Path, frames: list[bytes]) -> Path:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    try:
        writer = SeekableWriter(fd)
        for frame in frames:
            writer.write_frame(frame)
        writer.finish()
    finally:
        os.close(fd)
    return path


@contextmanager
def text_at(path: Path, cache: FrameCache | None = None) -> Iterator[Text]:
    fd = os.open(path, os.O_RDONLY)
    text = PlainText(fd) if path.suffix == ".jsonl" else CompressedText(fd, cache or FrameCache())
    try:
        yield text
    finally:
        text.close()


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same text, plain and compressed."""
    folder = tmp_path_factory.mktemp("text")
    plain = folder / segment_name(1)
    plain.write_bytes(TEXT)
    return plain, compressed(folder / compressed_name(1), FRAMES)


class TestReading:
    @settings(max_examples=200)
    @given(st.lists(st.tuples(st.integers(0, len(TEXT) + 50), st.integers(0, len(TEXT) + 50)), max_size=5))
    def test_is_the_same_from_either_file(self, paths: tuple[Path, Path], places: list[tuple[int, int]]) -> None:
        with text_at(paths[0]) as plain, text_at(paths[1]) as packed:
            assert plain.size_bytes == packed.size_bytes == len(TEXT)
            for length, offset in places:
                assert plain.pread(length, offset) == packed.pread(length, offset) == TEXT[offset : offset + length]

    def test_of_no_text_is_nothing(self, tmp_path: Path) -> None:
        with text_at(compressed(tmp_path / compressed_name(1), [])) as text:
            assert (text.size_bytes, text.pread(10, 0)) == (0, b"")

    @pytest.mark.parametrize("plain", [True, False])
    def test_says_when_the_file_was_written(self, paths: tuple[Path, Path], plain: bool) -> None:
        path = paths[0 if plain else 1]
        os.utime(path, ns=(0, 1_600_000_000_123_456_789))
        with text_at(path) as text:
            assert text.modified_us == 1_600_000_000_123_456
        os.utime(path, ns=(0, -5_000_000))
        with text_at(path) as text:
            assert text.modified_us == 0


class TestDamage:
    @pytest.mark.parametrize("bit", [0, 7])
    def test_of_a_frame_leaves_the_others(self, tmp_path: Path, paths: tuple[Path, Path], bit: int) -> None:
        """Whatever of it is asked for with its neighbours is nothing."""
        size_bytes = paths[1].stat().st_size
        spans = [sum(map(len, FRAMES[:number])) for number in range(len(FRAMES) + 1)]
        found = []
        for at in range(0, size_bytes, 3):
            path = tmp_path / compressed_name(at)
            path.write_bytes(paths[1].read_bytes())
            flip(path, at, bit)
            with text_at(path) as text:
                read = [text.pread(end - start, start) for start, end in itertools.pairwise(spans)]
                assert text.pread(len(TEXT), 0) == b""
            damaged = [number for number, data in enumerate(read) if data != FRAMES[number]]
            assert all(read[number] == b"" for number in damaged)
            found.append(len(damaged))
        assert set(found) == {1, len(FRAMES)}, "a frame, or the table and with it all"

    def test_by_cutting_takes_all(self, tmp_path: Path, paths: tuple[Path, Path]) -> None:
        data = paths[1].read_bytes()
        for length in range(0, len(data), 5):
            path = tmp_path / compressed_name(length)
            path.write_bytes(data[:length])
            with text_at(path) as text:
                assert (text.size_bytes, text.pread(len(TEXT), 0)) == (0, b"")

    def test_is_looked_at_once(self, tmp_path: Path, paths: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / compressed_name(1)
        path.write_bytes(paths[1].read_bytes())
        flip(path, 12)
        reads, pread = 0, os.pread
        with text_at(path) as text:

            def counting(fd: int, length: int, offset: int) -> bytes:
                nonlocal reads
                reads += 1
                return pread(fd, length, offset)

            monkeypatch.setattr(os, "pread", counting)
            assert {text.pread(5, offset) for offset in range(50)} == {b""}
        assert reads == 1


class TestFrameCache:
    def test_keeps_the_newest_within_its_bound(self) -> None:
        cache = FrameCache(100)
        for number in range(10):
            cache.add((1, 1, number), bytes(30))
            cache.get((1, 1, 0))
        kept = [number for number in range(10) if cache.get((1, 1, number)) is not None]
        assert kept == [0, 8, 9], "of which the first was asked for again and again"

    def test_keeps_one_that_is_over_its_bound(self) -> None:
        cache = FrameCache(0)
        for number in range(3):
            cache.add((1, 1, number), bytes(30))
            assert cache.get((1, 1, number)) == bytes(30)
        assert cache.get((1, 1, 1)) is None

    @given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 60)), max_size=40))
    def test_never_holds_more_than_its_bound_and_the_newest(self, added: list[tuple[int, int]]) -> None:
        cache = FrameCache(100)
        for number, length in added:
            held = {each: frame for each in range(10) if (frame := cache.get((0, 0, each))) is not None}
            cache.add((0, 0, number), bytes(length))
            now = {each: frame for each in range(10) if (frame := cache.get((0, 0, each))) is not None}
            assert now[number] == held.get(number, bytes(length))
            assert sum(map(len, now.values())) <= 100 or len(now) == 1
            assert now.keys() - {number} <= held.keys()

    def test_reads_a_frame_once_for_all_who_read(
        self, paths: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cache = FrameCache()
        with text_at(paths[1], cache) as text:
            assert text.pread(len(TEXT), 0) == TEXT
        with text_at(paths[1], cache) as text:
            monkeypatch.setattr(os, "pread", failing(errno.EIO))
            assert text.pread(len(TEXT), 0) == TEXT

    def test_does_not_take_one_file_for_another(self, tmp_path: Path) -> None:
        cache = FrameCache()
        for number in range(3):
            path = compressed(tmp_path / compressed_name(1), [b"%d" % number * 50])
            os.utime(path, ns=(0, number))
            with text_at(path, cache) as text:
                assert text.pread(50, 0) == b"%d" % number * 50

    def test_can_be_used_by_many_threads(self, paths: tuple[Path, Path]) -> None:
        cache, wrong = FrameCache(300), list[int]()

        def read() -> None:
            for offset in range(0, len(TEXT), 11):
                with text_at(paths[1], cache) as text:
                    if text.pread(40, offset) != TEXT[offset : offset + 40]:
                        wrong.append(offset)

        threads = [threading.Thread(target=read) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []


class TestOpening:
    def test_takes_the_plain_file_where_both_are_there(self, tmp_path: Path) -> None:
        (tmp_path / segment_name(1)).write_bytes(b"plain")
        compressed(tmp_path / compressed_name(1), [b"compressed"])
        with folder_fd(tmp_path) as fd:
            for expected in (b"plain", b"compressed"):
                text = open_text(fd, 1, FrameCache())
                assert text.pread(100, 0) == expected
                text.close()
                (tmp_path / segment_name(1)).unlink(missing_ok=True)

    def test_of_what_is_not_there_says_so(self, tmp_path: Path) -> None:
        with folder_fd(tmp_path) as fd, pytest.raises(StoreError, match="No such file") as caught:
            open_text(fd, 1, FrameCache())
        assert caught.value.is_absence

    @pytest.mark.parametrize("name", [segment_name(1), compressed_name(1)])
    def test_does_not_go_through_a_link(self, tmp_path: Path, name: str) -> None:
        (tmp_path / "outside").write_bytes(b"secret")
        (tmp_path / name).symlink_to("outside")
        with folder_fd(tmp_path) as fd, pytest.raises(StoreError, match=f"cannot open {name}") as caught:
            open_text(fd, 1, FrameCache())
        assert not caught.value.is_absence

    @pytest.mark.parametrize("name", [segment_name(1), compressed_name(1)])
    def test_that_fails_leaves_no_descriptor(self, tmp_path: Path, name: str) -> None:
        (tmp_path / name).write_bytes(b"")
        with folder_fd(tmp_path) as fd:
            before = open_descriptors()
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(os, "fstat", failing(errno.EIO))
                with pytest.raises(StoreError, match=f"cannot read {name}: Input/output error"):
                    open_text(fd, 1, FrameCache())
            assert open_descriptors() == before
