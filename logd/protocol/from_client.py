"""What a client says to the daemon; `message` says what holds of all messages."""

from __future__ import annotations

from typing import Any

from logd.protocol.checks import (
    ID,
    LABEL,
    MAX_CONTEXT_RECORDS,
    MAX_ID,
    MAX_PAGE_RECORDS,
    MAX_PATTERN_CHARACTERS,
    MAX_SESSIONS_LISTED,
    MAX_WINDOW_RECORDS,
    RUN,
    TIME_US,
    are_records,
    integer,
    is_filter,
    is_flag,
    is_items,
    is_lines,
    is_settings,
    is_shared_fields,
    is_versions,
    one_of,
    optional,
    text,
)
from logd.protocol.message import Message, message_type
from logd.record import MAX_LABEL_BYTES, MAX_SEVERITY_NUMBER


@message_type("hello", versions=is_versions, client=text(MAX_LABEL_BYTES), terminal=text(64))
class Hello(Message):
    """The first message of a connection: the protocol versions that the client speaks.

    `terminal` names the one that its user is at, for where the daemon cannot tell.
    """

    versions: list[int]
    client: str = ""
    terminal: str = ""


@message_type(
    "open",
    id=ID,
    run=RUN,
    session=text(64),
    command=text(4096),
    pid=integer(0, 2**31 - 1),
    host=LABEL,
    source=LABEL,
    logger=LABEL,
    fields=optional(is_shared_fields),
    sync=is_flag,
)
class Open(Message):
    """Open a session: the right to emit into a run. A session that is opened again goes on where it was.

    With `sync` its batches are acknowledged when they are on the disk itself, whatever the daemon's policy.
    """

    id: int
    run: str
    session: str
    command: str = ""
    pid: int = 0
    host: str = ""
    source: str = ""
    logger: str = ""
    fields: dict[str, Any] | None = None
    sync: bool = False


@message_type(
    "emit",
    session=ID,
    batch=integer(1, MAX_ID),
    lines=optional(is_lines),
    records=optional(are_records),
    time_us=optional(TIME_US),
    severity=optional(integer(0, MAX_SEVERITY_NUMBER)),
    stream=LABEL,
    cont=is_flag,
)
class Emit(Message):
    """One batch of a session's records: either `lines`, whole ones that end with a newline, or `records`.

    A `severity` of None has levels detected in the lines. `cont` says that the first line goes on with the text that
    the last line of the batch before had begun.
    """

    bulk = "lines"

    session: int
    batch: int
    lines: bytes | None = None
    records: list[Any] | None = None
    time_us: int | None = None
    severity: int | None = None
    stream: str = ""
    cont: bool = False

    def _check_whole(self) -> None:
        if (self.lines is None) == (self.records is None):
            raise ValueError("a batch has either 'lines' or 'records'")


@message_type("close", session=ID, exit_status=optional(integer(0, 255)))
class Close(Message):
    """End a session. It is answered, with a reply that carries the session's id, when all of it is written."""

    session: int
    exit_status: int | None = None


@message_type(
    "attach",
    id=ID,
    run=RUN,
    mode=one_of("stream", "view"),
    last=optional(integer(0, MAX_ID)),
    from_seq=optional(integer(1, MAX_ID)),
    from_time_us=optional(TIME_US),
    generation=optional(integer(0, MAX_ID)),
    window=integer(1, MAX_WINDOW_RECORDS),
    filter=optional(is_filter),
    wait=is_flag,
    follow=is_flag,
    paused=is_flag,
    times=is_flag,
    interval_ms=integer(0, 3_600_000),
)
class Attach(Message):
    """Subscribe to a run, from `from_seq`, or from the first record that was received at `from_time_us` or later, or
    else from its newest `last` records (None: from its first).

    A `stream` is sent every record, a `view` no more than the newest `window` of what is pending. With `filter` only
    records that match are. `from_seq` with the `generation` that it was told in is a cursor: where the run is of
    another generation now, it goes on from where that begins. With `wait` a run that does not exist is waited for.
    Without `follow` the subscription ends at the head that the run had when it was made; with it, when the run ends.
    `paused` is as in `view`. With `times` each piece of a batch was received at one time. `interval_ms` asks not to be
    sent to more often.
    """

    id: int
    run: str
    mode: str = "stream"
    last: int | None = None
    from_seq: int | None = None
    from_time_us: int | None = None
    generation: int | None = None
    window: int = 500
    filter: dict[str, Any] | None = None
    wait: bool = False
    follow: bool = True
    paused: bool = False
    times: bool = False
    interval_ms: int = 0


