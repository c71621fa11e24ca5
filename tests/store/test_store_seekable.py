"""Seekable files: any place of the text is read as it was written, and any damage is noticed."""

from __future__ import annotations

import errno
import os
import random
import shutil
import struct
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from itertools import accumulate, pairwise
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from store_helpers import Disk

from logd.store import disk, seekable
from logd.store.checksum import crc32
from logd.store.seekable import MAX_FRAME_BYTES, MAX_FRAMES, Damaged, SeekableReader, SeekableWriter

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MIB = 1024 * 1024
SMALL = [b"", b"one\n", b"two\n" * 20, b"", b"three\n"]

frame = st.one_of(
    st.binary(max_size=40),
    st.builds(lambda seed, length: random.Random(seed).randbytes(length), st.integers(), st.integers(0, 3 * MIB)),
    st.builds(lambda text, length: text * (length // len(text)), st.binary(min_size=1), st.integers(0, 3 * MIB)),
)
frames = st.lists(frame, max_size=6)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("seekable") / "text.zst"


@contextmanager
def opened(path: Path) -> Iterator[int]:
    fd = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        yield fd
    finally:
        os.close(fd)


@contextmanager
def reader_of(path: Path, data: bytes | None = None) -> Iterator[SeekableReader]:
    if data is not None:
        path.write_bytes(data)
    with opened(path) as fd:
        yield SeekableReader(fd)


def written(path: Path, texts: Sequence[bytes], level: int = 1) -> bytes:
    """The file of these frames, which is also at `path`."""
    with opened(path) as fd:
        writer = SeekableWriter(fd, level)
        for text in texts:
            writer.write_frame(text)
        writer.finish()
    return path.read_bytes()


# The format, written down once more


def compressed(text: bytes) -> bytes:
    return zstd.compress(text, options={zstd.CompressionParameter.checksum_flag: 1})


def seek_table(sizes: Sequence[tuple[int, int]]) -> bytes:
    entries = b"".join(struct.pack("<II", *size) for size in sizes)
    head = struct.pack("<II", 0x184D2A5E, len(entries) + 9)
    return head + entries + struct.pack("<IBI", len(sizes), 0, 0x8F92EAB1)


def sealed(frames: Sequence[bytes], lengths: Sequence[int]) -> bytes:
    """A file of these frames, with a sound table that says such lengths of their text."""
    table = seek_table([*zip(map(len, frames), lengths, strict=True), (12, 0)])
    return b"".join((*frames, struct.pack("<III", 0x184D2A5C, 4, crc32(table)), table))


def test_a_file_is_its_frames_a_check_and_a_seek_table(path: Path) -> None:
    data = written(path, SMALL)
    frames = [compressed(text) for text in SMALL]
    assert data == sealed(frames, [*map(len, SMALL)])


def needs_zstd() -> None:
    if shutil.which("zstd") is None:
        assert not os.environ.get("LOGD_TESTS_NEED_TOOLS"), "zstd is not installed"
        pytest.skip("zstd is not installed")


@pytest.mark.parametrize("texts", [[], [b""], SMALL, [b"many\n" * MIB, random.Random(1).randbytes(MIB)]])
def test_zstd_reads_the_whole(path: Path, texts: list[bytes]) -> None:
    needs_zstd()
    written(path, texts)
    for command in (["zstd", "-dc"], ["zstdcat"]):
        assert subprocess.run([*command, path], capture_output=True, check=True).stdout == b"".join(texts)
    subprocess.run(["zstd", "--test", "--quiet", path], check=True)


class TestReading:
    @settings(deadline=None, max_examples=40)
    @given(frames, st.integers(1, 5), st.lists(st.tuples(st.floats(0, 1.1), st.floats(0, 1.1)), max_size=8))
    @example([], 1, [])
    @example(SMALL, 1, [])
    def test_gives_any_part_of_the_text(
        self, path: Path, texts: list[bytes], level: int, places: list[tuple[float, float]]
    ) -> None:
        written(path, texts, level)
        text = b"".join(texts)
        starts = [*accumulate(map(len, texts), initial=0)]
        parts = [(int(length * len(text)), int(offset * len(text))) for length, offset in places]
        # Around every frame's edges, too.
        edges = [start + by for start in starts for by in (-1, 0, 1) if start + by >= 0]
        parts += [(length, edge) for edge in edges for length in (0, 1, 2)]
        with reader_of(path) as reader:
            for length, offset in [(len(text), 0), (2**63, 0), *parts]:
                assert reader.pread(length, offset) == text[offset : offset + length]

    @settings(deadline=None)
    @given(st.lists(st.binary(max_size=3)))
    def test_a_frame_is_found_by_what_it_holds(self, path: Path, texts: list[bytes]) -> None:
        written(path, texts)
        holders = [number for number, text in enumerate(texts) for _ in text]
        with reader_of(path) as reader:
            assert reader.size_bytes == len(holders)
            assert reader.frame_count == len(texts)
            starts = accumulate(map(len, texts), initial=0)
            for number, (text, start) in enumerate(zip(texts, starts, strict=False)):
                assert reader.frame_span(number) == (start, len(text))
            assert [reader.read_frame(number) for number in range(len(texts))] == texts
            assert [reader.find_frame(offset) for offset in range(len(holders))] == holders
            assert reader.find_frame(len(holders)) == reader.find_frame(2**64) == len(texts)
            with pytest.raises(ValueError):
                reader.frame_span(len(texts))

    def test_a_place_before_the_text_is_no_place(self, path: Path) -> None:
        written(path, SMALL)
        with reader_of(path) as reader:
            for length, offset in ((1, -1), (-1, 1)):
                with pytest.raises(ValueError, match="there are no"):
                    reader.pread(length, offset)

    @pytest.mark.parametrize(("count", "table_reads"), [(0, 1), (64, 1), (507, 1), (508, 2), (2000, 2)])
    def test_costs_one_or_two_reads_and_one_for_each_frame(
        self, path: Path, monkeypatch: pytest.MonkeyPatch, count: int, table_reads: int
    ) -> None:
        text = b"0123456789"
        path.write_bytes(sealed([compressed(text)] * count, [len(text)] * count))
        reads, pread = [], os.pread

        def counting(fd: int, length: int, offset: int) -> bytes:
            reads.append(length)
            return pread(fd, length, offset)

        monkeypatch.setattr(os, "pread", counting)
        with reader_of(path) as reader:
            assert len(reads) == table_reads
            assert reader.pread(5, 2) == b"23456"[: 5 * count]
            assert len(reads) == table_reads + min(1, count)
            assert reader.pread(20, 25) == (text * 5)[5:25][: 20 * count]
            assert len(reads) == table_reads + min(4, 4 * count)

    def test_an_error_of_the_disk_passes(self, path: Path) -> None:
        written(path, SMALL)
        with reader_of(path) as reader:
            pass
        with pytest.raises(OSError, match="Bad file descriptor"):
            reader.read_frame(1)
        with pytest.raises(OSError, match="Bad file descriptor"):
            SeekableReader(-1)


class TestWriting:
    def test_overwrites_what_was_there(self, path: Path) -> None:
        data = written(path, SMALL)
        path.write_bytes(bytes(10_000))
        assert written(path, SMALL) == data

    def test_that_failed_can_be_made_again(self, tmp_path: Path) -> None:
        """After any number of bytes, of a frame or of the table."""
        data = written(tmp_path / "whole", SMALL)
        for room_bytes in range(len(data)):
            with opened(tmp_path / "again") as fd:
                writer = SeekableWriter(fd)
                calls: list[Callable[[], None]] = [
                    *(partial(writer.write_frame, text) for text in SMALL),
                    writer.finish,
                ]
                with pytest.MonkeyPatch.context() as patch, pytest.raises(OSError) as caught:
                    patch.setattr(disk, "pwritev", Disk(room_bytes).pwritev)
                    while calls:
                        calls[0]()
                        del calls[0]
                assert caught.value.errno == errno.ENOSPC
                for call in calls:
                    call()
            assert (tmp_path / "again").read_bytes() == data

    def test_its_size_is_the_files(self, path: Path) -> None:
        with opened(path) as fd:
            os.ftruncate(fd, 0)
            writer = SeekableWriter(fd)
            for text in SMALL:
                writer.write_frame(text)
                assert writer.size_bytes == os.fstat(fd).st_size

    def test_a_frame_has_a_longest_length(self, path: Path) -> None:
        """What does not compress at all, and what does so best."""
        for text in (random.Random(1).randbytes(MAX_FRAME_BYTES), bytes(MAX_FRAME_BYTES)):
            written(path, [text])
            with reader_of(path) as reader:
                assert reader.read_frame(0) == text
            with opened(path) as fd, pytest.raises(ValueError, match="too long"):
                SeekableWriter(fd).write_frame(text + b"!")

    def test_a_file_has_so_many_frames(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(seekable, "MAX_FRAMES", 3)
        with opened(path) as fd:
            writer = SeekableWriter(fd)
            for _ in range(3):
                writer.write_frame(b"x")
            with pytest.raises(ValueError, match="too many frames"):
                writer.write_frame(b"x")
            writer.finish()
            assert SeekableReader(fd).size_bytes == 3


class TestDamage:
    def test_of_one_bit_is_noticed_or_harmless(self, path: Path) -> None:
        data = written(path, SMALL)
        harmless = 0
        for at in range(8 * len(data)):
            flipped = bytearray(data)
            flipped[at // 8] ^= 1 << at % 8
            harmless += all_read(path, bytes(flipped), SMALL)
        assert harmless == len(SMALL), "the one unused bit of each frame's header"

    def test_that_cuts_a_file_off_is_noticed(self, path: Path) -> None:
        data = written(path, SMALL)
        for length in range(len(data)):
            with pytest.raises(Damaged, match=f"at byte {length}$"), reader_of(path, data[:length]):
                pass

    def test_while_a_file_is_open_is_noticed(self, path: Path) -> None:
        data = written(path, [b"text"])
        for length in range(len(compressed(b"text"))):
            with reader_of(path, data) as reader:
                os.truncate(path, length)
                with pytest.raises(Damaged, match=r"frame 0 .*, at byte 0$"):
                    reader.read_frame(0)

    @pytest.mark.parametrize("left", [0, 1, 20, 4096, 8000])
    def test_while_a_file_is_opened_is_noticed(self, path: Path, monkeypatch: pytest.MonkeyPatch, left: int) -> None:
        """Whichever of the two reads it meets."""
        data = sealed([compressed(b"text")] * 1000, [4] * 1000)
        pread = os.pread
        for read_number in (1, 2):
            path.write_bytes(data)
            lengths: list[int] = []

            def cutting(fd: int, length: int, offset: int, at: int = read_number, seen: list[int] = lengths) -> bytes:
                seen.append(length)
                if len(seen) == at:
                    os.ftruncate(fd, left)
                return pread(fd, length, offset)

            monkeypatch.setattr(os, "pread", cutting)
            with pytest.raises(Damaged), reader_of(path):
                pass

    @settings(deadline=None, max_examples=300)
    @given(st.data())
    def test_of_any_bytes_is_noticed(self, path: Path, data: st.DataObject) -> None:
        """Also where the table is sound, so that frames come to be decoded."""
        texts = data.draw(st.lists(st.binary(max_size=100).map(lambda text: text * 3), min_size=1, max_size=3))
        frames = [bytearray(compressed(text)) for text in texts]
        for _ in range(data.draw(st.integers(1, 4))):
            damaged = data.draw(st.sampled_from(frames))
            start, end = sorted((data.draw(st.integers(0, len(damaged))), data.draw(st.integers(0, len(damaged)))))
            damaged[start:end] = data.draw(st.binary(max_size=10))
        all_read(path, sealed([bytes(each) for each in frames], [*map(len, texts)]), texts)

    @settings(deadline=None, max_examples=300)
    @given(st.binary(max_size=200), st.sampled_from([b"", struct.pack("<I", 0x8F92EAB1)]), st.integers(0, 20))
    def test_is_what_random_bytes_are(self, path: Path, noise: bytes, magic: bytes, count: int) -> None:
        footer = struct.pack("<IB", count, 0) + magic if magic else b""
        with pytest.raises(Damaged), reader_of(path, noise + footer):
            pass

    @settings(deadline=None, max_examples=300)
    @given(st.lists(st.tuples(st.binary(max_size=60), st.integers(0, 2**32 - 1)), min_size=1, max_size=4))
    def test_of_any_frame_is_no_other_error(self, path: Path, frames: list[tuple[bytes, int]]) -> None:
        data = sealed([b"\x28\xb5\x2f\xfd" + noise for noise, _ in frames], [length for _, length in frames])
        with suppress(Damaged), reader_of(path, data) as reader:
            for number in range(len(frames)):
                with suppress(Damaged):
                    reader.read_frame(number)

    @pytest.mark.parametrize("length", [0, 1, 9, 11, 1000, MAX_FRAME_BYTES])
    def test_of_a_length_is_noticed(self, path: Path, length: int) -> None:
        data = sealed([compressed(b"0123456789")], [length])
        with reader_of(path, data) as reader, pytest.raises(Damaged, match=r"frame 0 is not as long .*, at byte 0$"):
            reader.read_frame(0)

    def test_of_the_sizes_together_is_noticed(self, path: Path) -> None:
        data = b"more" + written(path, SMALL)
        with pytest.raises(Damaged, match="the frames do not end where the seek table begins"), reader_of(path, data):
            pass

    def test_is_a_frame_within_a_frame(self, path: Path) -> None:
        """Whatever follows the first frame's end, or comes before it."""
        one, empty, skipped = compressed(b"one"), compressed(b""), struct.pack("<II", 0x184D2A50, 0)
        for frames in (one + empty, empty + one, one + skipped, skipped + one, one + one, one + b"\0"):
            with reader_of(path, sealed([frames], [3])) as reader, pytest.raises(Damaged):
                reader.read_frame(0)

    def test_is_a_frame_that_is_too_long(self, path: Path) -> None:
        with pytest.raises(Damaged, match="too long"), reader_of(path, sealed([b"?"], [MAX_FRAME_BYTES + 1])):
            pass
        worst = MAX_FRAME_BYTES + MAX_FRAME_BYTES // 256
        with pytest.raises(Damaged, match="too long"), reader_of(path, sealed([bytes(worst + 1)], [1])):
            pass

    @pytest.mark.parametrize("count", [0, MAX_FRAMES + 2, 2**32 - 1])
    def test_is_a_table_of_too_many_entries(self, path: Path, count: int) -> None:
        with opened(path) as fd:
            # As large as the table would be, with nothing in it.
            os.ftruncate(fd, 12 * count + 100)
            os.pwrite(fd, struct.pack("<IBI", count, 0, 0x8F92EAB1), 12 * count + 91)
            with pytest.raises(Damaged, match=f"a seek table of {count} entries cannot be"):
                SeekableReader(fd)

    def test_takes_no_memory(self, path: Path) -> None:
        """A frame that holds more than the table says, and one that says so of itself, too."""
        bomb = compressed(bytes(15 * MIB))
        assert bomb[4] >> 6 == 2, "its length is the 4 bytes from the sixth on, as it has a window"
        lying = bomb[:6] + struct.pack("<I", 1000) + bomb[10:]
        unsaid = zstd.compress(bytes(15 * MIB), options={zstd.CompressionParameter.content_size_flag: 0})
        for each in (bomb, lying, unsaid):
            with reader_of(path, sealed([each], [1000])) as reader:
                tracemalloc.start()
                with pytest.raises(Damaged):
                    reader.read_frame(0)
                _, peak = tracemalloc.get_traced_memory()
                tracemalloc.stop()
                assert peak < MIB


def all_read(path: Path, data: bytes, texts: list[bytes]) -> bool:
    """Whether a file is not noticeably damaged; all that is read of it is then, and otherwise, as it was written."""
    sound = True
    text = b"".join(texts)
    places = [*accumulate(map(len, texts), initial=0)]
    try:
        with reader_of(path, data) as reader:
            for start, end in [(0, len(text)), (len(text), len(text) + 1), *pairwise(places)]:
                try:
                    assert reader.pread(end - start, start) == text[start:end]
                except Damaged:
                    sound = False
            for number, frame in enumerate(texts):
                try:
                    assert reader.read_frame(number) == frame
                except Damaged as damage:
                    sound = False
                    assert 0 <= damage.offset <= len(data)
    except Damaged:
        return False
    return sound
