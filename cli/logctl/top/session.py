"""The screen of all runs as `logctl top` opens it, and the pager over it for the run that is chosen.

The pager is another screen of the same process: the terminal is given back before it takes that over, and taken again
behind it. Meanwhile the daemon is asked for nothing.
"""

from __future__ import annotations

import os
import signal
import sys

import trio

from logctl.screen.link import Link
from logctl.screen.loop import SIGNALS, collect_garbage, end_by, make_terminal
from logctl.screen.table import Wanted
from logctl.top.app import TopApp
from logctl.top.model import State, restarted, start
from logctl.top.watching import Watching
from logd.client import AsyncClient, start_daemon
from logd.errors import ConnectionLost, DaemonUnavailable, LogdError
from logd.paths import Paths
from logd.record import now_us

CLIENT = "logctl top"


def show(paths: Paths, pattern: str, wanted: Wanted) -> None:
    """Show all runs on the terminal of standard input and output, until its user quits.

    A signal that ends it ends the process, when the terminal is as it was.

    Args:
        pattern: of the runs that are shown; "" for all.

    Raises:
        DaemonUnavailable, NotPermitted: there is no daemon to watch, and none could be started.
    """
    end_by(trio.run(_show, paths, pattern, wanted))


async def _show(paths: Paths, pattern: str, wanted: Wanted) -> signal.Signals | None:
    state: State | None = None
    note = ""
    while True:
        state, ended_by, opens = await _show_runs(paths, pattern, wanted, state, note)
        if not opens:
            return ended_by
        try:
            ended_by, note = await _attach(paths, opens), ""
        except LogdError as error:
            note = error.message
        if ended_by is not None:
            return ended_by


async def _show_runs(
    paths: Paths, pattern: str, wanted: Wanted, state: State | None, note: str
) -> tuple[State, signal.Signals | None, str]:
    """Show them until something else is to happen: the state, the signal that has ended it, or the run to open."""
    link = await _linked(paths, pattern)
    with trio.open_signal_receiver(*SIGNALS) as signals:
        terminal = make_terminal()
        collect_garbage()
        try:
            columns, rows = os.get_terminal_size(sys.stdout.fileno())
            now = trio.current_time()
            if state is None:
                epoch_us = now_us() - int(now * 1e6)
                state = start(wanted, rows=rows, columns=columns, now=now, epoch_us=epoch_us)
            else:
                state = restarted(state, rows=rows, columns=columns, now=now, note=note)
            app = TopApp(state, terminal, link)
            await app.run(signals)
            return app.state, app.ended_by, app.opens
        finally:
            terminal.close()


async def _linked(paths: Paths, pattern: str) -> Link:
    async def reconnect() -> AsyncClient:
        return await AsyncClient.connect(paths, CLIENT)

    try:
        client = await reconnect()
    except (DaemonUnavailable, ConnectionLost):
        start_daemon(paths)
        client = await reconnect()
    link = Link(client, reconnect, Watching(pattern))
    await link.flush()
    return link


async def _attach(paths: Paths, run: str) -> signal.Signals | None:
    # Not at the top: it is twice as much again, and many who look never attach.
    from logctl.pager.session import Wish, show_within

    return await show_within(paths, Wish((run,), waits=False))
