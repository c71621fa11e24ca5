"""The sender alone, against a daemon in the same process: what is batched, when, and what becomes of too much."""

from __future__ import annotations

import logging
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
    monkeypatch.setattr(sender_module, "ends_by_signal", lambda: True)
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


def test_a_filter_that_fails_costs_nothing(bench: Bench) -> None:
    def fail(record: logging.LogRecord) -> bool:
        raise RuntimeError("no")

    bench.handler.addFilter(fail)
    bench.logger.info("kept")
    assert bench.sender.flush(30)
    assert bench.texts == ["kept"]


def test_a_text_that_cannot_be_made_is_said_to_be_one(bench: Bench) -> None:
    class Unlucky:
        def __str__(self) -> str:
            raise RuntimeError("no")

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
