"""Every error that crosses one of logd's boundaries, as one tree.

    LogdError
     +-- UsageError             the caller asked for something that cannot be (exit 2)
     |    +-- ConfigError       a configuration file or variable says something that cannot be
     |    +-- BadFilter         a filter's pattern is none, or cannot be used here
     +-- NotFound               a run that does not exist (exit 1)
     +-- DaemonUnavailable      no daemon answers, or none could be started (exit 69)
     +-- ConnectionLost         the daemon went away in the middle; what was not acknowledged is not known (exit 75)
     +-- NotPermitted           the kernel or the daemon forbids it (exit 77)
     +-- Refused                the daemon answered a well-formed request with `error`
     +-- StoreError             the disk said no: carries operation and path
     +-- ProtocolError
          +-- LocalProtocolError    we tried to send what the protocol does not allow: a bug of ours
          +-- RemoteProtocolError   the peer sent what the protocol does not allow

An error carries what its handler needs: a sentence of what went wrong and where, a hint of what to do, whether trying
again can help, and the exit status that a command ends with. Nothing else maps errors to exit statuses.
"""

from __future__ import annotations

import errno
from typing import ClassVar

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_UNAVAILABLE = 69
EXIT_TRY_AGAIN = 75
EXIT_NOT_PERMITTED = 77


class LogdError(Exception):
    """Base of the tree.

    Args:
        message: one sentence: what went wrong, and where.
        hint: what the reader can do about it, or None.
    """

    exit_status: ClassVar[int] = EXIT_FAILED
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(LogdError):
    exit_status = EXIT_USAGE


class ConfigError(UsageError):
    """Names the file or variable, the key and the value that will not do."""


class BadFilter(UsageError):
    """Shows the pattern and what RE2 says of it."""


class NotFound(LogdError):
    pass


class DaemonUnavailable(LogdError):
    exit_status = EXIT_UNAVAILABLE
    retryable = True


class ConnectionLost(LogdError):
    """The sentence does not end with a full stop, so that more can be said behind it."""

    exit_status = EXIT_TRY_AGAIN
    retryable = True


class NotPermitted(LogdError):
    exit_status = EXIT_NOT_PERMITTED


class Refused(LogdError):
    """The daemon's `error` reply; `code` is one of `logd.protocol.ErrorCode`'s values."""

    def __init__(self, code: str, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.code = code


class StoreError(LogdError):
    """A file operation failed: `operation` on `path`, because of `cause`."""

    def __init__(self, operation: str, path: str, cause: OSError) -> None:
        super().__init__(f"cannot {operation} {path}: {cause.strerror or cause}")
        self.operation = operation
        self.path = path
        self.errno = cause.errno

    @property
    def is_absence(self) -> bool:
        """Whether it failed because the file is not there."""
        return self.errno == errno.ENOENT

    @property
    def is_no_room(self) -> bool:
        """Whether it failed because the disk is full, for this user at least."""
        return self.errno in (errno.ENOSPC, errno.EDQUOT)


class ProtocolError(LogdError):
    """`code` is one of `logd.protocol.ErrorCode`'s values."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class LocalProtocolError(ProtocolError):
    pass


class RemoteProtocolError(ProtocolError):
    pass
