"""`logctl verify`: whether all that is stored can be read as it was written."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from typing import Any

import click

from logctl.figures import counted, human_bytes, human_count
from logctl.named import for_each, runs_named
from logctl.output import wants_colour
from logctl.progress import ProgressLine, bytes_done
from logctl.terminal_text import GREEN, RED, escape_text, painted
from logd.client import connect, list_runs, verify_run
from logd.paths import Paths


@click.command(name="verify")
@click.argument("runs", nargs=-1, metavar="[RUN]...")
@click.option("--repair", is_flag=True, help="Mend what can be: what is not sound is put aside, and the rest kept.")
@click.option("-v", "--verbose", is_flag=True, help="Show sound runs, too, as is done on a terminal.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Form of the output: lines for people, or one line of JSON for each run.",
)
@click.pass_obj
def command(paths: Paths, runs: tuple[str, ...], repair: bool, verbose: bool, output: str) -> int:
    """Check all that is stored of RUN.

    It is held to its checksums; without RUN, all runs are. RUN can be a pattern, such as 'scrape-*'. Says what is
    wrong, and where; exits 1 where anything is.
    """
    verbose |= sys.stdout.isatty()
    damaged = False
    with connect(paths, "logctl verify", autostart=True) as client, ProgressLine() as progress:
        names, status = runs_named(client, runs) if runs else ([str(run["name"]) for run in list_runs(client)], 0)
        width = max(map(len, names), default=0)

        def verify(run: str) -> None:
            nonlocal damaged

            def show(done: int, total: int) -> None:
                progress.show(lambda: f"{run:{width}}  {bytes_done(done, total)}")

            found = verify_run(client, run, repair=repair, on_progress=show)
            progress.clear()
            damaged |= bool(found["problem_count"])
            if output == "json":
                click.echo(json.dumps({"run": run, **found}))
            elif verbose or found["problem_count"]:
                click.echo("\n".join(_lines(f"{run:{width}}", found)))

        status |= for_each(client, names, verify)
    return status or int(damaged)


def _lines(name: str, found: dict[str, Any]) -> Iterator[str]:
    """What is said of one run."""
    colour = wants_colour(sys.stdout, os.environ)
    problems = found["problem_count"]
    state = painted(counted(problems, "problem"), RED * colour) if problems else painted("sound", GREEN * colour)
    segments, records = counted(found["segments"], "segment"), counted(found["records"], "record")
    figures = f"{records:>18}  {human_bytes(found['bytes']):>10}  {segments:>11}"
    yield f"{name}  {state}{'; sound are' * bool(problems)}  {figures}"
    for problem in found["problems"]:
        place = f"segment {problem['segment']}"
        if problem["offset"] is not None:
            place += f", byte {problem['offset']}"
        yield f"  {place}: {escape_text(problem['what'], colour=False)}"
    if problems > len(found["problems"]):
        yield f"  and {human_count(problems - len(found['problems']))} more"
    if found["repaired"]:
        yield f"  {counted(found['repaired'], 'segment')} repaired"
    for note in found["notes"]:
        yield f"  note: {escape_text(note, colour=False)}"
