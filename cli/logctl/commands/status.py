"""`logctl status`: how the daemon does for each of its subscriptions."""

from __future__ import annotations

import json
from typing import Any

import click

from logctl.figures import human_count, table
from logctl.terminal_text import escape_text
from logd.client import Client
from logd.paths import Paths
from logd.protocol import Stats

_HEADERS = ("RUN", "PID", "CLIENT", "MODE", "FILTER", "LAG", "BEHIND", "INTERVAL", "FLUSHES", "SENT", "SKIPPED")


@click.command(name="status", short_help="Show how far behind each subscription is.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", help="Form of the output.")
@click.pass_obj
def command(paths: Paths, output: str) -> None:
    """Show each subscription: how far it is behind, and how often it is sent what is new.

    LAG is in records and BEHIND in time; INTERVAL is the time between two batches as it is now. `logd status` shows how
    the daemon does as a whole.
    """
    with Client(paths, "logctl status") as client:
        stats = client.request(Stats(client.new_id()))
    subscriptions: list[dict[str, Any]] = stats["subscriptions"]
    if output == "json":
        click.echo(json.dumps(subscriptions))
    else:
        click.echo(table(_HEADERS, list(map(_row, subscriptions)), {1, 5, 6, 7, 8, 9, 10}))


def _row(subscription: dict[str, Any]) -> list[str]:
    return [
        subscription["run"],
        str(subscription["pid"]),
        escape_text(subscription["client"], colour=False),
        "paused" if subscription["paused"] else subscription["mode"],
        escape_text(_filter(subscription["filter"] or {}), colour=False) or "-",
        human_count(subscription["lag_records"]),
        f"{subscription['lag_seconds']:.1f} s",
        f"{subscription['interval_seconds'] * 1000:.0f} ms",
        human_count(subscription["flushes"]),
        human_count(subscription["sent_records"]),
        human_count(subscription["skipped_records"]),
    ]


def _filter(criteria: dict[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in criteria.items())
