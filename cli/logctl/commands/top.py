"""`logctl top`: how all runs do, live."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from logctl import screen
from logctl.named import is_pattern
from logctl.screen.table import Wanted
from logctl.top.listing import SORTS
from logd.client import connect
from logd.paths import Paths
from logd.record import check_run_name, now_us

if TYPE_CHECKING:
    from logctl.top.model import State


@click.command(name="top", short_help="Show how all runs do.")
@click.argument("run", required=False, default="")
@click.option(
    "--sort",
    type=click.Choice(list(SORTS)),
    default="state",
    show_default=True,
    help="What to sort by at first.",
)
@click.option("-r", "--reverse", is_flag=True, help="In the other order.")
@click.option("--plain", is_flag=True, help="Show it once, as text, on a terminal, too.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Form of what is shown once.",
)
@click.pass_obj
def command(paths: Paths, /, *, run: str, sort: str, reverse: bool, plain: bool, output: str) -> None:
    """Show how all runs do, or those that RUN names, which can be a pattern such as 'scrape-*'.

    On a terminal that is live: Enter attaches to a run, h shows the keys, and q quits. A pipe, --plain or -o json show
    it once.
    """
    if run and not is_pattern(run):
        check_run_name(run)
    wanted = Wanted(sort, reverse)
    if output == "text" and not plain and screen.is_possible():
        _show_live(paths, run, wanted)
        return
    from logctl.top.snapshot import as_json, as_text

    state = _looked(paths, run, wanted)
    runs = [state.runs[name] for name in state.keys]
    click.echo(json.dumps(as_json(runs, state.totals)) if output == "json" else as_text(runs, state.totals, now_us()))


def _show_live(paths: Paths, pattern: str, wanted: Wanted) -> None:
    screen.hurry()
    from logctl.top.session import show

    show(paths, pattern, wanted)


def _looked(paths: Paths, pattern: str, wanted: Wanted) -> State:
    """What the screen would show when all has come once."""
    from logctl.top.model import Listed, RunsChanged, TotalsChanged, start, update
    from logctl.top.watching import Watching

    state = start(wanted, rows=24, columns=80, now=0.0, epoch_us=now_us())
    lacks = {Listed, RunsChanged, TotalsChanged}
    with connect(paths, "logctl top", autostart=True) as client:
        watching = Watching(pattern)
        for message in watching.connect(client.new_id):
            client.send(message)
        while lacks:
            for event in watching.take(client.receive()):
                state, _ = update(state, event, 0.0)
                lacks.discard(type(event))
            for message in watching.take_replies():
                client.send(message)
    return state
