"""Group commit: what came in from all sessions is encoded and stored together, while the next is coming in.

One worker thread at a time encodes and writes; the event loop never waits for the disk. What a session sent is
acknowledged and published when the worker is back; before it is, it syncs what asks for that. Where the disk says no,
nothing is dropped: the run is stalled, the same work is tried again, and meanwhile the emitters of that run are not
read.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import trio

from logd.config import StoreConfig
from logd.daemon.housekeeping import Housekeeper
from logd.daemon.meter import RateMeter
from logd.daemon.run import LiveRun, Session
from logd.daemon.sync import Syncer, sync_run
from logd.daemon.tally import LOUD_MASK, Tally, warnings_and_errors
from logd.errors import StoreError
from logd.ingest import MAX_BLOCK_BYTES, Block, Envelope, LineBatch, encode_lines, encode_records
from logd.protocol import Emit
from logd.record import Rows, Severity, Stored, now_us, severity_from_number
from logd.store import Append

log = logging.getLogger(__name__)

MAX_PENDING_BYTES = 4 * 1024 * 1024
"""Taken in and not yet stored, of all runs. Over it, emitters are not read until it is stored: they wait, or spool."""
MAX_COMMIT_BYTES = 2 * 1024 * 1024
"""What one commit takes of it."""
MAX_GROUP_BYTES = 256 * 1024
"""Batches of one session that follow each other are stored as one block up to this size of input."""
RETRY_SECONDS = 2.0
_RECORD_OVERHEAD_BYTES = 64
"""What a pending batch is counted as beyond its text."""


@dataclass(eq=False)
class _Group:
    """Consecutive batches of one session that share all but their times: what is stored, or not, as a whole."""

    session: Session
    envelope: Envelope
    severity: Severity | None
    cont: bool
    structured: bool
    time_us: int
    batches: list[LineBatch] = field(default_factory=list)
    records: list[Any] = field(default_factory=list)
    last_batch: int = 0
    input_bytes: int = 0
    record_count: int = 0
    """Known when it is stored."""

    def _blocks(self) -> Iterator[Block]:
        try:
            if self.structured:
                yield from encode_records(self.records, self.time_us, self.envelope)
            else:
                yield from encode_lines(self.batches, self.envelope, self.severity, cont=self.cont)
        except Exception:
            # A mistake of ours, which must cost one batch and not the daemon: it would be sent again after a restart.
            log.exception("batch %d of a session with %s cannot be encoded", self.last_batch, self.session.run.name)
            notice = [None, Severity.ERROR, "logd could not store records that came here; its own log says why", None]
            yield from encode_records([notice], self.time_us, self.envelope)

    def appends(self) -> Iterator[Append]:
        """The group's blocks as the store takes them: all but the last are parts."""
        blocks = self._blocks()
        block = next(blocks, None)
        while block is not None:
            following = next(blocks, None)
            self.record_count += block.record_count
            yield Append(*block, self.session.key, self.last_batch, part=following is not None)
            block = following


