"""`logctl wait`: until a run has ended, or has said something."""

from __future__ import annotations

import math
import re
import time
from typing import Any

import click

from logctl.commands.runs import parse_span
from logctl.ending import status_of
from logctl.named import explained
from logd import console
from logd.client import Came, Client, Following, connect, pieces_of
from logd.errors import EXIT_FAILED, BadFilter, Refused
from logd.paths import Paths
from logd.protocol import Batch, ErrorCode, Items, Sessions, Watch
from logd.protocol.checks import (
    MAX_PATTERN_CHARACTERS,
)
from logd.record import check_run_name
from logd.states import GOES_ON

EXIT_TIMED_OUT = 124
"""As timeout(1) has it."""
END = "exit"


class _Span(click.ParamType[float]):
    name = "SPAN"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        text = str(value)
        if re.fullmatch(r"\d{1,9}(\.\d{1,6})?", text):
            return float(text)
        seconds = parse_span(text)
        if seconds is None:
            self.fail(f"{text!r} is neither a number of seconds nor a span like 10m", param, ctx)
        return seconds


@click.command(name="wait")
@click.argument("run")
@click.option(
    "--until",
    metavar="exit|RE",
    default=END,
    show_default=True,
    help="What to wait for: its end, or a record whose message matches.",
)
@click.option("--timeout", type=_Span(), metavar="SPAN", help="How long at the most: seconds, or a span like 10m.")
@click.pass_obj
def command(paths: Paths, run: str, until: str, timeout: float | None) -> int:
    """Wait until RUN has ended, and exit with its status.

    A run that does not exist yet is waited for. With --until RE, exits 0 as soon as a record matches, also one from
    before, since the run last began; and 1 when it ends first. With --timeout, exits 124 when that is over.
    """
    check_run_name(run)
    if len(until) > MAX_PATTERN_CHARACTERS:
        raise click.BadParameter(f"it can have {MAX_PATTERN_CHARACTERS} characters", param_hint="--until")
    deadline = math.inf if timeout is None else time.monotonic() + timeout
    client = connect(paths, "logctl wait", autostart=True)
    options: dict[str, Any] = {"wait": True, "follow": True}
    start: dict[str, Any] = {"last": 0}
    if until == END:
        options |= {"mode": "view", "window": 1, "paused": True}
    else:
        options |= {"filter": {"pattern": until}}
        start = _beginning(client, run)
    following = Following(
        client,
        lambda: Client(paths, "logctl wait"),
        options,
        on_lost=lambda reason: console.complain(f"{reason}; waiting for it to be back"),
    )
    try:
        following.follow(run, **start)
        while (left := deadline - time.monotonic()) > 0:
            came = following.receive(None if left == math.inf else left)
            if came is not None and (status := _status(came, until)) is not None:
                return status
    except Refused as error:
        if error.code == ErrorCode.BAD_FILTER:
            raise BadFilter(error.message) from None
        raise explained(Client(paths, "logctl wait"), run, error) from None
    finally:
        following.close()
    console.complain(f"run {run} " + ("has not ended yet" if until == END else "has not said that yet"))
    return EXIT_TIMED_OUT


def _status(came: Came, until: str) -> int | None:
    """The exit status when that was waited for, or cannot come any more."""
    message = came.message
    if isinstance(message, Batch):
        return 0 if until != END and any(piece.matches for piece in pieces_of(message)) else None
    if message.kind == "waiting":
        console.complain(f"waiting for run {came.run}")
    if message.kind not in ("ended", "removed"):
        return None
    if message.kind == "removed":
        console.complain(f"run {came.run} was removed")
    elif message.lost:
        console.complain(f"run {came.run} is lost: who emitted into it last is gone without a word")
    elif until != END:
        console.complain(f"run {came.run} ended, and no record matched")
    elif message.exit_status is None:
        console.complain(f"run {came.run} ended, and nobody said with which status")
    return status_of(message) if until == END else EXIT_FAILED


def _beginning(client: Client, run: str) -> dict[str, Any]:
    """Where the run last began, as `attach` takes it."""
    client.send(Watch(client.new_id(), "runs", run=run))
    while not isinstance(message := client.receive(), Items):
        pass
    value = message.items.get(run)
    if value is not None and value["state"] in GOES_ON:
        return {"from_seq": max(1, value["begun_seq"])}
    try:
        sessions = client.request(Sessions(client.new_id(), run))["sessions"]
    except Refused as error:
        if error.code != ErrorCode.NO_SUCH_RUN:
            raise
        sessions = []
    # One without records may be `logctl end`, which only says how those before it ended.
    begun_us = next((each["started_us"] for each in sessions if each["records"]), None)
    return {"from_seq": 1} if begun_us is None else {"from_time_us": begun_us}
