"""`logctl attach`: a run's newest records, and then what comes."""

from __future__ import annotations

import os
import re
import sys
from difflib import get_close_matches

import click

from logctl.output import Format, Renderer, human_count, renderer, wants_colour
from logd import console
from logd.client import Client, connect, list_runs
from logd.client.blocking import refusal
from logd.errors import NotFound, Refused
from logd.paths import Paths
from logd.protocol import Attach, Batch, Error, ErrorCode, Event
from logd.record import check_run_name


class _LineCount(click.ParamType[int | str]):
    name = "N|all"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        if value == "all":
            return "all"
        if not re.fullmatch("[0-9]{1,15}", str(value)):
            self.fail(f"{value!r} is neither a number nor 'all'", param, ctx)
        return int(str(value))


@click.command(name="attach")
@click.argument("run")
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
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json", "raw"]),
    default="text",
    show_default=True,
    help="Form of the output: text for people, the stored JSON lines, or the text as it was emitted.",
)
@click.pass_obj
def command(paths: Paths, *, run: str, last: int | str, follow: bool, wait: bool, output: Format) -> int:
    """Show RUN's newest records, and then what comes, until it ends or ^C."""
    check_run_name(run)
    render = renderer(output, colour=wants_colour(sys.stdout, os.environ), escape=sys.stdout.isatty())
    with connect(paths, "logctl attach", autostart=True) as client:
        request = Attach(
            client.new_id(), run, last=None if last == "all" else int(last), wait=wait and follow, follow=follow
        )
        client.send(request)
        try:
            _print(client, request, render)
        except Refused as error:
            if error.code != ErrorCode.NO_SUCH_RUN:
                raise
            raise _not_found(paths, run) from None
    return 0


def _print(client: Client, request: Attach, render: Renderer) -> None:
    """Print until the subscription is over."""
    while True:
        message = client.receive()
        if isinstance(message, Batch):
            if message.skipped:
                _note(f"{human_count(message.skipped)} records left out")
            _write(render.render(message.rows))
        elif isinstance(message, Error):
            raise refusal(message)
        elif isinstance(message, Event):
            if message.kind == "waiting":
                _note(f"waiting for run {request.run}")
            elif message.kind == "ended" or not request.follow:
                _write(render.finish())
                return


def _write(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]


def _note(text: str) -> None:
    console.complain(text)


def _not_found(paths: Paths, run: str) -> NotFound:
    with connect(paths, "logctl attach") as client:
        names = [str(each["name"]) for each in list_runs(client)]
    close = get_close_matches(run, names, n=3, cutoff=0.5)
    if close:
        hint = "closest are " + ", ".join(close)
    else:
        hint = "`logctl runs` lists those that there are" if names else "there are no runs yet"
    return NotFound(f"there is no run {run}", hint=hint)
