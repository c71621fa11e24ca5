"""What a session has yet to report to its run's board: the last values by key, merged until they can be sent.

    report --> pending --(next_report)--> under way --(its reply)--> gone
                  ^                           |
                  +------- it was lost -------+

One report is under way at a time, so that how often is sent follows how fast the daemon takes it. What is lost with a
connection is sent again on the next one, under what has come since. So values are absolute: of an `advance` only the
sum is sent. Nothing of this goes to the disk: these are last values, and of no use once they are old.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from itertools import islice
from typing import Any, NamedTuple

from logd.protocol import Report
from logd.protocol.checks import (
    MAX_ITEMS_IN_FRAME,
    fits_board,
    is_items,
    wrong_in_report,
)

MAX_REPORTED_ITEMS = 10_000
"""As many as a board takes. Over it, new keys are left out, and counted."""
RETRY_SECONDS = 2.0
"""How long after the daemon could not take a report for now it is sent again."""

REPORT = 2
"""The id of every report: there is one under way at a time."""

Item = Mapping[str, Any]


class _Change(NamedTuple):
    """What to do to an item."""

    removes: bool
    """Whether all that it had is removed first."""
    fields: dict[str, Any]
    """What to merge into it."""

    def then(self, later: _Change) -> _Change:
        return later if later.removes else _Change(self.removes, {**self.fields, **later.fields})


class PendingBoard:
    """The changes that one run's board has not been told of, or may not have. Any thread may report some.

    Args:
        run: the run's name.
        interval_seconds: how long after a report the next one is sent at the earliest.
    """

    def __init__(self, run: str, interval_seconds: float = 0.0) -> None:
        # Reentrant: a signal's handler may report, too, while the thread that it interrupts does.
        self._lock = threading.RLock()
        self.left_out = 0
        """How many items were, as there were too many."""
        self.due = -math.inf
        """When the next report may be sent, monotonic seconds."""
        self._run = run
        self._interval_seconds = interval_seconds
        self._done: dict[str, float | None] = {}
        """The keys that were reported, each with the `done` that it was given last."""
        self._resets = False
        self._pending: dict[str, _Change] = {}
        self._sent: dict[str, _Change] = {}
        self._sent_resets = False
        self._under_way = False

    def __bool__(self) -> bool:
        """Whether anything is pending or under way."""
        return self._under_way or self._waits

    @property
    def ready(self) -> bool:
        """Whether `next_report` has one, as far as the time lets."""
        return self._waits and not self._under_way

    @property
    def _waits(self) -> bool:
        return self._resets or bool(self._pending)

    def report(self, items: Mapping[str, Item | None], *, reset: bool = False) -> None:
        """Merge values in; a field or item that is None is removed, and `reset` first removes all.

        ValueError, and nothing is taken in, where an item is none that a board can have, or its `advance` cannot be
        added to a `done` that this board was told before.
        """
        with self._lock:
            self._report(items, reset=reset)

    def _report(self, items: Mapping[str, Item | None], *, reset: bool) -> None:
        done = {} if reset else self._done
        changes = {key: _change(key, item, done.get(key)) for key, item in items.items()}
        if not reset:
            changes = {key: _after(self._pending, key, change) for key, change in changes.items()}
            if not all(fits_board(_after(self._sent, key, change).fields) for key, change in changes.items()):
                raise ValueError("an item has too many fields, or they are too long")
        if reset:
            self._resets = True
            self._pending.clear()
            self._done.clear()
        for key, change in changes.items():
            if key not in self._done and max(len(self._done), len(self._pending)) >= MAX_REPORTED_ITEMS:
                self.left_out += 1
                continue
            self._pending[key] = change
            if change.removes and not change.fields:
                self._done.pop(key, None)
            else:
                self._done[key] = change.fields.get("done", self._done.get(key))

    def next_report(self, now: float) -> Report | None:
        """The next report, which is then under way; None where there is none to be sent now."""
        with self._lock:
            if not self.ready or now < self.due:
                return None
            report = self._next_report()
            if not self._waits:  # or else all that there is goes, in as many reports as it takes
                self.due = now + self._interval_seconds
            return report

    def _next_report(self) -> Report:
        items: dict[str, dict[str, Any] | None] = {}
        for key, change in list(islice(self._pending.items(), MAX_ITEMS_IN_FRAME)):
            if change.removes and change.fields:  # in two reports, as one cannot say it
                self._pending[key] = change._replace(removes=False)
            else:
                del self._pending[key]
            items[key] = None if change.removes else change.fields
            self._sent[key] = _Change(True, {}) if change.removes else change
        self._sent_resets, self._resets, self._under_way = self._resets, False, True
        return Report(REPORT, self._run, items, reset=self._sent_resets)

    def hurry(self) -> None:
        """Nothing more comes: wait for nothing."""
        self.due = -math.inf
        self._interval_seconds = 0.0

    def taken(self) -> None:
        """The daemon has taken the report that was under way, or never will."""
        with self._lock:
            self._sent.clear()
            self._under_way = self._sent_resets = False

    def lost(self) -> None:
        """The report that was under way is to be sent again, if there was one."""
        with self._lock:
            if not self._resets:
                later = {key: _after(self._sent, key, change) for key, change in self._pending.items()}
                self._pending = {**self._sent, **later}
                self._resets = self._sent_resets
            self.taken()

    def postpone(self, now: float) -> None:
        """The same, but the daemon cannot take it yet."""
        self.lost()
        self.due = now + RETRY_SECONDS


def _after(earlier: Mapping[str, _Change], key: str, change: _Change) -> _Change:
    return earlier[key].then(change) if key in earlier else change


def _change(key: str, item: Item | None, done: float | None) -> _Change:
    if item is None:
        change = _Change(True, {})
    else:
        fields = dict(item)
        if (advance := fields.pop("advance", None)) is not None:
            if done is None or "done" in fields:
                raise ValueError(f"{key!r} has an 'advance', and no 'done' of it was reported before")
            fields["done"] = done + advance
        change = _Change(False, fields)
    if wrong := wrong_in_report(change.fields):
        raise ValueError(f"item {key!r}: {wrong}")
    if not is_items({key: change.fields}):
        raise ValueError(f"{key!r} has what no item can have: {item!r:.80}")
    return change
