"""A handler for `logging` that costs the program less than writing to a file.

    logging.getLogger().addHandler(logd.LogHandler("nightly"))

What must be done while the caller waits is done here: the text is made, as its arguments may change afterwards, and so
are fields that come with it. All else is the sender's. There is no lock on this way, see `sender`.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Mapping
from typing import Any

from logd.client.fields import as_text, exception_fields
from logd.client.sender import CLOSE_SECONDS, FLUSH_SECONDS, LONG_CHARACTERS, URGENT_LEVEL, Sender
from logd.paths import Paths

_STANDARD = frozenset({*logging.makeLogRecord({}).__dict__, "message", "asctime", "taskName"})
_PLAIN = len(logging.makeLogRecord({}).__dict__)
"""How many attributes a record has to which its caller has added none."""


class LogHandler(logging.Handler):
    """Sends records to a run. From any thread, in a forked process too, and whatever becomes of the daemon.

    A record has its text, time, level and logger. What its call gave as `extra` are fields, and an exception is, under
    OpenTelemetry's names: `exception.type`, `exception.message` and `exception.stacktrace`; `stack_info` is
    `code.stacktrace`. With a formatter set, that makes the text.

    Records go in batches of 50, or after a second, and at once from ERROR on. Logging does not wait for the daemon.
    Where more is logged than can be sent or spooled it waits for room, and drops when there is none for a second.

    `flush` waits for the daemon, for two seconds at the most; `close`, which the program's end calls, for three.

    Args:
        run: the run's name; it is made where there is none.
        level: of the records that are sent, as of every handler.
        source: the part of the job that every record is from.
        fields: what every record carries: text, numbers and booleans.
        socket, state_dir: where the daemon is, where that is neither the usual place nor LOGD_SOCKET's and
            LOGD_STATE_DIR's.
        autostart: start a daemon where none runs.
        spool: keep on disk what the daemon does not take in time, for it to take in later; without, that is dropped.
        sender: the session that records go into; a handler without one opens its own.

    Raises:
        UsageError: that is no run's name.
        ValueError: source or fields are not what a session can have.
    """

    def __init__(
        self,
        run: str = "",
        level: int | str = logging.NOTSET,
        *,
        source: str = "",
        fields: Mapping[str, Any] | None = None,
        socket: str | None = None,
        state_dir: str | None = None,
        autostart: bool = True,
        spool: bool = True,
        sender: Sender | None = None,
    ) -> None:
        self._owns_sender = sender is None
        self._own_fields = dict(fields) if sender is not None and fields else None
        own = type(self)
        self._formats = own.format is not logging.Handler.format
        self._is_plain = not (self._own_fields or self._formats or own.emit is not LogHandler.emit)
        """Whether a record's text and its logger are all that there is to it, where it has no more itself."""
        self._sender = sender or Sender(
            run,
            source=source,
            fields=fields,
            paths=Paths.resolve(socket=socket, state_dir=state_dir),
            autostart=autostart,
            spool=spool,
        )
        super().__init__(level)
        if self._owns_sender:
            weakref.finalize(self, self._sender.leave).atexit = False  # there `close` is called

    @property
    def dropped(self) -> int:
        """How many records were dropped, as neither the daemon nor the disk took them in time."""
        return self._sender.dropped

    def handle(self, record: logging.LogRecord) -> Any:
        """Send a record that the filters let pass; it never raises."""
        try:
            text = record.msg
            # Most records are such, and what is done for them is what logging costs.
            if (
                record.exc_info is None
                and record.exc_text is None
                and record.stack_info is None
                and type(text) is str
                and type(record) is logging.LogRecord
                and self._is_plain
                and not (self.filters or self.formatter)
            ):
                if args := record.args:
                    text %= args
                level = record.levelno
                row = record.created, level, text, record.name
                # Its dictionary is made only when it is asked for, and all else is slower from then on.
                if len(text) <= LONG_CHARACTERS and len(record.__dict__) == _PLAIN:
                    sender = self._sender
                    queue = sender.queue
                    urgent = level >= URGENT_LEVEL
                    queue.append(row)
                    if len(queue) >= sender.wake_at or urgent:
                        sender.wake(urgent=urgent)
                    return True
            if self.filters:
                passed: Any = self.filter(record)
                if not passed:
                    return passed
                if isinstance(passed, logging.LogRecord):
                    record = passed
        except Exception:  # its text cannot be made, or a filter fails: what there is of it is worth more than nothing
            return self._emit(record)
        return self._emit(record)

    def _emit(self, record: logging.LogRecord) -> bool:
        try:
            self.emit(record)
        except Exception:  # a subclass's
            self._sender.dropped += 1
        return True

    def emit(self, record: logging.LogRecord) -> None:
        """Send a record, whatever the filters say."""
        try:
            text, error = self._text(record)
            fields = {**(self._own_fields or {}), "logger": record.name, **_fields(record), **error}
            self._sender.put_text(record.created, _level(record.levelno), text, fields)
        except Exception:
            self._sender.dropped += 1

    def _text(self, record: logging.LogRecord) -> tuple[str, dict[str, Any]]:
        """A record's text; and what it lacks of it, as fields, where its arguments do not fit."""
        try:
            formats = self.formatter is not None or self._formats
            text: Any = self.format(record) if formats else record.getMessage()
            return text if isinstance(text, str) else as_text(text), {}
        except Exception as error:
            return as_text(record.msg), {"logging.args": record.args, "logging.error": as_text(error)}

    def flush(self) -> None:
        """Wait until what was logged is stored, for a bounded time; not where no daemon is there."""
        self._sender.flush(FLUSH_SECONDS)

    def close(self) -> None:
        """Send what is left, for a bounded time; what the daemon does not take by then is in the spool."""
        if self._owns_sender:
            self._sender.close(seconds=CLOSE_SECONDS)
        super().close()


def _level(level: Any) -> int:
    """A record's level; 0 where that is none, as of one that was made of nothing."""
    try:
        return int(level)
    except (TypeError, ValueError, OverflowError):
        return 0


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """What a record has beside what every record has."""
    fields = {name: value for name, value in record.__dict__.items() if name not in _STANDARD}
    info: Any = record.exc_info
    if isinstance(info, BaseException):
        info = (type(info), info, info.__traceback__)
    if isinstance(info, tuple) and len(info) == 3 and isinstance(info[0], type):
        fields |= exception_fields(*info)
    elif record.exc_text:  # of another process
        fields["exception.stacktrace"] = record.exc_text
    if record.stack_info:
        fields["code.stacktrace"] = record.stack_info
    return fields
