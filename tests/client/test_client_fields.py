"""Whatever a program gives as fields, the protocol takes what comes of it."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logd.client.fields import (
    ENCODED_FIELDS,
    MAX_LOGGERS,
    MAX_STACKTRACE_CHARACTERS,
    SEVERITIES,
    Encoded,
    EncodedFields,
    encode_fields,
    exception_fields,
)
from logd.protocol import Emit
from logd.protocol.codec import Decoder, emit_parts
from logd.record import severity_from_number


def taken(fields: dict[str, Any]) -> Any:
    """Fields as a daemon has them: decoding a message checks it."""
    item = b"\x84\xf6\x09\x61x" + encode_fields(fields)
    message = Decoder().decode(b"".join(emit_parts(1, 1, 1, item)))
    assert isinstance(message, Emit)
    assert message.records is not None
    return message.records[0][3]


class Colour(enum.IntEnum):
    RED = 1


class Unlucky(Exception):
    pass


class Broken:
    def __str__(self) -> str:
        raise RuntimeError("no")


def test_values_are_kept_or_told_as_text() -> None:
    given_fields = {
        "text": "ä",
        "number": 3,
        "flag": True,
        "none": None,
        "bytes": b"\xff",
        "float": 1.5,
        "list": [1, ("a", {2})],
        "map": {1: {"deep": 2}},
        "path": Path("a/b"),
        "enum": Colour.RED,
        "huge": 2**70,
        "half": "\ud83d",
        "half \ud83d": 1,
        "broken": Broken(),
    }
    assert taken(given_fields) == {
        "text": "ä",
        "number": 3,
        "flag": True,
        "none": None,
        "bytes": b"\xff",
        "float": 1.5,
        "list": [1, ["a", [2]]],
        "map": {"1": {"deep": 2}},
        "path": "a/b",
        "enum": 1,
        "huge": str(2**70),
        "half": "\\ud83d",
        "half \\ud83d": 1,
        "broken": "<Broken that cannot be shown: RuntimeError>",
    }


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.integers() | st.text(max_size=5), inner, max_size=3),
    max_leaves=20,
)


@settings(max_examples=100)
@given(st.dictionaries(st.text(st.characters(), max_size=10), VALUES, max_size=5))
def test_any_fields_can_be_sent(fields: dict[str, Any]) -> None:
    taken(fields)


@pytest.mark.parametrize(
    "fields",
    [
        {str(number): number for number in range(1000)},
        {"long": "x" * 1_000_000},
        {f"{number}" * 50: "y" * 5000 for number in range(70)},
        {"list": list(range(100_000))},
        {"n" * 100_000: 1},
    ],
)
def test_what_is_too_much_is_cut_down(fields: dict[str, Any]) -> None:
    assert taken(fields)


def test_an_exception_has_its_type_message_and_trace() -> None:
    try:
        raise ValueError("bad") from KeyError("cause")
    except ValueError as error:
        fields = exception_fields(type(error), error, error.__traceback__)
    assert (fields["exception.type"], fields["exception.message"]) == ("ValueError", "bad")
    assert "KeyError: 'cause'" in fields["exception.stacktrace"]
    assert exception_fields(Unlucky, Unlucky(), None)["exception.type"] == f"{__name__}.Unlucky"


def test_a_long_trace_keeps_its_ends() -> None:
    error = ValueError("x" * 100_000 + "end")
    trace = exception_fields(ValueError, error, None)["exception.stacktrace"]
    assert trace.startswith("ValueError: xxx")
    assert trace.endswith("end")
    assert len(trace) <= MAX_STACKTRACE_CHARACTERS


@pytest.mark.parametrize(
    ("level", "name"),
    [(0, "UNSET"), (5, "TRACE"), (10, "DEBUG"), (20, "INFO"), (25, "INFO"), (30, "WARN"), (40, "ERROR"), (50, "FATAL")],
)
def test_levels_are_severities(level: int, name: str) -> None:
    assert severity_from_number(SEVERITIES[level]).name == name
    assert SEVERITIES[10_000] <= 23


def test_names_of_loggers_are_kept_encoded_up_to_a_bound() -> None:
    names = EncodedFields()
    for number in range(MAX_LOGGERS + 10):
        assert names[f"app.{number}"] == encode_fields({"logger": f"app.{number}"})
    assert len(names) == MAX_LOGGERS
    assert ENCODED_FIELDS[Encoded(b"as it is")] == b"as it is"
