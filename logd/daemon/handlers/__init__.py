"""What the daemon does for each request: one module for each of a client's purposes, one function for each message."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from logd.daemon.handlers import attach, emit, inspect
from logd.protocol import Attach, Close, Detach, Emit, Message, Open, Ping, Runs, Stats

HANDLERS: dict[type[Message], Callable[[Any, Any], Awaitable[None]]] = {
    Open: emit.open_session,
    Emit: emit.take_batch,
    Close: emit.close_session,
    Attach: attach.attach,
    Detach: attach.detach,
    Runs: inspect.runs,
    Stats: inspect.stats,
    Ping: inspect.ping,
}
