"""The messages: immutable, and checked when they are built.

A message's attributes are the keys of its CBOR map, beside `t`, which names its type. An attribute with a default may
be left out of the map. What each key means is in logd-protocol(7), which a test holds to the tables here.

One id names one thing: the `id` of an `open` names its session in `emit`, `ack` and `close`, the `id` of an `attach`
names its subscription in `batch`, `event` and `detach`, and the reply to any request carries the request's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, NoReturn, Self, TypeVar, dataclass_transform

from logd.protocol.framing import MAX_FRAME_BYTES
from logd.record import MAX_FIELDS, MAX_LABEL_BYTES, MAX_SEVERITY_NUMBER, MAX_TIME_US

PROTOCOL_VERSION = 1
SUPPORTED_VERSIONS = (1,)

MAX_ID = 2**53 - 1
"""Ids and counters stay within what every language's numbers hold exactly."""
MAX_RECORDS_IN_FRAME = 4096
MAX_LINES_BYTES = 1000 * 1024
"""The longest `lines`: a frame's limit less room for the other keys."""
MAX_SHARED_FIELDS_BYTES = 4096
"""All of a session's fields together, as text: they are repeated in every record of it."""
MAX_FIELDS_CHARACTERS = 32 * 1024
"""All of a record's fields together: with escapes and the longest text, a record fits the frame that it is read in."""
MAX_PAGE_RECORDS = 100_000
MAX_CONTEXT_RECORDS = 10_000
MAX_PATTERN_CHARACTERS = 4096
MAX_FIELD_DEPTH = 4
"""A record's fields may hold lists and maps so deep, themselves counted: a frame's eight levels less those above."""
MAX_REPLY_DEPTH = 7
"""A reply's value is a map so deep, itself counted: a frame's eight levels less the message's own."""

Check = Callable[[Any], bool]


def _integer(low: int, high: int) -> Check:
    return lambda value: type(value) is int and low <= value <= high


def _text(max_characters: int) -> Check:
    return lambda value: isinstance(value, str) and len(value) <= max_characters


