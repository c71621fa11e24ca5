"""Hypothesis strategies for valid messages of every type, wrong values for every key, and connections in every state.

One table says of every key of every message what is right and what is wrong for it. Tests compare the table's keys with
the code's, so that a new message or key cannot go untested.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import cbor2
from hypothesis import strategies as st

from logd.protocol import (
    MAX_FRAME_BYTES,
    MAX_ITEMS_IN_FRAME,
    MAX_LINES_BYTES,
    MAX_RECORDS_IN_FRAME,
    MESSAGE_TYPES,
    TRANSITIONS,
    Connection,
    Message,
    Role,
    State,
)
from logd.protocol.checks import (
    MAX_CONTEXT_RECORDS,
    MAX_FIELD_DEPTH,
    MAX_FIELDS_CHARACTERS,
    MAX_ID,
    MAX_ITEM_BYTES,
    MAX_ITEM_NAMES,
    MAX_KEY_BYTES,
    MAX_PAGE_RECORDS,
    MAX_PATTERN_CHARACTERS,
    MAX_REPLY_DEPTH,
    MAX_SESSIONS_LISTED,
    MAX_SETTINGS,
    MAX_SHARED_FIELDS_BYTES,
    MAX_WINDOW_RECORDS,
)
from logd.protocol.codec import encode
from logd.protocol.framing import frame
from logd.record import MAX_FIELDS, MAX_LABEL_BYTES, MAX_SEVERITY_NUMBER, MAX_TIME_US

Values = st.SearchStrategy[Any]


@dataclass(frozen=True)
class Key:
    """What one key of a message may hold, and samples of what it may not."""

    valid: Values
    wrong: tuple[Any, ...]


def _integer(low: int, high: int) -> Key:
    wrong: tuple[Any, ...] = (low - 1, high + 1, True, float(low), str(low), None, b"1", [low], {})
    return Key(st.integers(low, high) | st.sampled_from([low, high]), wrong)


def _text(max_characters: int) -> Key:
    valid = st.text(max_size=min(max_characters, 40)) | st.just("ü" * max_characters)
    return Key(valid, ("x" * (max_characters + 1), None, 1, True, b"text", ["text"], {}))


def _one_of(*choices: str) -> Key:
    wrong = ("", choices[0].upper(), choices[0].encode(), None, 0, True, [choices[0]])
    return Key(st.sampled_from(choices), wrong)


def _optional(key: Key) -> Key:
    return Key(st.none() | key.valid, tuple(value for value in key.wrong if value is not None))


_FLAG = Key(st.booleans(), (None, 0, 1, "", "true", b"", []))

MIN_FIELD_INTEGER = -(2**63)
MAX_FIELD_INTEGER = 2**64 - 1

_scalars = (
    st.none()
    | st.booleans()
    | st.integers(MIN_FIELD_INTEGER, MAX_FIELD_INTEGER)
    | st.sampled_from([MIN_FIELD_INTEGER, MAX_FIELD_INTEGER])
    | st.floats(allow_nan=False)  # NaN differs from itself; it has a test of its own
    | st.text(max_size=20)
)


def field_values(levels: int) -> Values:
    """What a field may hold: scalars, byte strings, and lists and maps of them in at most `levels` levels."""
    leaves = _scalars | st.binary(max_size=20)
    if not levels:
        return leaves
    inner = field_values(levels - 1)
    return leaves | st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3)


def nested(levels: int, *, lists: bool) -> Any:
    """A value that is so many lists, or so many maps, one within the other."""
    value: Any = 0
    for _ in range(levels):
        value = [value] if lists else {"key": value}
    return value


_deepest = st.booleans().map(lambda lists: {"key": nested(MAX_FIELD_DEPTH, lists=lists)})
_fields = st.dictionaries(st.text(max_size=10), field_values(MAX_FIELD_DEPTH), max_size=4) | _deepest
_record = st.tuples(
    st.none() | st.integers(0, MAX_TIME_US),
    st.integers(0, MAX_SEVERITY_NUMBER),
    st.text(max_size=40) | st.binary(max_size=40),
    st.none() | _fields,
).map(list)

_WRONG_SCALARS: tuple[Any, ...] = (
    MIN_FIELD_INTEGER - 1,
    MAX_FIELD_INTEGER + 1,
    (1, 2),
    {1},
    Decimal(1),
    object(),
    bytearray(b"bytes"),
    cbor2.undefined,
    cbor2.CBORSimpleValue(99),
    cbor2.CBORTag(99, 1),
)
"""What no field may hold: JSON has no form for it, or the protocol has none for what it would come back as."""

_WRONG_VALUES: tuple[Any, ...] = (
    *_WRONG_SCALARS,
    *([value] for value in _WRONG_SCALARS),
    *({"inner": [value]} for value in _WRONG_SCALARS),
    {1: "integer key"},
    {b"key": "byte string key"},
    {None: "null key"},
    [{b"key": "byte string key"}],
    {"inner": {b"key": "byte string key"}},
    [[[{b"key": "byte string key"}]]],
)
"""What no field may hold, or contain at any depth."""

_WRONG_RECORDS: tuple[Any, ...] = (
    [],
    [None, 9, "text"],
    [None, 9, "text", None, None],
    {"msg": "text"},
    "text",
    [-1, 9, "text", None],
    [MAX_TIME_US + 1, 9, "text", None],
    [1.5, 9, "text", None],
    [True, 9, "text", None],
    [None, -1, "text", None],
    [None, MAX_SEVERITY_NUMBER + 1, "text", None],
    [None, None, "text", None],
    [None, True, "text", None],
    [None, 9, None, None],
    [None, 9, 1, None],
    [None, 9, ["text"], None],
    [None, 9, "text", []],
    [None, 9, "text", "fields"],
    [None, 9, "text", {b"key": 1}],
    [None, 9, "text", {str(number): number for number in range(MAX_FIELDS + 1)}],
    [None, 9, "text", {"a": ["x" * MAX_FIELDS_CHARACTERS]}],
    [None, 9, "text", {"deep": nested(MAX_FIELD_DEPTH + 1, lists=True)}],
    [None, 9, "text", {"deep": nested(MAX_FIELD_DEPTH + 1, lists=False)}],
    *([None, 9, "text", {"good": 1, "wrong": value}] for value in _WRONG_VALUES),
)

_RECORDS = Key(
    st.lists(_record, min_size=1, max_size=4) | st.just([[0, 0, "", None]] * MAX_RECORDS_IN_FRAME),
    (
        [],
        [[None, 9, "text", None]] * (MAX_RECORDS_IN_FRAME + 1),
        {},
        b"",
        "",
        0,
        None,
        *([record] for record in _WRONG_RECORDS),
        [[None, 9, "good", None], [None, 9, "bad", []], [None, 9, "good", None]],
    ),
)

_LINES = Key(
    st.lists(st.binary(max_size=40), min_size=1, max_size=5).map(lambda lines: b"\n".join([*lines, b""])),
    (b"", b"text", b"one\ntwo", b"\n" * (MAX_LINES_BYTES + 1), "text\n", None, 1, [b"text\n"]),
)

_ROWS = Key(st.binary(max_size=200), (b" " * (MAX_FRAME_BYTES + 1), "{}\n", None, 1, []))

_REPLY_VALUE = Key(
    st.dictionaries(st.text(max_size=10), field_values(MAX_REPLY_DEPTH - 1), max_size=4)
    | st.booleans().map(lambda lists: {"key": nested(MAX_REPLY_DEPTH - 1, lists=lists)}),
    (
        None,
        [],
        "",
        1,
        {b"key": 1},
        {1: 1},
        {"deep": nested(MAX_REPLY_DEPTH, lists=True)},
        {"deep": nested(MAX_REPLY_DEPTH, lists=False)},
        *({"good": 1, "wrong": value} for value in _WRONG_VALUES),
    ),
)

_SHARED_FIELDS = Key(
    st.dictionaries(st.text(max_size=10), _scalars, max_size=4)
    | st.just({str(number): number for number in range(MAX_FIELDS)})
    | st.just({"key": "x" * (MAX_SHARED_FIELDS_BYTES - 3)}),
    (
        [],
        "fields",
        0,
        {b"key": 1},
        {"key": []},
        {"key": {}},
        {"key": b"bytes"},
        {1: 1},
        *({"good": 1, "wrong": value} for value in _WRONG_SCALARS),
        {"key": "x" * (MAX_SHARED_FIELDS_BYTES - 2)},
        {"x" * (MAX_SHARED_FIELDS_BYTES + 1): ""},
        {str(number): number for number in range(MAX_FIELDS + 1)},
    ),
)

_VERSIONS = Key(
    st.lists(st.integers(0, 1000), min_size=1, max_size=16) | st.just([MIN_FIELD_INTEGER, MAX_FIELD_INTEGER]),
    (
        [],
        [1] * 17,
        None,
        1,
        {},
        ["1"],
        [True],
        [1.0],
        [None],
        [1, "1"],
        [1, MIN_FIELD_INTEGER - 1],
        [1, MAX_FIELD_INTEGER + 1],
    ),
)

_FILTER_KEYS = {
    "pattern": _text(MAX_PATTERN_CHARACTERS),
    "fixed": _FLAG,
    "ignore_case": _FLAG,
    "invert": _FLAG,
    "min_severity": _integer(0, MAX_SEVERITY_NUMBER),
    "stream": _text(MAX_LABEL_BYTES),
    "source": _text(MAX_LABEL_BYTES),
    "since_us": _integer(0, MAX_TIME_US),
    "until_us": _integer(0, MAX_TIME_US),
}

_ONE_FILTER = st.fixed_dictionaries({}, optional={key: about.valid for key, about in _FILTER_KEYS.items()})
_FILTER = Key(
    st.builds(lambda one, also: one | also, _ONE_FILTER, st.fixed_dictionaries({}, optional={"also": _ONE_FILTER})),
    (
        {"also": None},
        {"also": {"unknown": 1}},
        {"also": {"also": {"also": {"also": {}}}}},
        [],
        "pattern",
        0,
        {"unknown": 1},
        {b"pattern": "text"},
        {1: 1},
        *({key: value} for key, about in _FILTER_KEYS.items() for value in about.wrong),
        {"fixed": True, "pattern": None},
    ),
)

_PIECES = Key(
    st.lists(
        st.tuples(st.integers(1, MAX_ID), st.integers(1, 4096), st.integers(0, MAX_TIME_US), st.booleans()).map(list),
        max_size=4,
    ),
    (
        None,
        {},
        "",
        [[]],
        [[1, 1, 0]],
        [[1, 1, 0, True, 0]],
        [(1, 1, 0, True)],
        [["1", 1, 0, True]],
        [[1, 1.0, 0, True]],
        [[1, 1, None, True]],
        [[1, True, 0, True]],
        [[1, 1, 0, 1]],
        [[1, 1, 0, True], [2, 1, 0, None]],
    ),
)

_ITEM = st.dictionaries(st.text(max_size=10), _scalars, max_size=4)

_WRONG_ITEMS: tuple[Any, ...] = (
    [],
    "done",
    1,
    True,
    {1: 1},
    {b"done": 1},
    {"done": []},
    {"done": {}},
    {"done": b"bytes"},
    *({"good": 1, "wrong": value} for value in _WRONG_SCALARS),
    {str(number): number for number in range(MAX_ITEM_NAMES + 1)},
    {"text": "x" * (MAX_ITEM_BYTES - 3)},
    {"text": "ü" * ((MAX_ITEM_BYTES - 2) // 2)},
)

_ITEMS = Key(
    st.dictionaries(st.text(min_size=1, max_size=20), st.none() | _ITEM, max_size=4)
    | st.just({"ü" * (MAX_KEY_BYTES // 2): {"text": "ü" * ((MAX_ITEM_BYTES - 4) // 2)}})
    | st.just({"key": {str(number): number for number in range(MAX_ITEM_NAMES)}})
    | st.just(
        {f"{number:0{MAX_KEY_BYTES}}": {"text": "x" * (MAX_ITEM_BYTES - 4)} for number in range(MAX_ITEMS_IN_FRAME)}
    ),
    (
        None,
        [],
        "",
        0,
        {"": {}},
        {1: {}},
        {b"key": {}},
        {"x" * (MAX_KEY_BYTES + 1): {}},
        {"ü" * (MAX_KEY_BYTES // 2 + 1): None},
        {str(number): None for number in range(MAX_ITEMS_IN_FRAME + 1)},
        *({"good": {}, "wrong": item} for item in _WRONG_ITEMS),
    ),
)

_SETTINGS = Key(
    st.dictionaries(
        st.text(max_size=40), st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False), max_size=4
    )
    | st.just({str(number): number for number in range(MAX_SETTINGS)}),
    (
        None,
        [],
        "",
        0,
        {1: 1},
        {b"setting": 1},
        {"setting": None},
        {"setting": "1"},
        {"setting": []},
        {"setting": {}},
        {"setting": b"1"},
        {str(number): number for number in range(MAX_SETTINGS + 1)},
    ),
)

_ID = _integer(0, MAX_ID)
_LABEL = _text(MAX_LABEL_BYTES)
_RUN = _text(64)
_EXIT_STATUS = _optional(_integer(0, 255))
_WINDOW = _integer(1, MAX_WINDOW_RECORDS)
_INTERVAL_MS = _integer(0, 3_600_000)

KEYS: dict[str, dict[str, Key]] = {
    "hello": {"versions": _VERSIONS, "client": _LABEL, "terminal": _text(64)},
    "open": {
        "id": _ID,
        "run": _RUN,
        "session": _text(64),
        "command": _text(4096),
        "pid": _integer(0, 2**31 - 1),
        "host": _LABEL,
        "source": _LABEL,
        "logger": _LABEL,
        "fields": _optional(_SHARED_FIELDS),
        "sync": _FLAG,
    },
    "emit": {
        "session": _ID,
        "batch": _integer(1, MAX_ID),
        "lines": _optional(_LINES),
        "records": _optional(_RECORDS),
        "time_us": _optional(_integer(0, MAX_TIME_US)),
        "severity": _optional(_integer(0, MAX_SEVERITY_NUMBER)),
        "stream": _LABEL,
        "cont": _FLAG,
    },
    "close": {"session": _ID, "exit_status": _EXIT_STATUS},
    "attach": {
        "id": _ID,
        "run": _RUN,
        "mode": _one_of("stream", "view"),
        "last": _optional(_ID),
        "from_seq": _optional(_integer(1, MAX_ID)),
        "from_time_us": _optional(_integer(0, MAX_TIME_US)),
        "generation": _optional(_ID),
        "window": _WINDOW,
        "filter": _optional(_FILTER),
        "wait": _FLAG,
        "follow": _FLAG,
        "paused": _FLAG,
        "times": _FLAG,
        "interval_ms": _INTERVAL_MS,
    },
    "view": {"id": _ID, "sub": _ID, "paused": _FLAG, "window": _optional(_WINDOW)},
    "detach": {"sub": _ID},
    "watch": {
        "id": _ID,
        "topic": _one_of("runs", "presence", "board", "totals"),
        "run": _text(MAX_PATTERN_CHARACTERS),
        "interval_ms": _INTERVAL_MS,
        "wait": _FLAG,
    },
    "report": {"id": _ID, "run": _RUN, "items": _ITEMS, "reset": _FLAG},
    "throttle": {"id": _ID, "settings": _SETTINGS},
    "read": {
        "id": _ID,
        "run": _RUN,
        "from_seq": _optional(_integer(1, MAX_ID)),
        "from_time_us": _optional(_integer(0, MAX_TIME_US)),
        "backward": _FLAG,
        "limit": _integer(1, MAX_PAGE_RECORDS),
        "before": _integer(0, MAX_CONTEXT_RECORDS),
        "after": _integer(0, MAX_CONTEXT_RECORDS),
        "filter": _optional(_FILTER),
    },
    "runs": {"id": _ID, "after": _RUN, "limit": _integer(1, 1000)},
    "sessions": {"id": _ID, "run": _RUN, "limit": _integer(1, MAX_SESSIONS_LISTED)},
    "verify": {"id": _ID, "run": _RUN, "repair": _FLAG},
    "clear": {"id": _ID, "run": _RUN},
    "remove": {"id": _ID, "run": _RUN},
    "limits": {
        "id": _ID,
        "run": _RUN,
        "max_bytes": _optional(_integer(0, MAX_ID)),
        "max_age_seconds": _optional(_integer(0, MAX_ID)),
    },
    "stats": {"id": _ID},
    "ping": {"id": _ID},
    "welcome": {"version": _integer(1, 1000), "server": _LABEL, "pid": _integer(1, 2**31 - 1)},
    "ack": {"session": _ID, "batch": _ID, "written_seq": _ID, "synced_seq": _ID},
    "batch": {"sub": _ID, "pieces": _PIECES, "next_seq": _ID, "head": _ID, "rows": _ROWS, "skipped": _ID},
    "head": {"sub": _ID, "first_seq": _ID, "head": _ID},
    "items": {"sub": _ID, "items": _ITEMS, "whole": _FLAG, "more": _FLAG, "run": Key(st.none() | _ITEM, _WRONG_ITEMS)},
    "event": {
        "sub": _ID,
        "kind": _one_of(
            *("waiting", "caught_up", "ended", "gap", "cleared", "truncated", "stalled", "resumed", "removed")
        ),
        "seq": _ID,
        "exit_status": _EXIT_STATUS,
        "count": _ID,
        "generation": _ID,
        "reason": _text(256),
        "lost": _FLAG,
    },
    "page": {
        "id": _ID,
        "pieces": _PIECES,
        "rows": _ROWS,
        "first_seq": _ID,
        "head": _ID,
        "next_seq": _optional(_ID),
    },
    "progress": {"id": _ID, "done": _ID, "total": _ID},
    "reply": {"id": _ID, "value": _REPLY_VALUE},
    "error": {"code": _text(64), "message": _text(4096), "id": _optional(_ID)},
    "pong": {"id": _ID},
}

SAMPLES: dict[str, dict[str, Any]] = {
    "hello": {"versions": [1]},
    "open": {"id": 1, "run": "build", "session": "s1"},
    "emit": {"session": 1, "batch": 1, "lines": b"one\ntwo\n"},
    "close": {"session": 1},
    "attach": {"id": 2, "run": "build"},
    "view": {"id": 11, "sub": 2},
    "detach": {"sub": 2},
    "watch": {"id": 12, "topic": "board", "run": "build"},
    "report": {"id": 13, "run": "build", "items": {"pages": {"done": 3, "of": 40}}},
    "throttle": {"id": 14, "settings": {"view_max_interval_seconds": 0.2}},
    "read": {"id": 6, "run": "build"},
    "runs": {"id": 3},
    "sessions": {"id": 14, "run": "build"},
    "verify": {"id": 7, "run": "build"},
    "clear": {"id": 8, "run": "build"},
    "remove": {"id": 9, "run": "build"},
    "limits": {"id": 10, "run": "build"},
    "stats": {"id": 4},
    "ping": {"id": 5},
    "welcome": {"version": 1, "server": "logd", "pid": 1},
    "ack": {"session": 1, "batch": 1, "written_seq": 2},
    "batch": {"sub": 2, "pieces": [[1, 1, 0, True]], "next_seq": 2, "head": 1, "rows": b'{"msg":"one"}\n'},
    "head": {"sub": 2, "first_seq": 1, "head": 1},
    "items": {"sub": 12, "items": {"pages": {"done": 3, "of": 40}}},
    "event": {"sub": 2, "kind": "caught_up"},
    "page": {"id": 6, "pieces": [[1, 1, 0, True]], "rows": b'{"msg":"one"}\n', "first_seq": 1, "head": 1},
    "progress": {"id": 7, "done": 1, "total": 2},
    "reply": {"id": 1, "value": {}},
    "error": {"code": "no_such_run", "message": "there is no run 'build'"},
    "pong": {"id": 5},
}
"""One message of every type, with the keys that it cannot do without."""


def sample(name: str) -> Message:
    """A new small message of a type."""
    return MESSAGE_TYPES[name](**SAMPLES[name])


def defaults_of(message_type: type[Message]) -> dict[str, Any]:
    """The keys that may be left out, and what they then stand for."""
    return {key: getattr(message_type, key) for key in message_type.checks if key not in message_type.required}


def messages_of(name: str) -> st.SearchStrategy[Message]:
    """Valid messages of one type, each key now given and now left out."""
    message_type = MESSAGE_TYPES[name]
    keys = {key: about.valid for key, about in KEYS[name].items()}
    required = {key: valid for key, valid in keys.items() if key in message_type.required}
    optional = {key: valid for key, valid in keys.items() if key not in message_type.required}
    if name != "emit":
        maps = st.fixed_dictionaries(required, optional=optional)
    else:
        lines, records = optional.pop("lines"), optional.pop("records")
        filled = [{"lines": lines, "records": st.none()}, {"lines": st.none(), "records": records}]
        maps = st.one_of([st.fixed_dictionaries({**required, **body}, optional=optional) for body in filled]).filter(
            lambda values: (values["lines"] is None) != (values["records"] is None)
        )
    return maps.map(lambda values: message_type(**values))


messages: st.SearchStrategy[Message] = st.sampled_from(sorted(KEYS)).flatmap(messages_of)
"""Valid messages of every type."""


def connection_in(role: Role, state: State) -> Connection:
    """One side of a connection that has come to a state as any does: by what it sent and received."""
    connection = Connection(role)
    while connection.state is not state:
        # The way to the last state is one: each state but the last has one message that leaves it.
        (sender, kind), *others = [
            step for step, after in TRANSITIONS[connection.state].items() if after is not connection.state
        ]
        assert not others, "the way branches: look for it otherwise"
        if sender is role:
            connection.send(sample(kind.t))
        else:
            connection.receive_data(frame(encode(sample(kind.t))))
            assert connection.next_message() == sample(kind.t)
    return connection
