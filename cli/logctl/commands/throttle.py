"""`logctl throttle`: how often subscribers are sent what is new, on the daemon that runs."""

from __future__ import annotations

import json
from typing import Any

import click

from logctl.figures import table
from logd.client import Client
from logd.paths import Paths
from logd.protocol import Throttle

_FLAGS = {"true": True, "on": True, "yes": True, "false": False, "off": False, "no": False}


class _Setting(click.ParamType[tuple[str, Any]]):
    name = "NAME=VALUE"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, float | bool]:
        name, equals, text = str(value).partition("=")
        name = name.replace("-", "_")
        if not name or not equals:
            self.fail(f"{value!r} is not of the form NAME=VALUE", param, ctx)
        if text.lower() in _FLAGS:
            return name, _FLAGS[text.lower()]
        try:
            return name, float(text)
        except ValueError:
            self.fail(f"{text!r} is neither a number nor true or false", param, ctx)


@click.command(name="throttle", short_help="Show how often subscribers are sent what is new, or change it.")
@click.argument("settings", nargs=-1, type=_Setting(), metavar="[NAME=VALUE]...")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", help="Form of the output.")
@click.pass_obj
def command(paths: Paths, settings: tuple[tuple[str, Any], ...], output: str) -> None:
    """Show how often subscribers are sent what is new, or change it until the daemon ends.

    NAME is a setting of the configuration's section [fanout], such as view_max_interval_seconds. What is changed holds
    for the subscriptions that there are, too.
    """
    with Client(paths, "logctl throttle") as client:
        now: dict[str, Any] = client.request(Throttle(client.new_id(), dict(settings)))
    if output == "json":
        click.echo(json.dumps(now))
        return
    click.echo(table(["SETTING", "VALUE"], [[name, _shown(value)] for name, value in now.items()], {1}))


def _shown(value: float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}"
