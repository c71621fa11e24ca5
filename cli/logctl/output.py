"""Stored rows as `logctl attach -o text|json|raw` prints them, and how the other commands print figures and tables.

A renderer takes whole blocks of rows (lines of JSON as logd/record.py shows them) and gives the bytes to write:

    text    2026-11-21 10:20:30.123 WARN  [w3] slow page url=http://example.org/ seconds=3.2
    json    {"time":"2026-11-21T10:20:30.123456Z","level":"WARN","msg":"slow page","source":"w3","url":...}
    raw     slow page

Rules: `json` and `raw` to a pipe give back exactly what was stored, or sent. To a terminal nothing passes that could
drive it (terminal_text.py). How rows are cut into blocks never shows in the output. Work is paid for each block where
that is possible: a block is parsed in one call, and millions of rows stream through.

Known limits: `text` shows each piece of a line over 64 KiB as a row of its own, and has no place for `logger`.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache, lru_cache
from operator import itemgetter
from typing import Any, Final, Literal, Protocol

from logctl.terminal_text import RESET, SGR, display_width, escape_json, escape_text
from logd.record import MAX_TEXT_BYTES, RESERVED_KEYS

Format = Literal["text", "json", "raw"]
Row = dict[str, Any]

HELD_TEXT_BYTES: Final = MAX_TEXT_BYTES - 4
"""Text this long may go on in a `cont` record: a line is cut at 64 KiB, or up to 3 bytes before."""

_CACHED_HEADS = 256
"""The rows of a block of plain lines share one time, level and source; structured records share all but the time."""

_CACHED_KEYS = 1024


def renderer(format: Format, *, colour: bool, escape: bool) -> Renderer:
    """The renderer for one output.

    Args:
        format: what to print of a record.
        colour: whether to colour (`wants_colour`), and to let the records' own colours pass where `escape` is set.
        escape: whether the output is a terminal, so that what records say must be made harmless.
    """
    return _RENDERERS[format](colour, escape)


class Renderer(ABC):
    """Stored rows in, bytes to write out. It may remember how the last block ended: use one for each output."""

    @abstractmethod
    def render(self, rows: bytes) -> bytes:
        """The bytes to write for one block of whole rows; b"" for b"".

        Raises:
            ValueError: a row is not JSON.
        """

    def finish(self) -> bytes:
        """What is still to write when no rows follow."""
        return b""


class JsonRenderer(Renderer):
    def __init__(self, *, escape: bool) -> None:
        self._escape = escape

    def render(self, rows: bytes) -> bytes:
        return escape_json(rows) if self._escape else rows


class RawRenderer(Renderer):
    """Each record's original bytes and a newline; the pieces of a line that was too long are joined again.

    Only text long enough to be such a piece has its newline held back until the next record, or `finish`.
    """

    def __init__(self, *, colour: bool, escape: bool) -> None:
        self._colour = colour
        self._escape = escape
        self._newline_held = False

    def render(self, rows: bytes) -> bytes:
        records = parse_rows(rows)
        if not records:
            return b""
        if any("raw" in record or "cont" in record for record in records):
            return self._render_each(records)
        texts = list(map(itemgetter("msg"), records))
        begin = b"\n" if self._newline_held else b""
        self._newline_held = len(texts[-1].encode()) >= HELD_TEXT_BYTES
        if self._escape and not "".join(texts).isprintable():
            texts = list(map(self._escaped, texts))
        return begin + "\n".join(texts).encode() + (b"" if self._newline_held else b"\n")

    def finish(self) -> bytes:
        held, self._newline_held = self._newline_held, False
        return b"\n" if held else b""

    def _render_each(self, records: list[Row]) -> bytes:
        from base64 import b64decode

        pieces: list[bytes] = []
        for record in records:
            if self._newline_held and not record.get("cont"):
                pieces.append(b"\n")
            original = b64decode(record["raw"]) if "raw" in record else record["msg"].encode()
            pieces.append(self._escaped(record["msg"]).encode() if self._escape else original)
            self._newline_held = len(original) >= HELD_TEXT_BYTES
            if not self._newline_held:
                pieces.append(b"\n")
        return b"".join(pieces)

    def _escaped(self, text: str) -> str:
        lines = "\n".join([escape_text(line, colour=self._colour) for line in text.split("\n")])
        return lines + RESET if SGR.search(lines) else lines


class TextRenderer(Renderer):
    """One line for a record: local time, level, source, message and own fields.

    Further lines of a message are indented under its first. Colour adds nothing that the words do not say.
    """

    def __init__(self, *, colour: bool, escape: bool) -> None:
        self._colour = colour
        self._escape = escape
        self._head = lru_cache(_CACHED_HEADS)(self._make_head)
        self._head_after_time = lru_cache(_CACHED_HEADS)(self._make_head_after_time)
        self._key = lru_cache(_CACHED_KEYS)(self._word)

    def render(self, rows: bytes) -> bytes:
        lines: list[str] = []
        for record in parse_rows(rows):
            pop = record.pop
            head, width = self._head(pop("time"), pop("level", ""), pop("source", ""))
            message = pop("msg")
            if not message.isprintable():
                message = self._laid_out(message, width)
            pop("stream", None)
            lines.append(f"{head}{message}{self._fields(record)}\n" if record else f"{head}{message}\n")
        return "".join(lines).encode()

    def _make_head(self, time: str, level: str, source: str) -> tuple[str, int]:
        """What comes before a record's message, and the columns it takes."""
        stamp = self._text(local_time(time))
        rest, width = self._head_after_time(level, source)
        return (_painted(stamp, _DIM) if self._colour else stamp) + rest, len(stamp) + width

    def _make_head_after_time(self, level: str, source: str) -> tuple[str, int]:
        level, label = self._text(level), f"[{self._text(source)}]" if source else ""
        pad, space = " " * (5 - len(level)), " " if label else ""
        width = display_width(SGR.sub("", f" {level}{pad} {label}{space}"))
        if self._colour:
            level, label = _painted(level, _LEVEL_SGR.get(level, "")), _painted(label, _CYAN)
        return f" {level}{pad} {label}{space}", width

    def _laid_out(self, message: str, indent: int) -> str:
        text = ("\n" + " " * indent).join([self._text(line) for line in message.split("\n")])
        return text + RESET if self._colour and SGR.search(text) else text

    def _fields(self, record: Row) -> str:
        """The record's own fields, each after a space; "" if the rest of its keys are reserved ones."""
        key, word = self._key, self._word
        words = [f"{key(name)}={word(value)}" for name, value in record.items() if name not in RESERVED_KEYS]
        if not words:
            return ""
        fields = " ".join(words)
        return " " + (_painted(fields, _DIM) if self._colour else fields)

    def _word(self, value: object) -> str:
        """A field's key or value as one word: a string that is one already as it is, anything else as JSON."""
        if type(value) is str:
            if value.isprintable() and value and " " not in value and '"' not in value:
                return value
            if not value or _BREAKS_A_WORD.search(value):
                value = _json_encoder()(value)
            return self._text(value)
        if type(value) is int or type(value) is float:
            return repr(value)
        return self._text(_json_encoder()(value))

    def _text(self, text: str) -> str:
        return escape_text(text, colour=self._colour) if self._escape else text


