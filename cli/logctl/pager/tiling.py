"""What the pager knows of one run: its seqs from 1 to the newest, tiled by spans without a hole or an overlap.

    1            gone           held            filtered  held             unread           head
    |-- GONE -----|-- records ---|-- FILTERED ---|-- ... --|-- UNREAD -------|

A span is records that are held, as they are stored, or a stretch of seqs that nothing is shown of: because it was not
read (or was skipped in a flood, or let go again to keep to the bound: all the same here), because the run has it no
more, or because no record in it matches the filter. Whatever is learnt about a run is put over what was known before.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from enum import Enum
from operator import attrgetter
from typing import Final, TypeAlias

from logctl.merging import MERGE_SECONDS
from logctl.pager.events import Piece

SPAN_RECORDS: Final = 1000
"""In a span at the most, as spans are let go as a whole: a tenth of what is held."""

JOINED_RECORDS: Final = 100
JOINED_US: Final = 1_000_000
"""Records that come one by one are gathered to spans of so many, that came within so long."""


class Kind(Enum):
    UNREAD = "unread"
    GONE = "gone"
    FILTERED = "filtered"


class Held:
    """Consecutive records. `at_us` is their place among other runs' records: later than `time_us` if they came late."""

    __slots__ = ("_rows", "at_us", "data", "first_seq", "next_seq", "time_us")

    def __init__(self, first_seq: int, next_seq: int, time_us: int, data: bytes, at_us: int = 0) -> None:
        self.first_seq = first_seq
        self.next_seq = next_seq
        self.time_us = time_us
        self.at_us = max(at_us, time_us)
        self.data = data
        self._rows: list[bytes] | None = None

    @property
    def is_late(self) -> bool:
        """Whether they are behind others that were received after them, by more than is worth saying."""
        return self.at_us - self.time_us > MERGE_SECONDS * 1e6

    @property
    def rows(self) -> list[bytes]:
        """Each record's line, split when first asked for: most are never shown."""
        if self._rows is None:
            self._rows = self.data.splitlines()
        return self._rows

    def __len__(self) -> int:
        return self.next_seq - self.first_seq

    def part(self, first_seq: int, next_seq: int) -> Held:
        """The records from one seq to before another, all of which are its own."""
        if (first_seq, next_seq) == (self.first_seq, self.next_seq):
            return self
        rows = self.rows[first_seq - self.first_seq : next_seq - self.first_seq]
        return Held(first_seq, next_seq, self.time_us, b"\n".join(rows) + b"\n", self.at_us)


class Blank:
    """Seqs without a record to show."""

    __slots__ = ("first_seq", "kind", "next_seq")

    def __init__(self, first_seq: int, next_seq: int, kind: Kind) -> None:
        self.first_seq = first_seq
        self.next_seq = next_seq
        self.kind = kind

    def __len__(self) -> int:
        return self.next_seq - self.first_seq

    def part(self, first_seq: int, next_seq: int) -> Blank:
        return Blank(first_seq, next_seq, self.kind)


Span: TypeAlias = Held | Blank
_first_seq = attrgetter("first_seq")


class Tiling(tuple[Span, ...]):
    """The spans of a run, in order, from seq 1 on. It is immutable: what changes it gives another."""

    __slots__ = ()

    @property
    def end_seq(self) -> int:
        """The seq behind the last."""
        return self[-1].next_seq if self else 1

    def index(self, seq: int) -> int:  # type: ignore[override]
        """The number of the span that has `seq`, which is between 1 and `end_seq`."""
        return bisect_right(self, seq, key=_first_seq) - 1

    def at(self, seq: int) -> Span | None:
        return self[self.index(seq)] if 1 <= seq < self.end_seq else None

    def put(self, first_seq: int, next_seq: int, spans: Iterable[Span]) -> Tiling:
        """Have `spans`, which tile the seqs from one to before the other, in the place of what was there."""
        if first_seq >= next_seq:
            return self
        before, after = self.grown(first_seq).cut(first_seq), self.rest(next_seq)
        return Tiling((*before[:-1], *_joined([*before[-1:], *spans, *after[:1]]), *after[1:]))

    def fill(self, first_seq: int, next_seq: int, kind: Kind) -> Tiling:
        return self.put(first_seq, next_seq, [Blank(first_seq, next_seq, kind)])

    def grown(self, end_seq: int) -> Tiling:
        """The same, but up to `end_seq` at the least: what is new is unread."""
        if end_seq <= self.end_seq:
            return self
        return Tiling(_joined([*self, Blank(self.end_seq, end_seq, Kind.UNREAD)]))

    def joined(self, seq: int) -> Tiling:
        """The same, where the records before `seq` and those from it on are one span if they are few, and came soon."""
        at = self.index(seq)
        first, second = self[at - 1 : at + 1] if at > 0 else (None, None)
        if (
            not (isinstance(first, Held) and isinstance(second, Held) and first.next_seq == seq)
            or len(first) + len(second) > JOINED_RECORDS
            or second.at_us - first.at_us > JOINED_US
            or first.is_late != second.is_late
        ):
            return self
        both = Held(first.first_seq, second.next_seq, first.time_us, first.data + second.data, first.at_us)
        return Tiling((*self[: at - 1], both, *self[at + 1 :]))

    def cut(self, end_seq: int) -> Tiling:
        """What is before `end_seq`."""
        if end_seq >= self.end_seq:
            return self
        at = self.index(end_seq - 1)
        return Tiling((*self[:at], self[at].part(self[at].first_seq, end_seq)) if at >= 0 else ())

    def rest(self, seq: int) -> tuple[Span, ...]:
        """What is from `seq` on."""
        if seq >= self.end_seq:
            return ()
        at = self.index(seq)
        return (self[at].part(seq, self[at].next_seq), *self[at + 1 :])

    def without(self, spans: Iterable[Held]) -> Tiling:
        """The same with some of its spans unread again."""
        dropped = {span.first_seq for span in spans}
        return Tiling(
            _joined([Blank(s.first_seq, s.next_seq, Kind.UNREAD) if s.first_seq in dropped else s for s in self])
        )


def spans_of(first_seq: int, next_seq: int, pieces: Iterable[Piece], missing: Kind, at_us: int = 0) -> Iterator[Span]:
    """What tiles the seqs from one to before the other: the pieces' records, and between them what is `missing`.

    Args:
        at_us: their place among other runs' records at the earliest.
    """
    seq = first_seq
    for piece in pieces:
        low, high = max(piece.first_seq, seq), min(piece.next_seq, next_seq)
        if low >= high:
            continue
        if seq < low:
            yield Blank(seq, low, missing)
        held = Held(piece.first_seq, piece.next_seq, piece.time_us, piece.data, at_us)
        for part in range(low, high, SPAN_RECORDS):
            yield held.part(part, min(part + SPAN_RECORDS, high))
        seq = high
    if seq < next_seq:
        yield Blank(seq, next_seq, missing)


def _joined(spans: list[Span]) -> list[Span]:
    """The spans, with blanks of one kind that follow each other made one."""
    joined: list[Span] = []
    for span in spans:
        last = joined[-1] if joined else None
        if isinstance(span, Blank) and isinstance(last, Blank) and last.kind is span.kind:
            joined[-1] = Blank(last.first_seq, span.next_seq, span.kind)
        else:
            joined.append(span)
    return joined
