"""The board's screen as `logctl progress` opens it: the connection first, so that the daemon reads meanwhile."""

from __future__ import annotations

import os
import signal
import sys

import trio

from logctl.board.app import BoardApp
from logctl.board.model import start
from logctl.board.watching import Watching
from logctl.screen.link import Link
from logctl.screen.loop import SIGNALS, collect_garbage, end_by, make_terminal
from logd.client import AsyncClient, start_daemon
from logd.errors import DaemonUnavailable
from logd.paths import Paths
from logd.record import now_us

CLIENT = "logctl progress"


def show(paths: Paths, run: str) -> None:
    """Show a run's board on the terminal of standard input and output, until its user quits.

    A signal that ends it ends the process, when the terminal is as it was.

    Raises:
        Refused: there is no such run.
        NotFound: it was removed meanwhile.
        DaemonUnavailable, NotPermitted: there is no daemon to watch, and none could be started.
    """
    end_by(trio.run(_show, paths, run))


async def _show(paths: Paths, run: str) -> signal.Signals | None:
    async def reconnect() -> AsyncClient:
        return await AsyncClient.connect(paths, CLIENT)

    try:
        client = await reconnect()
    except DaemonUnavailable:
        start_daemon(paths)
        client = await reconnect()
    link = Link(client, reconnect, Watching(run))
    await link.flush()
    with trio.open_signal_receiver(*SIGNALS) as signals:
        terminal = make_terminal()
        collect_garbage()
        try:
            columns, rows = os.get_terminal_size(sys.stdout.fileno())
            now = trio.current_time()
            state = start(run, rows=rows, columns=columns, now=now, epoch_us=now_us() - int(now * 1e6))
            app = BoardApp(state, terminal, link)
            await app.run(signals)
            return app.ended_by
        finally:
            terminal.close()
