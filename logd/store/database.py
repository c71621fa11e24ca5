"""One SQLite file, for what can be lost: where it is damaged, it is set aside, and a new one takes its place.

- Each call is one transaction: all of it is kept, or nothing. Calls come one at a time, from any thread.
- The file is opened by the first call. One that is damaged, or of another schema, is renamed to
  `<name>.bad-<time>`, with a warning, and a new one begun; so it is when a later call meets damage. The call is then
  done again, in the new file.
- At each opening, before anything else, `_refill` brings back what can be had from elsewhere.
- Where the disk has no room for it to be opened, it is in memory until there is: what is not refilled is missing, and
  what is kept meanwhile is forgotten. So a full disk can be looked at, and made room on.

Commits are not synced, as SQLite's WAL allows: a process that is killed loses none, but after a power failure the file
may be as it was some seconds before. SQLite notices where pages and rows do not hold together, and this module where a
value is of another kind than was written; a number that became another goes unnoticed.
"""

from __future__ import annotations

import errno
import logging
import math
import os
import sqlite3
import threading
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import partial, wraps
from pathlib import Path
from typing import Any, ClassVar, Concatenate, ParamSpec, TypeVar

from logd.errors import StoreError
from logd.record import now_us, rfc3339
from logd.store import disk

log = logging.getLogger(__name__)

MAX_SET_ASIDE = 3
"""Damaged files that are kept, for people to look at: a bad disk may bring forth many. The oldest go first."""
BUSY_SECONDS = 5.0
"""How long a call waits for somebody else's lock on the file, such as the sqlite3 command's; then it fails."""

REOPEN_SECONDS = 5.0
"""How often it is tried to open a file that there was no room for."""

_IN_MEMORY = ":memory:"
_WAYS: dict[str, Any] = {"timeout": BUSY_SECONDS, "isolation_level": None, "check_same_thread": False}
_NO_ROOM = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE)
_FILE_MODE = 0o600
_SUFFIXES = ("-wal", "-shm", "")
_DAMAGE = {
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    # What correct statements cannot bring about in a file that is as they made it.
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CONSTRAINT,
}


class Damaged(sqlite3.DatabaseError):
    """What was read from the file is not what was written to it."""


_Database = TypeVar("_Database", bound="Database")
_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")


def transaction(
    method: Callable[Concatenate[_Database, _Parameters], _Result],
) -> Callable[Concatenate[_Database, _Parameters], _Result]:
    """Make a method of a Database one transaction, done again in a new file where this one turns out to be damaged."""

    def attempt(self: _Database, *args: _Parameters.args, **named: _Parameters.kwargs) -> _Result:
        with self._connected() as db:
            db.execute("BEGIN")
            return method(self, *args, **named)

    @wraps(method)
    def whole(self: _Database, /, *args: _Parameters.args, **named: _Parameters.kwargs) -> _Result:
        with self._lock:
            try:
                try:
                    return attempt(self, *args, **named)
                except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
                    if not _is_damage(error):
                        raise
                    self._set_aside(error)
                    return attempt(self, *args, **named)
            except (sqlite3.Error, OSError) as error:
                raise StoreError("use", self._path.name, _as_os_error(error)) from error

    return whole


