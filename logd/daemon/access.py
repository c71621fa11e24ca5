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