@dataclass(eq=False)
class _Work:
    """What one commit does for one run; it can be gone on with after a failure."""

    run: LiveRun
    groups: list[_Group]
    sync_always: bool
    newest: deque[Stored] = field(default_factory=deque)
    """The newest blocks stored, about as many as a run keeps in memory."""
    newest_bytes: int = 0
    stored_bytes: int = 0
    level_mask: int = 0
    warnings: int = 0
    errors: int = 0
    error: StoreError | None = None
    """Why it is not done."""
    _unstored: list[Append] = field(default_factory=list)
    _appends: Iterator[Append] = field(default_factory=lambda: iter(()))
    """Of the last group that was begun."""
    _begun: int = 0
    """How many groups were; more of them come while the run is stalled."""

    @property
    def input_bytes(self) -> int:
        return sum(group.input_bytes for group in self.groups)

    def run_in_thread(self) -> None:
        """Encode and store. What `error` then stops is left for the next call."""
        try:
            self._store()
            if self.sync_always or any(group.session.opened.sync for group in self.groups):
                sync_run(self.run)
        except StoreError as error:
            self.error = error
        else:
            self.error = None

    def _store(self) -> None:
        """Go on, about a block's bytes at a time."""
        while True:
            self._fill()
            if not self._unstored:
                return
            if self.run.store.awaits_sync:
                sync_run(self.run)
            first_seq = self.run.store.next_seq
            count = self.run.store.append(self._unstored, now_us())
            for append in self._unstored[:count]:
                if append.level_mask & LOUD_MASK:
                    warnings, errors = warnings_and_errors(append.data, append.record_count, append.level_mask)
                    self.warnings += warnings
                    self.errors += errors
                rows = Rows(first_seq, append.record_count, append.data)
                self._remember(Stored(rows, self.run.store.newest_time_us, append.level_mask))
                first_seq = rows.next_seq
            del self._unstored[:count]

    def _fill(self) -> None:
        unstored_bytes = sum(len(append.data) for append in self._unstored)
        while unstored_bytes < MAX_BLOCK_BYTES:
            append = next(self._appends, None)
            if append is not None:
                self._unstored.append(append)
                unstored_bytes += len(append.data)
            elif self._begun < len(self.groups):
                self._appends = self.groups[self._begun].appends()
                self._begun += 1
            else:
                return

    def _remember(self, block: Stored) -> None:
        self.newest.append(block)
        self.newest_bytes += len(block.rows.data)
        self.stored_bytes += len(block.rows.data)
        self.level_mask |= block.level_mask
        while self.newest_bytes > MAX_BLOCK_BYTES and len(self.newest) > 1:
            self.newest_bytes -= len(self.newest.popleft().rows.data)