def _optional(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _one_of(*choices: str) -> Check:
    return lambda value: type(value) is str and value in choices


def _byte_string(max_bytes: int) -> Check:
    return lambda value: type(value) is bytes and len(value) <= max_bytes


def _is_lines(value: Any) -> bool:
    return type(value) is bytes and len(value) <= MAX_LINES_BYTES and value.endswith(b"\n")


def _map(value: Any) -> bool:
    return type(value) is dict and all(type(key) is str for key in value)


def _flag(value: Any) -> bool:
    return type(value) is bool


def _versions(value: Any) -> bool:
    return (
        type(value) is list
        and 0 < len(value) <= 16
        and all(type(version) is int and _is_value(version, 0) for version in value)
    )


_SCALARS = (str, int, float, bool, type(None))


def _is_shared_fields(value: Any) -> bool:
    """Fields that every record of a session carries: few, small and flat."""
    return (
        _map(value)
        and len(value) <= MAX_FIELDS
        and all(type(item) in _SCALARS and _is_value(item, 0) for item in value.values())
        and sum(len(key) + len(str(item)) for key, item in value.items()) <= MAX_SHARED_FIELDS_BYTES
    )


def _is_value(value: Any, depth: int) -> bool:
    """Whether a field may have this value: what JSON has a form for, or a byte string, which is shown as text."""
    if type(value) is int:
        return -(2**63) <= value < 2**64
    if type(value) is dict:
        return depth > 0 and all(type(key) is str and _is_value(item, depth - 1) for key, item in value.items())
    if type(value) is list:
        return depth > 0 and all(_is_value(item, depth - 1) for item in value)
    return type(value) in _SCALARS or type(value) is bytes


def _is_reply_value(value: Any) -> bool:
    return type(value) is dict and _is_value(value, MAX_REPLY_DEPTH)


def _characters(value: Any) -> int:
    """About how long a value is in JSON, escapes apart; at the least, with the comma behind it."""
    if type(value) is dict:
        return 3 + sum(3 + len(key) + _characters(item) for key, item in value.items())
    if type(value) is list:
        return 3 + sum(map(_characters, value))
    return 3 + len(value) if type(value) in (str, bytes) else 8


def is_record(value: Any) -> bool:
    """[time_us or None, severity number, text or bytes, map of fields or None]."""
    if type(value) is not list or len(value) != 4:
        return False
    time_us, severity, text, record_fields = value
    return (
        (time_us is None or (type(time_us) is int and 0 <= time_us <= MAX_TIME_US))
        and type(severity) is int
        and 0 <= severity <= MAX_SEVERITY_NUMBER
        and type(text) in (str, bytes)
        and (
            record_fields is None
            or (
                type(record_fields) is dict
                and len(record_fields) <= MAX_FIELDS
                and _is_value(record_fields, 1 + MAX_FIELD_DEPTH)
                and _characters(record_fields) <= MAX_FIELDS_CHARACTERS
            )
        )
    )


def _records(value: Any) -> bool:
    return type(value) is list and 0 < len(value) <= MAX_RECORDS_IN_FRAME and all(map(is_record, value))


FILTER_CHECKS: dict[str, Check] = {
    "pattern": _text(MAX_PATTERN_CHARACTERS),
    "fixed": _flag,
    "ignore_case": _flag,
    "invert": _flag,
    "min_severity": _integer(0, MAX_SEVERITY_NUMBER),
    "stream": _text(MAX_LABEL_BYTES),
    "source": _text(MAX_LABEL_BYTES),
    "since_us": _integer(0, MAX_TIME_US),
    "until_us": _integer(0, MAX_TIME_US),
}


def _is_filter(value: Any) -> bool:
    return type(value) is dict and all(key in FILTER_CHECKS and FILTER_CHECKS[key](item) for key, item in value.items())


def _is_pieces(value: Any) -> bool:
    return type(value) is list and all(
        type(piece) is list and len(piece) == 4 and all(type(item) is int for item in piece[:3]) and _flag(piece[3])
        for piece in value
    )


_ID = _integer(0, MAX_ID)
_SEQ = _integer(0, MAX_ID)
_TIME_US = _integer(0, MAX_TIME_US)
_LABEL = _text(MAX_LABEL_BYTES)
_RUN = _text(64)


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


@_message("hello", versions=_versions, client=_text(MAX_LABEL_BYTES))
class Hello(Message):
    """The first message of a connection: the protocol versions that the client speaks."""

    versions: list[int]
    client: str = ""


@_message(
    "open",
    id=_ID,
    run=_RUN,
    session=_text(64),
    command=_text(4096),
    pid=_integer(0, 2**31 - 1),
    host=_LABEL,
    source=_LABEL,
    logger=_LABEL,
    fields=_optional(_is_shared_fields),
    sync=_flag,
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
    session=_ID,
    batch=_integer(1, MAX_ID),
    lines=_optional(_is_lines),
    records=_optional(_records),
    time_us=_optional(_TIME_US),
    severity=_optional(_integer(0, MAX_SEVERITY_NUMBER)),
    stream=_LABEL,
    cont=_flag,
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


@_message("close", session=_ID, exit_status=_optional(_integer(0, 255)))
class Close(Message):
    """End a session. It is answered, with a reply that carries the session's id, when all of it is written."""

    session: int
    exit_status: int | None = None


@_message(
    "attach",
    id=_ID,
    run=_RUN,
    mode=_one_of("stream", "view"),
    last=_optional(_integer(0, MAX_ID)),
    from_seq=_optional(_integer(1, MAX_ID)),
    window=_integer(1, 100_000),
    wait=_flag,
    follow=_flag,
)
class Attach(Message):
    """Subscribe to a run, from `from_seq`, or else from its newest `last` records (None: from its first).

    With `wait` a run that does not exist is waited for. Without `follow` the subscription ends at the head that the
    run had when it was made; with it, when the run ends.
    """

    id: int
    run: str
    mode: str = "stream"
    last: int | None = None
    from_seq: int | None = None
    window: int = 1000
    wait: bool = False
    follow: bool = True


@_message("detach", sub=_ID)
class Detach(Message):
    """End a subscription. Nothing of it follows the reply, which carries the subscription's id."""

    sub: int


@_message(
    "read",
    id=_ID,
    run=_RUN,
    from_seq=_optional(_integer(1, MAX_ID)),
    from_time_us=_optional(_TIME_US),
    backward=_flag,
    limit=_integer(1, MAX_PAGE_RECORDS),
    before=_integer(0, MAX_CONTEXT_RECORDS),
    after=_integer(0, MAX_CONTEXT_RECORDS),
    filter=_optional(_is_filter),
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


@_message("verify", id=_ID, run=_RUN, repair=_flag)
class Verify(Message):
    """Check all that is stored of a run; with `repair` mend what can be. `progress` goes before the reply."""

    id: int
    run: str
    repair: bool = False


@_message("clear", id=_ID, run=_RUN)
class Clear(Message):
    """Remove all records of a run, which stays; what follows goes on with the next seq."""

    id: int
    run: str


@_message("remove", id=_ID, run=_RUN)
class Remove(Message):
    """Remove a run that nobody emits into."""

    id: int
    run: str


@_message(
    "limits",
    id=_ID,
    run=_RUN,
    max_bytes=_optional(_integer(0, MAX_ID)),
    max_age_seconds=_optional(_integer(0, MAX_ID)),
)
class Limits(Message):
    """Set how much of a run is kept, and for how long: 0 is without a limit, None what the configuration says."""

    id: int
    run: str
    max_bytes: int | None = None
    max_age_seconds: int | None = None


@_message("runs", id=_ID, after=_RUN, limit=_integer(1, 1000))
class Runs(Message):
    """Ask for a page of runs, in the order of their names, from the first after `after`."""

    id: int
    after: str = ""
    limit: int = 1000


@_message("stats", id=_ID)
class Stats(Message):
    """Ask how the daemon does."""

    id: int


@_message("ping", id=_ID)
class Ping(Message):
    """Ask for a `pong`."""

    id: int


# From daemon to client


@_message("welcome", version=_integer(1, 1000), server=_LABEL, pid=_integer(1, 2**31 - 1))
class Welcome(Message):
    """The answer to `hello`: the version that the connection speaks from now on."""

    version: int
    server: str
    pid: int


@_message("ack", session=_ID, batch=_integer(0, MAX_ID), written_seq=_SEQ, synced_seq=_SEQ)
class Ack(Message):
    """All batches of a session up to `batch` are stored; the run is written up to `written_seq`."""

    session: int
    batch: int
    written_seq: int
    synced_seq: int = 0


@_message(
    "batch",
    sub=_ID,
    first_seq=_SEQ,
    count=_integer(0, MAX_ID),
    head=_SEQ,
    rows=_byte_string(MAX_FRAME_BYTES),
    skipped=_integer(0, MAX_ID),
)
class Batch(Message):
    """`count` records of a run from `first_seq`, as stored; `skipped` records before them are left out of the view."""

    bulk = "rows"

    sub: int
    first_seq: int
    count: int
    head: int
    rows: bytes
    skipped: int = 0


@_message(
    "event",
    sub=_ID,
    kind=_one_of("waiting", "caught_up", "ended", "gap", "stalled", "resumed", "removed"),
    seq=_SEQ,
    exit_status=_optional(_integer(0, 255)),
    count=_integer(0, MAX_ID),
    reason=_text(256),
)
class Event(Message):
    """What befell a subscription.

    It is `waiting` for the run to exist. It has `caught_up` with what there was when it was made, up to record `seq`.
    There is a `gap`: the `count` records from `seq` on are there no more. The run cannot be stored at present
    (`stalled`, with the `reason`), or can again (`resumed`). The run has `ended` after record `seq`, or was `removed`,
    and with it the subscription is over.
    """

    sub: int
    kind: str
    seq: int = 0
    exit_status: int | None = None
    count: int = 0
    reason: str = ""


@_message(
    "page",
    id=_ID,
    pieces=_is_pieces,
    rows=_byte_string(MAX_FRAME_BYTES),
    first_seq=_SEQ,
    head=_SEQ,
    next_seq=_optional(_SEQ),
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


@_message("progress", id=_ID, done=_integer(0, MAX_ID), total=_integer(0, MAX_ID))
class Progress(Message):
    """How far the request of that id is, in bytes."""

    id: int
    done: int
    total: int


@_message("reply", id=_ID, value=_is_reply_value)
class Reply(Message):
    """The answer to the request of the same id."""

    id: int
    value: dict[str, Any]


@_message("error", code=_text(64), message=_text(4096), id=_optional(_ID))
class Error(Message):
    """A request, or without `id` the connection, is refused. `code` is one of ErrorCode's values."""

    code: str
    message: str
    id: int | None = None


@_message("pong", id=_ID)
class Pong(Message):
    """The answer to `ping`."""

    id: int
