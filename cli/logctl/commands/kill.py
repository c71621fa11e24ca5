"""`logctl kill`: a signal for the command that a run is of."""

from __future__ import annotations

import re
import signal

import click

from logctl.job.emitters import watch_emitters
from logctl.job.processes import Process
from logctl.named import not_found
from logd.client import connect, list_runs
from logd.client.tables import Value
from logd.errors import NotFound, NotPermitted
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


@click.command(name="kill", short_help="Send a signal to the command of RUN.")
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


def _signal(run: str, emitter: Value, number: int) -> bool:
    """Signal one emitter's command; False where it has ended."""
    if emitter["pid"] <= 0:
        raise NotFound(f"the system does not tell which process emits into run {run}")
    with Process(emitter["pid"]) as process:
        if not process.began_by(emitter["since_us"]):
            return False
        if emitter["job_pid"] == process.pid:
            if emitter["client"].startswith("logctl emit "):
                raise NotFound(
                    f"run {run} is emitted by `logctl emit` (process {process.pid}), which does not know of what job",
                    hint="signal that job itself; those that `logctl run` starts can be signalled",
                )
            process.signal(number)
            return True
        with Process(emitter["job_pid"]) as job:
            if job.parent not in (process.pid, None):
                return False
            if job.leads_group:
                job.signal_group(number)
            else:
                job.signal(number)
    return True
