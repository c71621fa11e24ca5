"""Files as `logctl export` writes and `logctl import` reads them: plain or compressed; `-` is a standard stream."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from stat import S_ISREG
from typing import Any, Protocol

from logd.errors import StoreError, UsageError

STANDARD = "-"
"""The name that stands for standard input or output."""
READ_BYTES = 252 * 1024
"""Of a file at once: about a block."""


def _zstd() -> Any:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd


class Sink(Protocol):
    """What is written to. It is complete when `finish` was called."""

    def write(self, data: bytes) -> None: ...
    def finish(self) -> None: ...


class CompressedSink:
    """Compresses what goes to another sink, with Zstandard."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._compressor = _zstd().ZstdCompressor()

    def write(self, data: bytes) -> None:
        self._sink.write(self._compressor.compress(data))

    def finish(self) -> None:
        self._sink.write(self._compressor.flush())
        self._sink.finish()


class NewFile:
    """A file that is there under its name when it is whole, and not before; it is a context manager.

    Args:
        overwrite: take the place of a file that is there.

    Raises:
        UsageError: a file is there, and is not to be overwritten, or is something else than a file.
        StoreError: it cannot be written; from every method.
    """

    def __init__(self, path: str, *, overwrite: bool) -> None:
        self._path = path
        self._overwrite = overwrite
        self._temporary = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.{os.getpid()}")
        self._check_place()
        with _errors("write", path):
            self._file = open(self._temporary, "xb")  # noqa: SIM115

    def __enter__(self) -> NewFile:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # what cannot be written now is of no use any more
            self._file.close()
        with suppress(FileNotFoundError):
            os.unlink(self._temporary)

    def write(self, data: bytes) -> None:
        with _errors("write", self._path):
            self._file.write(data)

    def finish(self) -> None:
        with _errors("write", self._path):
            self._file.flush()
            os.fsync(self._file.fileno())
        if self._overwrite:
            self._check_place()
            with _errors("write", self._path):
                os.replace(self._temporary, self._path)
            return
        # Unlike a rename, a link takes no other file's place. Not every file system has them.
        with suppress(OSError):
            os.link(self._temporary, self._path)
            return
        self._check_place()
        with _errors("write", self._path):
            os.rename(self._temporary, self._path)

    def _check_place(self) -> None:
        if not os.path.lexists(self._path):
            return
        if not os.path.isfile(self._path):
            raise UsageError(f"{self._path} is there, and no file", hint=f"`-O {STANDARD}` writes to standard output")
        if not self._overwrite:
            raise UsageError(f"{self._path} is there already", hint="--force takes its place")


class Source:
    """A file that is read once, from its beginning on, decompressed where its name says so; it is a context manager.

    Raises:
        StoreError: it cannot be read, or is not what its name says; from every method.
    """

    def __init__(self, path: str) -> None:
        self.name = "standard input" if path == STANDARD else path
        with _errors("read", self.name):
            # Without a buffer, so that what a job pipes is taken in as it comes.
            self._file = open(0 if path == STANDARD else path, "rb", buffering=0, closefd=path != STANDARD)  # noqa: SIM115
            stat = os.fstat(self._file.fileno())
            self.size_bytes = stat.st_size if S_ISREG(stat.st_mode) else 0
            """As it is in its folder; 0 where it is no file."""
            self._stream: Any = self._file
            self._damage: tuple[type[Exception], ...] = ()
            if path.endswith(".gz"):
                import gzip
                import zlib

                self._stream, self._damage = gzip.GzipFile(fileobj=self._file), (EOFError, zlib.error)
            elif path.endswith(".zst"):
                zstd = _zstd()
                self._stream, self._damage = zstd.open(self._file, "rb"), (EOFError, zstd.ZstdError)

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def fileno(self) -> int:
        """The descriptor, for `select`; a file can always be read."""
        return self._file.fileno()

    @property
    def done_bytes(self) -> int:
        """How much of `size_bytes` was read; 0 where it is no file."""
        return self._file.tell() if self.size_bytes else 0

    def read(self) -> bytes:
        """What comes next, `READ_BYTES` at the most; b"" at the end."""
        try:
            with _errors("read", self.name):
                data: bytes = self._stream.read(READ_BYTES)
        except self._damage as error:
            raise StoreError("read", self.name, OSError(f"it is damaged: {error}")) from None
        return data


@contextmanager
def _errors(operation: str, path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(operation, path, error) from None
