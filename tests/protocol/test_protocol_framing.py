"""Frames: split anywhere they come out whole, and a bad length is refused before anything is allocated for it."""

from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logd.errors import RemoteProtocolError
from logd.protocol import MAX_FRAME_BYTES, ErrorCode
from logd.protocol.framing import LENGTH_BYTES, MAX_CHUNKS, FrameReader, frame

payloads = st.lists(st.binary(min_size=1, max_size=50), max_size=10)
longest = frame(bytes(MAX_FRAME_BYTES))


def drain(reader: FrameReader) -> list[bytes]:
    taken = []
    while (payload := reader.next_frame()) is not None:
        taken.append(payload)
    return taken


def test_a_frame_is_a_big_endian_length_and_the_payload() -> None:
    assert frame(b"abc") == b"\x00\x00\x00\x03abc"


@given(payloads, st.data())
def test_frames_split_at_any_bytes_come_out_the_same(payloads: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(map(frame, payloads))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=20)))
    reader, taken = FrameReader(), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        reader.feed(stream[start:end])
        taken += drain(reader)
    assert taken == payloads
    assert not reader.mid_frame


@given(payloads, payloads)
def test_frames_need_not_be_taken_before_more_is_fed(early: list[bytes], late: list[bytes]) -> None:
    reader = FrameReader()
    reader.feed(b"".join(map(frame, early)))
    first = [reader.next_frame() for _ in early[:1]]
    reader.feed(b"".join(map(frame, late)))
    assert first + drain(reader) == early + late


@given(payloads, st.lists(st.tuples(st.integers(0, 60), st.integers(0, 3)), max_size=20))
def test_frames_come_out_the_same_however_feeding_and_taking_alternate(
    payloads: list[bytes], turns: list[tuple[int, int]]
) -> None:
    """The reader against the simplest one: a string of bytes, cut at its front."""
    stream = b"".join(map(frame, payloads))
    reader, waiting, taken = FrameReader(), b"", list[bytes]()
    for fed_bytes, takes in [*turns, (len(stream), len(payloads) + 1)]:
        fed, stream = stream[:fed_bytes], stream[fed_bytes:]
        reader.feed(fed)
        waiting += fed
        for _ in range(takes):
            whole = len(waiting) >= LENGTH_BYTES and len(waiting) >= LENGTH_BYTES + int.from_bytes(
                waiting[:LENGTH_BYTES]
            )
            payload = reader.next_frame()
            assert (payload is not None) is whole
            if payload is not None:
                assert frame(payload) == waiting[: LENGTH_BYTES + len(payload)]
                waiting = waiting[LENGTH_BYTES + len(payload) :]
                taken.append(payload)
        assert reader.mid_frame is bool(waiting)
    assert taken == payloads


@pytest.mark.parametrize("chunk_bytes", [1, 2, 3, 4, 5, 7, 100, 1000])
def test_frames_split_evenly_come_out_the_same(chunk_bytes: int) -> None:
    """Through many more chunks than are kept apart, with heads split in every way."""
    sent = [bytes([number % 256]) * (1 + number * 7 % 300) for number in range(MAX_CHUNKS)]
    stream = b"".join(map(frame, sent))
    reader, taken = FrameReader(), list[bytes]()
    for start in range(0, len(stream), chunk_bytes):
        reader.feed(stream[start : start + chunk_bytes])
        taken += drain(reader)
    assert taken == sent
    assert not reader.mid_frame
    for start in range(0, len(stream), chunk_bytes):
        reader.feed(stream[start : start + chunk_bytes])
    assert drain(reader) == sent


def test_nothing_fed_is_nothing() -> None:
    reader = FrameReader()
    reader.feed(b"")
    assert not reader.mid_frame
    assert reader.next_frame() is None
    for part in (b"", b"\x00\x00", b"", b"\x00\x03ab", b"", b"c", b""):
        reader.feed(part)
    assert reader.next_frame() == b"abc"
    reader.feed(b"")
    assert reader.next_frame() is None
    assert not reader.mid_frame


def test_a_payload_is_bytes_whatever_it_was_cut_from() -> None:
    reader = FrameReader()
    for part in (frame(b"one") + frame(b"two")[:5], frame(b"two")[5:] + frame(b"three")):
        reader.feed(part)
        assert all(type(payload) is bytes for payload in drain(reader))


