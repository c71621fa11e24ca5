"""What becomes of output: records by stream, live lines on the board; and nothing that fails is raised."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from fake_daemon import Clock, FakeDaemon

from logctl.job.records import HOLD_SECONDS, LIVE_SECONDS, MAX_HOLD_SECONDS, Records
from logctl.job.sink import PATIENCE_SECONDS, Sink
from logd.client import Emitter
from logd.protocol import ErrorCode

TRACEBACK = b'Traceback (most recent call last):\n  File "x.py", line 1, in <module>\nValueError: bad\n'


class Bench:
    def __init__(self, folder: Path) -> None:
        self.daemon = FakeDaemon()
        self.clock = Clock()
        self.said: list[str] = []
        self.emitter = Emitter(
            self.daemon.connect, "run", spool_folder=lambda: folder, drop=True, say=self.said.append, clock=self.clock
        )

    def records(self) -> Records:
        self.emitter.connect()
        return Records(self.emitter, self.clock)

    def sink(self) -> Sink:
        return Sink(self.emitter, None, self.said.append, self.clock)

    def pump(self) -> None:
        for _ in range(20):
            self.emitter.pump()

    @property
    def told(self) -> list[tuple[str, str]]:
        self.pump()
        told = []
        for batch in self.daemon.stored:
            if batch.lines is not None:
                told += [(batch.stream, line) for line in batch.lines.decode().splitlines()]
            else:
                told += [(batch.stream, record[2].decode()) for record in batch.records or []]
        return told


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_lines_are_records_of_their_stream(bench: Bench) -> None:
    records = bench.records()
    records.feed("stdout", b"one\ntw")
    records.feed("stderr", b"three\n")
    records.feed("stdout", b"o\n")
    assert bench.told == [("stdout", "one"), ("stderr", "three"), ("stdout", "two")]
    assert records.due == math.inf


def test_a_traceback_is_held_until_nothing_more_of_it_comes(bench: Bench) -> None:
    records = bench.records()
    records.feed("stderr", TRACEBACK)
    assert bench.told == []
    bench.clock.now = records.due
    records.tick()
    assert bench.told == [("stderr", TRACEBACK.decode()[:-1])]
    assert bench.daemon.stored[0].records is not None


def test_one_that_is_whole_is_before_what_another_stream_says_then(bench: Bench) -> None:
    records = bench.records()
    records.feed("stderr", TRACEBACK)
    records.feed("stdout", b"later\n")
    assert bench.told == [("stderr", TRACEBACK.decode()[:-1]), ("stdout", "later")]


def test_one_that_goes_on_slowly_is_not_held_for_ever(bench: Bench) -> None:
    records = bench.records()
    begun = bench.clock.now
    records.feed("stderr", b"Traceback (most recent call last):\n")
    while not bench.told:
        assert bench.clock.now <= begun + MAX_HOLD_SECONDS
        records.feed("stderr", b'  File "x.py", line 1, in <module>\n')
        bench.clock.now = min(records.due, bench.clock.now + HOLD_SECONDS / 2)
        records.tick()


def test_a_live_line_is_an_item_and_its_last_state_a_record(bench: Bench) -> None:
    records = bench.records()
    for number in range(100):
        records.feed("stderr", b"\r%3d%%|##| %d/100" % (number, number))
        records.tick()
        bench.pump()
    assert bench.told == []
    assert bench.daemon.board["stderr"]["done"] == 0, "there was no time for more"
    bench.clock.now += LIVE_SECONDS
    records.tick()
    bench.pump()
    assert bench.daemon.board["stderr"]["done"] == 99
    records.feed("stderr", b"\r100%|##| 100/100\n")
    assert bench.told == [("stderr", "100%|##| 100/100")]
    assert bench.daemon.board["stderr"] == {"state": "done", "status": "100%|##| 100/100", "done": 100, "total": 100}


def test_what_is_written_between_does_not_end_it(bench: Bench) -> None:
    records = bench.records()
    records.feed("stderr", b"\r10%\r20%")
    records.tick()
    records.feed("stderr", b"\r    \rmessage\n\r30%")
    assert bench.told == [("stderr", "message")]
    assert bench.daemon.board["stderr"]["state"] == "running"


def test_a_line_without_figures_is_done_when_the_command_is(bench: Bench) -> None:
    records = bench.records()
    records.feed("stdout", b"working |\rworking /")
    records.tick()
    records.finish(is_done=True)
    assert bench.told == [("stdout", "working /")]
    assert bench.daemon.board["stdout"]["state"] == "done"


def test_another_bar_is_another_item(bench: Bench) -> None:
    records = bench.records()
    for _ in range(2):
        records.feed("stderr", b"\r10%\r20%")
        bench.clock.now += LIVE_SECONDS
        records.tick()
        records.feed("stderr", b"\r100%\n")
    bench.pump()
    assert [report.items["stderr"] is None for report in bench.daemon.reports].count(True) >= 1


def test_a_session_that_is_refused_costs_the_command_nothing(bench: Bench) -> None:
    bench.daemon.refusal = ErrorCode.NOT_PERMITTED
    sink = bench.sink()
    for _ in range(5):
        sink.feed("stdout", b"line\n")
        sink.pump()
    assert sink.has_room
    assert (sink.fileno(), sink.due) == (None, math.inf)
    assert sum("not stored any more" in sentence for sentence in bench.said) == 1
    sink.finish(3, lambda due: True)


def test_a_fault_of_ours_costs_it_nothing_either(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = bench.sink()
    monkeypatch.setattr(Records, "feed", lambda *_: 1 / 0)
    sink.feed("stdout", b"line\n")
    sink.pump()
    assert "ZeroDivisionError" in bench.said[0]
    sink.finish(0, lambda due: True)


def test_a_daemon_that_hangs_is_not_waited_for_for_long(bench: Bench) -> None:
    sink = bench.sink()
    sink.pump()
    bench.daemon.hangs = True
    sink.feed("stdout", b"line\n")
    begun = bench.clock.now

    def wait(due: float) -> bool:
        bench.clock.now = min(due, sink.due) if min(due, sink.due) > bench.clock.now else bench.clock.now + 0.01
        return True

    sink.finish(0, wait)
    assert bench.clock.now <= begun + PATIENCE_SECONDS + 0.1
    assert "5 bytes of the output wait" in bench.said[-1]
