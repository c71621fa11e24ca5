"""`logctl attach`: a run's newest records, and then what comes."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable

import click

from logctl.figures import gone, human_count
from logctl.named import explained
from logctl.output import Format, Output, Renderer, renderer, wants_colour
from logd import console
from logd.client import Client, connect
from logd.client.blocking import refusal
from logd.errors import Refused
from logd.paths import Paths
from logd.protocol import Attach, Batch, Error, Event
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
            raise explained(client, run, error) from None
    return 0


def _print(client: Client, request: Attach, render: Renderer) -> None:
    """Print until the subscription is over."""
    output = Output()
    while True:
        message = client.receive()
        if isinstance(message, Batch):
            if message.skipped:
                console.complain(f"{human_count(message.skipped)} records left out")
            output.write(render.render(message.rows))
            output.flush()
        elif isinstance(message, Error):
            raise refusal(message)
        elif isinstance(message, Event):
            if message.kind in _NOTES:
                console.complain(_NOTES[message.kind](request.run, message))
            if message.kind in ("ended", "removed") or (message.kind == "caught_up" and not request.follow):
                output.write(render.finish())
                output.flush()
                return


_NOTES: dict[str, Callable[[str, Event], str]] = {
    "waiting": lambda run, event: f"waiting for run {run}",
    "gap": lambda run, event: gone(event.seq, event.seq + event.count - 1),
    "stalled": lambda run, event: (
        f"the daemon cannot store at present: {event.reason}; what comes is kept by its emitters"
    ),
    "resumed": lambda run, event: "the daemon stores again",
    "removed": lambda run, event: f"run {run} was removed",
}
"""What is said on standard error of what befell the subscription."""
