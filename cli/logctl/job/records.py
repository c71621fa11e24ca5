"""A command's output as records of one session: its streams' text, and live lines on the run's board."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, Final

from logctl.job.bars import item_of
from logctl.job.redraws import Redraws
from logctl.job.tracebacks import Piece, Tracebacks
from logd.client import Emitter
from logd.record import Severity

HOLD_SECONDS: Final = 0.3
"""A traceback that has not gone on for so long is over."""
MAX_HOLD_SECONDS: Final = 2.0
"""Nor is one held back for longer, however slowly it goes on."""
SETTLE_SECONDS: Final = 10.0
"""Several live lines that were not drawn again for so long are whole, though the cursor might go back to them."""
LIVE_SECONDS: Final = 0.2
"""Between two reports of a live line."""


class _Stream:
    """One stream's text."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.redraws = Redraws()
        self.tracebacks = Tracebacks()
        self.held_since = math.inf
        self.grown_at = math.inf
        """When what is held grew last."""
        self.drawn_at = math.inf
        """When several lines were drawn last, between which the cursor goes up."""
        self.live = b""
        """The live line that was reported last."""
        self.item: dict[str, Any] = {}
        """What the board has of it."""

    @property
    def has_news(self) -> bool:
        """Whether there is a live line that was not reported."""
        return self.redraws.is_live and self.redraws.live != self.live

    @property
    def due(self) -> float:
        """When what is held is given out."""
        return min(self.grown_at + HOLD_SECONDS, self.held_since + MAX_HOLD_SECONDS, self.drawn_at + SETTLE_SECONDS)


class Records:
    """Takes output as it comes.

    Args:
        emitter: where records and items go.
        clock: monotonic seconds.
    """

    def __init__(self, emitter: Emitter, clock: Callable[[], float] = time.monotonic) -> None:
        self._emitter = emitter
        self._clock = clock
        self._streams: dict[str, _Stream] = {}
        self._live_at = -math.inf
        """When live lines may be reported next."""

    @property
    def due(self) -> float:
        """When to `tick`."""
        live_at = self._live_at if self._has_news else math.inf
        return min([live_at, *(stream.due for stream in self._streams.values())])

    def feed(self, name: str, data: bytes) -> None:
        """Take output of a stream."""
        stream = self._streams.setdefault(name, _Stream(name))
        for other in self._streams.values():
            if other is not stream and other.tracebacks and other.tracebacks.is_whole:
                self._emit(other, other.tracebacks.release())
        was_live = stream.redraws.is_live
        lines = stream.redraws.feed(data)
        stream.drawn_at = self._clock() if stream.redraws.is_held else math.inf
        if was_live and lines:
            self._end_live(stream, lines[: lines.find(b"\n")])
        if lines:
            self._emit(stream, stream.tracebacks.feed(lines))

    def tick(self) -> None:
        """Give out what was held back for long enough, and report live lines."""
        now = self._clock()
        for stream in self._streams.values():
            if now >= stream.drawn_at + SETTLE_SECONDS:
                stream.drawn_at = math.inf
                self._emit(stream, stream.tracebacks.feed(stream.redraws.settle()))
            if now >= stream.due:
                self._emit(stream, stream.tracebacks.release())
        if now >= self._live_at and self._has_news:
            self._live_at = now + LIVE_SECONDS
            for stream in self._streams.values():
                if stream.has_news:
                    self._show_live(stream)

    def finish(self, *, is_done: bool) -> None:
        """Nothing more comes.

        Args:
            is_done: the command did what it was to do, and so what its live lines were about.
        """
        for stream in self._streams.values():
            was_live = stream.redraws.is_live
            rest = stream.redraws.finish()
            if was_live:
                self._end_live(stream, rest.partition(b"\n")[0])
            self._emit(stream, [*(stream.tracebacks.feed(rest) if rest else []), *stream.tracebacks.release()])
            if is_done and stream.item:
                self._report(stream, {**stream.item, "state": "done"})

    @property
    def _has_news(self) -> bool:
        return any(stream.has_news for stream in self._streams.values())

    def _emit(self, stream: _Stream, pieces: list[Piece]) -> None:
        for data, is_text in pieces:
            if is_text:
                self._emitter.emit([[None, int(Severity.ERROR), data, None]], stream=stream.name)
            else:
                self._emitter.feed(data, stream=stream.name)
        stream.grown_at = self._clock() if stream.tracebacks else math.inf
        stream.held_since = min(stream.held_since, stream.grown_at) if stream.tracebacks else math.inf

    def _show_live(self, stream: _Stream) -> None:
        """Show a live line. One that follows one that was done is another item of the same name."""
        stream.live = stream.redraws.live
        if stream.item.get("state", "done") == "done":  # perhaps also one that is left of a run of that name before
            self._emitter.report({stream.name: None})
        self._report(stream, item_of(stream.live))

    def _end_live(self, stream: _Stream, line: bytes) -> None:
        """A live line is whole. Where it does not say that it is done, another may go on with it."""
        item = item_of(line)
        if item["total"] is not None:
            self._report(stream, {**item, "state": "done" if item["done"] >= item["total"] else "running"})

    def _report(self, stream: _Stream, item: dict[str, Any]) -> None:
        stream.item = item
        self._emitter.report({stream.name: item})
