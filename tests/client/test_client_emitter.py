"""The emitter against a daemon that comes and goes: nothing is lost, nothing comes twice, and nobody waits in vain."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_daemon import Clock, FakeDaemon
from hypothesis import given, settings
from hypothesis import strategies as st

from logd.client.backlog import MAX_WINDOW_BYTES
from logd.client.backoff import MAX_DELAY_SECONDS
from logd.client.delivery import STALL_SECONDS
from logd.client.emitter import GRACE_SECONDS, Emitter
from logd.client.lines import GATHER_SECONDS, MAX_BLOCK_BYTES
from logd.client.link import OPEN_SECONDS
from logd.errors import NotPermitted, Refused
from logd.protocol import Close, Emit, ErrorCode, Message, Open
from logd.protocol.codec import Decoder
from logd.protocol.framing import FrameReader
from logd.record import MAX_TEXT_BYTES

BLOCK = b"x" * 1023 + b"\n"
BLOCK *= MAX_BLOCK_BYTES // len(BLOCK)


class Bench:
    """An emitter, its daemon, its clock, and what it said."""

    def __init__(self, folder: Path | None = None, **options: Any) -> None:
        self.daemon = FakeDaemon()
        self.clock = Clock()
        self.said: list[str] = []
        self.folder = folder
        spool: Callable[[], Path] | None = None if folder is None else lambda: folder
        self.emitter = Emitter(
            self.daemon.connect, "run", spool_folder=spool, say=self.said.append, clock=self.clock, **options
        )

    def pump(self) -> None:
        """Pump as long as there is something to send or to receive."""
        before = None
        while before != (before := (self.emitter.unstored_bytes, self.daemon.exchanged, self.emitter.ended)):
            self.emitter.pump()

    def advance(self, seconds: float) -> None:
        """Let time pass, and pump whenever that is due."""
        until = self.clock.now + seconds
        self.pump()
        while self.emitter.due <= until and not self.emitter.ended:
            self.clock.now = max(self.emitter.due, self.clock.now)
            self.pump()
        self.clock.now = until

    def fill(self) -> int:
        """Feed blocks until there is no room, but not for ever; return how many."""
        for count in range(3 * MAX_WINDOW_BYTES // len(BLOCK)):
            if not self.emitter.has_room:
                return count
            self.emitter.feed(BLOCK)
            self.emitter.pump()
        return 3 * MAX_WINDOW_BYTES // len(BLOCK)

    def finish(self) -> None:
        """End, and let time pass until it has ended."""
        self.emitter.end()
        for _ in range(100):
            if self.emitter.ended:
                return
            self.advance(0.1)
        raise AssertionError("it does not end")

    def spooled(self) -> list[Message]:
        """The messages in the one spool file."""
        assert self.folder is not None
        (path,) = self.folder.iterdir()
        frames, decoder = FrameReader(), Decoder()
        frames.feed(path.read_bytes())
        messages = []
        while (payload := frames.next_frame()) is not None:
            messages.append(decoder.decode(payload))
        assert not frames.mid_frame
        return messages


WINDOW = MAX_WINDOW_BYTES // len(BLOCK)
"""About how many blocks it keeps in memory."""


def spooled_lines(messages: list[Message]) -> bytes:
    return b"".join(message.lines or b"" for message in messages if isinstance(message, Emit))


def test_lines_arrive_and_are_known_to_be_stored() -> None:
    bench = Bench()
    bench.emitter.feed(b"one\ntwo\nthr")
    assert bench.emitter.unstored_bytes == 11
    bench.pump()
    assert bench.daemon.lines == b"one\ntwo\n"
    assert bench.emitter.unstored_bytes == 3
    bench.emitter.end(7)
    bench.pump()
    assert bench.emitter.ended
    assert bench.daemon.lines == b"one\ntwo\nthr\n"
    assert bench.daemon.closed == [Close(1, 7)]
    left = bench.emitter.close()
    assert (left.spooled_bytes, left.lost_bytes) == (0, 0)


def test_a_full_window_is_backpressure_while_the_daemon_stores() -> None:
    bench = Bench()
    bench.daemon.stores = False
    assert WINDOW - 1 <= bench.fill() <= WINDOW + 1
    bench.daemon.stores = True
    bench.pump()
    assert bench.emitter.has_room


def test_a_flood_after_a_quiet_time_is_no_stall(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "spool")
    bench.emitter.feed(b"first\n")
    bench.advance(100)
    bench.daemon.stores = False
    bench.fill()
    assert not bench.emitter.has_room
    assert not (tmp_path / "spool").exists()


def test_a_frame_that_was_half_sent_is_sent_again_from_its_beginning() -> None:
    bench = Bench()
    bench.pump()
    bench.daemon.max_send_bytes = len(BLOCK) // 2
    bench.emitter.feed(BLOCK)
    bench.emitter.pump()
    bench.daemon.kill()
    bench.emitter.pump()
    bench.daemon.start()
    bench.advance(MAX_DELAY_SECONDS)
    assert bench.daemon.lines == BLOCK


@pytest.mark.parametrize("how", ["gone", "stalled", "hangs"])
def test_what_does_not_fit_the_window_goes_to_the_spool_and_from_there_to_the_daemon(tmp_path: Path, how: str) -> None:
    folder = tmp_path / "state" / "spool"
    bench = Bench(folder)
    bench.emitter.feed(b"first\n")
    bench.pump()
    if how == "gone":
        bench.daemon.kill()
    elif how == "stalled":
        bench.daemon.stores = False
    else:
        bench.daemon.hangs = True
    fed = bench.fill()
    if how != "gone":
        assert fed <= WINDOW + 1
        bench.advance(STALL_SECONDS - 0.1)
        assert not bench.emitter.has_room
        bench.advance(0.2)
        fed += bench.fill()
    assert fed >= 2 * WINDOW
    opening, *batches = bench.spooled()
    assert isinstance(opening, Open)
    assert spooled_lines(batches) == BLOCK * fed
    bench.daemon.hangs, bench.daemon.stores = False, True
    bench.daemon.start()
    bench.finish()
    assert bench.daemon.lines == b"first\n" + BLOCK * fed
    assert bench.emitter.close().spooled_bytes == 0
    assert list(folder.iterdir()) == []


def test_while_the_spool_is_delivered_there_is_no_room(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "spool")
    bench.daemon.kill()
    fed = bench.fill()
    bench.daemon.start()
    bench.daemon.stores = False
    bench.advance(MAX_DELAY_SECONDS)
    assert not bench.emitter.has_room
    bench.daemon.stores = True
    bench.pump()
    assert bench.emitter.has_room
    assert bench.daemon.lines == BLOCK * fed


def test_without_a_spool_there_is_no_room_until_the_daemon_is_back() -> None:
    bench = Bench()
    bench.daemon.kill()
    fed = bench.fill()
    assert fed <= WINDOW + 1
    bench.emitter.end()
    bench.advance(1000)
    assert not bench.emitter.ended
    bench.daemon.start()
    bench.advance(MAX_DELAY_SECONDS)
    assert bench.emitter.ended
    assert bench.daemon.lines == BLOCK * fed


def test_dropping_is_counted_and_said_when_the_daemon_is_back_and_at_the_end() -> None:
    bench = Bench(drop=True)
    bench.daemon.kill()
    fed = bench.fill()
    assert fed == 3 * WINDOW
    assert bench.said == []
    bench.daemon.start()
    bench.advance(MAX_DELAY_SECONDS)
    kept = len(bench.daemon.lines) // len(BLOCK)
    assert WINDOW - 1 <= kept <= WINDOW + 1
    records, size_bytes = (fed - kept) * BLOCK.count(b"\n"), (fed - kept) * len(BLOCK)
    sentence = f"dropped {records:,} records ({size_bytes:,} bytes of the input), as no daemon took more"
    assert bench.said == [sentence]
    bench.finish()
    bench.emitter.close()
    assert bench.said == [sentence, sentence]


def test_at_the_end_what_is_still_kept_is_dropped_too() -> None:
    bench = Bench(drop=True)
    bench.daemon.kill()
    bench.emitter.feed(b"one\n")
    bench.emitter.emit([[None, 0, "two", None], [None, 0, "three", None]])
    bench.emitter.feed(b"four")
    bench.finish()
    left = bench.emitter.close()
    assert (left.spooled_bytes, left.lost_bytes) == (0, 0)
    assert bench.said == ["dropped 4 records (17 bytes of the input), as no daemon took more"]


def test_a_line_that_is_dropped_is_dropped_as_a_whole() -> None:
    """Its beginning does not fit, and then there is room again: its end would go on with another line."""
    bench = Bench(drop=True)
    bench.daemon.kill()
    fed = bench.fill()
    bench.emitter.feed(b"y" * (2 * MAX_TEXT_BYTES))
    bench.daemon.start()
    bench.advance(MAX_DELAY_SECONDS)
    bench.emitter.feed(b"y" * MAX_TEXT_BYTES + b"\nnext\n")
    bench.finish()
    assert fed > WINDOW + 1
    assert set(bench.daemon.lines.split(b"\n")) == {b"x" * 1023, b"next", b""}


def test_where_no_daemon_ever_was_all_is_left_in_the_spool_at_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "spool")
    bench.daemon.up = False
    bench.emitter.connect()
    bench.emitter.feed(b"one\ntwo")
    bench.emitter.end(3)
    assert bench.emitter.ended
    left = bench.emitter.close()
    assert (left.spooled_bytes, left.lost_bytes, left.reason) == (8, 0, "no daemon answers")
    opening, *batches, closing = bench.spooled()
    assert isinstance(opening, Open)
    assert spooled_lines(batches) == b"one\ntwo\n"
    assert closing == Close(1, 3)


def test_a_daemon_is_started_at_first_and_never_again() -> None:
    bench = Bench()
    bench.daemon.up = False
    starts: list[None] = []

    def start() -> None:
        starts.append(None)
        bench.daemon.start()

    bench.emitter.connect(start)
    bench.pump()
    assert len(bench.daemon.opened) == 1
    bench.daemon.kill()
    bench.advance(100)
    assert len(starts) == 1


def test_a_lost_connection_is_given_some_grace_at_the_end(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "spool")
    bench.pump()
    bench.daemon.kill()
    bench.emitter.feed(b"one\n")
    bench.emitter.end()
    bench.advance(GRACE_SECONDS - 0.1)
    assert not bench.emitter.ended
    bench.advance(0.2)
    assert bench.emitter.ended
    assert bench.emitter.close().spooled_bytes == 4


def test_a_daemon_that_is_busy_is_given_some_too(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "spool")
    bench.daemon.busy = True
    bench.emitter.connect(lambda: pytest.fail("it runs"))
    bench.emitter.feed(b"one\n")
    bench.emitter.end()
    bench.advance(GRACE_SECONDS / 2)
    assert not bench.emitter.ended
    bench.daemon.busy = False
    bench.advance(GRACE_SECONDS)
    assert bench.emitter.ended
    assert bench.daemon.lines == b"one\n"


def test_what_is_stored_though_the_end_is_not_known_leaves_no_spool(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "spool")
    bench.emitter.feed(b"one\n")
    bench.pump()
    bench.daemon.kill()
    bench.finish()
    left = bench.emitter.close()
    assert (left.spooled_bytes, left.lost_bytes) == (0, 0)
    assert not (tmp_path / "spool").exists()


def test_an_exit_status_that_was_not_delivered_is_spooled(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "spool")
    bench.emitter.feed(b"one\n")
    bench.pump()
    bench.daemon.kill()
    bench.emitter.end(1)
    bench.advance(GRACE_SECONDS)
    bench.emitter.close()
    assert bench.spooled()[-1] == Close(1, 1)


def test_a_spool_that_cannot_be_written_is_said_once_and_what_is_lost_is_known(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("no folder")
    bench = Bench(tmp_path / "spool")
    bench.daemon.kill()
    fed = bench.fill()
    assert fed <= WINDOW + 1
    assert not bench.emitter.has_room
    bench.advance(60)
    assert len(bench.said) == 1
    assert "cannot write" in bench.said[0] and "no more input is read" in bench.said[0]
    bench.finish()
    left = bench.emitter.close()
    assert (left.spooled_bytes, left.lost_bytes) == (0, fed * len(BLOCK))
    assert "cannot write" in left.reason


def test_where_nothing_fits_the_disk_no_file_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    bench = Bench(tmp_path / "spool")
    bench.daemon.up = False
    bench.emitter.feed(b"one\n")
    bench.emitter.end()
    monkeypatch.setattr(os, "pwrite", refuse)
    assert bench.emitter.close().lost_bytes == 4
    assert list((tmp_path / "spool").iterdir()) == []


def test_a_spool_that_can_be_written_again_is(tmp_path: Path) -> None:
    blocked = tmp_path / "spool"
    blocked.write_text("no folder")
    bench = Bench(blocked)
    bench.daemon.kill()
    bench.fill()
    blocked.unlink()
    bench.advance(5)
    assert bench.emitter.has_room


def test_with_both_what_the_spool_takes_is_kept_and_the_rest_dropped_and_counted(tmp_path: Path) -> None:
    blocked = tmp_path / "spool"
    blocked.write_text("no folder")
    bench = Bench(blocked, drop=True)
    bench.daemon.kill()
    fed = bench.fill()
    assert fed == 3 * WINDOW and bench.emitter.has_room
    assert "what comes is dropped" in bench.said[0]
    blocked.unlink()
    bench.advance(5)
    bench.emitter.feed(b"spooled again\n")
    bench.finish()
    left = bench.emitter.close()
    assert left.lost_bytes == 0
    dropped = int(bench.said[-1].partition("(")[2].partition(" ")[0].replace(",", ""))
    assert left.spooled_bytes + dropped == fed * len(BLOCK) + len(b"spooled again\n")
    assert spooled_lines(bench.spooled()).endswith(b"\nspooled again\n")


@pytest.mark.parametrize("code", [ErrorCode.NOT_PERMITTED, ErrorCode.BAD_RUN_NAME])
def test_a_refusal_that_stays_is_an_error_and_loses_nothing(tmp_path: Path, code: ErrorCode) -> None:
    bench = Bench(tmp_path / "spool")
    bench.pump()
    bench.daemon.kill()
    bench.emitter.feed(b"one\n")
    bench.daemon.refusal = code
    bench.daemon.start()
    with pytest.raises((Refused, NotPermitted)):
        bench.advance(10)
    assert bench.emitter.close().spooled_bytes == 4


@pytest.mark.parametrize(
    "code", [ErrorCode.ALREADY_OPEN, ErrorCode.TOO_MANY_CONNECTIONS, ErrorCode.STORE_FAILED, ErrorCode.STOPPING]
)
def test_a_refusal_for_now_is_tried_again(code: ErrorCode) -> None:
    bench = Bench()
    bench.emitter.feed(b"one\n")
    bench.daemon.refusal = code
    bench.advance(5)
    assert len(bench.daemon.opened) > 1
    bench.daemon.refusal = None
    bench.advance(MAX_DELAY_SECONDS)
    assert bench.daemon.lines == b"one\n"
    assert len({opening.session for opening in bench.daemon.opened}) == 1


def test_attempts_come_at_growing_intervals_and_soon_again_when_something_was_stored() -> None:
    bench = Bench()
    bench.pump()
    bench.daemon.kill()
    bench.pump()
    started = bench.clock.now
    times: list[float] = []
    while len(times) < 9:
        attempts = bench.daemon.attempts
        bench.clock.now = bench.emitter.due
        bench.emitter.pump()
        if bench.daemon.attempts > attempts:
            times.append(bench.clock.now - started)
    assert times == pytest.approx([0.05, 0.15, 0.35, 0.75, 1.55, 3.15, 5.15, 7.15, 9.15])
    bench.daemon.start()
    bench.advance(MAX_DELAY_SECONDS)
    bench.emitter.feed(b"one\n")
    bench.pump()
    bench.daemon.kill()
    bench.pump()
    assert bench.emitter.due == pytest.approx(bench.clock.now + 0.05)


def test_a_daemon_that_says_nothing_is_given_up_on_and_waited_for_no_longer(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "spool")
    bench.daemon.hangs = True
    bench.emitter.connect()
    bench.emitter.feed(b"one\n")
    bench.emitter.end()
    bench.advance(OPEN_SECONDS - 0.1)
    assert not bench.emitter.ended
    bench.advance(0.2)
    assert bench.emitter.ended
    assert bench.emitter.close().reason == "the daemon does not answer"


def test_lines_gather_while_others_are_under_way_but_not_for_long() -> None:
    bench = Bench()
    bench.daemon.stores = False
    bench.emitter.feed(b"one\n")
    bench.pump()
    bench.emitter.feed(b"two\n")
    bench.emitter.feed(b"three\n")
    bench.pump()
    (client,) = bench.daemon.links
    assert len(client.pending) == 1
    bench.advance(GATHER_SECONDS)
    assert [each.lines for each in client.pending if isinstance(each, Emit)] == [b"one\n", b"two\nthree\n"]
    bench.emitter.feed(b"four\n")
    bench.daemon.stores = True
    bench.pump()
    assert bench.daemon.lines == b"one\ntwo\nthree\nfour\n"


STEPS = st.one_of(
    st.tuples(st.just("feed"), st.integers(1, 60)),
    st.tuples(st.just("line"), st.integers(0, 3 * MAX_TEXT_BYTES)),
    st.tuples(st.just("advance"), st.floats(0, 3)),
    st.tuples(st.sampled_from(["kill", "start", "stall", "store", "hang", "wake", "trickle"]), st.just(0)),
)


@given(st.lists(STEPS, max_size=30))
@settings(max_examples=60, deadline=None)
def test_whatever_happens_to_the_daemon_all_arrives_once_and_in_order(steps: list[tuple[str, float]]) -> None:
    with tempfile.TemporaryDirectory(prefix="logd-test.") as name:
        bench = Bench(Path(name) / "spool")
        fed = b""
        number = 0
        for step, value in steps:
            data = b""
            if step == "feed":
                data = b"".join(b"%d %s\n" % (at, b"y" * 20_000) for at in range(number, number + int(value)))
                number += int(value)
            elif step == "line":
                data = b"z" * int(value) + b"\n"
            elif step == "advance":
                bench.advance(value)
            elif step == "kill":
                bench.daemon.kill()
            elif step == "start":
                bench.daemon.start()
            elif step == "trickle":
                bench.daemon.max_send_bytes = 100_000
            elif step in ("stall", "store"):
                bench.daemon.stores = step == "store"
            else:
                bench.daemon.hangs = step == "hang"
            for start in range(0, len(data), MAX_BLOCK_BYTES):
                if not bench.emitter.has_room:
                    break
                fed += data[start : start + MAX_BLOCK_BYTES]
                bench.emitter.feed(data[start : start + MAX_BLOCK_BYTES])
            bench.emitter.pump()
            assert bench.emitter._backlog.window_bytes <= MAX_WINDOW_BYTES
        bench.daemon.start()
        bench.daemon.stores, bench.daemon.hangs = True, False
        bench.advance(OPEN_SECONDS + MAX_DELAY_SECONDS)
        bench.finish()
        left = bench.emitter.close()
        assert (left.spooled_bytes, left.lost_bytes) == (0, 0)
        assert bench.daemon.lines == (fed if not fed or fed.endswith(b"\n") else fed + b"\n")
        assert list((Path(name) / "spool").glob("*")) == []


# Several streams


def test_what_is_of_several_streams_keeps_its_order() -> None:
    bench = Bench()
    bench.emitter.connect()
    bench.pump()
    bench.daemon.stores = False  # so that lines gather
    for data, stream in ((b"1\n2", "out"), (b"3\n", "err"), (b"4\n", "err"), (b" and on\n5\n", "out"), (b"6", "err")):
        bench.emitter.feed(data, stream=stream)
    bench.emitter.emit([[None, 17, "7\n8", None]], stream="err")
    bench.emitter.feed(b"9\n")
    bench.daemon.stores = True
    bench.finish()
    told = [
        (batch.stream, batch.lines if batch.records is None else batch.records[0][2]) for batch in bench.daemon.stored
    ]
    assert told == [
        ("out", b"1\n"),
        ("err", b"3\n4\n"),
        ("out", b"2 and on\n5\n"),
        ("err", "7\n8"),
        ("", b"9\n"),
        ("err", b"6\n"),
    ]


def test_the_process_that_does_the_work_can_be_another_one() -> None:
    bench = Bench(pid=4711)
    bench.emitter.connect()
    bench.pump()
    assert bench.daemon.opened[0].pid == 4711
