"""`logctl rm`: runs, and all that is stored of them."""

from __future__ import annotations

import click

from logctl.confirm import confirm, yes_option
from logctl.named import for_each, runs_named
from logd.client import connect
from logd.paths import Paths
from logd.protocol import Remove


@click.command(name="rm")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@yes_option
@click.pass_obj
def command(paths: Paths, runs: tuple[str, ...], yes: bool) -> int:
    """Remove RUN, and all that is stored of it.

    RUN can be a pattern, such as 'scrape-*'. A run that somebody emits into is not removed.
    """
    with connect(paths, "logctl rm", autostart=True) as client:
        names, status = runs_named(client, runs)
        confirm(client, "Remove", names, yes=yes)

        def remove(run: str) -> None:
            client.request(Remove(client.new_id(), run))
            click.echo(f"removed {run}")

        return for_each(client, names, remove) or status
