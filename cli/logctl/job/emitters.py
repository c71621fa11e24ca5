"""Who emits into a run, as the daemon has it from the kernel."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

from logd.client import Client
from logd.client.tables import TableCopy, Value
from logd.protocol import Items, Watch


def watch_emitters(client: Client, run: str, deadline: float = math.inf) -> Iterator[list[Value]]:
    """Those who emit into a run: at first, and then as often as that may have changed.

    Args:
        client: a connection on which nothing else comes meanwhile.
        deadline: monotonic seconds, when it ends.
    """
    copy = TableCopy()
    client.send(Watch(client.new_id(), "presence", run=run))
    while (left := deadline - time.monotonic()) > 0:
        message = client.receive() if left == math.inf else client.receive_within(left)
        if isinstance(message, Items) and copy.take(message) is not None:
            yield [item for key, item in copy.items.items() if key.startswith(f"{run}/emitter/")]
