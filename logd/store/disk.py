"""The system calls that change what is on the disk: the only ones that the store uses for it.

With LOGD_FAILPOINTS in the environment they fail, or kill the process, where it says (see `failpoints`); without, they
are the system's own functions and nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

pwritev = os.pwritev
ftruncate = os.ftruncate
# fdatasync leaves out times, not sizes; macOS has none.
fdatasync: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)
fsync = os.fsync
rename = os.rename
unlink = os.unlink
mkdir = os.mkdir
rmdir = os.rmdir

OPERATIONS = ("pwritev", "ftruncate", "fdatasync", "fsync", "rename", "unlink", "mkdir", "rmdir")

if os.environ.get("LOGD_FAILPOINTS"):
    from logd.store import failpoints

    globals().update(failpoints.wrap({name: globals()[name] for name in OPERATIONS}, os.environ["LOGD_FAILPOINTS"]))

_IOV_MAX = 512
"""How many buffers go into one vectored write: half of what every system takes."""


def write_at(fd: int, buffers: Sequence[bytes], offset: int) -> None:
    """Write all of `buffers` at `offset`, however many writes that takes."""
    for start in range(0, len(buffers), _IOV_MAX):
        views = [memoryview(buffer) for buffer in buffers[start : start + _IOV_MAX]]
        while views:
            written = pwritev(fd, views, offset)
            offset += written
            while views and written >= len(views[0]):
                written -= len(views.pop(0))
            if views:
                views[0] = views[0][written:]


def free_bytes(fd: int) -> int:
    """What an ordinary user may still write to the file system that holds a file."""
    found = os.fstatvfs(fd)
    return found.f_bavail * found.f_frsize


def total_bytes(fd: int) -> int:
    """The size of the file system that holds a file."""
    found = os.fstatvfs(fd)
    return found.f_blocks * found.f_frsize
