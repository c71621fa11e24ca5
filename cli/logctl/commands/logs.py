"""`logctl logs`: what is stored, of one run or of several together."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from logctl.figures import gone, human_count
from logctl.named import explained, is_pattern, runs_named
from logctl.options import filter_of, filter_options
from logctl.output import Output, wants_colour
from logctl.printer import Printer
from logctl.progress import ProgressLine, bar
from logctl.reading import Gap, Query, Reading
from logd import console
from logd.client import Client, connect
from logd.errors import Refused
from logd.paths import Paths
from logd.protocol.checks import (
    MAX_CONTEXT_RECORDS,
)

_COUNT = click.IntRange(min=1)
_CONTEXT = click.IntRange(0, MAX_CONTEXT_RECORDS)


@click.command(name="logs")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option("-n", "newest", type=_COUNT, metavar="N", help="Only the newest N records.")
@click.option("--head", "oldest", type=_COUNT, metavar="N", help="Only the oldest N records.")
@filter_options
@click.option("--from-seq", "first_seq", type=_COUNT, metavar="SEQ", help="Only records from the one of this seq on.")
@click.option("-C", "--context", type=_CONTEXT, metavar="N", help="Show N records before and after each, too.")
@click.option("-B", "--before", type=_CONTEXT, metavar="N", help="Show N records before each, too.")
@click.option("-A", "--after", type=_CONTEXT, metavar="N", help="Show N records after each, too.")
@click.option("--reverse", is_flag=True, help="Show the newest first.")
@click.option(
    "-o",
    "--output",
    "format",
    type=click.Choice(["text", "json", "raw", "csv"]),
    default="text",
    show_default=True,
    help="Form of the output: text for people, the stored JSON lines, the text as it was emitted, or a table.",
)
@click.pass_obj
def command(paths: Paths, /, *, runs: tuple[str, ...], format: Any, **options: Any) -> int:
    """Show what is stored of RUN: all of it, or what matches.

    RUN can be a pattern, such as 'scrape-*'. Several runs are shown together, in the order that their records came in.
    Exits 1 where nothing matches.
    """
    query = _query(options)
    with connect(paths, "logctl logs", autostart=True) as client, ProgressLine() as progress:
        names, status = runs_named(client, runs)
        printer = Printer(
            format,
            colour=wants_colour(sys.stdout, os.environ),
            escape=sys.stdout.isatty(),
            runs=names if len(runs) > 1 or is_pattern(runs[0]) else (),
            context=query.has_context,
            reverse=query.reverse,
        )
        return _Showing(client, names, query, progress).show(printer) or status


def _query(options: dict[str, Any]) -> Query:
    if options["newest"] and options["oldest"]:
        raise click.UsageError("-n and --head cannot be given together")
    context = options.pop("context") or 0
    for side in ("before", "after"):
        options[side] = context if options[side] is None else options[side]
    return Query(filter_of(options), **options)


class _Showing:
    """Writes what is read, and tells of it on standard error."""

    def __init__(self, client: Client, runs: list[str], query: Query, progress: ProgressLine) -> None:
        self._client = client
        self._several = len(runs) > 1
        self._filtered = query.criteria is not None
        self._progress = progress
        self._output = Output()
        self._status = 0
        self._reading = Reading(
            client, runs, query, on_wait=self._wait, on_gap=self._note_gap, on_refused=self._note_refused
        )

    def show(self, printer: Printer) -> int:
        """Show all of it; return the exit status."""
        for chunk in self._reading:
            self._write(printer.render(chunk))
        self._write(printer.finish())
        self._output.flush()
        return self._status or int(self._filtered and not self._reading.matched)

    def _write(self, data: bytes) -> None:
        self._progress.clear()
        self._output.write(data)

    def _wait(self, reading: Reading) -> None:
        self._output.flush()
        found = "match" if self._filtered else "read"
        self._progress.show(lambda: f"{bar(reading.done)}  {human_count(reading.matched)} records {found}")

    def _note_gap(self, gap: Gap) -> None:
        self._note(f"{gap.run}: " * self._several + gone(gap.first_seq, gap.last_seq))

    def _note_refused(self, run: str, error: Refused) -> None:
        shown = explained(self._client, run, error)
        self._status = shown.exit_status
        self._note(shown.message, shown.hint)

    def _note(self, message: str, hint: str | None = None) -> None:
        self._output.flush()
        self._progress.clear()
        console.complain(message, hint)
