"""Starting, finding and stopping the daemon: locks, the socket's path, and the background.

Two locks decide who serves: one in the state directory, for what is stored there, and one beside the socket, for its
name. Both are held by the daemon's process and go with it, however it ends. With both held, a socket at the path is
stale by definition and is replaced; anything else there is left alone.
"""

from __future__ import annotations

import fcntl
import os
import socket
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, NoReturn

from logd.errors import DaemonUnavailable, LogdError, NotPermitted, UsageError
from logd.paths import Paths

BACKLOG = 256
_LOCK_POLL_SECONDS = 0.02


class AlreadyServed(LogdError):
    """Another daemon holds a lock, and listens at another socket."""


class AlreadyStarted(LogdError):
    """Another daemon holds a lock, and listens at the socket that is asked for, or is about to."""


class Holder(NamedTuple):
    """Who has a lock."""

    pid: int
    socket: str


class Lock:
    """A file that one process at a time holds locked, with its id and its daemon's socket in it, a line each."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except PermissionError:
            raise NotPermitted(f"{path} is another user's") from None
        except OSError as error:
            raise UsageError(f"cannot open {path}: {error.strerror}") from None

    def try_acquire(self, socket_path: Path) -> bool:
        """Lock it for this process, until `close` or the process's end; False where another process has it."""
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, os.fsencode(f"{os.getpid()}\n{socket_path}\n"), 0)
        return True

    def holder(self) -> Holder | None:
        """Who holds the lock, None where nobody does, or has not yet said so."""
        try:
            fcntl.flock(self._fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            pid, _, rest = os.fsdecode(os.pread(self._fd, 4096, 0)).partition("\n")
            return Holder(int(pid), rest.rstrip("\n")) if pid.isdigit() else None
        fcntl.flock(self._fd, fcntl.LOCK_UN)
        return None

    def wait_released(self, timeout_seconds: float) -> bool:
        """Wait until no process holds the lock; False where one still does after so long."""
        deadline = time.monotonic() + timeout_seconds
        while True:
            try:
                fcntl.flock(self._fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    return False
                time.sleep(_LOCK_POLL_SECONDS)
            else:
                fcntl.flock(self._fd, fcntl.LOCK_UN)
                return True

    def close(self) -> None:
        os.close(self._fd)


def socket_lock(paths: Paths) -> Lock:
    """The lock of the daemon that serves a socket."""
    return Lock(paths.socket.with_name(paths.socket.name + ".lock"))


def prepare_folders(paths: Paths) -> None:
    """Make the state's and the socket's folder, for this user alone, where they are not there."""
    for folder in (paths.state_dir, paths.socket.parent):
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except PermissionError:
            raise NotPermitted(f"cannot make {folder}: it would be in a folder of another user's") from None
        except OSError as error:
            raise UsageError(f"cannot make {folder}: {error.strerror}") from None


def acquire_locks(paths: Paths) -> list[Lock]:
    """Hold both locks, until the process ends. AlreadyServed or AlreadyStarted where another process has one."""
    locks = [Lock(paths.state_dir / "lock"), socket_lock(paths)]
    for lock in locks:
        if not lock.try_acquire(paths.socket):
            holder = lock.holder()
            if holder is None or holder.socket == str(paths.socket):
                raise AlreadyStarted(f"another logd is starting at {paths.socket}")
            raise AlreadyServed(
                f"another logd (pid {holder.pid}) serves {paths.state_dir}, and listens at {holder.socket}"
            )
    return locks


def listen(paths: Paths) -> socket.socket:
    """A listening socket at the path, which appears there only when it listens and is this user's alone.

    Raises:
        UsageError: something that is no socket is at the path; it is left untouched.
    """
    path = paths.socket
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise UsageError(f"{path} is there and is no socket; it is left as it is")
    except FileNotFoundError:
        pass
    unready = path.with_name(path.name + ".new")
    unready.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(unready))
        unready.chmod(0o600)
        listener.listen(BACKLOG)
        unready.rename(path)
    except OSError as error:
        listener.close()
        raise UsageError(f"cannot listen at {path}: {error.strerror}") from None
    return listener


def run_in_background(serve: Callable[[Callable[[], None]], None]) -> None:
    """Run `serve` in a process of its own, and return when it calls the function that it is given.

    The process has a session of its own, `/` as its folder, and no terminal: it is a grandchild, so that it is nobody's
    to wait for.

    Raises:
        LogdError: what `serve` raised before it was ready.
    """
    read_fd, write_fd = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read_fd)
        _become_daemon(serve, write_fd)
    os.close(write_fd)
    os.waitpid(child, 0)
    with os.fdopen(read_fd, "r", encoding="utf-8") as report:
        answer = report.read()
    kind, _, sentence = answer.partition(" ")
    if kind != "ready":
        raise _REPORTED.get(kind, DaemonUnavailable)(sentence or "the daemon ended before it was ready")


_REPORTED = {kind.__name__: kind for kind in (AlreadyServed, AlreadyStarted, UsageError, NotPermitted)}


def _become_daemon(serve: Callable[[Callable[[], None]], None], report_fd: int) -> NoReturn:
    os.setsid()
    if os.fork():
        os._exit(0)
    os.chdir("/")
    null_fd = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null_fd, fd)
    if null_fd > 2:
        os.close(null_fd)
    reported = False

    def report(text: str) -> None:
        nonlocal reported
        if not reported:
            os.write(report_fd, text.encode())
            os.close(report_fd)
            reported = True

    status = 0
    try:
        serve(lambda: report("ready"))
    except LogdError as error:
        report(f"{type(error).__name__} {error.message}")
        status = error.exit_status
    except BaseException as error:
        report(f"Error {type(error).__name__}: {error}")
        status = 1
    finally:
        sys.stdout = sys.stderr = None
        os._exit(status)
