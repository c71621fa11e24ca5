"""Between a command and the world while it runs: its output to be stored and shown, what is typed, signals, its end.

One loop waits for all of it. The command's output is read whenever what was read before is shown: a terminal that is
stopped, or a reader that is slow, holds the command up as it would without us, and nothing else does.

What the command leaves running may keep its output open. When it has ended, all that it wrote is read, and then what
comes within LINGER_SECONDS. What comes still later is read on in the background, as far as whoever started this is
concerned: nobody who waits for the command waits for that, and what it left does not find its output gone.
"""

from __future__ import annotations

import math
import os
import select
import signal
import time
from collections.abc import Callable, Mapping
from typing import Final

from logctl.job.child import Child
from logctl.job.pipes import WIDE_BYTES
from logctl.job.signals import Signals
from logctl.job.sink import Sink
from logctl.job.tty import IN, Terminal, shares_foreground, window_of

READ_BYTES: Final = 252 * 1024
"""With what was left of a line from the read before, about a block."""
TYPED_BYTES: Final = 4096
"""What is typed and not taken yet; the rest is read then."""
SHOWN_BYTES: Final = 4096
"""What a pipe or terminal takes without making us wait, when it says that it takes something."""
LINGER_SECONDS: Final = 1.0
READY_SECONDS: Final = 2.0
"""After so long a command counts as started, though the daemon has not heard of it."""

_FAREWELLS: Final = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT}


def _poll(events: Mapping[int, int], timeout: float | None) -> set[int]:
    """Wait for descriptors, and return those with which something can be done, or will fail."""
    # Not by `select.select`, which has no descriptors from 1024 on: whoever started us may have left us a thousand.
    poll = select.poll()
    for fd, mask in events.items():
        poll.register(fd, mask)
    # Rounded up to whole milliseconds, or else it would be waited for in vain just before.
    return {fd for fd, _ in poll.poll(None if timeout is None else math.ceil(timeout * 1000))}


