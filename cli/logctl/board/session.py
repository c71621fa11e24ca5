"""The board's screen as `logctl progress` opens it: the connection first, so that the daemon reads meanwhile."""

from __future__ import annotations

import signal

import trio

from logctl.board.model import Changed, start, update
from logctl.board.view import view
from logctl.board.watching import Watching
from logctl.screen.link import linked
from logctl.screen.loop import SIGNALS, Loop, beginning, end_by, own_terminal
from logd.paths import Paths

CLIENT = "logctl progress"


def show(paths: Paths, run: str) -> None:
    """Show a run's board on the terminal of standard input and output, until its user quits.

    A signal that ends it ends the process, when the terminal is as it was.

    Raises:
        Refused: no board can be had of the run; one that does not exist is waited for.
        NotFound: it was removed meanwhile.
        DaemonUnavailable, NotPermitted: there is no daemon to watch, and none could be started.
    """
    end_by(trio.run(_show, paths, run))


async def _show(paths: Paths, run: str) -> signal.Signals | None:
    link = await linked(paths, CLIENT, Watching(run, waits=True))
    with trio.open_signal_receiver(*SIGNALS) as signals, own_terminal() as terminal:
        loop = Loop(start(run, **beginning()), update, view, terminal, link, Changed)
        await loop.run(signals)
        return loop.ended_by
