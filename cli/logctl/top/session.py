"""The screen of all runs as `logctl top` opens it, and the pager over it for the run that is chosen.

The pager is another screen of the same process: the terminal is given back before it takes that over, and taken again
behind it. Meanwhile the daemon is asked for nothing.
"""

from __future__ import annotations

import signal

import trio

from logctl.screen.link import linked
from logctl.screen.loop import SIGNALS, Loop, beginning, end_by, own_terminal
from logctl.screen.table import Wanted
from logctl.top.model import Listed, State, restarted, start, update
from logctl.top.view import view
from logctl.top.watching import Watching
from logd.errors import LogdError
from logd.paths import Paths

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
    link = await linked(paths, CLIENT, Watching(pattern))
    with trio.open_signal_receiver(*SIGNALS) as signals, own_terminal() as terminal:
        place = beginning()
        state = start(wanted, **place) if state is None else restarted(state, note, **place)
        loop = Loop(state, update, view, terminal, link, Listed)
        await loop.run(signals)
        return loop.state, loop.ended_by, loop.opens


async def _attach(paths: Paths, run: str) -> signal.Signals | None:
    # Not at the top: it is twice as much again, and many who look never attach.
    from logctl.pager.session import Wish, show_within

    return await show_within(paths, Wish((run,), waits=False))
