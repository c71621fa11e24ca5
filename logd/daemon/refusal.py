"""How a handler says no."""

from __future__ import annotations

from logd.errors import LogdError
from logd.protocol import ErrorCode


class RequestRefused(LogdError):
    """Answer the request with `error`, and go on with the connection."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code
