"""`logctl runs`: what runs there are."""

from __future__ import annotations

import json
import time
from typing import Any

import click

from logctl.output import human_age, human_bytes, human_count, human_rate, table
from logd.client import connect, list_runs
from logd.paths import Paths


@click.command(name="runs")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Form of the output: a table, or one line of JSON for each run.",
)
@click.pass_obj
def command(paths: Paths, output: str) -> None:
    """List all runs: state, records, size, first and last time, rate."""
    with connect(paths, "logctl runs", autostart=True) as client:
        runs = list(list_runs(client))
    if output == "json":
        click.echo("".join(json.dumps(run) + "\n" for run in runs), nl=False)
    elif runs:
        click.echo(table(_HEADERS, [_row(run) for run in runs], right_aligned={2, 3, 6}))
    else:
        click.echo("there are no runs yet", err=True)


_HEADERS = ("RUN", "STATE", "RECORDS", "SIZE", "FIRST", "LAST", "RATE")


def _row(run: dict[str, Any]) -> tuple[str, ...]:
    state = run["state"]
    if run["exit_status"] is not None and state == "ended":
        state += f" {run['exit_status']}"
    return (
        run["name"],
        state,
        human_count(run["records"]),
        human_bytes(run["bytes"]),
        _ago(run["first_time_us"]),
        _ago(run["last_time_us"]),
        human_rate(run["records_per_second"]) if run["records_per_second"] else "",
    )


def _ago(time_us: int | None) -> str:
    return "" if time_us is None else f"{human_age(time.time() - time_us / 1e6)} ago"
