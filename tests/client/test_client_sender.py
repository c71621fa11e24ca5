"""The sender alone, against a daemon in the same process: what is batched, when, and what becomes of too much."""

from __future__ import annotations

import logging
import math
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from bed import wait_until
from fake_daemon import FakeDaemon

from logd.client import sender as sender_module
from logd.client import waits
from logd.client.blocking import Client
from logd.client.handler import LogHandler
from logd.client.sender import BATCH_RECORDS, MAX_QUEUED_RECORDS, MAX_TEXT_CHARACTERS, Sender
from logd.client.waits import MAX_WAIT_SECONDS, RoomWait
from logd.errors import UsageError
from logd.paths import Paths


class Bench:
    """A sender whose daemon has no socket: it takes what is sent in the sender's own thread."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **options: Any) -> None:
        self.daemon = FakeDaemon()
        self.read_fd, self.write_fd = _pipe()
        monkeypatch.setattr(Sender, "_connect", lambda sender: self.connect())
        self.sender = Sender("run", autostart=False, spool=False, **options)
        self.logger = logging.Logger("app")
        self.handler = LogHandler(sender=self.sender)
        self.logger.addHandler(self.handler)

    def connect(self) -> Client:
        client = self.daemon.connect()
        client.fileno = lambda: self.read_fd  # type: ignore[method-assign]
        return client

    @property
    def texts(self) -> list[str]:
        return [record[2] for batch in self.daemon.stored for record in batch.records or []]

    def close(self) -> None:
        import os

        self.sender.close()
        for fd in (self.read_fd, self.write_fd):
            os.close(fd)


def _pipe() -> tuple[int, int]:
    """One that is always readable: whoever polls the daemon looks at it at once."""
    import os

    fds = os.pipe()
    os.write(fds[1], b"x")
    return fds


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    made = Bench(monkeypatch)
    yield made
    made.close()


def test_fifty_go_at_once(bench: Bench) -> None:
    for number in range(BATCH_RECORDS):
        bench.logger.info("%d", number)
    wait_until(lambda: len(bench.texts) == BATCH_RECORDS)
    assert bench.texts == [str(number) for number in range(BATCH_RECORDS)]


def test_few_wait_for_more(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender_module, "GATHER_SECONDS", 1e6)
    bench.logger.info("one")
    wait_until(lambda: bench.sender.wake_at == BATCH_RECORDS)
    assert bench.texts == []
    bench.logger.error("two")
    wait_until(lambda: bench.texts == ["one", "two"])


def test_none_waits_in_a_child_that_ends_by_a_signal(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender_module, "GATHER_SECONDS", 1e6)
    monkeypatch.setattr(sender_module, "ends_untold", lambda: True)
    for number in range(3):
        bench.logger.info("%d", number)
        wait_until(lambda: len(bench.texts) == number + 1)  # noqa: B023 it is called within the turn


def test_few_go_when_they_have_waited(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender_module, "GATHER_SECONDS", 0.01)
    bench.logger.info("one")
    wait_until(lambda: bench.texts == ["one"])


def test_flush_returns_when_all_is_stored(bench: Bench) -> None:
    bench.logger.info("one")
    assert bench.sender.flush(30)
    assert bench.texts == ["one"]


def test_a_long_text_is_several_records(bench: Bench) -> None:
    bench.logger.info("x" * MAX_TEXT_CHARACTERS + "rest")
    bench.sender.flush(30)
    records = [record for batch in bench.daemon.stored for record in batch.records or []]
    assert [len(record[2]) for record in records] == [MAX_TEXT_CHARACTERS, 4]
    assert records[1][3] == {"logger": "app", "continued": True}


def test_large_records_are_several_batches(bench: Bench) -> None:
    for _ in range(40):
        bench.logger.info("ä" * MAX_TEXT_CHARACTERS)
    assert bench.sender.flush(30)
    assert len(bench.texts) == 40
    assert len(bench.daemon.stored) > 4


def test_what_has_no_room_is_dropped_and_counted_and_said(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waits, "MAX_WAIT_SECONDS", 0.0)
    bench.daemon.up = False
    bench.sender.flush()
    released = threading.Event()
    monkeypatch.setattr(Sender, "_turn", lambda sender, emitter: released.wait())
    bench.logger.info("first")
    for number in range(MAX_QUEUED_RECORDS + 100):
        bench.logger.info("%d", number)
    assert len(bench.sender.queue) <= MAX_QUEUED_RECORDS + 1
    assert bench.handler.dropped == MAX_QUEUED_RECORDS + 101 - len(bench.sender.queue)
    monkeypatch.undo()
    monkeypatch.setattr(Sender, "_connect", lambda sender: bench.connect())
    bench.daemon.up = True
    released.set()
    wait_until(lambda: any(text.endswith(" records were dropped") for text in bench.texts))


def test_who_waits_for_room_gives_up_when_none_is_made_and_not_when_others_get_it() -> None:
    now, taken = 0.0, 0
    wait = RoomWait(lambda: taken, lambda: now)
    for _ in range(10):
        now, taken = now + MAX_WAIT_SECONDS * 0.9, taken + 1
        assert not wait.is_over
    now += MAX_WAIT_SECONDS * 0.9
    assert not wait.is_over
    now += MAX_WAIT_SECONDS * 0.2
    assert wait.is_over


def test_a_filter_is_asked_and_a_formatter_makes_the_text(bench: Bench) -> None:
    bench.handler.addFilter(lambda record: "no" not in record.msg)
    bench.handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    bench.logger.info("yes")
    bench.logger.info("no")
    bench.logger.error("also")
    assert bench.sender.flush(30)
    assert bench.texts == ["INFO: yes", "ERROR: also"]


class Unlucky:
    def __str__(self) -> str:
        raise RuntimeError("no")


class _Redacted(logging.LogRecord):
    def getMessage(self) -> str:
        return super().getMessage().replace("hunter2", "***")


def record_of(**values: Any) -> logging.LogRecord:
    return logging.makeLogRecord({"msg": "odd", "levelno": 20, "name": "app", **values})


@pytest.mark.parametrize(
    "odd",
    [
        record_of(created=1_795_350_527_262.0),
        record_of(created=-1.0),
        record_of(created=math.nan),
        record_of(name=b"app"),
        record_of(levelno=math.inf),
        record_of(levelno="high"),
        record_of(levelno=None),
        record_of(exc_info=()),
        record_of(exc_info=("a", "b", "c")),
        record_of(number=10**5000),
        record_of(fails=Unlucky()),
    ],
)
def test_what_is_odd_of_a_record_costs_neither_it_nor_others(bench: Bench, odd: logging.LogRecord) -> None:
    bench.logger.info("before")
    bench.handler.handle(odd)
    bench.logger.info("after")
    assert bench.sender.flush(30)
    assert bench.texts == ["before", "odd", "after"]
    assert bench.handler.dropped == 0


def test_a_record_of_a_class_of_its_own_makes_its_own_text(bench: Bench) -> None:
    bench.handler.handle(_Redacted("app", 20, "x.py", 1, "password %s", ("hunter2",), None))
    assert bench.sender.flush(30)
    assert bench.texts == ["password ***"]


def test_a_stack_trace_that_comes_as_text_is_kept(bench: Bench) -> None:
    bench.handler.handle(record_of(exc_text="Traceback: of another process"))
    assert bench.sender.flush(30)
    ((record,),) = [batch.records or [] for batch in bench.daemon.stored]
    assert record[3]["exception.stacktrace"] == "Traceback: of another process"


def test_what_a_subclass_says_is_done(bench: Bench) -> None:
    class Own(LogHandler):
        def emit(self, record: logging.LogRecord) -> None:
            record.msg = f"emitted {record.msg}"
            super().emit(record)

        def format(self, record: logging.LogRecord) -> str:
            return f"formatted {super().format(record)}"

    Own(sender=bench.sender).handle(record_of())
    assert bench.sender.flush(30)
    assert bench.texts == ["formatted emitted odd"]


def test_who_waits_while_the_sender_is_started_is_not_refused(bench: Bench) -> None:
    with bench.sender._starting:  # as another thread has it
        waiting = threading.Thread(target=bench.sender._wait_room, args=(-1,), daemon=True)
        waiting.start()
        waiting.join(0.05)
        assert waiting.is_alive()
    waiting.join(30)


def test_threads_that_flush_at_the_same_time_do_no_harm(bench: Bench) -> None:
    def flush_often() -> None:
        for _ in range(100):
            bench.handler.flush()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=flush_often) for _ in range(8)]
        bench.logger.info("first")
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    bench.logger.info("last")
    assert bench.sender.flush(30)
    assert bench.texts == ["first", "last"]


def test_a_filter_that_fails_costs_nothing(bench: Bench) -> None:
    def fail(record: logging.LogRecord) -> bool:
        raise RuntimeError("no")

    bench.handler.addFilter(fail)
    bench.logger.info("kept")
    assert bench.sender.flush(30)
    assert bench.texts == ["kept"]


def test_a_text_that_cannot_be_made_is_said_to_be_one(bench: Bench) -> None:
    bench.logger.info(Unlucky())
    bench.logger.info("it is %s", Unlucky())
    assert bench.sender.flush(30)
    assert bench.texts == ["<Unlucky that cannot be shown: RuntimeError>", "it is %s"]


@pytest.mark.parametrize("values", [{"name": ["no", "name"]}, {"levelno": float("nan")}, {"levelno": float("-inf")}])
def test_a_record_of_what_none_can_be_costs_no_other(bench: Bench, values: dict[str, Any]) -> None:
    bench.logger.info("before")
    bench.handler.handle(logging.makeLogRecord({"msg": "x", "created": 1.0, "levelno": 20, **values}))
    bench.logger.info("after")
    bench.sender.flush(30)
    assert [text for text in bench.texts if text in ("before", "after")] == ["before", "after"]


def test_a_record_that_lacks_what_records_have_is_kept(bench: Bench) -> None:
    record = logging.makeLogRecord({"msg": "x"})
    record.created = "yesterday"  # type: ignore[assignment]
    bench.handler.handle(record)
    assert record.levelno is None
    bench.logger.info("kept")
    assert bench.sender.flush(30)
    assert bench.texts == ["x", "kept"]


def test_a_refused_session_is_said_and_dropped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from logd.protocol import ErrorCode

    bench = Bench(monkeypatch)
    bench.daemon.refusal = ErrorCode.NOT_PERMITTED
    bench.logger.error("one")
    wait_until(lambda: "refused" in capsys.readouterr().err)
    bench.logger.error("two")
    assert not bench.sender.flush(30)
    bench.close()
    assert bench.handler.dropped == 2


def test_the_name_is_checked_at_once() -> None:
    with pytest.raises(UsageError):
        LogHandler("no name")
    with pytest.raises(ValueError, match="fields"):
        LogHandler("run", fields={"a": [1]})


def test_nothing_that_was_never_used_says_or_waits() -> None:
    LogHandler("run", socket="/nowhere").close()
    assert Sender("run", paths=Paths.resolve(socket="/nowhere")).flush()
