"""What the daemon does for each request: one module for each of a client's purposes, one function for each message."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from logd.daemon.handlers import attach, emit, inspect, manage, read, tables
from logd.protocol import (
    Attach,
    Clear,
    Close,
    Detach,
    Emit,
    Limits,
    Message,
    Open,
    Ping,
    Read,
    Remove,
    Report,
    Runs,
    Sessions,
    Stats,
    Throttle,
    Verify,
    View,
    Watch,
)

HANDLERS: dict[type[Message], Callable[[Any, Any], Awaitable[None]]] = {
    Open: emit.open_session,
    Emit: emit.take_batch,
    Close: emit.close_session,
    Attach: attach.attach,
    View: attach.view,
    Detach: attach.detach,
    Watch: tables.watch,
    Report: tables.report,
    Throttle: tables.throttle,
    Read: read.read,
    Runs: inspect.runs,
    Sessions: inspect.sessions,
    Verify: manage.verify,
    Clear: manage.clear,
    Remove: manage.remove,
    Limits: manage.set_limits,
    Stats: inspect.stats,
    Ping: inspect.ping,
}
