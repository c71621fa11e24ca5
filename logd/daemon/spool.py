"""Taking in what emitters could not deliver: the spool files that no process holds.

Each is read as if its emitter had connected: its session is opened as that of the user who owns the file, batches that
are stored already are recognised, and the others go the way of all batches. A file is removed when all of it is stored,
so that a stop in the middle costs nothing: the next look takes it in again. What is no spool file is put aside.

The files of one run are taken in one after the other, the oldest first, as jobs have left them. Runs do not wait for
each other, or else one that cannot be stored would hold them all up.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from logd.daemon.access import Credentials, may_connect
from logd.daemon.refusal import RequestRefused
from logd.daemon.run import Session
from logd.errors import RemoteProtocolError, StoreError, UsageError
from logd.ingest import Envelope
from logd.paths import SPOOL_SUFFIX
from logd.protocol import Close, Emit, ErrorCode, Message, Open
from logd.protocol.codec import Decoder
from logd.protocol.framing import FrameReader

if TYPE_CHECKING:
    from logd.daemon.server import Server

log = logging.getLogger(__name__)

READY_SECONDS = 5.0
"""How long a starting daemon takes in what was left over before it says that it is ready; the rest comes after that."""
LOOK_SECONDS = 60.0
"""Then it looks again so often, for emitters that ended while it ran."""
RUNS_AT_A_TIME = 8
READ_BYTES = 1024 * 1024

BAD_SUFFIX = ".bad"


class Intake:
    """Looks into the spool's folder, and takes in what is there."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._folder = server.paths.spool_dir
        self._scope = trio.CancelScope()
        self._at_a_time = trio.CapacityLimiter(RUNS_AT_A_TIME)
        self._busy: set[str] = set()
        """The runs that something is being taken in for."""
        self._idle = trio.Event()

    async def run(self, on_ready: Callable[[], None]) -> None:
        """Take in what there is, call `on_ready` when that is done, or takes long, and go on until `stop`."""
        with self._scope:
            async with trio.open_nursery() as nursery:
                self._look(nursery)
                with trio.move_on_after(READY_SECONDS):
                    while self._busy:
                        await self._idle.wait()
                on_ready()
                while True:
                    await trio.sleep(LOOK_SECONDS)
                    self._look(nursery)

    def stop(self) -> None:
        """Take in nothing more; `run` returns when what it has begun with is stored."""
        self._scope.cancel()

    def _look(self, nursery: trio.Nursery) -> None:
        """Begin to take in what there is, for the runs that this is not done for still."""
        try:
            left_over = _left_over(self._folder)
        except OSError as error:
            log.error("cannot look into %s: %s", self._folder, error.strerror)
            return
        for run, paths in left_over.items():
            if run not in self._busy:
                self._busy.add(run)
                nursery.start_soon(self._take_in_run, run, paths)

    async def _take_in_run(self, run: str, paths: list[Path]) -> None:
        async with self._at_a_time:
            for path in paths:
                try:
                    await self._take_in(path)
                except Exception:
                    log.exception("%s cannot be taken in", path)
        self._busy.discard(run)
        if not self._busy:
            self._idle.set()
            self._idle = trio.Event()

    async def _take_in(self, path: Path) -> None:
        """Take in one file, where no process holds it; then it is removed, or put aside, or left for the next look."""
        try:
            with _holding(path) as fd:
                if fd is not None and await self._deliver(path, fd):
                    await trio.to_thread.run_sync(path.unlink)
        except (RemoteProtocolError, UsageError) as error:
            log.error("%s is no spool file from here on, and put aside: %s", path, error.message)
            await trio.to_thread.run_sync(path.rename, path.with_name(path.name + BAD_SUFFIX))
        except (RequestRefused, StoreError, OSError) as error:
            log.warning("%s is left for later: %s", path, error)

    async def _deliver(self, path: Path, fd: int) -> bool:
        """Have all of a file stored; False where the daemon stops before it is."""
        info = os.fstat(fd)
        messages = _Messages(fd)
        opened = await messages.next()
        if opened is None and not info.st_size:
            return True
        if not isinstance(opened, Open):
            raise RemoteProtocolError(ErrorCode.BAD_STATE, "it does not begin with a whole `open`")
        credentials = Credentials(0, info.st_uid)
        if not may_connect(credentials):
            raise RemoteProtocolError(ErrorCode.NOT_PERMITTED, f"it is of uid {info.st_uid}")
        session = await self._server.begin_session(credentials, opened)
        ended: Close | None = None
        """None where its emitter was killed before it could say how it ends."""
        try:
            first = True
            while (message := await messages.next()) is not None:
                if isinstance(message, Close):
                    ended = message
                    break
                await self._submit(session, message, info.st_mtime_ns // 1000, first=first)
                first = False
        finally:
            with trio.CancelScope(shield=True):
                exit_status = ended.exit_status if ended is not None else None
                await self._server.end_session(session, exit_status, closed=ended is not None)
        if messages.torn:
            log.warning("%s ends within a frame, which is dropped", path)
        log.info("took in %s, up to batch %d", path, session.stored_batch)
        return session.stored_batch == session.accepted_batch

    async def _submit(self, session: Session, emit: Message, received_us: int, *, first: bool) -> None:
        """Have a batch stored, unless it is. The first one may leave a gap: what was before it was acknowledged."""
        if not isinstance(emit, Emit) or emit.session != session.opened.id:
            raise RemoteProtocolError(ErrorCode.BAD_STATE, f"{emit.t} is where a batch of the session should be")
        if emit.batch <= session.accepted_batch:
            return
        if first:
            session.accepted_batch = session.stored_batch = emit.batch - 1
        if emit.batch > session.accepted_batch + 1:
            raise RemoteProtocolError(ErrorCode.BATCH_GAP, f"batch {emit.batch} follows {session.accepted_batch}")
        opened = session.opened
        envelope = session.envelopes.get(emit.stream)
        if envelope is None:
            envelope = Envelope(stream=emit.stream, source=opened.source, logger=opened.logger, fields=opened.fields)
            session.envelopes[emit.stream] = envelope
        committer = self._server.committer
        committer.submit(session, emit, envelope, received_us)
        await committer.wait_room([session])


class _Messages:
    """The messages in a file, as they are read."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._offset = 0
        self._frames = FrameReader()
        self._decoder = Decoder()

    async def next(self) -> Message | None:
        """The next one, or None at the end. RemoteProtocolError where there is something else."""
        while (payload := self._frames.next_frame()) is None:
            data = await trio.to_thread.run_sync(os.pread, self._fd, READ_BYTES, self._offset)
            if not data:
                return None
            self._offset += len(data)
            self._frames.feed(data)
        return self._decoder.decode(payload)

    @property
    def torn(self) -> bool:
        """Whether the file ends within a frame."""
        return self._frames.mid_frame


def _left_over(folder: Path) -> dict[str, list[Path]]:
    """The spool files, by the run in their names, of each the oldest first."""
    found: list[tuple[int, Path]] = []
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(SPOOL_SUFFIX) and entry.is_file(follow_symlinks=False):
                with suppress(FileNotFoundError):  # its emitter has delivered it since
                    found.append((entry.stat(follow_symlinks=False).st_mtime_ns, Path(entry.path)))
    by_run: dict[str, list[Path]] = {}
    for _, path in sorted(found):
        by_run.setdefault(path.name.removesuffix(SPOOL_SUFFIX).rpartition(".")[0], []).append(path)
    return by_run


@contextmanager
def _holding(path: Path) -> Iterator[int | None]:
    """A file's descriptor, locked as its emitter would have it; None where that still has it, or has removed it."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        yield None
        return
    try:
        yield fd if _try_lock(fd) and os.fstat(fd).st_nlink else None
    finally:
        os.close(fd)


def _try_lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
