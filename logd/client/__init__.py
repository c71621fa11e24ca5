"""Talking to the daemon from Python."""

from logd.client.autostart import connect, start_daemon
from logd.client.blocking import Client
from logd.client.emitter import Emitter, Left
from logd.client.requests import Piece, list_runs, pieces_of, read_pages, verify_run

__all__ = [
    "Client",
    "Emitter",
    "Left",
    "Piece",
    "connect",
    "list_runs",
    "pieces_of",
    "read_pages",
    "start_daemon",
    "verify_run",
]
