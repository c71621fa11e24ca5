"""`logctl attach`: the newest records of runs, and then what comes."""

from __future__ import annotations

import math
import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import click

from logctl import screen
from logctl.ending import status_of
from logctl.figures import counted, gone, human_count
from logctl.merging import Merger
from logctl.named import explained, is_pattern, runs_named
from logctl.options import filter_of, filter_options
from logctl.output import Format, Output, wants_colour
from logctl.printer import Printer
from logctl.reading import Chunk, Query, Reading
from logd import console
from logd.client import Client, Following, connect, pieces_of
from logd.errors import Refused
from logd.paths import Paths
from logd.protocol import Batch, Event
from logd.protocol.checks import (
    MAX_WINDOW_RECORDS,
)
from logd.record import check_run_name

WINDOW_RECORDS: Final = 500
"""What a screen is shown of more that comes at once: its scrollback holds about that."""


class _LineCount(click.ParamType[int | str]):
    name = "N|all"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        if value == "all":
            return "all"
        if not re.fullmatch("[0-9]{1,15}", str(value)):
            self.fail(f"{value!r} is neither a number nor 'all'", param, ctx)
        return int(str(value))


@click.command(name="attach", short_help="Show the newest records of each RUN, and then what comes.")
@click.argument("runs", nargs=-1, metavar="RUN...")
@click.option("--all", "all_runs", is_flag=True, help="All runs that are running, or start later.")
@click.option(
    "-n",
    "last",
    type=_LineCount(),
    metavar="N|all",
    default=10,
    show_default=True,
    help="How many records to begin with.",
)
@click.option("--follow/--no-follow", default=True, help="Go on with what comes until the run ends. [default: follow]")
@click.option("--wait/--no-wait", default=True, help="Wait for a run that does not exist yet. [default: wait]")
@filter_options
@click.option(
    "-o",
    "--output",
    "format",
    type=click.Choice(["text", "json", "raw"]),
    default="text",
    show_default=True,
    help="Form of the output: text for people, the stored JSON lines, or the text as it was emitted.",
)
@click.option("--plain", is_flag=True, help="Print lines on a terminal, too, and open no pager.")
@click.option("--exit-status", "reports", is_flag=True, help="Exit as the run does; implies --plain.")
@click.option(
    "--resume",
    type=click.Choice(["manual", "at-bottom"]),
    default="manual",
    show_default=True,
    help="When the pager follows again: by a key, or also at the end of what you scrolled through.",
)
@click.option("--debug-follow", metavar="FILE", help="Append to a file when the pager's following turns, and by what.")
@click.pass_obj
def command(
    paths: Paths,
    /,
    *,
    runs: tuple[str, ...],
    all_runs: bool,
    last: int | str,
    follow: bool,
    wait: bool,
    format: Format,
    plain: bool,
    reports: bool,
    resume: str,
    debug_follow: str | None,
    **options: Any,
) -> int:
    """Show the newest records of each RUN, and then what comes, until it ends or ^C.

    On a terminal that is a pager: h shows its keys, and q ends it. --plain, a pipe or TERM=dumb make it lines.

    RUN can be a pattern, such as 'scrape-*': it stands for the runs that are running, and for those that start later.
    Several runs are shown together, in the order that their records came in.
    """
    criteria = filter_of(options)
    if bool(runs) == all_runs:
        raise click.UsageError("RUN and --all exclude each other" if runs else "give a RUN, or --all")
    names = ("*",) if all_runs else runs
    for name in names:
        if not is_pattern(name):
            check_run_name(name)
    if reports and (not follow or any(map(is_pattern, names))):
        raise click.UsageError("--exit-status is for runs that are named, and followed to their end")
    if follow and format == "text" and not (plain or reports) and screen.is_possible():
        _show_pager(paths, names, criteria, wait=wait, resumes=resume == "at-bottom", trace=debug_follow or "")
        return 0
    newest = None if last == "all" else int(last)
    attach = {"wait": wait and follow, "follow": follow, "filter": criteria, **_mode(newest, follow=follow)}
    attaching = _Attaching(paths, names, format, attach)
    status = attaching.run(newest)
    return max(map(status_of, attaching.ended)) if reports and attaching.ended else status


def _show_pager(
    paths: Paths, names: Sequence[str], criteria: dict[str, Any] | None, *, wait: bool, resumes: bool, trace: str
) -> None:
    screen.hurry()
    # Not at the top: it takes as long as all the rest, and lines do not need it.
    from logctl.pager.filters import filter_of_criteria
    from logctl.pager.session import Wish, show

    runs = list(dict.fromkeys(name for name in names if not is_pattern(name)))
    patterns = [name for name in names if is_pattern(name)]
    try:
        show(paths, Wish(runs, patterns, filter_of_criteria(criteria or {}), wait, resumes, trace))
    except Refused as error:
        raise explained(connect(paths), names[0], error) from None


def _mode(newest: int | None, *, follow: bool) -> dict[str, Any]:
    """A screen is shown the newest of a flood, which nobody could read; a pipe is given all of it."""
    if not sys.stdout.isatty() or not follow or newest is None or newest > MAX_WINDOW_RECORDS:
        return {"mode": "stream"}
    return {"mode": "view", "window": max(newest, WINDOW_RECORDS)}


