"""Failures on order, for tests of what a failing disk or a sudden end leaves behind.

LOGD_FAILPOINTS is a list of `operation:nth=action`, with commas between them:

    fdatasync:1=EIO,pwritev:7=kill,pwritev:9+=ENOSPC,unlink:2=kill-after

The nth call of the operation, counted from 1 over the whole process (`9+` is every one from the ninth on), fails with
that error, or ends the process as SIGKILL does, before or after the call is made. `short` has a `pwritev` take half of
what it was given. Operations are those of `disk.OPERATIONS`.
"""

from __future__ import annotations

import errno
import itertools
import os
import re
import signal
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from logd.errors import ConfigError

Operation = Callable[..., Any]

_POINT = re.compile(r"(?P<operation>\w+):(?P<nth>[1-9]\d*)(?P<on>\+?)=(?P<action>[\w-]+)")


class _Point(NamedTuple):
    first: int
    last: int | None
    """None: all from the first on."""
    action: str

    def is_due(self, call: int) -> bool:
        return self.first <= call and (self.last is None or call <= self.last)


def wrap(operations: dict[str, Operation], points: str) -> dict[str, Operation]:
    """The operations that `points` names, made to fail as it says. ConfigError where it says what cannot be."""
    found: dict[str, list[_Point]] = {}
    for text in points.split(","):
        match = _POINT.fullmatch(text.strip())
        if match is None or match["operation"] not in operations or not _is_action(match["operation"], match["action"]):
            raise ConfigError(f"LOGD_FAILPOINTS has {text!r}, which is not operation:nth=action")
        first = int(match["nth"])
        point = _Point(first, None if match["on"] else first, match["action"])
        found.setdefault(match["operation"], []).append(point)
    return {name: _failing(operations[name], each) for name, each in found.items()}


def _is_action(operation: str, action: str) -> bool:
    if action == "short":
        return operation == "pwritev"
    return action in ("kill", "kill-after") or (action.startswith("E") and hasattr(errno, action))


def _failing(operation: Operation, points: Sequence[_Point]) -> Operation:
    calls = itertools.count(1)

    def call(*args: Any, **options: Any) -> Any:
        number = next(calls)
        action = next((point.action for point in points if point.is_due(number)), "")
        if action == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if action.startswith("E"):
            code: int = getattr(errno, action)
            raise OSError(code, os.strerror(code))
        if action == "short":
            fd, buffers, offset = args
            data = b"".join(buffers)
            return os.pwrite(fd, data[: max(1, len(data) // 2)], offset)
        done = operation(*args, **options)
        if action == "kill-after":
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    return call
