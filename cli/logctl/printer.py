"""What `logctl logs` writes for the chunks that it reads: which run each is of, and which records match.

    text    scrape-1 | 2026-11-21 10:20:30.123 WARN  [w3] slow page
    json    {"run":"scrape-1","time":"2026-11-21T10:20:30.123456Z","level":"WARN","msg":"slow page","source":"w3"}
    csv     scrape-1,2026-11-21T10:20:30.123456Z,WARN,w3,,slow page,

A record that comes late, behind others that were received after it, has `~` for `|` in text.

Groups of records with those around them are apart by a line of `--`, as grep has it, in text and raw. In colour the
records around are dim.
"""

from __future__ import annotations

from collections.abc import Sequence

from logctl.output import CSV_HEADER, CsvRenderer, Format, Renderer, renderer
from logctl.reading import Chunk
from logctl.terminal_text import CYAN, DIM, RESET, painted

_RUN_SGR = ("\x1b[36m", "\x1b[33m", "\x1b[32m", "\x1b[35m", "\x1b[34m", "\x1b[96m", "\x1b[93m", "\x1b[92m", "\x1b[95m")


class Printer:
    """Chunks in, bytes to write out.

    Args:
        format: what to print of a record.
        colour, escape: as `renderer` has them.
        runs: those that are shown, where it is to be said which one each record is of; others may follow.
        tagged: whether it is said; by default where `runs` are given.
        context: whether there are records around those that match, which are to be told apart.
        reverse: whether records are shown from the newest on.
    """

    def __init__(
        self,
        format: Format,
        *,
        colour: bool,
        escape: bool,
        runs: Sequence[str] = (),
        tagged: bool | None = None,
        context: bool = False,
        reverse: bool = False,
    ) -> None:
        self._reverse = reverse
        self._last: Chunk | None = None
        self._renderer = renderer(format, colour=colour, escape=escape)
        # What is dim has no colours of its own, each of which would end that.
        self._dim = renderer(format, colour=False, escape=escape) if format == "text" and colour and context else None
        self._between_groups = b""
        if context and format in ("text", "raw"):
            self._between_groups = painted("--", CYAN if colour else "").encode() + b"\n"
        self._header = CSV_HEADER if format == "csv" else b""
        self._format = format
        self._colour = colour
        self._escape = escape
        self._csv: dict[str, Renderer] = {}
        self._tags: dict[str, bytes] = {}
        self._tags_instead_of = b"{" if format == "json" else b""
        self._width = max(map(len, runs), default=0)
        self._tagged = bool(runs) if tagged is None else tagged
        if format == "csv" and self._tagged:
            self._header = b"run," + self._header
        for run in runs if self._tagged else ():
            self._add_run(run)

    def _add_run(self, run: str) -> None:
        if self._format == "csv":
            self._csv[run] = CsvRenderer(escape=self._escape, run=run)
        elif self._format == "json":
            self._tags[run] = f'{{"run":"{run}",'.encode()
        elif self._format == "text":
            self._width = max(self._width, len(run))
            name = painted(run, _RUN_SGR[len(self._tags) % len(_RUN_SGR)] if self._colour else "")
            self._tags[run] = f"{name}{' ' * (self._width - len(run))} | ".encode()

    def render(self, chunk: Chunk) -> bytes:
        if self._tagged and chunk.run not in self._tags and chunk.run not in self._csv:
            self._add_run(chunk.run)
        between = self._between(chunk)
        self._last = chunk
        rows = chunk.rows.data
        if self._reverse:
            rows = b"".join(rows.splitlines(keepends=True)[::-1])
        if self._dim is not None and not chunk.matches:
            data = _each_line(self._dim.render(rows), DIM.encode(), RESET.encode())
        else:
            data = self._csv.get(chunk.run, self._renderer).render(rows)
        if chunk.run in self._tags:
            tag = self._tags[chunk.run]
            if chunk.late:
                tag = tag.removesuffix(b"| ") + b"~ " if self._format == "text" else tag
            data = _each_line(data, tag, instead_of=self._tags_instead_of)
        return between + data

    def finish(self) -> bytes:
        """What is still to write when no chunks follow."""
        return self._header if self._last is None else self._renderer.finish()

    def _between(self, chunk: Chunk) -> bytes:
        last = self._last
        if last is None:
            return self._header
        if last.run == chunk.run:
            first, second = (chunk, last) if self._reverse else (last, chunk)
            if not self._between_groups or first.next_seq == second.rows.first_seq:
                return b""
        return self._renderer.finish() + self._between_groups


def _each_line(lines: bytes, begin: bytes, end: bytes = b"", *, instead_of: bytes = b"") -> bytes:
    """Whole lines, with more at both ends of each; in front in the place of what all of them begin with."""
    if not lines:
        return lines
    return begin + lines[len(instead_of) : -1].replace(b"\n" + instead_of, end + b"\n" + begin) + end + b"\n"
