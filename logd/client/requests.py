"""Requests that take more than one message."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from logd.client.blocking import Client
from logd.protocol import Runs


def list_runs(client: Client) -> Iterator[dict[str, Any]]:
    """All runs, in the order of their names, as the reply to `runs` describes them."""
    after: str | None = ""
    while after is not None:
        reply = client.request(Runs(client.new_id(), after))
        yield from reply["runs"]
        after = reply["next"]
