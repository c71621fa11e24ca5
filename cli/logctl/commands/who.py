"""`logctl who`: who emits into runs, and who watches them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import click

from logctl.named import explained, is_pattern
from logctl.presence import Present, all_of, events, tables, told
from logd import console
from logd.client import Client, connect
from logd.client.backoff import delays, may_pass
from logd.client.tables import Change, TableCopy
from logd.errors import ConnectionLost, LogdError, Refused
from logd.paths import Paths
from logd.protocol import Error, Items, Sessions, Watch
from logd.record import check_run_name, now_us


@click.command(name="who", short_help="Show who emits into runs, and who watches them.")
@click.argument("run", required=False, default="")
@click.option("-f", "--follow", is_flag=True, help="Go on with who comes, goes, pauses and follows, until ^C.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Form of the output: tables and sentences, or a line of JSON for each who is there, comes or goes.",
)
@click.pass_obj
def command(paths: Paths, run: str, follow: bool, output: str) -> None:
    """Show who emits into RUN and who watches it, or into and of all runs.

    RUN can be a pattern, such as 'scrape-*'. User, process and terminal are as the kernel has them, where it tells.
    """
    if run and not is_pattern(run):
        check_run_name(run)
    copy = TableCopy()
    changes = _watch(paths, run, copy)
    next(changes)
    if run and not (follow or copy.items or is_pattern(run)):
        _check_exists(paths, run)
    _show(copy.items, output)
    if not follow:
        return
    for changed in changes:
        for happened, each in events(changed):
            if output == "json":
                click.echo(_json(happened, each))
            else:
                click.echo(f"{time.strftime('%H:%M:%S')}  {told(happened, each)}")


def _check_exists(paths: Paths, run: str) -> None:
    with connect(paths, "logctl who") as client:
        try:
            client.request(Sessions(client.new_id(), run, 1))
        except Refused as error:
            raise explained(client, run, error) from None


def _show(items: dict[str, dict[str, Any]], output: str) -> None:
    if output == "json":
        click.echo("".join(_json("present", each) + "\n" for each in all_of(items)), nl=False)
    elif shown := tables(all_of(items), now_us()):
        click.echo(shown)
    else:
        click.echo("nobody emits or watches", err=True)


def _json(happened: str, each: Present) -> str:
    return json.dumps({"event": happened, "run": each.run, "role": each.role, **each.value})


def _watch(paths: Paths, run: str, copy: TableCopy) -> Iterator[list[Change]]:
    """What changes of who is present: all who are there first, and then what comes, also of the next daemon."""
    client = connect(paths, "logctl who", autostart=True)
    while True:
        with client:
            try:
                yield from _changes(client, run, copy)
            except ConnectionLost as error:
                if not copy.is_known:
                    raise
                console.complain(f"{error.message}; waiting for it to be back")
        client = _connect_again(paths)
        copy.restart()
        console.complain("the daemon is back")


def _changes(client: Client, run: str, copy: TableCopy) -> Iterator[list[Change]]:
    client.send(Watch(client.new_id(), "presence", run=run))
    while True:
        message = client.receive()
        if isinstance(message, Error):
            from logd.client.blocking import refusal

            raise refusal(message)
        if isinstance(message, Items) and (changes := copy.take(message)) is not None:
            yield changes


def _connect_again(paths: Paths) -> Client:
    waits = delays()
    while True:
        time.sleep(next(waits))
        try:
            return Client(paths, "logctl who")
        except LogdError as error:
            if not may_pass(error):
                raise
