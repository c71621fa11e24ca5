"""What both commands share: the options that say where the daemon is, and how a command ends.

Every ending passes through `run`: a message of one or two lines on standard error, and the exit status of the error.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any, NoReturn, TextIO, cast

import click

from logd.errors import LogdError
from logd.paths import Paths
from logd.version import __version__

EXIT_MISTAKE = 70
"""An error that we did not think of: a mistake in the program itself."""

_LOCATIONS = (
    ("--socket", "PATH", "The daemon's socket [env: LOGD_SOCKET]."),
    ("--state-dir", "PATH", "The folder of all that the daemon keeps [env: LOGD_STATE_DIR]."),
    ("--config", "PATH", "The configuration file [env: LOGD_CONFIG]."),
)


def location_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a click group the options that say where the daemon is, and `--version`; see `paths_of`."""
    for name, metavar, text in reversed(_LOCATIONS):
        command = click.option(name, metavar=metavar, help=text)(command)
    return click.version_option(__version__, message="%(prog)s %(version)s")(command)


def paths_of(options: dict[str, Any]) -> Paths:
    """The paths that the values of `location_options` name."""
    return Paths.resolve(socket=options["socket"], state_dir=options["state_dir"], config=options["config"])


def complain(message: str, hint: str | None = None) -> None:
    """Say on standard error what is wrong, and what can be done. Where that is gone, nobody is told."""
    program = os.path.basename(sys.argv[0])
    lines = [f"{program}: {message}"] + ([f"{program}: {hint}"] if hint else [])
    say("\n".join(lines) + "\n")


def say(text: str) -> None:
    """Write to standard error as it is, or nowhere."""
    stream: TextIO | None = sys.stderr  # None where it took nothing before
    if stream is None:
        return
    try:
        stream.write(text)
        stream.flush()
    except OSError:
        # What it did not take would be tried again at the interpreter's end, and make the exit status another one.
        sys.stderr = cast(TextIO, None)


def run(command: click.Command) -> NoReturn:
    """Run a command, and end the process as it ends."""
    # Not by click's own `main`, which ends broken pipes and ^C in ways of its own.
    _open_missing()
    try:
        with command.make_context(os.path.basename(sys.argv[0]), sys.argv[1:]) as context:
            status = command.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as ending:
        status = ending.exit_code
    except LogdError as error:
        complain(error.message, error.hint)
        status = error.exit_status
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        die_of(signal.SIGINT)  # or else a script around it would go on
    except BrokenPipeError:
        die_of(signal.SIGPIPE)
    except OSError as error:
        # What concerns the daemon, its files and others' is a LogdError: this is standard output, most often.
        complain(f"cannot read or write {error.filename or 'standard input or output'}: {error.strerror or error}")
        _discard_output()
        status = 1
    except Exception as error:
        complain_of_mistake(error)
        status = EXIT_MISTAKE
    sys.exit(status if isinstance(status, int) else 0)


def _open_missing() -> None:
    """Open what of the standard descriptors is closed, so that nothing else becomes one of them."""
    for fd, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            setattr(sys, name, open(fd, "w" if fd else "r", closefd=False))  # noqa: SIM115 for as long as we are there


def complain_of_mistake(error: Exception) -> None:
    """Say in a sentence that the program has failed by itself, and leave the traceback in a file."""
    import tempfile
    import traceback

    program, cause = os.path.basename(sys.argv[0]), error
    while isinstance(cause, ExceptionGroup) and len(cause.exceptions) == 1:
        cause = cause.exceptions[0]
    said = " ".join(f"{type(cause).__name__}: {cause}".split())
    try:
        with tempfile.NamedTemporaryFile("w", prefix=f"{program}-", suffix=".txt", delete=False) as file:
            file.write(f"{program} {__version__}, Python {sys.version}\n\n")
            traceback.print_exception(error, file=file)
        hint = f"that is a mistake in {program} itself; please report it with {file.name}"
    except OSError as unwritten:
        hint = f"that is a mistake in {program} itself; its details could not be written: {unwritten.strerror}"
    complain(f"ended by {said:.200}", hint)


def die_of(number: signal.Signals) -> NoReturn:
    """End as a program does that a signal ends, silently: one whose reader has gone, or that was interrupted."""
    if number == signal.SIGPIPE:
        _discard_output()
    sys.stdout.flush()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    os._exit(128 + number)


def _discard_output() -> None:
    """Have what is buffered go nowhere at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