@message_type("view", id=ID, sub=ID, paused=is_flag, window=optional(integer(1, MAX_WINDOW_RECORDS)))
class View(Message):
    """Pause a subscription, or have it go on: a view at the run's head, a stream where it was.

    While it is paused it is sent `head` alone. `window` is as in `attach`; None leaves it as it is.
    """

    id: int
    sub: int
    paused: bool = False
    window: int | None = None


@message_type("detach", sub=ID)
class Detach(Message):
    """End a subscription. Nothing of it follows the reply, which carries the subscription's id."""

    sub: int


@message_type(
    "watch",
    id=ID,
    topic=one_of("runs", "presence", "board", "totals"),
    run=text(MAX_PATTERN_CHARACTERS),
    interval_ms=integer(0, 3_600_000),
    wait=is_flag,
)
class Watch(Message):
    """Subscribe to a table of last values, sent as `items`: whole at first and now and then, else what has changed.

    `runs` has the runs in use, by name, `presence` who emits and who watches, `board` what was reported of one run, and
    `totals` how much the daemon does.
    `run` is a run's name; of the first two topics it can be a pattern such as `scrape-*`, and "" is all runs.
    With `wait` a run that does not exist is waited for, to have its board.
    """

    id: int
    topic: str
    run: str = ""
    interval_ms: int = 0
    wait: bool = False


@message_type("report", id=ID, run=RUN, items=is_items, reset=is_flag)
class Report(Message):
    """Merge fields into items of a run's board. A field or an item that is None is removed.

    A number `advance` is added to the item's `done`. With `reset`, all items that there are are removed first.
    """

    id: int
    run: str
    items: dict[str, Any]
    reset: bool = False


@message_type("throttle", id=ID, settings=is_settings)
class Throttle(Message):
    """Change how often subscribers are sent to, until the daemon ends; answered with all settings as they are then."""

    id: int
    settings: dict[str, Any]


@message_type(
    "read",
    id=ID,
    run=RUN,
    from_seq=optional(integer(1, MAX_ID)),
    from_time_us=optional(TIME_US),
    backward=is_flag,
    limit=integer(1, MAX_PAGE_RECORDS),
    before=integer(0, MAX_CONTEXT_RECORDS),
    after=integer(0, MAX_CONTEXT_RECORDS),
    filter=optional(is_filter),
)
class Read(Message):
    """Read a page of a run's records, answered with `page`: those from `from_seq` on, or `backward` those before it.

    In its place `from_time_us` means the first record received at that time or after; with neither it is the run's
    first record, or `backward` its end. A page ends with `limit` records, with as many as fit it, or where the daemon
    has looked through enough: `page` says where to go on. `filter` picks records, each with `before` and `after`
    records around it.
    """

    id: int
    run: str
    from_seq: int | None = None
    from_time_us: int | None = None
    backward: bool = False
    limit: int = 1000
    before: int = 0
    after: int = 0
    filter: dict[str, Any] | None = None


@message_type("verify", id=ID, run=RUN, repair=is_flag)
class Verify(Message):
    """Check all that is stored of a run; with `repair` mend what can be. `progress` goes before the reply."""

    id: int
    run: str
    repair: bool = False


@message_type("clear", id=ID, run=RUN)
class Clear(Message):
    """Remove all records of a run, which stays; what follows goes on with the next seq."""

    id: int
    run: str


@message_type("remove", id=ID, run=RUN)
class Remove(Message):
    """Remove a run that nobody emits into."""

    id: int
    run: str


@message_type(
    "limits",
    id=ID,
    run=RUN,
    max_bytes=optional(integer(0, MAX_ID)),
    max_age_seconds=optional(integer(0, MAX_ID)),
)
class Limits(Message):
    """Set how much of a run is kept, and for how long: 0 is without a limit, None what the configuration says."""

    id: int
    run: str
    max_bytes: int | None = None
    max_age_seconds: int | None = None


@message_type("runs", id=ID, after=RUN, limit=integer(1, 1000))
class Runs(Message):
    """Ask for a page of runs, in the order of their names, from the first after `after`."""

    id: int
    after: str = ""
    limit: int = 1000


@message_type("sessions", id=ID, run=RUN, limit=integer(1, MAX_SESSIONS_LISTED))
class Sessions(Message):
    """Ask who emits into a run and who did: a run's newest sessions."""

    id: int
    run: str
    limit: int = MAX_SESSIONS_LISTED


@message_type("stats", id=ID)
class Stats(Message):
    """Ask how the daemon does."""

    id: int


@message_type("ping", id=ID)
class Ping(Message):
    """Ask for a `pong`."""

    id: int
