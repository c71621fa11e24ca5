"""The least that a pager does: `viewer.py RUN` shows a view's newest rows on the screen until it is killed."""

from __future__ import annotations

import json
import sys
from collections import deque

from terminal import COLUMNS, ROWS

from logd.client import Client
from logd.paths import Paths
from logd.protocol import Attach, Batch

_HOME = "\x1b[H"


def main(run: str) -> None:
    shown: deque[str] = deque(maxlen=ROWS)
    with Client(Paths.resolve(), "bench viewer") as client:
        client.send(Attach(client.new_id(), run, mode="view", last=ROWS, window=1000, wait=True))
        while True:
            message = client.receive()
            if isinstance(message, Batch):
                shown.extend(map(_drawn, message.rows.splitlines()[-ROWS:]))
                sys.stdout.write(_HOME + "\r\n".join(shown))
                sys.stdout.flush()


def _drawn(row: bytes) -> str:
    text: str = json.loads(row)["msg"]
    return text[:COLUMNS].ljust(COLUMNS)


if __name__ == "__main__":
    main(sys.argv[1])
