"""Who a peer is: what the kernel says, never what the peer says."""

from __future__ import annotations

import os
import socket
import struct
import sys
from typing import NamedTuple, Protocol

_UCRED = struct.Struct("iII")
_SOL_LOCAL, _LOCAL_PEERCRED, _LOCAL_PEERPID = 0, 1, 2
_XUCRED = struct.Struct("=IIh2x16I")
_PID = struct.Struct("=i")


class Credentials(NamedTuple):
    pid: int
    """0 where the system does not tell."""
    uid: int


class _Socket(Protocol):
    def getsockopt(self, level: int, optname: int, buflen: int, /) -> bytes: ...


def peer_credentials(sock: _Socket) -> Credentials:
    """The process and user at the other end of a connected Unix socket. OSError where the kernel does not say."""
    if sys.platform == "darwin":
        _, uid, *_ = _XUCRED.unpack(sock.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, _XUCRED.size))
        (pid,) = _PID.unpack(sock.getsockopt(_SOL_LOCAL, _LOCAL_PEERPID, _PID.size))
        return Credentials(pid, uid)
    pid, uid, _ = _UCRED.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    return Credentials(pid, uid)


def terminal_of(pid: int) -> str:
    """The terminal that a process is at: "pts/3"; "" where it has none, or the system does not tell."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            device = int(file.read().rpartition(b")")[2].split()[4])
    except (OSError, ValueError, IndexError):
        return ""
    major, minor = device >> 8 & 0xFFF, device & 0xFF | device >> 12 & 0xFFF00
    if major in _PTS_MAJORS:
        return f"pts/{minor + 256 * (major - _PTS_MAJORS.start)}"
    return f"tty{minor}" if major == _TTY_MAJOR and minor < _TTYS else ""


_PTS_MAJORS = range(136, 144)
_TTY_MAJOR, _TTYS = 4, 64
"""Linux's numbers for terminals: see its Documentation/admin-guide/devices.txt."""


def job_pid(credentials: Credentials, said_pid: int) -> int:
    """The process that does a job: the one that its emitter names, where that is the same user's, or the emitter."""
    if said_pid and (not credentials.pid or sys.platform == "darwin" or _owner(said_pid) == credentials.uid):
        return said_pid
    return credentials.pid


def _owner(pid: int) -> int | None:
    try:
        return os.stat(f"/proc/{pid}").st_uid
    except OSError:
        return None


def may_connect(credentials: Credentials) -> bool:
    """Whether a peer may use this daemon: it serves the user who started it, and root."""
    return credentials.uid in (os.geteuid(), 0)
