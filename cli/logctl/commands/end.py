"""`logctl end`: how the job of a run ended, from who knows, where its emitter does not."""

from __future__ import annotations

import os
import socket
import time

import click

from logctl.figures import counted
from logctl.job.emitters import watch_emitters
from logctl.named import explained
from logd import console
from logd.client import Client, connect
from logd.client.blocking import refusal
from logd.errors import Refused
from logd.paths import Paths
from logd.protocol import Close, Error, Open, Reply, Sessions
from logd.record import check_run_name

OTHERS_SECONDS = 10.0
"""How long those who emit yet are waited for: their job has ended, and what it said last is on its way."""


@click.command(name="end")
@click.argument("run")
@click.option(
    "--exit-code", "status", type=click.IntRange(0, 255), required=True, metavar="N", help="The job's exit status."
)
@click.pass_obj
def command(paths: Paths, run: str, status: int) -> None:
    """Say that the job of RUN has ended, and with which exit status.

    For pipelines: `job | logctl emit RUN` does not know how the job ended. Where somebody emits into RUN yet, that is
    waited for; for ten seconds at the most, after which RUN has the status, and goes on.
    """
    check_run_name(run)
    with connect(paths, "logctl end", autostart=True) as client:
        try:
            client.request(Sessions(client.new_id(), run, 1))  # of a run that there is
            session = client.new_id()
            # It begins before others end, so that the run ends once, with its status.
            client.request(
                Open(session, run, os.urandom(16).hex(), "logctl end", os.getpid(), socket.gethostname()[:256])
            )
        except Refused as error:
            raise explained(client, run, error) from None
        if others := _wait_for_others(client, run):
            console.complain(f"run {run} has its status, and goes on with {counted(others, 'emitter')} more")
        client.send(Close(session, status))
        while not (isinstance(message := client.receive(), Reply) and message.id == session):
            if isinstance(message, Error):
                raise refusal(message)


def _wait_for_others(client: Client, run: str) -> int:
    """Return when nobody else emits into a run, or it has taken too long; how many others do then."""
    count = 0
    for emitters in watch_emitters(client, run, time.monotonic() + OTHERS_SECONDS):
        count = sum(emitter["pid"] != os.getpid() for emitter in emitters)
        if not count:
            break
    return count
