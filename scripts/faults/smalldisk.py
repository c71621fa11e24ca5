"""A disk that is small: a file system of 8 MiB in memory, which root can mount on Linux.

Who is not root has the daemon's files limited in length instead. It meets the same failure at the same places, but
nothing can be dropped to make room.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from faults.daemon import Daemon

DISK_BYTES = 8 * 1024 * 1024
PIECE_BYTES = 512 * 1024
"""What room is made for at a time: more than emitters have on their way."""
FILE_BYTES = 1024 * 1024

CAN_MOUNT = sys.platform == "linux" and os.geteuid() == 0
CAN_LIMIT = sys.platform == "linux"


class MountedDisk:
    """A file system with ballast in it, so many pieces and one more."""

    segment_bytes = 256 * 1024

    def __init__(self, folder: Path, pieces: int) -> None:
        self.folder = folder
        self._ballast = [folder / f"ballast-{number}" for number in range(pieces + 1)]
        for path in self._ballast:
            path.write_bytes(bytes(PIECE_BYTES))

    def hold(self, daemon: Daemon) -> None:
        """The daemon has been started."""

    def make_room(self) -> None:
        self._ballast.pop().unlink()


class LimitedFiles:
    segment_bytes = 64 * 1024 * 1024
    """No segment is followed by another, so that files reach their limit."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._limit_bytes = FILE_BYTES
        self._pid = 0

    def hold(self, daemon: Daemon) -> None:
        self._pid = daemon.pid
        self._set()

    def make_room(self) -> None:
        self._limit_bytes += PIECE_BYTES
        self._set()

    def _set(self) -> None:
        resource.prlimit(self._pid, resource.RLIMIT_FSIZE, (self._limit_bytes, resource.RLIM_INFINITY))


@contextmanager
def small_disk(folder: Path, pieces: int) -> Iterator[MountedDisk | LimitedFiles]:
    """A disk at `folder` on which room can be made so many times, and once more."""
    folder.mkdir(parents=True)
    if not CAN_MOUNT:
        yield LimitedFiles(folder)
        return
    options = f"size={DISK_BYTES},mode=0700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "logd-torture", str(folder)], check=True)
    try:
        yield MountedDisk(folder, pieces)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
