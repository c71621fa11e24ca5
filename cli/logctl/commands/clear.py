"""`logctl clear`: what is stored of runs, which stay."""

from __future__ import annotations

import click

from logctl.confirm import confirm, yes_option
from logctl.figures import counted
from logctl.named import for_each, runs_named
from logd.client import connect
from logd.paths import Paths
from logd.protocol import Clear


@click.command(name="clear")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@yes_option
@click.pass_obj
def command(paths: Paths, runs: tuple[str, ...], yes: bool) -> int:
    """Remove all records of RUN, which stays.

    What is emitted into it goes on with the next seq. RUN can be a pattern, such as 'scrape-*'.
    """
    with connect(paths, "logctl clear", autostart=True) as client:
        names, status = runs_named(client, runs)
        confirm(client, "Remove all records of", names, yes=yes)

        def clear(run: str) -> None:
            value = client.request(Clear(client.new_id(), run))
            click.echo(f"removed {counted(value['records'], 'record')} of {run}")

        return for_each(client, names, clear) or status
