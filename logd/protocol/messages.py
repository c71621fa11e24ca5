"""The messages: immutable, and checked when they are built.

A message's attributes are the keys of its CBOR map, beside `t`, which names its type. An attribute with a default may
be left out of the map. What each key means is in logd-protocol(7), which a test holds to the tables here.

One id names one thing: the `id` of an `open` names its session in `emit`, `ack` and `close`, the `id` of an `attach`
names its subscription in `batch`, `event` and `detach`, and the reply to any request carries the request's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, NoReturn, Self, TypeVar, dataclass_transform

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
    SEQ,
    TIME_US,
    Check,
    are_records,
    byte_string,
    integer,
    is_filter,
    is_flag,
    is_item,
    is_items,
    is_lines,
    is_pieces,
    is_reply_value,
    is_settings,
    is_shared_fields,
    is_versions,
    one_of,
    optional,
    text,
)
from logd.protocol.framing import MAX_FRAME_BYTES
from logd.record import MAX_LABEL_BYTES, MAX_SEVERITY_NUMBER

PROTOCOL_VERSION = 1
SUPPORTED_VERSIONS = (1,)


class Message:
    """Base of all messages. Building one with a value that its key does not allow raises ValueError naming the key.

    A message's class has its keys as annotations and their defaults as attributes, as a frozen dataclass has, and is
    used as one. It is none because generating the methods of all messages takes 12 ms of each command's start.
    """

    t: ClassVar[str]
    checks: ClassVar[dict[str, Check]]
    """A check for every key, in the order of the arguments."""
    required: ClassVar[frozenset[str]]
    bulk: ClassVar[str] = ""
    """The key whose value is a block's bytes: it goes last in the map."""
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, *args: Any, **values: Any) -> None:
        names = tuple(self.checks)
        if len(args) > len(names) or not values.keys().isdisjoint(names[: len(args)]):
            raise ValueError(f"a {self.t} takes each of {', '.join(names)} once")
        self._fill(dict(zip(names, args, strict=False)) | values)

    @classmethod
    def from_map(cls, values: dict[str, Any]) -> Self:
        """The message with these keys' values; ValueError for an unknown, missing or bad one."""
        message = object.__new__(cls)
        message._fill(values)
        return message

    def _fill(self, values: dict[str, Any]) -> None:
        """Check what is given, and keep it; what is not given is the class's default, and costs nothing."""
        checks = self.checks
        for name, value in values.items():
            if name not in checks:
                raise ValueError(f"there is no key {name[:40]!r}")
            if not checks[name](value):
                raise ValueError(f"{name!r} has a value that it cannot have: {value!r:.80}")
        if not self.required <= values.keys():
            raise ValueError(f"{min(self.required - values.keys())!r} is missing")
        self.__dict__.update(values)
        self._check_whole()

    def _check_whole(self) -> None:
        """Raise ValueError where values are good each, but not together."""

    def to_map(self) -> dict[str, Any]:
        """The message's CBOR map, without the keys that have their default value."""
        default, required = type(self), self.required
        given = {
            name: value for name, value in self.__dict__.items() if name in required or value != getattr(default, name)
        }
        return {"t": self.t, **given}

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a message cannot be changed: {name}")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a message cannot be changed: {name}")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.to_map() == other.to_map()

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r:.200}" for name, value in self.__dict__.items())
        return f"{type(self).__name__}({shown})"


MESSAGE_TYPES: dict[str, type[Message]] = {}

_Class = TypeVar("_Class", bound=type[Message])


@dataclass_transform(frozen_default=True)
def _message(name: str, **checks: Check) -> Callable[[_Class], _Class]:
    """Declare a message: its type's name on the wire, and a check for each of its keys."""

    def declare(message_class: _Class) -> _Class:
        keys = message_class.__annotations__
        message_class.t = name
        message_class.checks = {key: checks[key] for key in keys}
        message_class.required = frozenset(key for key in keys if not hasattr(message_class, key))
        MESSAGE_TYPES[name] = message_class
        return message_class

    return declare


