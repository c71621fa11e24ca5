"""Stored rows as `logctl attach` and `logctl logs` print them.

A renderer takes whole blocks of rows (lines of JSON as logd/record.py shows them) and gives the bytes to write:

    text    2026-11-21 10:20:30.123 WARN  [w3] slow page url=http://example.org/ seconds=3.2
    json    {"time":"2026-11-21T10:20:30.123456Z","level":"WARN","msg":"slow page","source":"w3","url":...}
    raw     slow page
    csv     2026-11-21T10:20:30.123456Z,WARN,w3,,slow page,"{""url"":""http://example.org/"",""seconds"":3.2}"

Rules: `json` and `raw` to a pipe give back exactly what was stored, or sent. To a terminal nothing passes that could
drive it (terminal_text.py). How rows are cut into blocks never shows in the output. Work is paid for each block where
that is possible: a block is parsed in one call, and millions of rows stream through.

Known limits: `text` shows each piece of a line over 64 KiB as a row of its own, and has no place for `logger`.
"""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from operator import itemgetter
from typing import Any, Final, Literal, Protocol

from logctl.terminal_text import CYAN, DIM, GREEN, RED, RESET, SGR, display_width, escape_json, escape_text, painted
from logd import accel
from logd.record import MAX_TEXT_BYTES, RESERVED_KEYS

Format = Literal["text", "json", "raw", "csv"]
Row = dict[str, Any]

HELD_TEXT_BYTES: Final = MAX_TEXT_BYTES - 4
"""Text this long may go on in a `cont` record: a line is cut at 64 KiB, or up to 3 bytes before."""

_CACHED_HEADS = 256
"""The rows of a block of plain lines share one time, level and source; structured records share all but the time."""

_CACHED_KEYS = 1024

STACK_TRACE: Final = "exception.stacktrace"
"""The field of one, by OpenTelemetry's name."""

GATHERED_BYTES: Final = 64 * 1024
"""What a pipe holds."""


def renderer(format: Format, *, colour: bool, escape: bool) -> Renderer:
    """The renderer for one output.

    Args:
        format: what to print of a record. The header of `csv` is CSV_HEADER.
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
            if STACK_TRACE in record:
                lay_out_stack_trace(record)
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
        return (painted(stamp, DIM) if self._colour else stamp) + rest, len(stamp) + width

    def _make_head_after_time(self, level: str, source: str) -> tuple[str, int]:
        level, label = self._text(level), f"[{self._text(source)}]" if source else ""
        pad, space = " " * (5 - len(level)), " " if label else ""
        width = display_width(SGR.sub("", f" {level}{pad} {label}{space}"))
        if self._colour:
            level, label = painted(level, _LEVEL_SGR.get(level, "")), painted(label, CYAN)
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
        return " " + (painted(fields, DIM) if self._colour else fields)

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


def lay_out_stack_trace(record: Row) -> None:
    """Have a record's stack trace, which came as a field, be the rest of its message: as where a program prints it."""
    trace = record.get(STACK_TRACE)
    if isinstance(trace, str) and trace.strip():
        record["msg"] = f"{record['msg'].rstrip()}\n{trace.rstrip()}"
        for name in (STACK_TRACE, "exception.type", "exception.message"):  # its last line has these
            record.pop(name, None)


class CsvRenderer(Renderer):
    """A line for each record, quoted as RFC 4180 says. What has no column of its own is in `fields`, as JSON.

    Args:
        run: what is in a first column `run`; "" for no such column.
    """

    def __init__(self, *, escape: bool, run: str = "") -> None:
        from csv import writer

        self._escape = escape
        self._first_columns = [run] if run else []
        self._lines: list[str] = []
        self._write = writer(self).writerow

    def write(self, line: str) -> None:
        """Called by the writer with each line, once it is whole. Its end is told to it, so that it quotes a CR."""
        self._lines.append(line.removesuffix("\r\n"))

    def render(self, rows: bytes) -> bytes:
        dumps = _json_encoder()
        for record in parse_rows(rows):
            columns = [record.pop(key, "") for key in _CSV_KEYS]
            self._write([*self._first_columns, *columns, dumps(record) if record else ""])
        lines, self._lines = self._lines, []
        if self._escape:
            lines = ["\n".join([escape_text(part, colour=False) for part in line.split("\n")]) for line in lines]
        return "".join([f"{line}\n" for line in lines]).encode()


_CSV_KEYS = ("time", "level", "source", "stream", "msg")
CSV_HEADER: Final = b"time,level,source,stream,message,fields\n"

_LEVEL_SGR = {
    "TRACE": DIM,
    "DEBUG": DIM,
    "INFO": GREEN,
    "WARN": "\x1b[33m",
    "ERROR": RED,
    "FATAL": "\x1b[37;41m",
}

_BREAKS_A_WORD = re.compile(r'[\s"]')

_RENDERERS: dict[Format, Callable[[bool, bool], Renderer]] = {
    "text": lambda colour, escape: TextRenderer(colour=colour, escape=escape),
    "json": lambda _colour, escape: JsonRenderer(escape=escape),
    "raw": lambda colour, escape: RawRenderer(colour=colour, escape=escape),
    "csv": lambda _colour, escape: CsvRenderer(escape=escape),
}


def parse_rows(rows: bytes) -> list[Row]:
    """The records in a block of whole rows, parsed in one call.

    Raises:
        ValueError: a row is not JSON.
    """
    # A newline ends a row and is nowhere else: within strings JSON escapes it.
    return _parse(len(rows), b"[" + rows.rstrip(b"\n").replace(b"\n", b",") + b"]")


def _parse_reference(rows: bytes) -> list[Row]:
    from json import loads

    records: list[Row] = loads(rows.decode(), parse_int=_whole_number)
    return records


def _parse_by_orjson(rows: bytes) -> list[Row]:
    from orjson import loads

    records: list[Row] = loads(rows)
    return records


def _whole_number(digits: str) -> int | float:
    """As orjson reads it: past 64 bits it is no integer any more."""
    number = int(digits)
    return number if -(2**63) <= number < 2**64 else float(number)


_parse = accel.operation("rows", reference=_parse_reference, accelerated=_parse_by_orjson, threshold_bytes=64 * 1024)


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


class Output:
    """Standard output, in few writes. BrokenPipeError where its reader has gone."""

    def __init__(self) -> None:
        self._gathered: list[bytes] = []
        self._gathered_bytes = 0

    def write(self, data: bytes) -> None:
        """Write `data`, at once where it is much, or else when there is more or `flush` is called."""
        self._gathered.append(data)
        self._gathered_bytes += len(data)
        if self._gathered_bytes >= GATHERED_BYTES:
            self.flush()

    def flush(self) -> None:
        view = memoryview(b"".join(self._gathered))
        self._gathered, self._gathered_bytes = [], 0
        while view:
            view = view[os.write(1, view) :]

    finish = flush


class _Stream(Protocol):
    def isatty(self) -> bool: ...


def wants_colour(stream: _Stream, environ: Mapping[str, str]) -> bool:
    """Whether to colour what goes to `stream`: a terminal that can, and a user who did not set NO_COLOR."""
    return stream.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
