"""Asking before something is done that cannot be undone."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import click

from logctl.figures import human_bytes, human_count, table
from logd.client import Client, list_runs

yes_option = click.option("-y", "--yes", is_flag=True, help="Do it without asking.")


def confirm(client: Client, doing: str, runs: Sequence[str], *, yes: bool) -> None:
    """Where a person is at the terminal, ask whether to do it, and end the command with status 1 where not to.

    Args:
        doing: what is done to the runs, such as "Remove".
    """
    if yes or not sys.stdin.isatty():
        return
    found = [run for run in list_runs(client) if run["name"] in runs]
    if not found:
        return  # there is nothing to ask about; that there is none is said by who does it
    click.echo(table(("RUN", "STATE", "RECORDS", "SIZE"), [_row(run) for run in found], {2, 3}), err=True)
    these = "this run" if len(found) == 1 else f"these {len(found)} runs"
    if not click.confirm(f"{doing} {these}?", err=True):
        raise click.exceptions.Exit(1)


def _row(run: dict[str, Any]) -> tuple[str, ...]:
    return run["name"], run["state"], human_count(run["records"]), human_bytes(run["bytes"])
