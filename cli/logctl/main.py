"""The `logctl` command. Each of its commands is a module in `commands`, which is imported when it is used."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from logd import console

COMMANDS = (
    "attach",
    "clear",
    "emit",
    "end",
    "export",
    "import",
    "kill",
    "logs",
    "progress",
    "rm",
    "run",
    "runs",
    "status",
    "throttle",
    "top",
    "verify",
    "wait",
    "who",
)


class _Commands(click.Group):
    """Finds each command in its module, `logctl.commands.<name>.command`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        # A module that is named as a statement could only be imported by its text.
        module = "import_" if cmd_name == "import" else cmd_name
        command: click.Command = import_module(f"logctl.commands.{module}").command
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@console.location_options
@click.pass_context
def cli(context: click.Context, /, **options: Any) -> None:
    """Emit logs into runs, watch them, and look through them.

    A run is a named stream of records from one job. Pipe into it with `emit`, watch it with `attach`, and look at what
    is stored with `logs`.
    """
    context.obj = console.paths_of(options)


def main() -> None:
    """The entry point of `logctl`."""
    console.run(cli)


if __name__ == "__main__":
    main()
