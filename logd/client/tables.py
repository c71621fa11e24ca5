"""A table of last values as a client has it: what it is sent, put together. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple

from logd.protocol import Items

Value = dict[str, Any]


class Change(NamedTuple):
    """What has become of a key's value; None stands for no value."""

    key: str
    before: Value | None
    after: Value | None


class TableCopy:
    """What was sent of a table."""

    def __init__(self) -> None:
        self.items: dict[str, Value] = {}
        self.is_known = False
        """Whether all of it was sent once."""
        self._coming: dict[str, Value | None] = {}
        self._is_whole = False

    def take(self, message: Items) -> list[Change] | None:
        """What has changed of it by a message; None while what belongs to that is still to come."""
        self._is_whole = self._is_whole or message.whole
        self._coming.update(message.items)
        if message.more:
            return None
        coming, self._coming = self._coming, {}
        if self._is_whole:
            coming = dict.fromkeys(self.items.keys() - coming.keys()) | coming
        self._is_whole, self.is_known = False, True
        changes = [Change(key, self.items.get(key), value) for key, value in coming.items()]
        for key, value in coming.items():
            if value is None:
                self.items.pop(key, None)
            else:
                self.items[key] = value
        return [change for change in changes if change.before != change.after]

    def restart(self) -> None:
        """Another connection is to send it, the whole first; what is here stays until that is there."""
        self._coming, self._is_whole = {}, False