class Shown:
    """Where a stream is shown, and what of it is yet to be."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.pending = memoryview(b"")
        self.is_gone = False
        """Whether nobody is there to see it. That is no reason for the command to end."""

    def put(self, data: bytes) -> None:
        """Take what was read, when what was before is shown; as much as can be is shown at once."""
        if not self.is_gone:
            self.pending = memoryview(data)
        while self.pending and _poll({self.fd: select.POLLOUT}, 0):
            self.write()

    def write(self) -> None:
        try:
            self.pending = self.pending[os.write(self.fd, self.pending[:SHOWN_BYTES]) :]
        except BlockingIOError:
            pass
        except OSError:
            self.is_gone = True
            self.pending = memoryview(b"")


class Relay:
    """One command, from its start to its end.

    Args:
        shown: the descriptors that streams are shown at; none where nothing is.
        terminal: ours, where what is typed is the command's.
        on_ready: called when the command runs, and the daemon knows or will not soon.
    """

    def __init__(
        self,
        child: Child,
        sink: Sink,
        signals: Signals,
        *,
        shown: dict[str, int],
        terminal: Terminal | None = None,
        on_ready: Callable[[], object] = lambda: None,
    ) -> None:
        self._child = child
        self._sink = sink
        self._signals = signals
        self._terminal = terminal
        self._on_ready: Callable[[], object] | None = on_ready
        self._ready_at = time.monotonic() + READY_SECONDS
        self._shown = {name: Shown(fd) for name, fd in shown.items()}
        self._typed = b""
        self._can_type = terminal is not None
        self.typed_interrupt = False
        """Whether ^C was typed on the command's terminal, which is ours to others of our process group."""
        self.had_interrupt = False
        """Whether we had that as a signal."""
        self._left: set[int] = set()
        """What of the output is open after the command's end, and may yet hold what it wrote."""
        self._left_bytes = 0
        self._ended_at = math.inf
        self._hurries = False
        """Whether whoever waits for us does not want to any more."""

    def run(self) -> int:
        """Return when the command has ended and its output is read: its exit status, as a shell says it."""
        if self._terminal is not None:
            self._terminal.enter()
        try:
            while not self._is_over():
                self._turn()
        finally:
            if self._terminal is not None:
                self._terminal.leave()
        self._be_ready()
        return self._child.status or 0

    @property
    def goes_on(self) -> bool:
        """Whether more output may come of what the command left running, and somebody cares."""
        return bool(self._child.outputs) and not self._hurries

    def go_on(self) -> None:
        """Return when that has ended, too, or a signal says that it is enough. It is shown no more."""
        self._shown.clear()
        while self.goes_on:
            self._turn()

    def wait(self, due: float) -> bool:
        """Wait until the sink has something to do, or a time has come; False when a signal says that it is enough."""
        self._select(read=[], write=[], due=due)
        return not self._hurries

    def _is_over(self) -> bool:
        if self._child.poll() is None:
            return False
        if self._ended_at == math.inf:
            self._ended_at = time.monotonic()
            self._left = {*self._child.outputs}
        if any(shown.pending for shown in self._shown.values()) and not self._hurries:
            return False
        if not self._child.outputs:
            return True
        lingered = time.monotonic() >= self._ended_at + LINGER_SECONDS
        return (lingered or self._hurries) and not self._left

    def _turn(self) -> None:
        pending = [shown for shown in self._shown.values() if shown.pending]
        reads = list(self._child.outputs) if not pending and self._sink.has_room else []
        if not reads:
            self._child.pipes.widen()
        if self._can_type and not self._typed and self._terminal is not None and self._terminal.is_raw:
            reads.append(IN)
        writes = [shown.fd for shown in pending]
        typed_at = -1
        if self._typed and self._child.ptys:
            typed_at = self._child.ptys.to_type_at(self._typed)
            writes.append(typed_at)
        due = self._ended_at + LINGER_SECONDS
        if time.monotonic() >= due:
            due = math.inf
        if self._on_ready is not None:
            due = min(due, self._ready_at)
        ready = self._select(reads, writes, due)
        for shown in pending:
            if shown.fd in ready:
                shown.write()
        for fd in self._child.pipes.in_order(fd for fd in reads if fd in ready and fd != IN):
            self._read(fd)
        self._left -= {fd for fd in reads if fd not in ready}
        if IN in ready and IN in reads:
            self._read_typed()
        if typed_at in ready:
            self._write_typed(typed_at)
        self._sink.pump()
        if self._sink.is_known or time.monotonic() >= self._ready_at:
            self._be_ready()

    def _select(self, read: list[int], write: list[int], due: float) -> set[int]:
        """Wait for descriptors, signals, the sink or the clock; return which of the first can be used."""
        sink_fd = self._sink.fileno()
        sinks = [] if sink_fd is None else [sink_fd]
        due = min(due, self._sink.due)
        timeout = None if due == math.inf else max(0.0, due - time.monotonic())
        events = dict.fromkeys([self._signals.fd, *sinks, *read], select.POLLIN)
        for fd in [*(sinks if self._sink.sending else []), *write]:
            events[fd] = events.get(fd, 0) | select.POLLOUT
        ready = _poll(events, timeout)
        if self._signals.fd in ready:
            for number in self._signals.take():
                self._on_signal(number)
        return ready

    def _be_ready(self) -> None:
        if self._on_ready is not None:
            self._on_ready()
            self._on_ready = None

    # Output

    def _read(self, fd: int) -> None:
        try:
            data = os.read(fd, READ_BYTES)
        except BlockingIOError:
            return
        except OSError:  # so a terminal ends
            data = b""
        name = self._child.outputs[fd]
        if not data:
            self._child.close_output(fd)
            self._left.discard(fd)
            return
        self._child.pipes.note(fd, len(data))
        if self._ended_at < math.inf:
            self._left_bytes += len(data)
            if self._left_bytes > 2 * WIDE_BYTES[0]:  # more than it can have written before it ended
                self._left.clear()
        if name in self._shown:
            self._shown[name].put(data)
        self._sink.feed(name, data)

    # Input

    def _read_typed(self) -> None:
        try:
            data = os.read(IN, TYPED_BYTES)
        except OSError:
            data = b""
        if not data:
            self._stop_typing()
        if self._terminal is not None and self._terminal.interrupt_key in data:
            self.typed_interrupt = True
        at = data.find(self._terminal.stop_key) if self._terminal is not None else -1
        ptys = self._child.ptys
        if at >= 0 and ptys.is_at_keys(self._child.pid) and ptys.is_stop_key(data[at]):
            self._typed = data[:at] + data[at + 1 :]
            self._suspend()
        else:
            self._typed = data

    def _write_typed(self, fd: int) -> None:
        try:
            self._typed = self._typed[os.write(fd, self._typed) :]
        except BlockingIOError:
            pass
        except OSError:
            self._stop_typing()

    def _stop_typing(self) -> None:
        self._typed, self._can_type = b"", False

    # Signals

    def _on_signal(self, number: int) -> None:
        child = self._child
        self.had_interrupt = self.had_interrupt or number == signal.SIGINT
        if child.status is not None:
            self._hurries = self._hurries or number in _FAREWELLS
        elif number == signal.SIGWINCH:
            child.ptys.resize(window_of(1, 2, IN))
        elif number == signal.SIGTSTP:
            self._suspend()
        elif number == signal.SIGCONT:
            self._resume()
        elif number != signal.SIGCHLD and not (
            number in (signal.SIGINT, signal.SIGQUIT) and not child.leads and shares_foreground()
        ):
            child.signal(number)

    def _suspend(self) -> None:
        """Stop as a job does at ^Z: the command, which would not by itself as the leader of its session, and we."""
        self._child.signal(signal.SIGSTOP)
        if self._terminal is not None:
            self._terminal.leave()
        self._signals.obey(signal.SIGTSTP)
        self._resume()

    def _resume(self) -> None:
        if self._terminal is not None and not self._terminal.is_raw:
            self._terminal.enter()
            self._child.ptys.resize(window_of(1, 2, IN))
        self._child.signal(signal.SIGCONT)