class Committer:
    """Takes batches in from sessions, and stores them.

    Args:
        syncer: told of what was stored.
        housekeeper: told of what was sealed, and asked for room where the configuration says so.
        stored_bytes: counts what is stored.
        tally: told of runs whose warnings and errors are more.
    """

    def __init__(
        self,
        config: StoreConfig,
        syncer: Syncer,
        housekeeper: Housekeeper,
        stored_bytes: RateMeter,
        tally: Tally,
    ) -> None:
        self._config = config
        self._syncer = syncer
        self._housekeeper = housekeeper
        self._tally = tally
        self.records = RateMeter()
        self.bytes = stored_bytes
        self.pending_bytes = 0
        """Taken in and not stored, of runs that are not stalled."""
        self._queue: deque[_Group] = deque()
        self._stalled: dict[LiveRun, _Work] = {}
        self._retry_at = math.inf
        self._submitted = trio.Event()
        self._progress = trio.Event()
        self._given_up = False

    @property
    def store_error(self) -> StoreError | None:
        """Why the store takes nothing at present for at least one run."""
        return next((work.error for work in self._stalled.values()), None)

    def submit(self, session: Session, emit: Emit, envelope: Envelope, received_us: int) -> None:
        """Take in one batch; its place among the session's batches has been checked."""
        time_us = received_us if emit.time_us is None else emit.time_us
        severity = None if emit.severity is None else severity_from_number(emit.severity)
        group = self._queue[-1] if self._queue else None
        if (
            group is None
            or group.session is not session
            or group.envelope is not envelope
            or group.structured
            or emit.lines is None
            or emit.cont
            or group.severity is not severity
            or group.input_bytes + len(emit.lines) > MAX_GROUP_BYTES
        ):
            group = _Group(session, envelope, severity, emit.cont, emit.lines is None, time_us)
            self._queue.append(group)
        if emit.lines is not None:
            group.batches.append(LineBatch(time_us, emit.lines))
            size_bytes = len(emit.lines) + _RECORD_OVERHEAD_BYTES
        else:
            group.records = emit.records or []
            size_bytes = sum(len(record[2]) + _RECORD_OVERHEAD_BYTES for record in group.records)
        group.last_batch = session.accepted_batch = emit.batch
        group.input_bytes += size_bytes
        self.pending_bytes += size_bytes
        if not self._submitted.is_set():
            self._submitted.set()

    async def wait_room(self, sessions: Iterable[Session]) -> None:
        """Return when more may be submitted by an emitter that has these sessions."""
        while self.pending_bytes > MAX_PENDING_BYTES or any(session.run in self._stalled for session in sessions):
            await self._progress.wait()

    async def flush(self, session: Session) -> None:
        """Return when all that was submitted of a session is stored, or never will be: see `give_up`."""
        batch = session.accepted_batch
        while session.stored_batch < batch and not self._given_up:
            await self._progress.wait()

    def give_up(self) -> None:
        """Wait no more for what cannot be stored: nobody was told that it is."""
        self._given_up = True
        self._note_progress()

    def _note_progress(self) -> None:
        self._progress.set()
        self._progress = trio.Event()

    async def run(self) -> None:
        """Commit until cancelled; then nobody is to wait for it any more."""
        try:
            while True:
                with trio.CancelScope(deadline=self._retry_at):
                    await self._submitted.wait()
                self._submitted = trio.Event()
                while works := self._take():
                    await self._commit(works)
        finally:
            self.give_up()

    def _take(self) -> list[_Work]:
        """The work of one commit: the next groups that came in, by run, and what is due to be tried again."""
        works: dict[LiveRun, _Work] = {}
        taken_bytes = 0
        while self._queue and taken_bytes < MAX_COMMIT_BYTES:
            group = self._queue.popleft()
            run = group.session.run
            if run in self._stalled:
                self._stalled[run].groups.append(group)
                self.pending_bytes -= group.input_bytes
            else:
                work = works.setdefault(run, _Work(run, [], self._config.fsync == "always"))
                work.groups.append(group)
                taken_bytes += group.input_bytes
        if trio.current_time() >= self._retry_at:
            self._retry_at = math.inf
            works |= self._stalled
        return list(works.values())

    async def _commit(self, works: list[_Work]) -> None:
        sealed = {work.run: len(work.run.store.extent.segments) for work in works}
        await trio.to_thread.run_sync(_run_all, works)
        for work in works:
            if len(work.run.store.extent.segments) > sealed[work.run] > 0:
                self._housekeeper.note(work.run.name)
            if work.error is None:
                if self._stalled.pop(work.run, None):
                    log.info("run %s is stored again", work.run.name)
                    work.run.stalled = ""
                    work.run.turn()
                else:
                    self.pending_bytes -= work.input_bytes
                self._publish(work)
                continue
            if work.run not in self._stalled:
                log.error("run %s: %s; trying again until it works", work.run.name, work.error.message)
                self._stalled[work.run] = work
                self.pending_bytes -= work.input_bytes
                work.run.stalled = work.error.message
                work.run.turn()
            self._retry_at = trio.current_time() + RETRY_SECONDS
            if self._config.on_full == "drop-oldest" and work.error.is_no_room:
                await self._make_room()
        self._note_progress()

    async def _make_room(self) -> None:
        try:
            if await self._housekeeper.make_room():
                self._retry_at = trio.current_time()
        except StoreError as error:
            log.error("no room can be made: %s", error.message)

    def _publish(self, work: _Work) -> None:
        now, heard_us = trio.current_time(), work.run.store.newest_time_us
        records = 0
        for group in work.groups:
            group.session.heard_us = heard_us
            group.session.stored_batch = group.last_batch
            group.session.on_stored()
            group.session.records += group.record_count
            records += group.record_count
        self.records.add(records, now)
        work.run.records.add(records, now)
        self.bytes.add(work.stored_bytes, now)
        if work.warnings or work.errors:
            work.run.warnings += work.warnings
            work.run.errors += work.errors
            self._tally.note(work.run)
        self._syncer.note(work.run, work.level_mask)
        work.run.publish(work.newest)


def _run_all(works: list[_Work]) -> None:
    for work in works:
        work.run_in_thread()