class _Attaching:
    """Shows what comes, and tells of it on standard error."""

    def __init__(self, paths: Paths, names: tuple[str, ...], format: Format, attach: dict[str, Any]) -> None:
        self._paths = paths
        self._patterns = [name for name in names if is_pattern(name)]
        self._names = names
        self._several = len(names) > 1 or bool(self._patterns)
        self._follow: bool = attach["follow"]
        self._criteria: dict[str, Any] | None = attach["filter"]
        self._attach = {**attach, "times": self._several}
        self.ended: list[Event] = []
        """How each run ended."""
        self._output = Output()
        self._merger = Merger() if self._several else None
        self._printer = Printer(
            format,
            colour=wants_colour(sys.stdout, os.environ),
            escape=sys.stdout.isatty(),
            tagged=self._several,
        )

    def run(self, last: int | None) -> int:
        with connect(self._paths, "logctl attach", autostart=True) as client:
            runs, status = self._runs(client)
            following = Following(client, self._connect, self._attach, on_lost=self._note_lost, on_back=self._note_back)
            try:
                self._begin(following, client, runs, last)
                self._print(following)
            except Refused as error:
                raise explained(self._connect(), following.refused or self._names[0], error) from None
            finally:
                following.close()
        return status

    def _runs(self, client: Client) -> tuple[list[str], int]:
        """The runs that are there to begin with."""
        if not self._patterns:
            return list(dict.fromkeys(self._names)), 0
        if not self._follow:
            return runs_named(client, self._names)
        return [name for name in self._names if not is_pattern(name)], 0

    def _connect(self) -> Client:
        return Client(self._paths, "logctl attach")

    def _begin(self, following: Following, client: Client, runs: list[str], last: int | None) -> None:
        if not self._several and not self._criteria:
            following.follow(runs[0], last=last)
            return
        for run in runs:
            following.follow(run, last=0)
        if self._patterns and self._follow:
            following.follow_matching(self._patterns, last)
        if runs and last != 0:
            self._show_history(following, runs, last)

    def _show_history(self, following: Following, runs: list[str], last: int | None) -> None:
        """What matches of what is stored: the newest of all runs together. What came since is yet to come."""
        end_seqs = following.wait_begun()
        with self._connect() as client:
            for chunk in Reading(client, runs, Query(self._criteria, end_seqs=end_seqs, newest=last)):
                self._show(chunk)
        self._output.flush()

    def _print(self, following: Following) -> None:
        """Print until all that is followed is over."""
        while not following.over:
            due = self._merger.due if self._merger is not None else math.inf
            came = following.receive(None if due == math.inf else max(0.0, due - time.monotonic()))
            if came is None:
                self._show_merged()
                continue
            if isinstance(came.message, Batch):
                self._take(came.run, came.message)
            else:
                self._tell(came.run, came.message)
        self._show_merged()
        self._output.write(self._printer.finish())
        self._output.flush()

    def _take(self, run: str, batch: Batch) -> None:
        if batch.skipped:
            self._note(f"{human_count(batch.skipped)} records left out")
        for rows, time_us, matches in pieces_of(batch):
            chunk = Chunk(run, rows, rows.next_seq, time_us, matches)
            if self._merger is None:
                self._show(chunk)
            else:
                self._merger.add(chunk, time.monotonic())
        if self._merger is None:
            self._output.flush()
        elif self._merger.due <= time.monotonic():
            self._show_merged()

    def _show_merged(self) -> None:
        for chunk in self._merger.take() if self._merger is not None else ():
            self._show(chunk)
        self._output.flush()

    def _show(self, chunk: Chunk) -> None:
        self._output.write(self._printer.render(chunk))

    def _tell(self, run: str, event: Event) -> None:
        if event.kind in ("ended", "removed"):
            self.ended.append(event)
        if event.kind in _NOTES:
            self._show_merged()
            self._note(_NOTES[event.kind](run, event))
        elif event.lost:
            self._show_merged()
            self._note(f"run {run} is lost: who emitted into it last is gone without a word")

    def _note(self, text: str) -> None:
        self._output.flush()
        console.complain(text)

    def _note_lost(self, reason: str) -> None:
        self._show_merged()
        self._note(f"{reason}; waiting for it to be back")

    def _note_back(self) -> None:
        self._note("the daemon is back")


_NOTES: dict[str, Callable[[str, Event], str]] = {
    "waiting": lambda run, event: f"waiting for run {run}",
    "gap": lambda run, event: gone(event.seq, event.seq + event.count - 1),
    "cleared": lambda run, event: (
        f"run {run} was cleared" + (f"; not shown yet were {counted(event.count, 'record')}" if event.count else "")
    ),
    "truncated": lambda run, event: f"run {run} lost its records from {event.seq} on in a crash; others follow",
    "stalled": lambda run, event: (
        f"the daemon cannot store at present: {event.reason}; what comes is kept by its emitters"
    ),
    "resumed": lambda run, event: "the daemon stores again",
    "removed": lambda run, event: f"run {run} was removed",
}
"""What is said on standard error of what befell a run."""
