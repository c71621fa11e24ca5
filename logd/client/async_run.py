"""A run for programs on trio: as `run`, with `await` where something waits.

The same sender, in its thread, sends what both forms take in. So a task that never waits does not keep records from
being sent, and nothing is cancelled amid a frame.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from types import TracebackType
from typing import Any, Self, TypeVar

import trio

from logd.client.fields import exception_fields
from logd.client.run import OpenJob, Tracker, exit_status_of
from logd.client.sender import CLOSE_SECONDS, FLUSH_SECONDS, MAX_QUEUED_RECORDS

_POLL_SECONDS = 0.005

_Item = TypeVar("_Item")


class AsyncRun(OpenJob):
    """A job's session with a run, as an async context manager; see Run. `progress`, `gauge`, `remove` and `reset`
    never wait, and are plain methods here, too.

    Args and errors are those of Run.
    """

    async def __aenter__(self) -> Self:
        await trio.lowlevel.checkpoint()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        cancelled = kind is not None and issubclass(kind, trio.Cancelled)
        status = 0 if cancelled else exit_status_of(self, kind, error, trace)
        with trio.CancelScope(shield=True):  # for a bounded time
            await self.close(None if cancelled else status)

    async def log(self, message: object, level: str | int = "info", **fields: Any) -> None:
        """Record something; see Run. It lets other tasks run, and waits where the sender is behind, as logging does."""
        wait = self._sender.new_wait()
        while len(self._sender.queue) >= MAX_QUEUED_RECORDS and not wait.is_over:  # noqa: ASYNC110 the sender is no task
            await trio.sleep(_POLL_SECONDS)
        self._log(message, level, fields)
        await trio.lowlevel.checkpoint()

    async def exception(self, message: object = "", **fields: Any) -> None:
        """Record the exception that is being handled, as an error."""
        kind, error, trace = sys.exc_info()
        about = {} if kind is None else exception_fields(kind, error, trace)
        await self.log(message or about.get("exception.message", ""), "error", **{**about, **fields})

    async def track(
        self,
        iterable: Iterable[_Item] | AsyncIterable[_Item],
        key: str = "progress",
        *,
        total: float | None = None,
        unit: str | None = None,
    ) -> AsyncIterator[_Item]:
        """What an iterable of either kind has, one by one, with its progress on the board; see Run."""
        tracker = Tracker(self, iterable, key, total, unit)
        with tracker.ending():
            if isinstance(iterable, AsyncIterable):
                async for item in iterable:
                    yield item
                    tracker.advance()
            else:
                for item in iterable:
                    yield item
                    tracker.advance()
                    await trio.lowlevel.checkpoint()

    async def flush(self, seconds: float = FLUSH_SECONDS) -> bool:
        """Wait until all of it is stored, for a bounded time; see Run."""
        return await trio.to_thread.run_sync(self._sender.flush, seconds)

    async def close(self, exit_status: int | None = None, seconds: float = CLOSE_SECONDS) -> None:
        """End the session; of a child this is `flush`."""
        if self._is_child:
            await self.flush(seconds)
        else:
            await trio.to_thread.run_sync(self._sender.close, exit_status, seconds)
