"""The pager joined to a terminal and to the daemon: one nursery, in which one state changes.

    terminal --events--> model.update --effects--> terminal, link
    link     --events-->      |
    clock    --events-->    state --view--> painted, at most 60 times a second

What comes is applied as it comes, and painted when that is due, so that a flood costs few screens: the daemon sends a
view a few batches a second, and what came since the last screen is seen by the next one. A key is painted at once, or
when the frame before is half as old as that.
"""

from __future__ import annotations

import math
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, Final

import trio

from logctl.pager import errands
from logctl.pager.events import (
    Arrived,
    CaptureMouse,
    Copy,
    Effect,
    Event,
    FocusChanged,
    FollowTurned,
    KeyPressed,
    OpenEditor,
    Quit,
    Repaint,
    Resized,
    RunWaiting,
    Save,
    ShowRuns,
    Suspend,
    Ticked,
    Told,
    UserEvent,
)
from logctl.pager.link import Link
from logctl.pager.model import update
from logctl.pager.runs_list import RunsList, view_of_runs
from logctl.pager.state import State
from logctl.pager.view import View, view
from logd.errors import LogdError
from logd.paths import Paths
from logd.record import now_us

if TYPE_CHECKING:
    from collections.abc import Iterator

    from logctl.pager.terminal import Terminal

FRAME_SECONDS: Final = 1 / 60
KEY_SECONDS: Final = 0.05
"""How long the rest of a key's bytes may take: an Esc by itself is one when this is over."""
FIRST_SECONDS: Final = 0.1
"""How long the first screen waits for records, so that it is not painted twice."""

_ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
SIGNALS: Final = (*_ENDING, signal.SIGWINCH, signal.SIGTSTP, signal.SIGCONT)
"""That are the pager's while its terminal is open."""


