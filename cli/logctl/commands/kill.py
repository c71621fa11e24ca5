"""`logctl kill`: a signal for the command that a run is of."""

from __future__ import annotations

import os
import re
import shlex
import signal
from typing import Any

import click

from logctl.job.emitters import watch_emitters
from logctl.job.processes import Process
from logctl.named import not_found
from logd.client import connect, list_runs
from logd.errors import LogdError, NotFound, NotPermitted
from logd.paths import Paths
from logd.record import check_run_name


class _Signal(click.ParamType[int]):
    name = "SIGNAL"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = str(value).upper()
        if re.fullmatch("[0-9]{1,3}", text) and int(text) in signal.valid_signals():
            return int(text)
        try:
            return int(signal.Signals[text if text.startswith("SIG") else f"SIG{text}"])
        except KeyError:
            self.fail(f"{value!r} is no signal's name or number, such as TERM, SIGKILL or 9", param, ctx)


@click.command(name="kill")
@click.argument("run")
@click.option(
    "-s", "--signal", "number", type=_Signal(), metavar="SIGNAL", default="TERM", show_default=True, help="Which."
)
@click.pass_obj
def command(paths: Paths, run: str, number: int) -> None:
    """Send a signal to the command of RUN, which `logctl run` started, or to the process that emits into it itself."""
    check_run_name(run)
    with connect(paths, "logctl kill", autostart=True) as client:
        emitters = next(watch_emitters(client, run))
        if not emitters:
            if any(each["name"] == run for each in list_runs(client)):
                raise NotFound(f"run {run} does not run")
            raise not_found(client, run)
    reached = 0
    for emitter in emitters:
        try:
            reached += _signal(run, emitter, number)
        except ProcessLookupError:
            continue
        except PermissionError:
            raise NotPermitted(f"process {emitter['pid']} of run {run} is another user's") from None
    if not reached:
        raise NotFound(f"what emitted into run {run} has just ended")


def _signal(run: str, emitter: dict[str, Any], number: int) -> bool:
    """Signal one emitter's command; False where it has ended."""
    with Process(emitter["pid"]) as process:
        if not process.began_by(emitter["since_us"]):
            return False
        job_pid = emitter["job_pid"]
        if job_pid == process.pid:
            if _is_emit(emitter["command"]):
                raise LogdError(
                    f"run {run} is emitted by `logctl emit` (process {process.pid}), which does not know of what job",
                    hint="signal that job itself; `logctl run` starts jobs so that they can be signalled",
                )
            process.signal(number)
            return True
        with Process(job_pid) as job:
            if job.parent not in (process.pid, None):
                return False
            if job.leads_group:
                job.signal_group(number)
            else:
                job.signal(number)
    return True


def _is_emit(command: str) -> bool:
    try:
        words = shlex.split(command)
    except ValueError:
        words = command.split()
    return bool(words) and os.path.basename(words[0]) == "logctl" and "emit" in words
