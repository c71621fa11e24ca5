"""What an emitter drops because it has nowhere to put it: counted, and said."""

from __future__ import annotations

from collections.abc import Iterable

from logd.client.backlog import Frame
from logd.protocol import Emit
from logd.protocol.codec import Decoder
from logd.protocol.framing import LENGTH_BYTES


class Dropped:
    """Records and bytes of input that were dropped."""

    def __init__(self) -> None:
        self.records = 0
        self.input_bytes = 0
        self._said_records = 0
        self._in_line = False

    def offer(self, batch: Emit, input_bytes: int, *, has_room: bool) -> bool:
        """Drop a batch, and return True, where there is no room for it.

        So, too, where it goes on with a line whose beginning was dropped: it would go on with another one.
        """
        self._in_line = not has_room or (batch.cont and self._in_line)
        if self._in_line:
            self._add(batch, input_bytes)
        return self._in_line

    def add_frames(self, frames: Iterable[Frame]) -> None:
        """Drop what was kept and will not be delivered any more."""
        decoder = Decoder()
        for frame in frames:
            message = decoder.decode(frame.data[LENGTH_BYTES:])
            if isinstance(message, Emit):
                self._add(message, frame.input_bytes)

    def _add(self, batch: Emit, input_bytes: int) -> None:
        self.records += batch.lines.count(b"\n") if batch.lines is not None else len(batch.records or [])
        self.input_bytes += input_bytes

    def news(self) -> str:
        """A sentence, where something was dropped since this was last asked for; or else nothing."""
        if self.records == self._said_records:
            return ""
        self._said_records = self.records
        return self.sentence()

    def sentence(self) -> str:
        """How much was dropped in all, where anything was; or else nothing."""
        if not self.records:
            return ""
        records = "1 record" if self.records == 1 else f"{self.records:,} records"
        return f"dropped {records} ({self.input_bytes:,} bytes of the input), as no daemon took more"
