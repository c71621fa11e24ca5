"""Frames: split anywhere they come out whole, and a bad length is refused before anything is allocated for it."""

from __future__ import annotations

import struct
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logd.errors import RemoteProtocolError
from logd.protocol import MAX_FRAME_BYTES, ErrorCode
from logd.protocol.framing import LENGTH_BYTES, FrameReader, frame

payloads = st.lists(st.binary(min_size=1, max_size=50), max_size=10)


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
    payload = bytes(MAX_FRAME_BYTES)
    reader.feed(frame(payload))
    assert reader.next_frame() == payload


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
    reader = FrameReader()
    stream = frame(bytes(50_000)) * 4
    tracemalloc.start()
    try:
        for _ in range(100):
            reader.feed(stream)
            while reader.next_frame() is not None:
                pass
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 3 * len(stream)
