"""`logctl import`: files as runs."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from typing import Any

import click

from logctl.figures import counted
from logctl.files import STANDARD, Source
from logctl.progress import ProgressLine, bytes_done
from logd import console
from logd.client import Client, Emitter, connect
from logd.client.stored import parse_stored_lines
from logd.errors import UsageError
from logd.paths import Paths
from logd.protocol import MAX_LINES_BYTES
from logd.record import check_run_name, cut

BATCH_BYTES = 256 * 1024
"""Of JSON lines at once: their records fit a frame, whatever is in them."""
MAX_LINE_BYTES = MAX_LINES_BYTES
"""Of a JSON line, so that its record fits a frame; none that is stored is longer. One that is, goes as text."""
SAMPLE_BYTES = 64 * 1024
"""What is looked at of a file to tell its form."""
_SAMPLE_LINES = 10


@click.command(name="import")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--run", metavar="NAME", help="The run to import into. [default: as FILE is named]")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    help="Form of the files: lines of text, or of JSON. [default: found in the first lines]",
)
@click.pass_obj
def command(paths: Paths, files: tuple[str, ...], run: str | None, form: str | None) -> int:
    """Store FILE as a run: text or JSON lines.

    Of what `logctl export` has written the same records are made. FILE may be compressed, where its name ends in .gz
    or .zst; - is standard input. A run that there is gets more.
    """
    named = [(path, check_run_name(run or _run_name(path))) for path in files]
    connect(paths, "logctl import", autostart=True).close()
    for path, name in named:
        with Source(path) as source, ProgressLine() as progress:
            _import(paths, source, name, form, progress)
    return 0


def _run_name(path: str) -> str:
    """The name that a run of a file has: the file's, without its endings and what a run's name cannot have."""
    if path == STANDARD:
        raise UsageError("standard input has no name", hint="name the run with --run")
    name = _COMPRESSED.sub("", os.path.basename(path))
    name = re.sub("[^A-Za-z0-9._-]+", "-", _ENDING.sub("", name)).strip("._-")[:64]
    if not name:
        raise UsageError(f"{path} has no name that a run can have", hint="name the run with --run")
    return name


_COMPRESSED = re.compile(r"\.(?:gz|zst)$")
_ENDING = re.compile(r"\.(?:jsonl|ndjson|json|log|txt)$")


def _import(paths: Paths, source: Source, run: str, form: str | None, progress: ProgressLine) -> None:
    """Store a file's lines, and say so."""
    emitter = Emitter(
        lambda: Client(paths, "logctl import", wait=False),
        run,
        say=console.complain,
        command=shlex.join(sys.argv).encode("utf-8", "replace").decode(),
    )
    read_bytes = 0

    def show() -> str:
        return f"{source.name}  {bytes_done(source.done_bytes or read_bytes, source.size_bytes)}"

    try:
        emitter.connect()
        data = _beginning(source)
        feed = JsonFeed(emitter) if form == "json" or (form is None and is_json(data)) else TextFeed(emitter)
        while data:
            read_bytes += len(data)
            feed.take(data)
            # Where the input is a job's, it may be long until there is more: what was read goes on meanwhile.
            readable = False
            while not readable:
                readable = bool(emitter.wait(*[source.fileno()] * emitter.has_room))
                emitter.pump()
                progress.show(show)
            data = source.read()
        feed.finish()
        emitter.finish()
    except KeyboardInterrupt:
        progress.clear()
        console.complain(f"interrupted; {emitter.close().lost_bytes:,} bytes that were read are not known to be stored")
        raise
    except BaseException:
        emitter.close()
        raise
    emitter.close()
    progress.clear()
    click.echo(f"{counted(feed.line_count, 'line')} of {source.name} in run {run}")
    if feed.text_count:
        are = "is" if feed.text_count == 1 else "are"
        console.complain(
            f"{counted(feed.text_count, 'line')} {are} stored as text: no JSON, or more than a record holds"
        )


def _beginning(source: Source) -> bytes:
    """What a file begins with: a line at the least, where it is not too long."""
    beginning = b""
    while b"\n" not in beginning and len(beginning) < SAMPLE_BYTES and (data := source.read()):
        beginning += data
    return beginning


def is_json(beginning: bytes) -> bool:
    """Whether a file that begins so is of JSON objects, one a line. Its last line may be cut off."""
    *lines, last = beginning[:SAMPLE_BYTES].split(b"\n")
    whole = [line for line in lines if line.strip()][:_SAMPLE_LINES]
    return all(map(_is_object, whole)) if whole else last.lstrip().startswith(b'{"')


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


class TextFeed:
    """A file's bytes into an emitter, as lines of text."""

    def __init__(self, emitter: Emitter) -> None:
        self._emitter = emitter
        self._ended = True
        self.line_count = 0
        self.text_count = 0

    def take(self, data: bytes) -> None:
        if data:
            self.line_count += data.count(b"\n")
            self._ended = data.endswith(b"\n")
            self._emitter.feed(data)

    def finish(self) -> None:
        self.line_count += not self._ended


class JsonFeed:
    """A file's bytes into an emitter, as lines of JSON."""

    def __init__(self, emitter: Emitter) -> None:
        self._emitter = emitter
        self._rest = b""
        self._in_long_line = False
        self.line_count = 0
        self.text_count = 0
        """How many look like JSON and cannot be stored as that."""

    def take(self, data: bytes) -> None:
        self._rest += data
        while end := self._next_end():
            lines, self._rest = self._rest[:end], self._rest[end:]
            self.line_count += lines.count(b"\n")
            if self._in_long_line or len(lines) > MAX_LINE_BYTES:
                self._emit_text(cut(lines[:-1]))
                self._in_long_line = False
            else:
                self._emit(parse_stored_lines(lines))
        if len(self._rest) > MAX_LINE_BYTES:
            *pieces, self._rest = cut(self._rest)
            self._emit_text(pieces)

    def finish(self) -> None:
        if self._rest:
            self.take(b"\n")

    def _next_end(self) -> int:
        """Where the lines end that go next: as many as a batch has, or one."""
        several = 0 if self._in_long_line else self._rest.rfind(b"\n", 0, BATCH_BYTES) + 1
        return several or self._rest.find(b"\n") + 1

    def _emit(self, records: list[list[Any]]) -> None:
        self.text_count += sum(type(text) is bytes and text[:1] == b"{" for _, _, text, _ in records)
        self._emitter.emit(records)

    def _emit_text(self, pieces: list[bytes]) -> None:
        for piece in pieces:
            self._emitter.emit([[None, 0, piece, {"cont": True} if self._in_long_line else None]])
            self._in_long_line = True
