"""A program's own values as fields of a record: of any types and sizes in, what the protocol takes out."""

from __future__ import annotations

import operator
import traceback
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from logd.protocol.checks import (
    MAX_FIELD_DEPTH,
    MAX_FIELDS_CHARACTERS,
    is_record,
)
from logd.protocol.codec import encode_value
from logd.record import MAX_FIELDS, Severity

MAX_STACKTRACE_CHARACTERS = 16_000
"""Of a longer one the middle is left out: its ends say where it began, and where it failed."""
MAX_STATUS_CHARACTERS = 200
"""Of an item of the board: it is one line."""
MAX_LOGGERS = 1024
"""Whose names are kept encoded; those of further ones are encoded for each record."""
_MAX_SEVERITY = Severity.FATAL + 2


class Encoded(bytes):
    """Fields as they are sent."""


class Severities(dict[int, int]):
    """OpenTelemetry's severity numbers by the levels of `logging`; those between two of its levels are between, too."""

    def __missing__(self, level: int) -> int:
        try:
            return max(0, min(int(level) * 4 // 10 + 1, _MAX_SEVERITY)) if level > 0 else 0
        except (TypeError, ValueError, OverflowError):
            return 0  # it is no number, or none that ends


SEVERITIES = Severities({level * 10: 1 + 4 * level for level in range(1, 6)})


class EncodedFields(dict[str | Encoded, Encoded]):
    """The fields of a record that has no more than its logger's name, by that; what is encoded is as it is."""

    def __missing__(self, name: str | Encoded) -> Encoded:
        if type(name) is Encoded:
            return name
        encoded = encode_fields({"logger": name})
        if type(name) is str and len(self) < MAX_LOGGERS:
            self[name] = encoded
        return encoded


ENCODED_FIELDS = EncodedFields()


def encode_fields(fields: Mapping[str, Any] | None) -> Encoded:
    """Fields as CBOR: numbers, text, lists and maps as they are, all else as `str` has it.

    Those that are more, deeper or longer than a record may have are cut down.
    """
    if not fields:
        return _NONE
    plain = {as_text(name): _plain(value, MAX_FIELD_DEPTH) for name, value in fields.items()}
    if not _is_sendable(plain):
        share = MAX_FIELDS_CHARACTERS // (2 * min(len(plain), MAX_FIELDS)) - 8
        plain = {name[: share // 4]: _short(value, share) for name, value in list(plain.items())[:MAX_FIELDS]}
    return Encoded(encode_value(plain))


def exception_fields(
    kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
) -> dict[str, str]:
    """An exception, under OpenTelemetry's names."""
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    text = "".join(traceback.format_exception(kind, error, trace))
    return {
        "exception.type": name,
        "exception.message": as_text(error),
        "exception.stacktrace": _without_middle(text.rstrip("\n")),
    }


_NONE = Encoded(encode_value(None))


def _is_sendable(fields: dict[str, Any]) -> bool:
    try:
        encode_value(fields)  # half a character has no form
    except ValueError:
        return False
    return is_record([None, 0, "", fields])


def _plain(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool | bytes):
        return value
    if isinstance(value, float):
        return float(value)
    if isinstance(value, str):
        return as_text(value)
    try:
        if depth and isinstance(value, Mapping):
            return {as_text(name): _plain(item, depth - 1) for name, item in value.items()}
        if depth and isinstance(value, list | tuple | set | frozenset):
            return [_plain(item, depth - 1) for item in value]
    except Exception:
        return as_text(value)  # another thread changes it, or it fails by itself
    return _integer(value)


def _integer(value: Any) -> int | str:
    try:
        number = operator.index(value)  # also those of other libraries
    except Exception:
        return as_text(value)
    return int(number) if -(2**63) <= number < 2**64 else as_text(number)


def as_text(value: object) -> str:
    """A value as `str` has it; where that fails, what it is. Half a character, which UTF-8 cannot have, is escaped."""
    try:
        text = str(value)
    except Exception as error:
        return f"<{type(value).__name__} that cannot be shown: {type(error).__name__}>"
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _short(value: Any, max_characters: int) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    return _without_middle(as_text(value), max_characters)


def _without_middle(text: str, max_characters: int = MAX_STACKTRACE_CHARACTERS) -> str:
    if len(text) <= max_characters:
        return text
    half = max(1, max_characters // 2 - 20)
    return f"{text[:half]}\n... {len(text) - 2 * half} characters ...\n{text[-half:]}"
