"""The backlog against a daemon that stores what comes next, forgets nothing, and is lost again and again."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from logd.client.backlog import Backlog, Frame
from logd.client.spool import Spool
from logd.errors import StoreError
from logd.paths import SPOOL_SUFFIX

OPENING = b"\0\0\0\4open"
MAX_WINDOW_BYTES = 100
MAX_SPOOL_BYTES = 400


def frame(number: int, size_bytes: int) -> Frame:
    """A frame of so many bytes of input, which say its number."""
    text = b"%d " % number * size_bytes
    payload = text[: max(size_bytes, len(b"%d " % number))]
    return Frame(number, len(payload).to_bytes(4, "big") + payload, size_bytes)


def frames_in(data: bytes) -> Iterator[bytes]:
    while data:
        length = 4 + int.from_bytes(data[:4], "big")
        assert len(data) >= length, "a frame is torn"
        yield data[:length]
        data = data[length:]


class Interleavings(RuleBasedStateMachine):
    """What is delivered is everything, in order, once, whatever happens in which order."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="logd-test.")
        self.path = Path(self.folder.name) / "state" / "spool" / f"run.session{SPOOL_SUFFIX}"
        self.backlog = Backlog(self.open_spool, max_window_bytes=MAX_WINDOW_BYTES)
        self.given: list[Frame] = []
        self.stored: list[bytes] = []
        self.acknowledged = 0

    def open_spool(self) -> Spool:
        return Spool(lambda: self.path.parent, "run.session", OPENING, max_bytes=MAX_SPOOL_BYTES)

    def teardown(self) -> None:
        try:
            self.deliver_the_rest()
        finally:
            self.backlog.close(keep=False)
            self.folder.cleanup()

    def deliver_the_rest(self) -> None:
        self.reconnect()
        while self.backlog:
            self.send(1000)
            self.acknowledge(0)
        assert self.stored == [each.data for each in self.given]
        assert self.backlog.input_bytes == self.backlog.window_bytes == 0
        assert self.backlog.has_room
        assert not self.path.exists()

    @rule(size_bytes=st.integers(1, 40), count=st.integers(1, 4))
    def append(self, size_bytes: int, count: int) -> None:
        """One feeding, where there is room for it."""
        if self.backlog.overflows:
            return
        for _ in range(count):
            self.given.append(frame(len(self.given) + 1, size_bytes))
            self.backlog.append(self.given[-1])

    @rule()
    def spill(self) -> None:
        try:
            self.backlog.spill()
        except StoreError as error:
            assert "it has reached its 400 bytes" in error.message
            return
        assert not self.backlog.overflows
        assert self.backlog.unspooled_bytes == 0
        if self.backlog:
            opening, *spooled = frames_in(self.path.read_bytes())
            assert opening == OPENING
            assert len(spooled) >= len(self.given) - self.acknowledged
            assert spooled == [each.data for each in self.given[-len(spooled) :]]

    @rule(count=st.integers(1, 10))
    def send(self, count: int) -> None:
        for _ in range(count):
            unsent = self.backlog.next_unsent()
            if unsent is None:
                return
            assert unsent.number <= len(self.stored) + 1, "a gap"
            if unsent.number > len(self.stored):
                self.stored.append(unsent.data)

    @rule(lag=st.integers(0, 5))
    def acknowledge(self, lag: int) -> None:
        self.acknowledged = max(self.acknowledged, len(self.stored) - lag)
        self.backlog.acknowledge(self.acknowledged)

    @rule()
    def reconnect(self) -> None:
        self.acknowledged = len(self.stored)
        self.backlog.acknowledge(self.acknowledged)
        self.backlog.rewind()

    @rule()
    def lose_what_is_under_way(self) -> None:
        """What was sent on a connection and not acknowledged may never have come."""
        del self.stored[self.acknowledged :]
        self.reconnect()

    @invariant()
    def the_window_is_bounded(self) -> None:
        assert self.backlog.window_bytes <= MAX_WINDOW_BYTES

    @invariant()
    def it_knows_how_much_it_has(self) -> None:
        assert bool(self.backlog) == (self.acknowledged < len(self.given))
        if not self.backlog:
            assert self.backlog.input_bytes == 0

    @invariant()
    def the_file_has_whole_frames(self) -> None:
        if self.path.exists():
            assert all(frames_in(self.path.read_bytes()))


TestInterleavings = Interleavings.TestCase
TestInterleavings.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_without_a_spool_the_tail_waits_for_the_window() -> None:
    backlog = Backlog(max_window_bytes=10)
    for number in range(1, 4):
        backlog.append(frame(number, 5))
    backlog.spill()
    assert backlog.overflows and not backlog.has_room
    assert backlog.unspooled_bytes == backlog.input_bytes == 15
    numbers = []
    while sent := backlog.next_unsent():
        numbers.append(sent.number)
        backlog.acknowledge(sent.number)
    assert numbers == [1, 2, 3]


def test_a_frame_that_is_longer_than_the_window_goes_alone() -> None:
    backlog = Backlog(max_window_bytes=10)
    backlog.append(frame(1, 100))
    backlog.append(frame(2, 1))
    assert [each.number for each in backlog.in_memory()] == [1, 2]
    first = backlog.next_unsent()
    assert first is not None and first.number == 1
    assert backlog.next_unsent() is None
    backlog.acknowledge(1)
    second = backlog.next_unsent()
    assert second is not None and second.number == 2


def test_a_spool_that_cannot_be_made_keeps_all_in_memory(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("no folder")
    backlog = Backlog(lambda: Spool(lambda: tmp_path / "spool", "run.s", OPENING), max_window_bytes=10)
    for number in range(1, 4):
        backlog.append(frame(number, 5))
    with pytest.raises(StoreError, match="cannot write"):
        backlog.spill()
    assert [each.number for each in backlog.in_memory()] == [1, 2, 3]
    assert backlog.unspooled_bytes == 15
