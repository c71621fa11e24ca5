"""Talking to the daemon from Python. Each name is imported when it is first used: a command needs few of them."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from logd.client.async_client import AsyncClient
    from logd.client.async_run import AsyncRun
    from logd.client.autostart import connect, start_daemon
    from logd.client.blocking import Client
    from logd.client.emitter import Emitter, Left
    from logd.client.following import Came, Following
    from logd.client.handler import LogHandler
    from logd.client.requests import Piece, list_runs, pieces_of, read_pages, verify_run
    from logd.client.run import Run

__all__ = [
    "AsyncClient",
    "AsyncRun",
    "Came",
    "Client",
    "Emitter",
    "Following",
    "Left",
    "LogHandler",
    "Piece",
    "Run",
    "connect",
    "list_runs",
    "pieces_of",
    "read_pages",
    "start_daemon",
    "verify_run",
]

_MODULES = {
    "async_client": ("AsyncClient",),
    "async_run": ("AsyncRun",),
    "autostart": ("connect", "start_daemon"),
    "blocking": ("Client",),
    "emitter": ("Emitter", "Left"),
    "following": ("Came", "Following"),
    "handler": ("LogHandler",),
    "requests": ("Piece", "list_runs", "pieces_of", "read_pages", "verify_run"),
    "run": ("Run",),
}


def __getattr__(name: str) -> Any:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"logd.client.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
