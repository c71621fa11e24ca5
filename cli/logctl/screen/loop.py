"""A live screen joined to its terminal and to the daemon: one nursery, in which one state changes.

    terminal --events--> update --effects--> terminal, link
    link     --events-->   |
    clock    --events--> state --view--> painted

What comes is applied as it comes, and painted when that is due, at most 60 times a second, so that a flood costs few
screens. A key is painted at once, or when the frame before is half as old as that. Nothing is painted while nothing has
changed. What is shown, and what events do to it, is the screen's: its state, `update` and `view`.
"""

from __future__ import annotations

import gc
import math
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, Protocol, TypedDict, TypeVar

import trio

from logctl.screen.events import Interrupt, Open, Quit, Repaint, Resized, Suspend, TerminalEvent, Ticked
from logctl.screen.view import View
from logd.errors import LogdError
from logd.record import now_us

if TYPE_CHECKING:
    from collections.abc import Iterator

    from logctl.screen.link import Link
    from logctl.screen.terminal import Terminal

FRAME_SECONDS: Final = 1 / 60
KEY_SECONDS: Final = 0.05
"""How long the rest of a key's bytes may take: an Esc by itself is one when this is over."""
FIRST_SECONDS: Final = 0.1
"""How long the first screen waits for what it shows, so that it is not painted twice."""

_ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
SIGNALS: Final = (*_ENDING, signal.SIGWINCH, signal.SIGTSTP, signal.SIGCONT)
"""That are the screen's while its terminal is open."""


class Beginning(TypedDict):
    rows: int
    columns: int
    now: float
    """Monotonic seconds."""
    epoch_us: int
    """The wall's time when they were 0."""


def beginning() -> Beginning:
    """What a state is begun with on this terminal, now."""
    columns, rows = os.get_terminal_size(sys.stdout.fileno())
    now = trio.current_time()
    return Beginning(rows=rows, columns=columns, now=now, epoch_us=now_us() - int(now * 1e6))


@contextmanager
def own_terminal() -> Iterator[Terminal]:
    """The terminal of standard input and output, in the colours that its environment and its user ask for."""
    # Not at the top: urwid is imported while the daemon reads.
    from logctl.screen.terminal import Terminal
    from logctl.screen.theme import Theme, colours_of, is_light_background

    light = is_light_background(os.environ)
    colours = colours_of(os.environ)
    terminal = Terminal(Theme(colours, light=bool(light)), asks=light is None and colours > 1)
    _collect_garbage()
    try:
        yield terminal
    finally:
        terminal.close()


def _collect_garbage() -> None:
    """Begin to look for garbage, where that was put off, and not among what was imported."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


def end_by(number: signal.Signals | None) -> None:
    """End the process by the signal that has ended its screen, where one has."""
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    if number is not None:
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)


class Shown(Protocol):
    """What is asked of a screen's state."""

    @property
    def columns(self) -> int: ...
    @property
    def prompt(self) -> object | None:
        """The line that is being typed."""

    @property
    def wakes_at(self) -> float | None:
        """When a Ticked is wanted next; None for never."""

    @property
    def repaint_seconds(self) -> float:
        """How long after a paint the next one is to be, at the least, but for the user's own doing."""


S = TypeVar("S", bound=Shown)


class Loop(Generic[S]):
    """One screen on a terminal.

    Args:
        update: (state, event, now) -> (state, effects).
        terminal: not open yet.
        link: not running yet; it is asked for all that is not done here.
        first: the events that the first screen waits for.
    """

    def __init__(
        self,
        state: S,
        update: Callable[[S, Any, float], tuple[S, Iterable[Any]]],
        view: Callable[[S], View],
        terminal: Terminal,
        link: Link,
        *first: type,
    ) -> None:
        self.state = state
        self.ended_by: signal.Signals | None = None
        """The signal that ended it."""
        self.opens = ""
        """What is to be opened next, where its user has ended it by that."""
        self._update, self._view_of, self._first = update, view, first
        self._terminal = terminal
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

    # What is shown, and what happens to it

    def take(self, events: Iterable[Any]) -> None:
        """Have events happen, and what they ask for begin."""
        now = trio.current_time()
        for event in events:
            self.state, effects = self._update(self.state, event, now)
            for effect in effects:
                self._do(effect)
            self._note_change(hurries=isinstance(event, TerminalEvent), has_first=isinstance(event, self._first))

    def _do(self, effect: Any) -> None:
        done = self._DOES.get(type(effect))
        if done is not None:
            done(self, effect)
        else:
            self._link.ask(effect)

    def _view(self) -> View:
        return self._view_of(self.state)

    def _note_change(self, *, hurries: bool = False, has_first: bool = False) -> None:
        """Have it painted.

        Args:
            hurries: it is the user's doing.
            has_first: it is what the first screen waits for.
        """
        self._hurries = self._hurries or hurries
        if has_first and not self._is_painted:
            self._paint_at = trio.current_time()
        self._is_changed = True
        self._woken.set()

    def _start(self, task: Callable[..., Any], *args: object) -> None:
        if self._nursery is not None:
            self._nursery.start_soon(self._guarded, task, *args)

    async def _guarded(self, task: Callable[..., Any], *args: object) -> None:
        """Run a task; an error that is to be told its user ends the loop."""
        try:
            await task(*args)
        except LogdError as error:
            self._failure = error
            self._quit()
        except EOFError:
            self._end_by(signal.SIGHUP)

    def _quit(self, _effect: object = None) -> None:
        if self._nursery is not None:
            self._nursery.cancel_scope.cancel()

    def _end_by(self, number: signal.Signals) -> None:
        self.ended_by = number
        self._quit()

    def _interrupt(self, _effect: Interrupt) -> None:
        self._end_by(signal.SIGINT)

    def _open(self, effect: Open) -> None:
        self.opens = effect.key
        self._quit()

    def _repaint(self, _effect: Repaint) -> None:
        self._terminal.forget()

    # Running

    async def run(self, signals: AsyncIterator[int]) -> None:
        """Show the screen until its user quits or opens something, or a signal ends it.

        Args:
            signals: those of SIGNALS, as trio gives them.

        Raises:
            LogdError: the daemon is not one to go on with, or refuses what the screen cannot do without.
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
        """Tell of the time when that is wanted, and paint when it is time."""
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

    def _suspend(self, _effect: object = None) -> None:
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

    _DOES: ClassVar[dict[type[Any], Callable[[Any, Any], None]]] = {
        Interrupt: _interrupt,
        Open: _open,
        Quit: _quit,
        Repaint: _repaint,
        Suspend: _suspend,
    }
    """All other effects are the link's."""
