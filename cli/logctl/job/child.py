"""The command itself: started as if nobody stood between it and the terminal.

What its output goes to is a pipe, or a pseudo-terminal: one for standard output, with standard input and the command's
session behind it, and another for standard error, so that both stay apart. Without one, the command is in our process
group, as under `time` or `nice`, so that the terminal's ^C and ^Z reach it by themselves.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, NoReturn

from logctl.job.pipes import Pipes
from logctl.job.ptys import Ptys, Settings, Window
from logd.errors import LogdError

EXIT_CANNOT_RUN: Final = 126
EXIT_NOT_FOUND: Final = 127
"""As shells have them."""


class CannotStart(LogdError):
    """The command could not be started; `status` is what a shell would end with."""

    def __init__(self, command: str, cause: OSError) -> None:
        found = cause.errno != errno.ENOENT
        super().__init__(f"cannot run {command}: {cause.strerror}" if found else f"{command}: command not found")
        self.status = EXIT_CANNOT_RUN if found else EXIT_NOT_FOUND


@dataclass(frozen=True)
class Plan:
    """How a command is started.

    Args:
        terminal: its standard output is a pseudo-terminal.
        error_terminal: so is its standard error.
        typed: its standard input is the same as its standard output.
        own_group: it is the leader of a process group, though it has no terminal.
        window: its terminals' size.
        settings: with which they begin; None for the system's.
    """

    argv: Sequence[str]
    environ: Mapping[str, str]
    terminal: bool = False
    error_terminal: bool = False
    typed: bool = False
    own_group: bool = False
    window: Window = (24, 80)
    settings: Settings | None = None


class Child:
    """A command that was started.

    Attributes:
        outputs: descriptors to read its output from, each with the stream's name; closed with `close_output`.
        ptys, pipes: what these are.
    """

    def __init__(self, plan: Plan, on_fork: Callable[[], object]) -> None:
        """Start it. `on_fork` is called in the new process, to put signals back. CannotStart says why it could not."""
        self.leads = plan.terminal or plan.own_group
        self.status: int | None = None
        self.is_interrupted = False
        """Whether it died of SIGINT."""
        """What it ended with, as a shell would say it."""
        self.pipes = Pipes(time.monotonic)
        self.ptys = Ptys(plan.window, plan.settings)
        out, out_end = self._open(terminal=plan.terminal)
        err, err_end = self._open(terminal=plan.error_terminal)
        self.outputs = {out: "stdout", err: "stderr"}
        self.pipes.begin()
        told, tell = os.pipe()

        def put_back() -> None:
            on_fork()
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)

        # So that none of our handlers runs in the new process, and none that is for it is lost.
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            self.pid = os.fork()
            if not self.pid:
                _become(plan, out_end, err_end, tell, put_back)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        for fd in (out_end, err_end, tell):
            os.close(fd)
        with open(told, "rb") as pipe:
            number = pipe.read()
        if number:
            os.waitpid(self.pid, 0)
            code = int(number)
            raise CannotStart(plan.argv[0], OSError(code, os.strerror(code)))

    def _open(self, *, terminal: bool) -> tuple[int, int]:
        if not terminal:
            return self.pipes.open()
        ours, theirs = self.ptys.open()
        self.pipes.watch(ours)
        return ours, theirs

    def signal(self, number: int) -> None:
        """Pass a signal on to it: to all of its process group, where that is its own."""
        if self.status is None:  # until then its number is no other process's
            with suppress(ProcessLookupError, PermissionError):
                (os.killpg if self.leads else os.kill)(self.pid, number)

    def poll(self) -> int | None:
        """Its status, if it has ended."""
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                code = os.waitstatus_to_exitcode(status)
                self.status = code if code >= 0 else 128 - code
                self.is_interrupted = code == -signal.SIGINT
                self.pipes.end()
        return self.status

    def close_output(self, fd: int) -> None:
        del self.outputs[fd]
        self.ptys.forget(fd)
        os.close(fd)


def be(plan: Plan, put_back: Callable[[], object]) -> NoReturn:
    """Be the command in this very process, with all that is ours. CannotStart says why that could not be."""
    put_back()
    try:
        _exec(plan.argv, plan.environ)
    except OSError as error:
        raise CannotStart(plan.argv[0], error) from None
    raise AssertionError  # it does not return


def _become(plan: Plan, out: int, err: int, tell: int, put_back: Callable[[], object]) -> NoReturn:
    """In the new process, be the command; or tell the number of the error, and be gone."""
    try:
        if plan.terminal:
            os.setsid()
            fcntl.ioctl(out, termios.TIOCSCTTY, 0)
        elif plan.own_group:
            os.setpgid(0, 0)
        if plan.typed:
            os.dup2(out, 0)
        os.dup2(out, 1)
        os.dup2(err, 2)
        put_back()
        _exec(plan.argv, plan.environ)
    except OSError as error:
        os.write(tell, str(error.errno).encode())
    finally:
        os._exit(EXIT_NOT_FOUND)


def _exec(argv: Sequence[str], environ: Mapping[str, str]) -> None:
    try:
        os.execvpe(argv[0], list(argv), environ)  # noqa: S606
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise
        # A script that does not say what runs it; shells run it themselves.
        from shutil import which

        os.execve("/bin/sh", ["sh", which(argv[0]) or argv[0], *argv[1:]], environ)  # noqa: S606
