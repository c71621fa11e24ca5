"""`logctl runs`: what runs there are, and how much of each is kept."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Any

import click

from logctl.figures import human_age, human_bytes, human_count, human_rate, table
from logctl.named import explained, not_found
from logctl.people import local_time, user_name
from logctl.terminal_text import escape_text
from logd import console
from logd.client import connect, list_runs
from logd.errors import Refused
from logd.paths import Paths
from logd.protocol import Limits, Sessions
from logd.protocol.checks import (
    MAX_ID,
    MAX_SESSIONS_LISTED,
)
from logd.record import check_run_name
from logd.states import told


@click.group(name="runs", invoke_without_command=True)
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Form of the output: a table, or one line of JSON for each run.",
)
@click.pass_context
def command(context: click.Context, output: str) -> None:
    """List all runs: state, records, size, first and last time, rate.

    With `show`, see who emitted into a run, and with `set`, change how much of it is kept.
    """
    if context.invoked_subcommand is not None:
        return
    with connect(context.obj, "logctl runs", autostart=True) as client:
        runs = list(list_runs(client))
    if output == "json":
        click.echo("".join(json.dumps(run) + "\n" for run in runs), nl=False)
    elif runs:
        _show(runs)
    else:
        click.echo("there are no runs yet", err=True)


@command.command(name="show")
@click.argument("run")
@click.option(
    "-n",
    "last",
    type=click.IntRange(1, MAX_SESSIONS_LISTED),
    default=20,
    show_default=True,
    metavar="N",
    help=f"How many sessions to show, at most {MAX_SESSIONS_LISTED}.",
)
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Form of the output: tables, or one object of JSON.",
)
@click.pass_obj
def show(paths: Paths, run: str, last: int, output: str) -> None:
    """Show who emits into RUN, and who did.

    These are its sessions, those that go on first, then the newest.
    A session is `lost` when its emitter is gone without having said that it ends, until it returns.
    """
    check_run_name(run)
    with connect(paths, "logctl runs", autostart=True) as client:
        try:
            shown = client.request(Sessions(client.new_id(), run, last))
        except Refused as error:
            raise explained(client, run, error) from None
    if output == "json":
        click.echo(json.dumps(shown))
        return
    _show([shown["run"]])
    if shown["sessions"]:
        rows = [_session_row(session) for session in shown["sessions"]]
        click.echo("\n" + table(_SESSION_HEADERS, rows, right_aligned={1, 7}))


_SESSION_HEADERS = ("STATE", "PID", "USER", "HOST", "SOURCE", "START", "END", "RECORDS", "COMMAND")


def _session_row(session: dict[str, Any]) -> tuple[str, ...]:
    return (
        told(session["state"], session["exit_status"]),
        str(session["pid"] or ""),
        user_name(session["uid"]),
        escape_text(session["host"], colour=False),
        escape_text(session["source"], colour=False),
        local_time(session["started_us"]),
        "" if session["ended_us"] is None else local_time(session["ended_us"]),
        human_count(session["records"]),
        escape_text(session["command"], colour=False),
    )


DEFAULT = "default"


class _Limit(click.ParamType[int | str]):
    """A limit in the words that `parse` knows, or DEFAULT for what the configuration says."""

    def __init__(self, name: str, parse: Callable[[str], int | None], like: str) -> None:
        self.name = name
        self._parse = parse
        self._like = like

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        text = str(value)
        limit = self._parse(text) if text != DEFAULT else 0
        if limit is None or limit > MAX_ID:
            self.fail(f"{text!r} is not like {self._like}, nor 0 for no limit, nor '{DEFAULT}'", param, ctx)
        return limit if text != DEFAULT else DEFAULT


def parse_size(text: str) -> int | None:
    """A number of bytes as people write it: 500M and 500MiB in units of 1024, 500MB of 1000; None for no such text."""
    match = _SIZE.fullmatch(text)
    if match is None:
        return None
    number, prefix, unit = match.groups()
    base = 1000 if prefix and unit.lower() == "b" else 1024
    return int(float(number) * base ** " kmgt".index(prefix.lower() or " "))


def parse_span(text: str) -> int | None:
    """A time span as people write it, in seconds: 7d, 12h, 1d12h; None for no such text."""
    if text == "0":
        return 0
    if not _SPAN.fullmatch(text):
        return None
    return sum(int(count) * _UNIT_SECONDS[unit] for count, unit in re.findall(r"(\d+)([wdhms])", text))


_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,6})?) ?([KMGT]?)(|B|iB)", re.IGNORECASE | re.ASCII)
_SPAN = re.compile(r"(?:\d{1,9}[wdhms])+", re.ASCII)
_UNIT_SECONDS = {"w": 604_800, "d": 86_400, "h": 3600, "m": 60, "s": 1}


@command.command(name="set")
@click.argument("run")
@click.option(
    "--max-bytes",
    type=_Limit("SIZE", parse_size, "500M or 2GiB"),
    metavar="SIZE",
    help="The most that is kept: 500M, 2GiB, 0 for no limit, or default for the configuration's.",
)
@click.option(
    "--max-age",
    type=_Limit("SPAN", parse_span, "7d or 12h"),
    metavar="SPAN",
    help="How long it is kept: 7d, 12h, 0 for no limit, or default for the configuration's.",
)
@click.pass_obj
def set_limits(paths: Paths, run: str, max_bytes: int | str | None, max_age: int | str | None) -> None:
    """Set how much of RUN is kept, and how long.

    The limits that hold then are shown. What is over a limit is removed, the oldest first. A limit that is not given
    stays as it is.
    """
    check_run_name(run)
    with connect(paths, "logctl runs", autostart=True) as client:
        found = next((each for each in list_runs(client) if each["name"] == run), None)
        if found is None:
            raise not_found(client, run)
        limits = client.request(
            Limits(
                client.new_id(),
                run,
                max_bytes=_chosen(max_bytes, found["max_bytes"]),
                max_age_seconds=_chosen(max_age, found["max_age_seconds"]),
            )
        )
    size = f"at most {human_bytes(limits['max_bytes'])}" if limits["max_bytes"] else "of any size"
    age = f"at most {human_age(limits['max_age_seconds'])} old" if limits["max_age_seconds"] else "of any age"
    click.echo(f"{run}: {size}, {age}")


def _chosen(given: int | str | None, present: int | None) -> int | None:
    return present if given is None else None if isinstance(given, str) else given


def _show(runs: list[dict[str, Any]]) -> None:
    click.echo(table(_HEADERS, [_row(run) for run in runs], right_aligned={2, 3, 6}))
    for run in runs:
        if run["stalled"]:
            console.complain(f"run {run['name']} is not stored at present, and its emitters wait: {run['stalled']}")


_HEADERS = ("RUN", "STATE", "RECORDS", "SIZE", "FIRST", "LAST", "RATE")


def _row(run: dict[str, Any]) -> tuple[str, ...]:
    return (
        run["name"],
        told(run["state"], run["exit_status"], stalled=bool(run["stalled"])),
        human_count(run["records"]),
        human_bytes(run["bytes"]),
        _ago(run["first_time_us"]),
        _ago(run["last_time_us"]),
        human_rate(run["records_per_second"]) if run["records_per_second"] else "",
    )


def _ago(time_us: int | None) -> str:
    return "" if time_us is None else f"{human_age(time.time() - time_us / 1e6)} ago"