_DIM = "\x1b[2m"
_CYAN = "\x1b[36m"
_LEVEL_SGR = {
    "TRACE": _DIM,
    "DEBUG": _DIM,
    "INFO": "\x1b[32m",
    "WARN": "\x1b[33m",
    "ERROR": "\x1b[1;31m",
    "FATAL": "\x1b[37;41m",
}

_BREAKS_A_WORD = re.compile(r'[\s"]')

_RENDERERS: dict[Format, Callable[[bool, bool], Renderer]] = {
    "text": lambda colour, escape: TextRenderer(colour=colour, escape=escape),
    "json": lambda _colour, escape: JsonRenderer(escape=escape),
    "raw": lambda colour, escape: RawRenderer(colour=colour, escape=escape),
}


def _painted(text: str, sgr: str) -> str:
    return f"{sgr}{text}{RESET}" if text and sgr else text


def parse_rows(rows: bytes) -> list[Row]:
    """The records in a block of whole rows, parsed in one call.

    Raises:
        ValueError: a row is not JSON.
    """
    # A newline ends a row and is nowhere else: within strings JSON escapes it.
    records: list[Row] = _json_loads()(b"[" + rows.rstrip(b"\n").replace(b"\n", b",") + b"]")
    return records


@cache
def _json_loads() -> Callable[[bytes], Any]:
    try:
        import orjson
    except ImportError:
        import json

        return json.loads
    return orjson.loads


