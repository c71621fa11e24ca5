"""A run, as the program that is the job says how it goes: records, and items of the run's board.

    with logd.Run("nightly") as run:
        for page in run.track(pages, "pages"):
            run.log("fetched", url=page.url)

Nothing here waits for the daemon but `flush` and `close`, and nothing raises into the program but the constructor.
"""

from __future__ import annotations

import atexit
import sys
import time
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sized
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from logd.client.fields import MAX_STATUS_CHARACTERS, as_text, exception_fields
from logd.client.sender import CLOSE_SECONDS, FLUSH_SECONDS, Sender
from logd.paths import Paths
from logd.record import Severity, severity_from_word

if TYPE_CHECKING:
    from logd.client.handler import LogHandler

EXIT_INTERRUPTED = 130
TRACK_SECONDS = 0.1
"""How often `track` reports at the most: a loop is not to be slowed by who watches it."""

_LEVELS = {
    None: 20,  # there is no such level
    Severity.TRACE: 5,
    Severity.DEBUG: 10,
    Severity.INFO: 20,
    Severity.WARN: 30,
    Severity.ERROR: 40,
    Severity.FATAL: 50,
}
"""The levels of `logging` that severities are."""

_Item = TypeVar("_Item")


class Job:
    """What both forms of a run have: a part of a job that says how it goes.

    Args:
        sender: the session that all parts share.
        source: which part it is; empty for the whole.
    """

    def __init__(self, sender: Sender, source: str = "", left: list[Tracker] | None = None) -> None:
        self._sender = sender
        self._source = source
        self._left: list[Tracker] = [] if left is None else left
        """The iterations, of all parts, that were left before their end, since when nothing was said."""
        self._misreported = 0

    @property
    def name(self) -> str:
        """The run's name."""
        return self._sender.run

    @property
    def source(self) -> str:
        """Which part of the job this is; empty for the whole."""
        return self._source

    @property
    def dropped(self) -> int:
        """How many records were dropped, as neither the daemon nor the disk took them in time."""
        return self._sender.dropped

    @property
    def misreported(self) -> int:
        """How many reports were left out, as no board can have what they said; the first one is said on stderr."""
        return self._misreported

    def handler(self, level: int | str = 0) -> LogHandler:
        """A handler for `logging` whose records go into this run."""
        from logd.client.handler import LogHandler

        return LogHandler(level=level, sender=self._sender, fields=self._labels())

    def _labels(self) -> dict[str, Any]:
        return {"source": self._source} if self._source else {}

    def _key(self, key: str) -> str:
        return f"{self._source}/{key}" if self._source else key

    def _log(self, message: object, level: str | int, fields: Mapping[str, Any]) -> None:
        self._left.clear()
        try:
            number = level if isinstance(level, int) else _LEVELS[severity_from_word(level)]
            self._sender.put_text(time.time(), number, as_text(message), {**self._labels(), **fields})
        except Exception:
            self._sender.dropped += 1

    def _log_error(self, kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
        fields = exception_fields(kind, error, trace)
        self._log(f"{fields['exception.type']}: {fields['exception.message']}", "error", fields)

    def _report(self, items: Mapping[str, Mapping[str, Any] | None], *, reset: bool = False) -> None:
        self._left.clear()
        try:
            self._sender.report({self._key(key): item for key, item in items.items()}, reset=reset)
        except Exception as error:
            if not self._misreported:
                print(f"logd: run {self.name}: {error}", file=sys.stderr)
            self._misreported += 1

    # What a board is told, which never waits

    def progress(
        self,
        key: str = "progress",
        done: float | None = None,
        total: float | None = None,
        *,
        advance: float | None = None,
        unit: str | None = None,
        state: str | None = None,
        status: str | None = None,
        **fields: str | float | bool | None,
    ) -> None:
        """Say how far an item of the board is. What is not given stays as it is.

        Args:
            key: which item; that of a child is below its source, as in `w1/pages`.
            done, total: how much is done, and of how much, where that is known.
            advance: add so much to `done` instead, which was given before.
            unit: of what, such as "pages".
            state: "pending", "running", "done" or "failed". Where `done` is given and this is not, it follows from
                `done` and `total`.
            status: a line of text: what it does, or why it failed.
            fields: what else the item is to have: text, numbers, booleans; None removes.
        """
        item: dict[str, Any] = dict(fields)
        given = {"done": done, "total": total, "advance": advance, "unit": unit, "state": state, "status": status}
        item |= {name: value for name, value in given.items() if value is not None}
        if state is None and done is not None:
            item["state"] = None
        if status is not None:
            item["status"] = as_text(status)[:MAX_STATUS_CHARACTERS]
        self._report({key: item})

    def gauge(self, key: str, value: float, **fields: str | float | bool | None) -> None:
        """Say a last value, such as a queue's depth."""
        self._report({key: {"gauge": value, **fields}})

    def remove(self, *keys: str) -> None:
        """Take items off the board."""
        self._report(dict.fromkeys(keys))

    def reset(self, items: Mapping[str, Mapping[str, Any] | None] | None = None) -> None:
        """Begin the whole run's board anew, with these items: those who look see that it was cleared."""
        self._report(items or {}, reset=True)


class OpenJob(Job):
    """A job's session with a run, which its parts share. Args and errors are those of Run."""

    def __init__(
        self,
        name: str,
        *,
        source: str = "",
        fields: Mapping[str, Any] | None = None,
        socket: str | None = None,
        state_dir: str | None = None,
        autostart: bool = True,
        spool: bool = True,
    ) -> None:
        sender = Sender(
            name,
            source=source,
            fields=fields,
            paths=Paths.resolve(socket=socket, state_dir=state_dir),
            autostart=autostart,
            spool=spool,
        )
        super().__init__(sender)
        self._is_child = False
        _register(sender)

    def child(self, source: str) -> Self:
        """A part of the job, such as a worker: its records have it as their source, its items are below it.

        It shares this run's session, which it does not end. Its own children are below it, as in `w1/db`.
        """
        child = object.__new__(type(self))
        Job.__init__(child, self._sender, self._key(source), self._left)
        child._is_child = True
        return child


class Tracker:
    """Reports an iteration's progress, seldom, and in the end how it ended."""

    def __init__(self, job: Job, iterable: object, key: str, total: float | None, unit: str | None) -> None:
        self._job = job
        self._key = key
        if total is None and isinstance(iterable, Sized):
            total = len(iterable)
        self._done = 0
        self._due = time.monotonic() + TRACK_SECONDS
        job.progress(key, 0, total, unit=unit, state="running")

    def advance(self) -> None:
        """One more is done."""
        self._done += 1
        if (now := time.monotonic()) >= self._due:
            self._due = now + TRACK_SECONDS
            self._job.progress(self._key, self._done, state="running")

    @contextmanager
    def ending(self) -> Iterator[None]:
        """Report how the block ends."""
        try:
            yield
        except GeneratorExit:
            left = [*self._job._left, self]
            self.end("done", "left before the end")
            self._job._left[:] = left
            raise
        except BaseException as error:
            self.fail(error)
            raise
        self.end("done")

    def fail(self, error: BaseException | None) -> None:
        """It goes no further because of an exception."""
        self.end("failed", f"{type(error).__name__}: {as_text(error)}")

    def end(self, state: str, status: str | None = None) -> None:
        """Report how it ended."""
        self._job.progress(self._key, self._done, state=state, status=status)


class Run(OpenJob):
    """A job's session with a run. A context manager: leaving it sends what is left, and says how the job ended.

    It ends with status 0, or with 1 where an exception leaves the block, which is then recorded; with 130 for ^C, and
    with that of `SystemExit`. Without `with`, `close` ends it, or else the program's end does.

    Args:
        name: the run's name; it is made where there is none.
        source: the part of the job that all of it is from.
        fields: what every record carries: text, numbers and booleans.
        socket, state_dir, autostart, spool: as of LogHandler.

    Raises:
        UsageError: that is no run's name.
        ValueError: source or fields are not what a session can have.
    """

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(exit_status_of(self, kind, error, trace))

    def log(self, message: object, level: str | int = "info", **fields: Any) -> None:
        """Record something.

        Args:
            message: the record's text.
            level: a level's name, such as "warning", or its number in `logging`.
            fields: what the record has beside it.
        """
        self._log(message, level, fields)

    def exception(self, message: object = "", **fields: Any) -> None:
        """Record the exception that is being handled, as an error."""
        kind, error, trace = sys.exc_info()
        about = {} if kind is None else exception_fields(kind, error, trace)
        self._log(message or about.get("exception.message", ""), "error", {**about, **fields})

    def track(
        self, iterable: Iterable[_Item], key: str = "progress", *, total: float | None = None, unit: str | None = None
    ) -> Iterator[_Item]:
        """What `iterable` has, one by one, with its progress on the board.

        Args:
            iterable: anything; its length is the total, where it has one and none is given.
            key, total, unit: as of `progress`.
        """
        tracker = Tracker(self, iterable, key, total, unit)
        with tracker.ending():
            for item in iterable:
                yield item
                tracker.advance()

    def flush(self, seconds: float = FLUSH_SECONDS) -> bool:
        """Wait until all of it is stored, for a bounded time; not where no daemon is there. Say whether it is."""
        return self._sender.flush(seconds)

    def close(self, exit_status: int | None = None, seconds: float = CLOSE_SECONDS) -> None:
        """End the session; of a child this is `flush`."""
        if self._is_child:
            self.flush(seconds)
        else:
            self._sender.close(exit_status, seconds)


def exit_status_of(
    job: Job, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
) -> int:
    """The status of a block that ends so; what is no good end is recorded."""
    if kind is None:
        return 0
    if isinstance(error, SystemExit):
        code = error.code
        return 0 if code is None else code & 0xFF if isinstance(code, int) else 1
    if issubclass(kind, KeyboardInterrupt):
        _fail_left(job, error)
        job._log("interrupted", "warning", {})
        return EXIT_INTERRUPTED
    _fail_left(job, error)
    job._log_error(kind, error, trace)
    return 1


def _fail_left(job: Job, error: BaseException | None) -> None:
    """An exception in a loop's body is for the iteration as if it was left. What was left just now was left by it."""
    for tracker in list(job._left):
        tracker.fail(error)


_open: weakref.WeakSet[Sender] = weakref.WeakSet()


def _register(sender: Sender) -> None:
    if not _open:
        atexit.register(_close_all)
    _open.add(sender)


def _close_all() -> None:
    for sender in list(_open):
        sender.close()
