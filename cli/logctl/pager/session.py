"""The pager as `logctl attach` opens it: the connection first, so that the daemon reads while the rest is imported."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from contextlib import ExitStack
from typing import IO, TYPE_CHECKING, NamedTuple

import trio

from logctl.pager.app import App
from logctl.pager.filters import Filter
from logctl.pager.model import start
from logctl.pager.watching import CLIENT, Watching
from logctl.screen.link import Link, linked
from logctl.screen.loop import SIGNALS, beginning, end_by, own_terminal
from logd.errors import StoreError
from logd.paths import Paths
from logd.record import now_us

if TYPE_CHECKING:
    from logctl.screen.terminal import Terminal


class Wish(NamedTuple):
    """What the user has asked for."""

    runs: Sequence[str]
    patterns: Sequence[str] = ()
    """Of runs that are running, or start later."""
    filter: Filter = Filter()
    waits: bool = True
    """Whether to wait for runs that there are not yet, or else to raise Refused."""
    resumes_at_bottom: bool = False
    trace: str = ""
    """A file for each turn of the follow flag."""


def show(paths: Paths, wish: Wish) -> None:
    """Show runs in the pager, on the terminal of standard input and output, until its user quits.

    A signal that ends it ends the process, when the terminal is as it was.

    Raises:
        BadFilter: the filter's pattern is none.
        Refused: there is no such run, and it is not to be waited for.
        DaemonUnavailable, NotPermitted: there is no daemon to watch, and none could be started.
        StoreError: the trace cannot be written.
    """
    with ExitStack() as stack:
        trace = stack.enter_context(_opened(wish.trace)) if wish.trace else None
        ended_by = trio.run(_show, paths, wish, trace)
    end_by(ended_by)


async def show_within(paths: Paths, wish: Wish) -> signal.Signals | None:
    """The same within an event loop; returns the signal that has ended it, and ends nothing by it."""
    return await _show(paths, wish, None)


def _opened(path: str) -> IO[str]:
    try:
        return open(path, "a", encoding="utf-8")
    except OSError as error:
        raise StoreError("write", path, error) from None


async def _show(paths: Paths, wish: Wish, trace: IO[str] | None) -> signal.Signals | None:
    """Show the runs, and then those that are opened from there; the signal that has ended it."""
    link = await _linked(paths, wish)
    terminal: Terminal | None = None
    with trio.open_signal_receiver(*SIGNALS) as signals, ExitStack() as stack:
        while True:
            state, effects = start(
                wish.runs,
                patterns=wish.patterns,
                filter=wish.filter,
                resumes_at_bottom=wish.resumes_at_bottom,
                colour=not os.environ.get("NO_COLOR"),
                **beginning(),
            )
            for effect in effects:
                link.ask(effect)
            await link.flush()
            terminal = terminal or stack.enter_context(own_terminal())
            app = App(state, terminal, link, paths, trace)
            await app.run(signals)
            if not app.opens:
                return app.ended_by
            terminal.capture_mouse(captured=False)
            wish = wish._replace(runs=(app.opens,), patterns=(), filter=Filter())
            link = await _linked(paths, wish)


async def _linked(paths: Paths, wish: Wish) -> Link:
    return await linked(paths, CLIENT, Watching(wish.runs, wish.patterns, now_us, waits=wish.waits, pid=os.getpid()))