@cache
def _json_encoder() -> Callable[[object], str]:
    from json import JSONEncoder

    return JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def local_time(time: str) -> str:
    """A record's stored time in the local zone, to the millisecond: "2026-11-21 10:20:30.123".

    A time that the local calendar cannot say (the last hours of the year 9999) stays in UTC and ends in Z.
    """
    date_and_time, zone = _local_seconds(time[:19])
    return f"{date_and_time}{time[19:23]}{zone}"


@lru_cache(maxsize=1024)
def _local_seconds(utc: str) -> tuple[str, str]:
    from datetime import datetime

    try:
        return datetime.fromisoformat(utc + "+00:00").astimezone().strftime("%Y-%m-%d %H:%M:%S"), ""
    except (OverflowError, ValueError):
        return utc.replace("T", " "), "Z"


class _Stream(Protocol):
    def isatty(self) -> bool: ...


def wants_colour(stream: _Stream, environ: Mapping[str, str]) -> bool:
    """Whether to colour what goes to `stream`: a terminal that can, and a user who did not set NO_COLOR."""
    return stream.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


def human_bytes(size: int) -> str:
    """A number of bytes to about two digits: "17 B", "1.2 MiB"."""
    if size < 1024:
        return f"{size} B"
    amount = float(size)
    for unit in ("KiB", "MiB", "GiB", "TiB"):
        amount /= 1024
        if amount < 1023.95:  # what is over is "1024.0" in this unit and "1.0" in the next
            return f"{amount:.1f} {unit}"
    return f"{amount / 1024:.1f} PiB"


def human_count(count: int) -> str:
    """A count with its thousands apart: "12,345"."""
    return f"{count:,}"


def human_rate(per_second: float) -> str:
    """A rate: "12,345/s", and below ten with a digit more, "0.5/s"."""
    return f"{per_second:,.0f}/s" if per_second >= 9.95 or not per_second else f"{per_second:.1f}/s"


def human_age(seconds: float) -> str:
    """A time span in its two largest units, rounded down: "3 m", "2 h 5 m", "6 d 1 h"; seconds only below a minute."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    days, hours, minutes = whole // 86400, whole // 3600 % 24, whole // 60 % 60
    amounts = ((days, "d"), (hours, "h"), (0 if days else minutes, "m"))
    return " ".join([f"{amount} {unit}" for amount, unit in amounts if amount])


def table(headers: Sequence[str], rows: Sequence[Sequence[str]], right_aligned: Collection[int] = ()) -> str:
    """A plain table with aligned columns, two spaces apart, its lines joined by newlines.

    Args:
        headers: one for each column.
        rows: as many cells each as there are headers. Cells from outside must have been through `escape_text`, with
            `colour=False`.
        right_aligned: the columns, from 0, that hold figures.
    """
    lines = [headers, *rows]
    widths = [max(map(display_width, column)) for column in zip(*lines, strict=True)]

    def cell(column: int, text: str) -> str:
        pad = " " * (widths[column] - display_width(text))
        return pad + text if column in right_aligned else text + pad

    return "\n".join("  ".join(cell(column, text) for column, text in enumerate(line)).rstrip() for line in lines)
