"""`logctl run`: a command as a job whose output is a run."""

from __future__ import annotations

import os
import shlex
import signal
import termios
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import click

from logctl.job.background import detach, leave
from logctl.job.child import CannotStart, Child, Plan, be
from logctl.job.naming import Name, next_name
from logctl.job.relay import Relay
from logctl.job.signals import Signals
from logctl.job.sink import Sink
from logctl.job.starter import Starter
from logctl.job.tty import Terminal, window_of
from logd import console
from logd.client import Client, Emitter
from logd.paths import Paths
from logd.record import check_run_name

RUN_VARIABLE = "LOGD_RUN"
"""In the command's environment: the name of its run."""


@click.command(name="run", context_settings={"ignore_unknown_options": False, "allow_interspersed_args": False})
@click.argument("words", nargs=-1, required=True, type=click.UNPROCESSED, metavar="COMMAND...")
@click.option("--name", metavar="RUN", help="The run's name; by default the command's, and the next free number.")
@click.option("-d", "--detach", "detaches", is_flag=True, help="Run in the background, and print the run's name.")
@click.option("-q", "--quiet", is_flag=True, help="Do not show the output.")
@click.option(
    "--pty/--no-pty",
    "terminal",
    default=None,
    help="Give the command a terminal of its own. [default: where standard output is one]",
)
@click.option("--no-autostart", is_flag=True, help="Do not start a daemon where none runs.")
@click.pass_obj
def command(
    paths: Paths,
    *,
    words: tuple[str, ...],
    name: str | None,
    detaches: bool,
    quiet: bool,
    terminal: bool | None,
    no_autostart: bool,
) -> int:
    """Run COMMAND, store its output in a run, and show it, too.

    Exits as COMMAND does, or with 128 and the number of the signal that it died of; whatever becomes of the daemon.
    """
    taken = Name(check_run_name(name)) if name is not None else next_name(paths, words[0])
    if name is None and not (detaches or quiet) and os.isatty(2):
        console.complain(f"this is run {taken.name}")
    tell: Callable[[int, str], None] | None = None
    if detaches:
        told = detach()
        if isinstance(told, tuple):
            status, sentence = told
            if status:
                console.complain(sentence or "it ended before it began")
            else:
                click.echo(taken.name)
            return status
        tell = told
    try:
        return _run(
            paths, words, taken.name, quiet=quiet or detaches, terminal=terminal, tell=tell, starts=not no_autostart
        )
    except CannotStart as error:
        if tell is not None:
            tell(error.status, error.message)
        else:
            console.complain(error.message)
        return error.status
    finally:
        taken.close()


def _run(
    paths: Paths,
    words: tuple[str, ...],
    run: str,
    *,
    quiet: bool,
    terminal: bool | None,
    tell: Callable[[int, str], None] | None,
    starts: bool,
) -> int:
    detached = tell is not None
    plan = _plan(words, run, terminal=terminal, detached=detached)
    signals = Signals(also=[signal.SIGTSTP] if plan.terminal else [])
    plan, child = _start(plan, signals, detached=detached)
    ours = Terminal() if plan.typed else None

    def say(sentence: str) -> None:
        # A raw terminal goes on in the column that it is in.
        begin, end = ("\r\n", "\r") if ours is not None and ours.is_raw else ("", "")
        console.say(begin)
        console.complain(sentence + end)

    emitter = Emitter(
        lambda: Client(paths, "logctl run", wait=False),
        run,
        spool_folder=lambda: paths.spool_dir,
        drop=True,
        say=say,
        command=shlex.join(words).encode("utf-8", "replace").decode(),
        pid=child.pid,
    )
    sink = Sink(emitter, Starter(paths) if starts else None, say)
    relay = Relay(
        child,
        sink,
        signals,
        shown={} if quiet else {"stdout": 1, "stderr": 2},
        terminal=ours,
        on_ready=lambda: tell(0, "") if tell is not None else None,
    )
    status = relay.run()
    if relay.goes_on:
        if not detached and not leave():
            return status  # of the command; the run goes on
        relay.go_on()
    sink.finish(status, relay.wait)
    if child.is_interrupted and (relay.typed_interrupt or relay.had_interrupt):
        if relay.typed_interrupt:
            # What was typed went to the command alone; without us a script that started both would have had it, too.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            os.killpg(0, signal.SIGINT)
        raise KeyboardInterrupt
    return status


def _start(plan: Plan, signals: Signals, *, detached: bool) -> tuple[Plan, Child]:
    """Start the command: where it can have no terminal, without one; and where not even pipes, in our place."""
    if plan.terminal:
        try:
            return plan, Child(plan, signals.put_back)
        except OSError as error:
            console.complain(f"the command has no terminal of its own: {error.strerror}")
            plan = replace(plan, terminal=False, error_terminal=False, typed=False)
    try:
        return plan, Child(plan, signals.put_back)
    except OSError as error:
        if detached:
            raise CannotStart(plan.argv[0], error) from None
        console.complain(f"the command runs, and nothing of it is stored: {error.strerror}")
        be(plan, signals.put_back)


def _plan(words: tuple[str, ...], run: str, *, terminal: bool | None, detached: bool) -> Plan:
    typed_on = os.isatty(0)
    has_terminal = os.isatty(1) if terminal is None else terminal
    settings: list[Any] | None = None
    for fd in (0, 1):
        with suppress(termios.error):
            settings = settings or termios.tcgetattr(fd)
    return Plan(
        words,
        {**os.environ, RUN_VARIABLE: run},
        terminal=has_terminal,
        error_terminal=has_terminal and (terminal is not None or os.isatty(2)),
        typed=has_terminal and typed_on,
        own_group=detached,
        window=window_of(1, 2, 0),
        settings=settings,
    )
