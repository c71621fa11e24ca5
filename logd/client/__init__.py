"""Talking to the daemon from Python."""

from logd.client.autostart import connect
from logd.client.blocking import Client
from logd.client.emitter import Emitter
from logd.client.requests import list_runs

__all__ = ["Client", "Emitter", "connect", "list_runs"]
