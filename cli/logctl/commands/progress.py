"""`logctl progress`: report to a run's board, or show it."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import click

from logctl import screen
from logctl.named import explained
from logd.client import connect
from logd.errors import LogdError, Refused, UsageError
from logd.paths import Paths
from logd.record import check_run_name, now_us

if TYPE_CHECKING:
    from logctl.board.cells import HowIs
    from logd.progress import Item

STATES = ("pending", "running", "done", "failed")


class _Number(click.ParamType[float]):
    name = "number"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        return _number(str(value)) if _is_number(str(value)) else self.fail(f"{value!r} is not a number", param, ctx)


class _Gauge(click.ParamType[tuple[str, float]]):
    name = "NAME=VALUE"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, float]:
        name, equals, number = str(value).rpartition("=")
        if not name or not equals or not _is_number(number):
            self.fail(f"{value!r} is not of the form NAME=VALUE, with a number for its value", param, ctx)
        return name, _number(number)


class _Field(click.ParamType[tuple[str, str]]):
    name = "NAME=VALUE"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        name, equals, text = str(value).partition("=")
        if not name or not equals:
            self.fail(f"{value!r} is not of the form NAME=VALUE", param, ctx)
        return name, text


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _number(text: str) -> float:
    try:
        return int(text)
    except ValueError:
        return float(text)


@click.command(name="progress")
@click.argument("run")
@click.argument("key", required=False)
@click.option("--done", type=_Number(), metavar="N", help="How much of the item is done.")
@click.option("--total", type=_Number(), metavar="N", help="How much there is to do.")
@click.option("--advance", type=_Number(), metavar="N", help="How much more is done than before.")
@click.option("--unit", metavar="TEXT", help="What these count, such as samples.")
@click.option("--status", metavar="TEXT", help="What it is doing, or why it failed.")
@click.option("--state", type=click.Choice(STATES), help="What it does. [default: as --done and --total say]")
@click.option("--retries", type=click.IntRange(0), metavar="N", help="How often it was tried again.")
@click.option("--field", "fields", type=_Field(), multiple=True, help="Text of your own. Can be given several times.")
@click.option("--gauge", "gauges", type=_Gauge(), multiple=True, help="A number that was measured. Several times, too.")
@click.option("--remove", is_flag=True, help="Take the item off the board.")
@click.option("--reset", is_flag=True, help="Take everything off the board first.")
@click.option("--plain", is_flag=True, help="Show it once, as text, on a terminal, too.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", help="Form of what is shown.")
@click.pass_obj
def command(paths: Paths, /, run: str, key: str | None, **options: Any) -> None:
    """Report how far a job is, or show it.

    With a KEY, a --gauge or --reset, it reports to the board of RUN: the last value of each key is kept. Without these
    it shows the board: on a terminal live, until q; in a pipe, with --plain or -o json, as it is now.
    """
    check_run_name(run)
    items = _reported(key, options)
    if items or options["reset"]:
        _report(paths, run, items, reset=options["reset"])
    elif options["output"] == "text" and not options["plain"] and screen.is_possible():
        _show_live(paths, run)
    else:
        _show_once(paths, run, options["output"])


def _reported(key: str | None, options: dict[str, Any]) -> dict[str, dict[str, Any] | None]:
    """What is reported, as the protocol's `report` has it."""
    items: dict[str, dict[str, Any] | None] = {}
    names = ("done", "total", "advance", "unit", "status", "state", "retries")
    item = dict(options["fields"]) | {name: options[name] for name in names if options[name] is not None}
    if (item or options["remove"]) and key is None:
        raise UsageError("what is reported needs a KEY", hint="as in `logctl progress RUN KEY --done 47`")
    if key is not None:
        if not item and not options["remove"]:
            raise UsageError(f"nothing is reported of {key}", hint="--done, --state and others say what; see --help")
        if item and options["remove"]:
            raise UsageError("--remove takes the item off, and what else is reported of it would be lost")
        items[key] = item or None
    for name, value in options["gauges"]:
        items[name] = {"gauge": value}
    return items


def _report(paths: Paths, run: str, items: dict[str, Any], *, reset: bool) -> None:
    from logd.protocol import Report

    with connect(paths, "logctl progress", autostart=True) as client:
        try:
            message = Report(client.new_id(), run, items, reset)
        except ValueError:
            raise UsageError("an item is too large, or its key is", hint="see BOUNDS in logd-protocol(7)") from None
        client.request(message)


def _show_live(paths: Paths, run: str) -> None:
    screen.hurry()
    from logctl.board.session import show

    try:
        show(paths, run)
    except Refused as error:
        raise _told(paths, run, error) from None


def _told(paths: Paths, run: str, error: Refused) -> LogdError:
    with connect(paths, "logctl progress") as client:
        return explained(client, run, error)


def _show_once(paths: Paths, run: str, output: str) -> None:
    from logctl.board.snapshot import as_json, as_text

    items, how = _board(paths, run)
    shown = json.dumps(as_json(run, items, how, now_us())) if output == "json" else as_text(run, items, how, now_us())
    click.echo(shown)


def _board(paths: Paths, run: str) -> tuple[dict[str, Item], HowIs]:
    """A run's board as it is now."""
    from logctl.board.model import Changed
    from logctl.board.watching import Watching

    with connect(paths, "logctl progress", autostart=True) as client:
        watching = Watching(run)
        for message in watching.connect(client.new_id):
            client.send(message)
        try:
            while True:
                for changed in watching.take(client.receive()):
                    if isinstance(changed, Changed) and changed.how is not None:
                        return {key: item for key, item in changed.items.items() if item is not None}, changed.how
        except Refused as error:
            raise explained(connect(paths, "logctl progress"), run, error) from None
