"""The index: every damage to an entry is noticed, and every lookup agrees with a linear search."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from logd.store.index import ENTRY_BYTES, HEADER_BYTES, Entry, Header, Index, Kind

U16, U32, U64 = (st.integers(0, 2**bits - 1) for bits in (16, 32, 64))
any_header = st.builds(Header, U64, U64, U64)
any_entry = st.builds(Entry, U64, U32, U32, U64, U64, U64, U64, U32, U16, U16)

HEADER = Header(3, 1001, 1_700_000_000_000_000)
ENTRY = Entry(4096, 900, 12, 1001, 1_700_000_000_000_000, 2**63 + 5, 7, 0xDEADBEEF, 0b1010, Kind.PART)

few = st.integers(0, 3)
batches = st.sampled_from([1, 2, 3, 256, 2**40])


@st.composite
def series(draw: st.DrawFn) -> list[Entry]:
    """The entries of a segment, as they are written: in order, and at their end perhaps a CLOSE.

    Numbers are small, so that what is looked for is found in other places of an entry, too.
    """
    entries: list[Entry] = []
    offset, seq, time_us = 0, draw(st.integers(1, 5)), draw(few)
    for _ in range(draw(st.integers(0, 12))):
        length, count = draw(st.integers(1, 9)), draw(st.integers(1, 4))
        kind = draw(st.sampled_from([Kind.BLOCK, Kind.BLOCK, Kind.PART]))
        time_us += draw(few)
        entries.append(Entry(offset, length, count, seq, time_us, draw(few), draw(batches), draw(few), draw(few), kind))
        offset, seq = entries[-1].end, entries[-1].next_seq
    if draw(st.booleans()):
        entries.append(Entry(offset, 0, 0, seq, time_us, 0, 0, 0, 0, Kind.CLOSE))
    return entries


@contextmanager
def index_of(
    path: Path, entries: list[Entry], *, damaged: frozenset[int] = frozenset(), tail: bytes = b""
) -> Iterator[Index]:
    packed = [bytearray(entry.pack()) for entry in entries]
    for number in damaged:
        packed[number % len(packed)][number % ENTRY_BYTES] ^= 0x10
    path.write_bytes(b"".join([HEADER.pack(), *packed, tail]))
    fd = os.open(path, os.O_RDONLY)
    try:
        yield Index(fd)
    finally:
        os.close(fd)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("index") / "1.idx"


class TestForm:
    def test_is_of_fixed_size(self) -> None:
        assert len(HEADER.pack()) == HEADER_BYTES == 64
        assert len(ENTRY.pack()) == ENTRY_BYTES == 64

    @given(any_header, any_entry)
    def test_comes_back_as_it_was(self, header: Header, entry: Entry) -> None:
        assert Header.unpack(header.pack()) == header
        assert Entry.unpack(entry.pack()) == entry

    @pytest.mark.parametrize("bit", range(8))
    def test_any_flipped_bit_is_noticed(self, bit: int) -> None:
        for at in range(64):
            for packed, unpack in ((HEADER.pack(), Header.unpack), (ENTRY.pack(), Entry.unpack)):
                flipped = bytearray(packed)
                flipped[at] ^= 1 << bit
                assert unpack(bytes(flipped)) is None

    @given(any_entry, st.integers(0, 63), st.integers(1, 255), st.integers(0, 63), st.integers(1, 255))
    def test_so_are_two_changed_bytes(self, entry: Entry, at: int, by: int, other_at: int, other_by: int) -> None:
        changed = bytearray(entry.pack())
        changed[at] ^= by
        changed[other_at] ^= other_by
        assert Entry.unpack(bytes(changed)) is None or changed == entry.pack()

    def test_so_is_one_that_is_not_whole(self) -> None:
        for length in range(64):
            assert Header.unpack(HEADER.pack()[:length]) is None
            assert Entry.unpack(ENTRY.pack()[:length]) is None

    def test_zeros_are_neither(self) -> None:
        assert Header.unpack(bytes(64)) is None
        assert Entry.unpack(bytes(64)) is None

    def test_an_entry_is_no_header(self) -> None:
        assert Header.unpack(ENTRY.pack()) is None

    def test_an_entry_knows_what_follows_it(self) -> None:
        assert (ENTRY.end, ENTRY.next_seq) == (4996, 1013)


class TestLookup:
    @given(series(), st.binary(max_size=ENTRY_BYTES - 1))
    def test_entries_are_read_as_they_were_written(self, path: Path, entries: list[Entry], tail: bytes) -> None:
        with index_of(path, entries, tail=tail) as index:
            assert index.header() == HEADER
            assert len(index) == len(entries)
            assert list(index.entries()) == entries
            assert list(index.entries(2)) == entries[2:]
            assert [index.entry(number) for number in range(len(entries))] == entries
            assert index.entry(len(entries)) is None

    @settings(max_examples=300)
    @given(series(), st.frozensets(st.integers(0, 10_000), max_size=3), st.booleans())
    @example([Entry(0, 1, 1, 1, 5, 0, 0, 0, 0)], frozenset({0}), True)
    def test_finds_what_a_linear_search_finds(
        self, path: Path, entries: list[Entry], damaged: frozenset[int], torn: bool
    ) -> None:
        """Among entries that are sound; by seqs and times before, at, between and after theirs."""
        damaged = damaged if entries else frozenset()
        with index_of(path, entries, damaged=damaged, tail=b"\x01" * (ENTRY_BYTES * torn)) as index:
            sound = [entry for entry in index.entries() if entry is not None]
            assert len(sound) >= len(entries) - len(damaged)
            blocks = [entry for entry in sound if entry.kind != Kind.CLOSE]
            for seq in range(50):
                assert index.find_seq(seq) == next((e for e in reversed(blocks) if e.first_seq <= seq), None)
            for time_us in range(40):
                assert index.find_time(time_us) == next((e for e in reversed(blocks) if e.time_us <= time_us), None)
            whole = [entry for entry in sound if entry.kind == Kind.BLOCK]
            assert index.last_block() == (whole[-1] if whole else None)
            for key in range(5):
                assert index.last_batch(key) == next((e.batch for e in reversed(whole) if e.session_key == key), 0)

    def test_the_entry_of_a_seq_holds_it(self, path: Path) -> None:
        entries = [Entry(10 * number, 10, 3, 1 + 3 * number, number, 0, 0, 0, 0) for number in range(100)]
        with index_of(path, entries) as index:
            for seq in range(1, 301):
                entry = index.find_seq(seq)
                assert entry is not None
                assert entry.first_seq <= seq < entry.next_seq

    def test_reads_a_few_entries_of_many(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        entries = [Entry(number, 1, 1, 1 + number, number, 0, 0, 0, 0) for number in range(4096)]
        with index_of(path, entries) as index:
            reads = 0
            pread = os.pread

            def counting(fd: int, length: int, offset: int) -> bytes:
                nonlocal reads
                reads += 1
                return pread(fd, length, offset)

            monkeypatch.setattr(os, "pread", counting)
            assert index.find_seq(3000) == entries[2999]
            assert reads < 20

    def test_a_batch_is_the_newest_of_a_session_that_is_stored(self, path: Path) -> None:
        kinds = [Kind.BLOCK, Kind.PART, Kind.BLOCK, Kind.PART]
        entries = [Entry(n, 1, 1, 1 + n, n, 2**64 - 1, 10 + n, 0, 0, kind) for n, kind in enumerate(kinds)]
        with index_of(path, entries) as index:
            assert index.last_batch(2**64 - 1) == 12
            assert index.last_batch(1) == 0

    @pytest.mark.parametrize("length", [0, 1, HEADER_BYTES - 1, HEADER_BYTES, HEADER_BYTES + ENTRY_BYTES - 1])
    def test_one_that_is_cut_off_has_no_entries(self, path: Path, length: int) -> None:
        path.write_bytes((HEADER.pack() + ENTRY.pack())[:length])
        fd = os.open(path, os.O_RDONLY)
        try:
            index = Index(fd)
            assert len(index) == 0
            assert index.header() == (HEADER if length >= HEADER_BYTES else None)
            assert index.find_seq(5) is index.find_time(5) is index.last_block() is index.entry(0) is None
            assert index.last_batch(0) == 0
        finally:
            os.close(fd)
