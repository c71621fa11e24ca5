"""The spool file: frames that an emitter cannot deliver now, exactly as they would be sent.

    open | emit | emit | ... | emit | close, or nothing

The emitter whose file it is holds it locked. One that nobody holds is left over from an emitter that ended before it
could deliver it: the daemon takes it in. logd-protocol(7) describes the file for other languages.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from logd.errors import StoreError
from logd.paths import SPOOL_SUFFIX

MAX_SPOOL_BYTES = 1024 * 1024 * 1024
"""Of one emitter's file; at it, who feeds the emitter waits. A disk is not for one job alone."""
_LENGTH_BYTES = 4
_NO_FILE = -1


class Spool:
    """One session's file, which is made when the first frame comes, and has one writer and one reader.

    Args:
        folder: says where the file is to be; called when it is made.
        name: its name, without the suffix.
        opening: the encoded `open` that it begins with.

    Raises:
        StoreError: the disk says no; so from `append` and `read`.
    """

    def __init__(
        self, folder: Callable[[], Path], name: str, opening: bytes, *, max_bytes: int = MAX_SPOOL_BYTES
    ) -> None:
        self._folder = folder
        self._name = name + SPOOL_SUFFIX
        self._opening = opening
        self._max_bytes = max_bytes
        self._fd = _NO_FILE
        self._size_bytes = 0
        self._read_at = 0

    @property
    def path(self) -> Path:
        return self._folder() / self._name

    @property
    def unread_bytes(self) -> int:
        """How much was appended and not read."""
        return self._size_bytes - self._read_at

    def append(self, frame: bytes, *, unread: bool) -> None:
        """Add a frame, which is to be read if it is `unread`, where all before it are read. It is added, or it is not.

        StoreError also where the file would be over its bound.
        """
        with self._errors("write"):
            if self._fd == _NO_FILE:
                self._fd = _create(self.path)
            if not self._size_bytes:
                self._write(self._opening)
                self._read_at = self._size_bytes
            if self._size_bytes + len(frame) > self._max_bytes:
                raise OSError(errno.EFBIG, f"it has reached its {self._max_bytes:,} bytes")
            self._write(frame)
        if not unread:
            self._read_at = self._size_bytes

    def _write(self, data: bytes) -> None:
        view, offset = memoryview(data), self._size_bytes
        try:
            while view:
                written = os.pwrite(self._fd, view, offset)
                view, offset = view[written:], offset + written
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._fd, self._size_bytes)
            raise
        self._size_bytes = offset

    def next_bytes(self) -> int:
        """How long the next unread frame is."""
        return _LENGTH_BYTES + int.from_bytes(self._read(_LENGTH_BYTES), "big")

    def read(self) -> bytes:
        """The next unread frame."""
        frame = self._read(self.next_bytes())
        self._read_at += len(frame)
        return frame

    def _read(self, size_bytes: int) -> bytes:
        with self._errors("read"):
            data = os.pread(self._fd, size_bytes, self._read_at)
            if len(data) < size_bytes:
                raise OSError(errno.EIO, "it has become shorter")
        return data

    def remove(self) -> None:
        """Delete the file; a frame that is appended later makes it anew."""
        if self._fd != _NO_FILE:
            with suppress(OSError):  # what is left is taken in again, and recognised
                self.path.unlink()
        self.close()

    def close(self) -> None:
        """Leave the file to the daemon."""
        if self._fd != _NO_FILE:
            os.close(self._fd)
        self._fd = _NO_FILE
        self._size_bytes = self._read_at = 0

    @contextmanager
    def _errors(self, operation: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreError(operation, str(self.path), error) from error


def _create(path: Path) -> int:
    import fcntl  # not at the top: most emitters never come here

    path.parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            if os.fstat(fd).st_nlink:
                return fd
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)  # the daemon found it empty and removed it before we had the lock
