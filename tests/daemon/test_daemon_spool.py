"""The intake, in a server without a socket: what it takes in, what it puts aside, and what it leaves alone."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from bed import PATIENCE_SECONDS

import logd.daemon.spool
from logd.client.delivery import SESSION, encode
from logd.config import Config
from logd.daemon.access import Credentials
from logd.daemon.run import Session
from logd.daemon.server import Server
from logd.daemon.spool import BAD_SUFFIX
from logd.paths import SPOOL_SUFFIX, Paths
from logd.protocol import Close, Emit, Open


def frames(run: str, *batches: bytes, first: int = 1, session: str = "s", exit_status: int | None = None) -> bytes:
    """What an emitter leaves in the spool."""
    emits = [encode(Emit(SESSION, number, lines=lines)) for number, lines in enumerate(batches, first)]
    closing = [] if exit_status is None else [encode(Close(SESSION, exit_status))]
    return b"".join([encode(Open(SESSION, run, session)), *emits, *closing])


class Bed:
    """A state directory, and what is in its spool and its runs."""

    def __init__(self, folder: Path) -> None:
        self.paths = Paths.resolve(state_dir=str(folder / "state"), socket=str(folder / "socket"))
        self.paths.spool_dir.mkdir(parents=True)

    def leave(self, name: str, data: bytes) -> Path:
        """A file that no process holds."""
        path = self.paths.spool_dir / f"{name}{SPOOL_SUFFIX}"
        path.write_bytes(data)
        return path

    def spooled(self) -> list[str]:
        return sorted(path.name for path in self.paths.spool_dir.iterdir())

    def messages(self, run: str) -> list[str]:
        files = sorted((self.paths.state_dir / "runs" / run).glob("*.jsonl"))
        return [json.loads(line)["msg"] for file in files for line in file.read_text().splitlines()]

    @asynccontextmanager
    async def started(self, *, storing: bool = True) -> AsyncIterator[Server]:
        """A server that has said that it is ready."""
        server = Server(Config(), self.paths)
        ready = trio.Event()
        try:
            async with trio.open_nursery() as nursery:
                if storing:
                    nursery.start_soon(server.committer.run)
                async with trio.open_nursery() as peers:
                    peers.start_soon(server.intake.run, ready.set)
                    await ready.wait()
                    yield server
                    server.intake.stop()
                    if not storing:
                        server.committer.give_up()
                nursery.cancel_scope.cancel()
        finally:
            server.store.close()

    async def take_in(self) -> None:
        async with self.started():
            pass


async def come_true(holds: Callable[[], bool]) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        while not holds():  # noqa: ASYNC110 - files and logs wake nobody
            await trio.sleep(0.01)


@pytest.fixture
def bed(tmp_path: Path) -> Bed:
    return Bed(tmp_path)


async def test_all_that_is_left_over_is_stored_before_it_is_ready(bed: Bed) -> None:
    bed.leave("a.s", frames("a", b"one\n", b"two\nthree\n"))
    bed.leave("b.s", frames("b", b"four\n"))
    async with bed.started():
        assert bed.spooled() == []
        assert bed.messages("a") == ["one", "two", "three"]
        assert bed.messages("b") == ["four"]


async def test_without_a_folder_there_is_nothing_to_do(bed: Bed) -> None:
    bed.paths.spool_dir.rmdir()
    await bed.take_in()


async def test_files_of_a_run_are_taken_in_from_the_oldest_on(bed: Bed) -> None:
    for time, number in enumerate((3, 1, 2)):
        path = bed.leave(f"a.{number}", frames("a", b"%d\n" % number, session=str(number)))
        os.utime(path, (time, time))
    await bed.take_in()
    assert bed.messages("a") == ["3", "1", "2"]


async def test_its_exit_status_is_the_sessions(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    really_end = Server.end_session
    endings: dict[str, tuple[int | None, bool]] = {}

    async def end_session(self: Server, session: Session, exit_status: int | None, *, closed: bool) -> None:
        endings[session.run.name] = exit_status, closed
        await really_end(self, session, exit_status, closed=closed)

    monkeypatch.setattr(Server, "end_session", end_session)
    bed.leave("a.s", frames("a", b"one\n", exit_status=4))
    bed.leave("b.s", frames("b", b"one\n"))
    await bed.take_in()
    assert endings == {"a": (4, True), "b": (None, False)}, "without a `close` its emitter was killed"


async def test_what_is_stored_is_recognised_by_the_files_owner_and_the_session(bed: Bed) -> None:
    for batches in ([b"one\n", b"two\n"], [b"one\n", b"two\n", b"three\n"]):
        bed.leave("a.s", frames("a", *batches))
        await bed.take_in()
    bed.leave("a.t", frames("a", b"one\n", session="t"))
    await bed.take_in()
    assert bed.messages("a") == ["one", "two", "three", "one"]


async def test_what_came_before_its_first_batch_was_acknowledged_once(bed: Bed) -> None:
    for first in (10, 20):
        bed.leave("a.s", frames("a", b"%d\n" % first, b"%d\n" % (first + 1), first=first))
        await bed.take_in()
    assert bed.messages("a") == ["10", "11", "20", "21"]


async def test_a_session_that_is_open_is_left_for_later(
    bed: Bed, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("logd.daemon.server.TAKE_OVER_SECONDS", 0.01)
    monkeypatch.setattr(logd.daemon.spool, "LOOK_SECONDS", 0.01)
    async with bed.started() as server:
        credentials = Credentials(0, bed.paths.state_dir.stat().st_uid)
        session = await server.begin_session(credentials, Open(SESSION, "a", "s"))
        path = bed.leave("a.s", frames("a", b"one\n"))
        await come_true(lambda: "is left for later" in caplog.text)
        assert path.exists()
        await server.end_session(session, None)
        await come_true(lambda: not path.exists())
    assert bed.messages("a") == ["one"]


async def test_it_looks_again_for_what_is_left_over_while_it_runs(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logd.daemon.spool, "LOOK_SECONDS", 0.01)
    async with bed.started():
        bed.leave("a.s", frames("a", b"one\n"))
        await come_true(lambda: not bed.spooled())
    assert bed.messages("a") == ["one"]


async def test_a_store_that_takes_nothing_keeps_nobody_from_starting(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logd.daemon.spool, "READY_SECONDS", 0.01)
    path = bed.leave("a.s", frames("a", b"one\n"))
    with trio.fail_after(PATIENCE_SECONDS):
        async with bed.started(storing=False):
            pass
    assert path.exists()
    await bed.take_in()
    assert bed.messages("a") == ["one"]


@pytest.mark.parametrize("cut_bytes", range(1, 12))
async def test_a_torn_last_frame_is_dropped(bed: Bed, caplog: pytest.LogCaptureFixture, cut_bytes: int) -> None:
    bed.leave("a.s", frames("a", b"one\n", b"two\n")[:-cut_bytes])
    await bed.take_in()
    assert bed.messages("a") == ["one"]
    assert bed.spooled() == []
    assert "ends within a frame, which is dropped" in caplog.text


OPENING = encode(Open(SESSION, "a", "s"))
ONE = frames("a", b"one\n")
BAD = {
    "text": b"not frames at all, but some text\n",
    "half of an open": ONE[:20],
    "no open": ONE[len(OPENING) :],
    "an open of no run": frames("../a", b"one\n"),
    "zeros behind it": ONE + bytes(4096),
    "another session": ONE + encode(Emit(SESSION + 1, 2, lines=b"two\n")),
    "a gap": ONE + encode(Emit(SESSION, 3, lines=b"three\n")),
    "another message": ONE + OPENING,
}


@pytest.mark.parametrize("name", BAD)
async def test_what_is_no_spool_file_is_put_aside_and_stops_nothing(
    bed: Bed, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    bad = bed.leave("a.s", BAD[name])
    bed.leave("a.t", frames("a", b"good\n", session="t"))
    await bed.take_in()
    assert bed.messages("a") == (["one", "good"] if BAD[name].startswith(ONE) else ["good"])
    assert bed.spooled() == [bad.name + BAD_SUFFIX]
    assert bad.with_name(bad.name + BAD_SUFFIX).read_bytes() == BAD[name]
    assert "is no spool file from here on, and put aside" in caplog.text


async def test_what_is_not_its_to_take_is_left_alone(bed: Bed) -> None:
    held = bed.leave("held.s", frames("held", b"one\n"))
    bed.leave("empty.s", b"")
    (bed.paths.spool_dir / "notes").write_text("x")
    (bed.paths.spool_dir / f"folder{SPOOL_SUFFIX}").mkdir()
    (bed.paths.spool_dir / f"link{SPOOL_SUFFIX}").symlink_to(held)
    with held.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        await bed.take_in()
        assert bed.spooled() == [f"folder{SPOOL_SUFFIX}", held.name, f"link{SPOOL_SUFFIX}", "notes"]
    await bed.take_in()
    assert bed.messages("held") == ["one"]