class App:
    """One pager on a terminal.

    Args:
        state: as `model.start` gives it; what that asked for is asked of the link already.
        terminal: not open yet.
        link: not running yet.
        trace: where each turn of the follow flag is told.
    """

    def __init__(
        self, state: State, terminal: Terminal, link: Link, paths: Paths, trace: IO[str] | None = None
    ) -> None:
        self.state = state
        self.ended_by: signal.Signals | None = None
        """The signal that ended it."""
        self.opens = ""
        """The run that is to be shown next, where its user has chosen one."""
        self._terminal = terminal
        self._paths = paths
        self._trace = trace
        self._link = link
        self._nursery: trio.Nursery | None = None
        self._failure: LogdError | None = None
        self._is_changed = True
        self._is_painted = False
        self._hurries = False
        self._paint_at = trio.current_time() + FIRST_SECONDS
        self._woken = trio.Event()
        self._reading = trio.CancelScope()
        self._is_lent = False
        self._writes = False
        """Whether the terminal has yet to take what was written."""
        self._stops = False
        self._runs: RunsList | None = None
        """What is shown in place of the records."""

    # What happens

    def take(self, events: Iterable[Event]) -> None:
        """Have events happen, and what they ask for begin."""
        now = trio.current_time()
        for event in events:
            if self._runs is not None and isinstance(event, KeyPressed):
                self._choose(event.key)
                continue
            self.state, effects = update(self.state, event, now)
            for effect in effects:
                self._do(effect)
            if isinstance(event, UserEvent | Resized | FocusChanged):
                self._hurries = True
            elif not self._is_painted and isinstance(event, Arrived | RunWaiting | Told):
                self._paint_at = now
        self._is_changed = True
        self._woken.set()

    def _do(self, effect: Effect) -> None:
        done = self._DOES.get(type(effect))
        if done is not None:
            done(self, effect)
        else:
            self._link.ask(effect)

    def _start(self, task: Callable[..., Any], *args: object) -> None:
        if self._nursery is not None:
            self._nursery.start_soon(self._guarded, task, *args)

    async def _guarded(self, task: Callable[..., Any], *args: object) -> None:
        """Run a task; an error that is to be told its user ends the pager."""
        try:
            await task(*args)
        except LogdError as error:
            self._failure = error
            self._quit()
        except EOFError:
            self._end_by(signal.SIGHUP)

    def _quit(self, _effect: Effect | None = None) -> None:
        if self._nursery is not None:
            self._nursery.cancel_scope.cancel()

    def _end_by(self, number: signal.Signals) -> None:
        self.ended_by = number
        self._quit()

    # Running

    async def run(self, signals: AsyncIterator[int]) -> None:
        """Show the pager until its user quits or opens another run, or a signal ends it.

        Args:
            signals: those of SIGNALS, as trio gives them.

        Raises:
            LogdError: the daemon is not one to go on with.
        """
        try:
            async with trio.open_nursery() as self._nursery:
                self._start(self._link.run, self.take)
                self._start(self._link.send)
                self._terminal.open()
                self._start(self._read_keys)
                self._start(self._keep_time)
                self._start(self._take_signals, signals)
        finally:
            self._link.close()
        if self._failure is not None:
            raise self._failure

    async def _take_signals(self, signals: AsyncIterator[int]) -> None:
        async for number in signals:
            if number == signal.SIGWINCH:
                self._resize()
            elif number == signal.SIGCONT:
                self._go_on()
            elif number == signal.SIGTSTP:
                self._suspend()
            elif not (self._is_lent and number == signal.SIGINT):  # that is the editor's
                self._end_by(signal.Signals(number))

    def _resize(self) -> None:
        if not self._is_lent:
            self._terminal.forget()
            self.take([Resized(*self._terminal.size)])

    async def _read_keys(self) -> None:
        terminal = self._terminal
        while True:
            if self._is_lent:
                await self._wait()
                continue
            with trio.CancelScope() as self._reading:
                deadline = trio.current_time() + KEY_SECONDS if terminal.is_within_key else math.inf
                with trio.move_on_at(deadline) as waiting:
                    await trio.lowlevel.wait_readable(terminal.fileno())
                events = terminal.rest() if waiting.cancelled_caught else terminal.read()
                for event in events:
                    terminal.types = self.state.prompt is not None
                    self.take([event])

    async def _wait(self, until: float = math.inf) -> None:
        """Return when something has happened, or it is time."""
        with trio.move_on_at(until):
            await self._woken.wait()
        self._woken = trio.Event()

    async def _keep_time(self) -> None:
        """Tell the pager the time when it wants that, and paint when it is time."""
        while True:
            if self._terminal.is_behind and not self._writes:
                self._writes = True
                self._start(self._write_on)
            now = trio.current_time()
            wakes_at = self.state.wakes_at
            if wakes_at is not None and wakes_at <= now:
                self.take([Ticked()])
            paint_at = self._next_paint_at()
            if paint_at <= now:
                self._paint()
                continue
            await self._wait(min(paint_at, math.inf if wakes_at is None else wakes_at))

    async def _write_on(self) -> None:
        """Write on until the terminal has taken all: until then nothing is painted, and all else goes on."""
        while self._terminal.is_behind:
            await trio.lowlevel.wait_writable(self._terminal.output_fileno)
            self._terminal.write_on()
        self._writes = False
        self._woken.set()

    def _next_paint_at(self) -> float:
        if not self._is_changed or self._is_lent or self._writes:
            return math.inf
        if self._hurries:
            return self._paint_at - FRAME_SECONDS / 2
        return self._paint_at + max(0.0, self.state.repaint_seconds - FRAME_SECONDS)

    def _paint(self) -> None:
        self._is_painted, self._is_changed, self._hurries = True, False, False
        self._terminal.paint(self._view(), self.state.columns)
        self._paint_at = trio.current_time() + FRAME_SECONDS

    def _view(self) -> View:
        if self._runs is not None:
            return view_of_runs(self._runs, self.state.rows, self.state.columns)
        return view(self.state)

    # The terminal given over

    @contextmanager
    def _lent(self) -> Iterator[None]:
        self._is_lent = True
        self._reading.cancel()
        try:
            with self._terminal.lent():
                yield
        finally:
            self._is_lent = False
            self._resize()

    def _suspend(self, _effect: Effect | None = None) -> None:
        """Stop with all of the job, as ^Z does; returns when the job goes on."""
        if self._is_lent:  # it is the editor's terminal, and its ^Z
            os.kill(os.getpid(), signal.SIGSTOP)
            return
        self._stops = True
        with self._lent():
            before = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
            os.kill(0, signal.SIGTSTP)
            signal.signal(signal.SIGTSTP, before)

    def _go_on(self) -> None:
        """Another has stopped the process, and perhaps used the terminal."""
        if self._is_lent:
            return
        has_stopped = self._terminal.wait_foreground()
        if has_stopped or not self._stops:
            with self._lent():
                pass
        self._stops = has_stopped

    def _open_editor(self, effect: OpenEditor) -> None:
        self._start(self._edit, effect.text)

    async def _edit(self, text: str) -> None:
        if self._is_lent:
            return
        with self._lent():
            said = await errands.edit(text)
        if said:
            self.take([Told(said)])

    # Other effects

    def _save(self, effect: Save) -> None:
        self._start(errands.save, self._paths, effect, lambda text: self.take([Told(text)]))

    def _copy(self, effect: Copy) -> None:
        self._terminal.copy(effect.text)

    def _capture_mouse(self, effect: CaptureMouse) -> None:
        self._terminal.capture_mouse(captured=effect.captured)

    def _repaint(self, _effect: Effect) -> None:
        self._terminal.forget()

    def _note_follow(self, effect: FollowTurned) -> None:
        if self._trace is not None:
            self._trace.write(f"{effect.now:.6f} follow={'on' if effect.follow else 'off'} source={effect.source}\n")
            self._trace.flush()

    def _show_runs(self, _effect: Effect) -> None:
        self._start(self._list_runs)

    async def _list_runs(self) -> None:
        try:
            runs = await errands.list_runs(self._paths)
        except LogdError as error:
            self.take([Told(error.message)])
            return
        current = self.state.current[0] if self.state.current is not None else next(iter(self.state.runs), "")
        self._runs = RunsList.of(runs, now_us(), current)
        self.take([])

    def _choose(self, key: str) -> None:
        """Take a key for the list of runs."""
        if self._runs is None:
            return
        self._hurries = True
        self._runs = self._runs.press(key, self.state.rows)
        self.opens = self._runs.opens
        if self.opens:
            self._quit()
        elif self._runs.closes:
            self._runs = None

    _DOES: Final[dict[type[Any], Callable[[App, Any], None]]] = {
        Copy: _copy,
        OpenEditor: _open_editor,
        Save: _save,
        CaptureMouse: _capture_mouse,
        Repaint: _repaint,
        Suspend: _suspend,
        ShowRuns: _show_runs,
        FollowTurned: _note_follow,
        Quit: _quit,
    }
    """All others are the link's."""