def test_a_frame_that_comes_byte_by_byte_is_whole_only_at_its_last() -> None:
    reader = FrameReader()
    *begun, last = struct.iter_unpack("c", frame(b"payload"))
    for (byte,) in begun:
        reader.feed(byte)
        assert reader.next_frame() is None
        assert reader.mid_frame
    reader.feed(last[0])
    assert reader.next_frame() == b"payload"
    assert reader.next_frame() is None
    assert not reader.mid_frame


def test_the_longest_frame_passes() -> None:
    reader = FrameReader()
    reader.feed(longest)
    assert reader.next_frame() == bytes(MAX_FRAME_BYTES)
    for part in (longest[:3], longest[3:500_000], longest[500_000:]):
        assert reader.next_frame() is None
        reader.feed(part)
    assert reader.next_frame() == bytes(MAX_FRAME_BYTES)


@pytest.mark.parametrize("length", [0, MAX_FRAME_BYTES + 1, 2**31, 2**32 - 1])
def test_a_bad_length_is_refused_at_once(length: int) -> None:
    reader = FrameReader()
    header = struct.pack(">I", length)
    reader.feed(header[:-1])
    assert reader.next_frame() is None
    reader.feed(header[-1:])
    for _ in range(2):  # and it stays refused: there is no way to find where the next frame begins
        with pytest.raises(RemoteProtocolError, match=str(length)) as caught:
            reader.next_frame()
        assert caught.value.code == ErrorCode.BAD_FRAME


def test_good_frames_before_a_bad_one_are_taken() -> None:
    reader = FrameReader()
    reader.feed(frame(b"good") + bytes(LENGTH_BYTES))
    assert reader.next_frame() == b"good"
    with pytest.raises(RemoteProtocolError):
        reader.next_frame()


@pytest.mark.parametrize("length", [MAX_FRAME_BYTES, 2**32 - 1])
def test_an_announced_length_allocates_nothing(length: int) -> None:
    reader = FrameReader()
    tracemalloc.start()
    try:
        reader.feed(struct.pack(">I", length) + b"begun")
        try:
            assert reader.next_frame() is None
        except RemoteProtocolError:
            assert length > MAX_FRAME_BYTES
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 64 * 1024


def test_spent_frames_are_let_go() -> None:
    """However many frames pass, the reader holds no more than a frame and a read."""
    stream = frame(bytes(50_000)) * 4
    _, peak_bytes = memory(FrameReader(), (stream for _ in range(100)))
    assert peak_bytes < 3 * len(stream)


def memory(reader: FrameReader, reads: Iterable[bytes]) -> tuple[int, int]:
    """What is held at the most between reads, and at the most within them, while frames are taken as they come."""
    held_bytes = 0
    tracemalloc.start()
    try:
        for data in reads:
            reader.feed(data)
            while reader.next_frame() is not None:
                pass
            held_bytes = max(held_bytes, tracemalloc.get_traced_memory()[0])
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return held_bytes, peak_bytes


@pytest.mark.parametrize("read_bytes", [256 * 1024, 256 * 1024 - 3, 300_000])
def test_what_is_held_is_bounded_by_a_frame_and_a_read(read_bytes: int) -> None:
    """Also while the next frame comes: what is spent of the read that it began in is let go."""
    stream = longest * 3
    held_bytes, peak_bytes = memory(
        FrameReader(), (stream[start : start + read_bytes] for start in range(0, len(stream) - 1, read_bytes))
    )
    objects_bytes = 4096
    assert held_bytes < MAX_FRAME_BYTES + 2 * read_bytes + objects_bytes  # of which one read is the test's
    assert peak_bytes < 3 * MAX_FRAME_BYTES + 2 * read_bytes


@pytest.mark.parametrize("read_bytes", [2, 3, 16])
def test_a_frame_in_tiny_reads_costs_no_more(read_bytes: int) -> None:
    """An object for every two bytes would take twenty times as much as they say."""
    begun = longest[:200_000]
    held_bytes, _ = memory(
        FrameReader(), (begun[start : start + read_bytes] for start in range(0, len(begun), read_bytes))
    )
    assert held_bytes < len(begun) + MAX_CHUNKS * 100
