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
any_header = st.builds(Header, U64, U64, U64, U64)
any_entry = st.builds(Entry, U64, U32, U32, U64, U64, U64, U64, U32, U16, U16, U64, U64)

HEADER = Header(3, 1001, 1_700_000_000_000_000)
ENTRY = Entry(4096, 900, 12, 1001, 1_700_000_000_000_000, 2**63 + 5, 7, 0xDEADBEEF, 0b1010, Kind.PART, 1, 2**63)


def entry_at(
    offset: int,
    length: int,
    record_count: int,
    first_seq: int,
    time_us: int = 0,
    key: int = 0,
    batch: int = 0,
    kind: Kind = Kind.BLOCK,
) -> Entry:
    return Entry(offset, length, record_count, first_seq, time_us, key, batch, 0, 0, kind, 0, 0)


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
        said = draw(few), draw(batches), draw(few), draw(few), kind, draw(few), draw(few)
        entries.append(Entry(offset, length, count, seq, time_us, *said))
        offset, seq = entries[-1].end, entries[-1].next_seq
    if draw(st.booleans()):
        entries.append(entry_at(offset, 0, 0, seq, time_us, kind=Kind.CLOSE))
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
        assert len(ENTRY.pack()) == ENTRY_BYTES == 80

    @given(any_header, any_entry)
    def test_comes_back_as_it_was(self, header: Header, entry: Entry) -> None:
        assert Header.unpack(header.pack()) == header
        assert Entry.unpack(entry.pack()) == entry

    @pytest.mark.parametrize("bit", range(8))
    def test_any_flipped_bit_is_noticed(self, bit: int) -> None:
        for packed, unpack in ((HEADER.pack(), Header.unpack), (ENTRY.pack(), Entry.unpack)):
            for at in range(len(packed)):
                flipped = bytearray(packed)
                flipped[at] ^= 1 << bit
                assert unpack(bytes(flipped)) is None

    @given(any_entry, st.integers(0, 79), st.integers(1, 255), st.integers(0, 79), st.integers(1, 255))
    def test_so_are_two_changed_bytes(self, entry: Entry, at: int, by: int, other_at: int, other_by: int) -> None:
        changed = bytearray(entry.pack())
        changed[at] ^= by
        changed[other_at] ^= other_by
        assert Entry.unpack(bytes(changed)) is None or changed == entry.pack()

    def test_so_is_one_that_is_not_whole(self) -> None:
        assert not any(Header.unpack(HEADER.pack()[:length]) for length in range(HEADER_BYTES))
        assert not any(Entry.unpack(ENTRY.pack()[:length]) for length in range(ENTRY_BYTES))

    def test_zeros_are_neither(self) -> None:
        assert Header.unpack(bytes(HEADER_BYTES)) is None
        assert Entry.unpack(bytes(ENTRY_BYTES)) is None

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
            assert index.entries() == entries
            assert index.entries(2) == entries[2:]
            assert index.entries(1, min(3, len(index))) == entries[1:3]
            assert [index.entry(number) for number in range(len(entries))] == entries
            assert index.entry(len(entries)) is None

    @settings(max_examples=100)
    @given(series(), st.frozensets(st.integers(0, 10_000), max_size=3), st.booleans(), st.integers(0, 3))
    @example([entry_at(0, 1, 1, 1, 5)], frozenset({0}), True, 0)
    def test_finds_what_a_linear_search_finds(
        self, path: Path, entries: list[Entry], damaged: frozenset[int], torn: bool, unstored: int
    ) -> None:
        """Among the first entries, by seqs and times before, at, between and after theirs."""
        damaged = damaged if entries else frozenset()
        with index_of(path, entries, damaged=damaged, tail=b"\x01" * (ENTRY_BYTES * torn)) as index:
            found = index.entries()
            assert sum(entry is not None for entry in found) >= len(entries) - len(damaged)
            stop = max(0, len(found) - unstored)
            # A damaged entry counts as the sound one before it.
            nearest = [next((e for e in found[number::-1] if e is not None), None) for number in range(stop)]
            for seq in range(50):
                at_most = [number for number, e in enumerate(nearest) if e is None or e.first_seq <= seq]
                assert index.find_seq(seq, stop) == max(at_most, default=0)
            for time_us in range(40):
                number = index.find_time(time_us, stop)
                assert all(e.time_us < time_us for e in found[:number] if e is not None)
                assert all(e.time_us >= time_us for e in found[number:stop] if e is not None)
            whole = [(number, e) for number, e in enumerate(found) if e is not None and e.kind == Kind.BLOCK]
            assert index.last_block() == (whole[-1] if whole else None)
            for key in range(5):
                of_session = [e.batch for number, e in whole if e.session_key == key]
                assert index.last_batch(key) == next(reversed(of_session), 0)
                of_session = [e.batch for number, e in whole if e.session_key == key and number < stop]
                assert index.last_batch(key, stop) == next(reversed(of_session), 0)

    def test_the_entry_of_a_seq_holds_it(self, path: Path) -> None:
        entries = [entry_at(10 * number, 10, 3, 1 + 3 * number) for number in range(100)]
        with index_of(path, entries) as index:
            for seq in range(1, 301):
                entry = entries[index.find_seq(seq, 100)]
                assert entry.first_seq <= seq < entry.next_seq

    def test_reads_a_few_entries_of_many(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        entries = [entry_at(number, 1, 1, 1 + number, number) for number in range(4096)]
        with index_of(path, entries) as index:
            reads = 0
            pread = os.pread

            def counting(fd: int, length: int, offset: int) -> bytes:
                nonlocal reads
                reads += 1
                return pread(fd, length, offset)

            monkeypatch.setattr(os, "pread", counting)
            assert index.find_seq(3000, 4096) == index.find_time(2999, 4096) == 2999
            assert reads < 40

    def test_a_batch_is_the_newest_of_a_session_that_is_stored(self, path: Path) -> None:
        kinds = [Kind.BLOCK, Kind.PART, Kind.BLOCK, Kind.PART]
        entries = [
            entry_at(number, 1, 1, 1 + number, number, 2**64 - 1, 10 + number, kind)
            for number, kind in enumerate(kinds)
        ]
        with index_of(path, entries) as index:
            assert index.last_batch(2**64 - 1) == 12
            assert index.last_batch(2**64 - 1, 2) == 10
            assert index.last_batch(1) == 0

    @pytest.mark.parametrize("length", [0, 1, HEADER_BYTES - 1, HEADER_BYTES, HEADER_BYTES + ENTRY_BYTES - 1])
    def test_one_that_is_cut_off_has_no_entries(self, path: Path, length: int) -> None:
        path.write_bytes((HEADER.pack() + ENTRY.pack())[:length])
        fd = os.open(path, os.O_RDONLY)
        try:
            index = Index(fd)
            assert len(index) == 0
            assert index.header() == (HEADER if length >= HEADER_BYTES else None)
            assert (index.last_block(), index.entry(0)) == (None, None)
            assert index.find_seq(5, 0) == index.find_time(5, 0) == index.last_batch(0) == 0
            assert index.entries() == []
        finally:
            os.close(fd)
