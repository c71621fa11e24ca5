"""Hypothesis strategies for valid messages of every type, and wrong values for every key.

One table says of every key of every message what is right and what is wrong for it. Tests compare the table's keys with
the code's, so that a new message or key cannot go untested.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from logd.protocol import MAX_FRAME_BYTES, MAX_LINES_BYTES, MAX_RECORDS_IN_FRAME, MESSAGE_TYPES, Message
from logd.protocol.messages import MAX_ID, MAX_SHARED_FIELDS_BYTES
from logd.record import MAX_FIELDS, MAX_LABEL_BYTES, MAX_SEVERITY_NUMBER, MAX_TEXT_BYTES, MAX_TIME_US

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

_scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64 - 1)
    | st.floats(allow_nan=False)  # NaN differs from itself; it has a test of its own
    | st.text(max_size=20)
)


def field_values(levels: int) -> Values:
    """What a record's field may hold: scalars, byte strings, and lists and maps of them in at most `levels` levels."""
    leaves = _scalars | st.binary(max_size=20)
    if not levels:
        return leaves
    inner = field_values(levels - 1)
    return leaves | st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3)


_fields = st.dictionaries(st.text(max_size=10), field_values(4), max_size=4)
_record = st.tuples(
    st.none() | st.integers(0, MAX_TIME_US),
    st.integers(0, MAX_SEVERITY_NUMBER),
    st.text(max_size=40) | st.binary(max_size=40),
    st.none() | _fields,
).map(list)

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
    [None, 9, "x" * (MAX_TEXT_BYTES + 1), None],
    [None, 9, b"x" * (MAX_TEXT_BYTES + 1), None],
    [None, 9, "text", []],
    [None, 9, "text", "fields"],
    [None, 9, "text", {b"key": 1}],
    [None, 9, "text", {str(number): number for number in range(MAX_FIELDS + 1)}],
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
    ),
)

_LINES = Key(
    st.lists(st.binary(max_size=40), min_size=1, max_size=5).map(lambda lines: b"\n".join([*lines, b""])),
    (b"", b"text", b"one\ntwo", b"\n" * (MAX_LINES_BYTES + 1), "text\n", None, 1, [b"text\n"]),
)

_ROWS = Key(st.binary(max_size=200), (b" " * (MAX_FRAME_BYTES + 1), "{}\n", None, 1, []))

_MAP = Key(
    st.dictionaries(st.text(max_size=10), field_values(5), max_size=4),
    (None, [], "", 1, {b"key": 1}),
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
        {"key": "x" * (MAX_SHARED_FIELDS_BYTES - 2)},
        {"x" * (MAX_SHARED_FIELDS_BYTES + 1): ""},
        {str(number): number for number in range(MAX_FIELDS + 1)},
    ),
)

_VERSIONS = Key(
    st.lists(st.integers(0, 1000), min_size=1, max_size=16),
    ([], [1] * 17, None, 1, {}, ["1"], [True], [1.0], [None]),
)

_ID = _integer(0, MAX_ID)
_LABEL = _text(MAX_LABEL_BYTES)
_RUN = _text(64)
_EXIT_STATUS = _optional(_integer(-255, 255))

KEYS: dict[str, dict[str, Key]] = {
    "hello": {"versions": _VERSIONS, "client": _LABEL},
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
        "window": _integer(1, 100_000),
        "wait": _FLAG,
        "follow": _FLAG,
    },
    "detach": {"sub": _ID},
    "runs": {"id": _ID, "after": _RUN, "limit": _integer(1, 1000)},
    "stats": {"id": _ID},
    "ping": {"id": _ID},
    "welcome": {"version": _integer(1, 1000), "server": _LABEL, "pid": _integer(1, 2**31 - 1)},
    "ack": {"session": _ID, "batch": _ID, "written_seq": _ID, "synced_seq": _ID},
    "batch": {"sub": _ID, "first_seq": _ID, "count": _ID, "head": _ID, "rows": _ROWS, "skipped": _ID},
    "event": {
        "sub": _ID,
        "kind": _one_of("waiting", "caught_up", "ended"),
        "seq": _ID,
        "exit_status": _EXIT_STATUS,
    },
    "reply": {"id": _ID, "value": _MAP},
    "error": {"code": _text(64), "message": _text(4096), "id": _optional(_ID)},
    "pong": {"id": _ID},
}

SAMPLES: dict[str, dict[str, Any]] = {
    "hello": {"versions": [1]},
    "open": {"id": 1, "run": "build", "session": "s1"},
    "emit": {"session": 1, "batch": 1, "lines": b"one\ntwo\n"},
    "close": {"session": 1},
    "attach": {"id": 2, "run": "build"},
    "detach": {"sub": 2},
    "runs": {"id": 3},
    "stats": {"id": 4},
    "ping": {"id": 5},
    "welcome": {"version": 1, "server": "logd", "pid": 1},
    "ack": {"session": 1, "batch": 1, "written_seq": 2},
    "batch": {"sub": 2, "first_seq": 1, "count": 1, "head": 1, "rows": b'{"msg":"one"}\n'},
    "event": {"sub": 2, "kind": "caught_up"},
    "reply": {"id": 1, "value": {}},
    "error": {"code": "no_such_run", "message": "there is no run 'build'"},
    "pong": {"id": 5},
}
"""One message of every type, with the keys that it cannot do without."""


def sample(name: str) -> Message:
    """A new small message of a type."""
    return MESSAGE_TYPES[name](**SAMPLES[name])


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