# From client to daemon


@_message("hello", versions=is_versions, client=text(MAX_LABEL_BYTES), terminal=text(64))
class Hello(Message):
    """The first message of a connection: the protocol versions that the client speaks.

    `terminal` names the one that its user is at, for where the daemon cannot tell.
    """

    versions: list[int]
    client: str = ""
    terminal: str = ""


@_message(
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


@_message(
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


@_message("close", session=ID, exit_status=optional(integer(0, 255)))
class Close(Message):
    """End a session. It is answered, with a reply that carries the session's id, when all of it is written."""

    session: int
    exit_status: int | None = None


@_message(
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


@_message("view", id=ID, sub=ID, paused=is_flag, window=optional(integer(1, MAX_WINDOW_RECORDS)))
class View(Message):
    """Pause a subscription, or have it go on: a view at the run's head, a stream where it was.

    While it is paused it is sent `head` alone. `window` is as in `attach`; None leaves it as it is.
    """

    id: int
    sub: int
    paused: bool = False
    window: int | None = None


@_message("detach", sub=ID)
class Detach(Message):
    """End a subscription. Nothing of it follows the reply, which carries the subscription's id."""

    sub: int


@_message(
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


@_message("report", id=ID, run=RUN, items=is_items, reset=is_flag)
class Report(Message):
    """Merge fields into items of a run's board. A field or an item that is None is removed.

    A number `advance` is added to the item's `done`. With `reset`, all items that there are are removed first.
    """

    id: int
    run: str
    items: dict[str, Any]
    reset: bool = False


@_message("throttle", id=ID, settings=is_settings)
class Throttle(Message):
    """Change how often subscribers are sent to, until the daemon ends; answered with all settings as they are then."""

    id: int
    settings: dict[str, Any]


@_message(
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


@_message("verify", id=ID, run=RUN, repair=is_flag)
class Verify(Message):
    """Check all that is stored of a run; with `repair` mend what can be. `progress` goes before the reply."""

    id: int
    run: str
    repair: bool = False


@_message("clear", id=ID, run=RUN)
class Clear(Message):
    """Remove all records of a run, which stays; what follows goes on with the next seq."""

    id: int
    run: str


@_message("remove", id=ID, run=RUN)
class Remove(Message):
    """Remove a run that nobody emits into."""

    id: int
    run: str


@_message(
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


@_message("runs", id=ID, after=RUN, limit=integer(1, 1000))
class Runs(Message):
    """Ask for a page of runs, in the order of their names, from the first after `after`."""

    id: int
    after: str = ""
    limit: int = 1000


@_message("sessions", id=ID, run=RUN, limit=integer(1, MAX_SESSIONS_LISTED))
class Sessions(Message):
    """Ask who emits into a run and who did: a run's newest sessions."""

    id: int
    run: str
    limit: int = MAX_SESSIONS_LISTED


@_message("stats", id=ID)
class Stats(Message):
    """Ask how the daemon does."""

    id: int


@_message("ping", id=ID)
class Ping(Message):
    """Ask for a `pong`."""

    id: int


# From daemon to client


@_message("welcome", version=integer(1, 1000), server=LABEL, pid=integer(1, 2**31 - 1))
class Welcome(Message):
    """The answer to `hello`: the version that the connection speaks from now on."""

    version: int
    server: str
    pid: int


@_message("ack", session=ID, batch=integer(0, MAX_ID), written_seq=SEQ, synced_seq=SEQ)
class Ack(Message):
    """All batches of a session up to `batch` are stored; the run is written up to `written_seq`."""

    session: int
    batch: int
    written_seq: int
    synced_seq: int = 0


@_message(
    "batch",
    sub=ID,
    pieces=is_pieces,
    next_seq=SEQ,
    head=SEQ,
    rows=byte_string(MAX_FRAME_BYTES),
    skipped=integer(0, MAX_ID),
)
class Batch(Message):
    """A subscription's next records, as stored.

    `pieces` says what `rows` are, as in `page`. All before `next_seq` is sent, or does not match; with a filter there
    may be no rows at all. Of what comes before them `skipped` records are left out of the view: they match, or were
    not looked at.
    """

    bulk = "rows"

    sub: int
    pieces: list[list[Any]]
    next_seq: int
    head: int
    rows: bytes
    skipped: int = 0


@_message("head", sub=ID, first_seq=SEQ, head=SEQ)
class Head(Message):
    """What a paused subscription is sent: its run now holds the records from `first_seq` to `head`."""

    sub: int
    first_seq: int
    head: int


@_message("items", sub=ID, items=is_items, whole=is_flag, more=is_flag, run=optional(is_item))
class Items(Message):
    """What has changed of a table: values by key, None for one that is removed.

    With `whole` these are all, and what was sent before is to be dropped. With `more` what belongs to it follows.
    `run` is of a board, and says how its run is, where that has changed.
    """

    sub: int
    items: dict[str, Any]
    whole: bool = False
    more: bool = False
    run: dict[str, Any] | None = None


@_message(
    "event",
    sub=ID,
    kind=one_of("waiting", "caught_up", "ended", "gap", "cleared", "truncated", "stalled", "resumed", "removed"),
    seq=SEQ,
    exit_status=optional(integer(0, 255)),
    count=integer(0, MAX_ID),
    generation=SEQ,
    reason=text(256),
    lost=is_flag,
)
class Event(Message):
    """What befell a subscription.

    It is `waiting` for the run to exist. It has `caught_up` with what there was when it was made, up to record `seq`.
    There is a `gap`: the `count` records from `seq` on are there no more. The run was `cleared`: it begins at record
    `seq` now, is of that `generation`, and `count` records were not sent yet. It is `truncated`: a crash of the system
    took the records from `seq` on that were there when the cursor was told, and others have these seqs. The run cannot
    be stored at present (`stalled`, with the `reason`), or can again (`resumed`). The run has `ended` after record
    `seq`, or is `lost`, or was `removed`, and with it the subscription is over.
    """

    sub: int
    kind: str
    seq: int = 0
    exit_status: int | None = None
    count: int = 0
    generation: int = 0
    reason: str = ""
    lost: bool = False


@_message(
    "page",
    id=ID,
    pieces=is_pieces,
    rows=byte_string(MAX_FRAME_BYTES),
    first_seq=SEQ,
    head=SEQ,
    next_seq=optional(SEQ),
)
class Page(Message):
    """The answer to `read`: records in the order of their seqs.

    `pieces` says what `rows` are: [first seq, count, time received in µs, whether they match the filter] of
    consecutive records, in order. The run holds `first_seq` to `head`. `next_seq` is the `from_seq` that the page goes
    on from in the same direction, None where that is the end.
    """

    bulk = "rows"

    id: int
    pieces: list[list[Any]]
    rows: bytes
    first_seq: int
    head: int
    next_seq: int | None = None


@_message("progress", id=ID, done=integer(0, MAX_ID), total=integer(0, MAX_ID))
class Progress(Message):
    """How far the request of that id is, in bytes."""

    id: int
    done: int
    total: int


@_message("reply", id=ID, value=is_reply_value)
class Reply(Message):
    """The answer to the request of the same id."""

    id: int
    value: dict[str, Any]


@_message("error", code=text(64), message=text(4096), id=optional(ID))
class Error(Message):
    """A request, or without `id` the connection, is refused. `code` is one of ErrorCode's values."""

    code: str
    message: str
    id: int | None = None


@_message("pong", id=ID)
class Pong(Message):
    """The answer to `ping`."""

    id: int