class Database:
    """A base for classes that keep something in a file of their own. All their transactions raise StoreError where the
    disk says no.

    Args:
        path: the file, which need not be there.
    """

    _SCHEMA: ClassVar[str]
    _SCHEMA_VERSION: ClassVar[int]
    """A file that has another is set aside: what is in it is not brought over."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._db: sqlite3.Connection | None = None
        self._reopen_at_us = math.inf
        """When the file is to be opened, in place of the memory."""
        self._closed = False

    def close(self) -> None:
        """Calls that come later raise StoreError."""
        with self._lock:
            self._closed = True
            self._disconnect()

    def _refill(self) -> None:
        """Bring back what can be had from elsewhere: part of the transaction that opens the file."""

    # What transactions are made of

    def _execute(self, statement: str, *values: object) -> sqlite3.Cursor:
        return self._connected().execute(statement, values)

    def _execute_many(self, statement: str, rows: Collection[tuple[object, ...]]) -> None:
        """Execute a statement for each of `rows`, each of which is to change a row."""
        if rows and self._connected().executemany(statement, rows).rowcount != len(rows):
            raise Damaged("a row that was listed is not found")

    # The file

    def _connected(self) -> sqlite3.Connection:
        if self._closed:
            raise OSError(errno.EBADF, "it is closed")
        if self._db is not None and now_us() >= self._reopen_at_us and not self._db.in_transaction:
            self._disconnect()
        if self._db is None:
            try:
                self._db = self._refilled(self._open_file)
                self._reopen_at_us = math.inf
            except (sqlite3.Error, OSError) as error:
                if not StoreError("open", self._path.name, _as_os_error(error)).is_no_room:
                    raise
                if self._reopen_at_us == math.inf:
                    log.error("%s is in memory until the disk has room for it", self._path)
                self._db = self._refilled(partial(self._prepared, sqlite3.connect(_IN_MEMORY, **_WAYS), is_new=True))
                self._reopen_at_us = now_us() + REOPEN_SECONDS * 1e6
        return self._db

    def _refilled(self, open_it: Callable[[], sqlite3.Connection]) -> sqlite3.Connection:
        self._db = open_it()
        try:
            with self._db:
                self._db.execute("BEGIN")
                self._refill()
        except BaseException:
            self._disconnect()
            raise
        return self._db

    def _open_file(self) -> sqlite3.Connection:
        """Open the file, and make its tables where it is empty. DatabaseError where it is damaged or not of ours."""
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, _FILE_MODE)
        try:
            is_new = not os.fstat(fd).st_size
        finally:
            os.close(fd)
        return self._prepared(sqlite3.connect(self._path, **_WAYS), is_new=is_new)

    def _prepared(self, db: sqlite3.Connection, *, is_new: bool) -> sqlite3.Connection:
        try:
            db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON")
            if is_new:
                db.executescript(f"BEGIN; {self._SCHEMA}; PRAGMA user_version = {self._SCHEMA_VERSION}; COMMIT")
            ((version,),) = db.execute("PRAGMA user_version")
            if version != self._SCHEMA_VERSION:
                raise Damaged(f"its schema is {version} and not {self._SCHEMA_VERSION}")
        except BaseException:
            db.close()
            raise
        return db

    def _disconnect(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    def _set_aside(self, error: Exception) -> None:
        """Rename the file, behind those beside it: a stop before that leaves it to be set aside again."""
        self._disconnect()
        aside = f"{self._path}.bad-{rfc3339(now_us())}"
        log.warning("%s cannot be used (%s): set aside as %s, and begun anew", self._path, error, aside)
        for suffix in _SUFFIXES:
            with suppress(FileNotFoundError):
                disk.rename(f"{self._path}{suffix}", f"{aside}{suffix}")
        for oldest in sorted(self._path.parent.glob(f"{self._path.name}.bad-*Z"))[:-MAX_SET_ASIDE]:
            for suffix in _SUFFIXES:
                with suppress(FileNotFoundError):
                    disk.unlink(f"{oldest}{suffix}")


def checked(values: tuple[Any, ...], types: tuple[Any, ...]) -> tuple[Any, ...]:
    """A row's values, which are of these types, as `isinstance` takes them, or else it is Damaged."""
    if len(values) != len(types) or not all(map(isinstance, values, types)):
        raise Damaged("a row has a value of another kind than was written")
    return values


def _is_damage(error: Exception) -> bool:
    """Whether the file is not as it was written."""
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)  # without one: text that is not UTF-8
    if isinstance(error, sqlite3.ProgrammingError) or code == sqlite3.SQLITE_CONSTRAINT_NOTNULL:
        return False  # a caller's mistake
    return code & 0xFF in _DAMAGE


def _as_os_error(error: sqlite3.Error | OSError) -> OSError:
    if isinstance(error, OSError):
        return error
    is_full = getattr(error, "sqlite_errorcode", None) in _NO_ROOM
    return OSError(errno.ENOSPC if is_full else errno.EIO, str(error))
