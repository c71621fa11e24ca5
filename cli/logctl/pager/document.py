"""All that is held of the runs that are watched, as one text: records in the order that they are shown in.

Each run is a tiling of its seqs (tiling.py). Here they are put in one order, and that order is walked: what is shown is
*entries*, a record or a blank each, and a `Place` is one of them. Several runs are merged by the times at which the
daemon received their records; a blank has none, and stands where the records around it end or begin. Records that come
late while somebody reads, when later ones of other runs are there already, are put behind those.

A *divider* is a line of text between two records of a run, before the first that is shown from a seq on.

A document is immutable. How much it may hold, trimming.py says.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final, NamedTuple, TypeAlias

from logctl.pager.events import Piece
from logctl.pager.filters import Filter
from logctl.pager.tiling import Blank, Held, Kind, Span, Tiling, spans_of

MAX_DIVIDERS: Final = 100
"""Of a run; the oldest go."""


class Place(NamedTuple):
    """An entry by its number in the document's order, and a record by its place among those of the entry."""

    entry: int
    offset: int = 0


class Edge(NamedTuple):
    """A blank that is shown, at the side of it where it meets a record: reading goes on from there."""

    span: Blank
    backward: bool | None
    """Whether what is read is before its end, or what is after its beginning; None where both sides are one place."""


@dataclass(frozen=True)
class Reel:
    """One run: its seqs, and lines between its records, by the seqs that they are before."""

    name: str
    spans: Tiling = field(default_factory=Tiling)
    dividers: tuple[tuple[int, str], ...] = ()

    @property
    def head(self) -> int:
        """The newest seq that is known of."""
        return self.spans.end_seq - 1

    @property
    def first_seq(self) -> int:
        """The oldest one that is not known to be gone."""
        first = self.spans[0] if self.spans else None
        return first.next_seq if isinstance(first, Blank) and first.kind is Kind.GONE else 1

    @property
    def newest_held_seq(self) -> int:
        """The newest record's that is held; 0 for none."""
        return next((span.next_seq - 1 for span in reversed(self.spans) if isinstance(span, Held)), 0)


Shown: TypeAlias = Held | Edge


class Entry(NamedTuple):
    """What is shown of a run in one piece: records that follow each other, or a blank."""

    run: str
    span: Shown

    @property
    def first_seq(self) -> int:
        return self.span.first_seq if isinstance(self.span, Held) else self.span.span.first_seq

    @property
    def next_seq(self) -> int:
        return self.span.next_seq if isinstance(self.span, Held) else self.span.span.next_seq

    def __len__(self) -> int:
        """How many records of its own are entries of the document; a blank counts as one."""
        return len(self.span) if isinstance(self.span, Held) else 1


@dataclass(frozen=True)
class Document:
    reels: Mapping[str, Reel] = field(default_factory=dict)
    filter: Filter = field(default_factory=Filter)
    """What the records that are held match, and those that are filtered do not."""
    hidden: frozenset[str] = frozenset()
    """Runs that are not shown."""

    # Walking

    @cached_property
    def order(self) -> tuple[Entry, ...]:
        """All entries that are shown, those of a span of records together."""
        shown = [reel for name, reel in self.reels.items() if name not in self.hidden]
        if len(shown) == 1:
            name = shown[0].name
            return tuple(
                Entry(name, span if isinstance(span, Held) else Edge(span, None))
                for span in shown[0].spans
                if isinstance(span, Held) or span.kind is not Kind.FILTERED
            )
        keyed = [
            (at_us, number, seq, Entry(reel.name, span))
            for number, reel in enumerate(shown)
            for at_us, seq, span in _keyed(reel.spans)
        ]
        keyed.sort(key=lambda entry: entry[:3])
        entries: list[Entry] = []
        for *_, entry in keyed:
            if entries and isinstance(entry.span, Edge) and _is_one_place(entries[-1], entry):
                entries[-1] = Entry(entry.run, Edge(entry.span.span, None))
            else:
                entries.append(entry)
        return tuple(entries)

    @cached_property
    def _by_run(self) -> dict[str, tuple[list[int], list[int]]]:
        """Of each run the first seqs of its entries, in order, and their numbers."""
        found: dict[str, tuple[list[int], list[int]]] = {}
        for number, entry in enumerate(self.order):
            seqs, numbers = found.setdefault(entry.run, ([], []))
            seqs.append(entry.first_seq)
            numbers.append(number)
        return found

    @cached_property
    def _dividers(self) -> dict[tuple[str, int], tuple[str, ...]]:
        """The lines that go before an entry, by its run and seq."""
        found: dict[tuple[str, int], tuple[str, ...]] = {}
        for run, reel in self.reels.items():
            for seq, text in reel.dividers:
                if (shown := self._shown_from(run, seq)) is not None:
                    found[run, shown] = (*found.get((run, shown), ()), text)
        return found

    def _shown_from(self, run: str, seq: int) -> int | None:
        """The seq of a run's first entry from `seq` on."""
        seqs, numbers = self._by_run.get(run, ([], []))
        at = bisect_right(seqs, seq) - 1
        if at >= 0 and isinstance(self.order[numbers[at]].span, Held) and seq < self.order[numbers[at]].next_seq:
            return seq
        at = bisect_left(seqs, seq)
        return seqs[at] if at < len(seqs) else None

    def dividers_before(self, place: Place) -> tuple[str, ...]:
        return self._dividers.get((self.order[place.entry].run, self.seq(place)), ()) if self._dividers else ()

    def entry(self, place: Place) -> Entry:
        return self.order[place.entry]

    def seq(self, place: Place) -> int:
        """The record's seq, or a blank's first one."""
        return self.order[place.entry].first_seq + place.offset

    def at_us(self, place: Place) -> int:
        """The record's place in time; for a blank that of the nearest record before it, 0 where there is none."""
        for number in range(place.entry, -1, -1):
            span = self.order[number].span
            if isinstance(span, Held):
                return span.at_us
        return 0

    def is_record(self, place: Place) -> bool:
        return isinstance(self.order[place.entry].span, Held)

    def row(self, place: Place) -> bytes:
        """The record as it is stored; b"" for a blank."""
        span = self.order[place.entry].span
        return span.rows[place.offset] if isinstance(span, Held) else b""

    @property
    def start(self) -> Place | None:
        return Place(0) if self.order else None

    @cached_property
    def end(self) -> Place | None:
        """The last entry; but for what is not read yet, unless there is nothing else."""
        for number in range(len(self.order) - 1, -1, -1):
            span = self.order[number].span
            if isinstance(span, Held) or span.span.kind is not Kind.UNREAD:
                return Place(number, len(self.order[number]) - 1)
        return self.last

    @property
    def last(self) -> Place | None:
        return Place(len(self.order) - 1, len(self.order[-1]) - 1) if self.order else None

    def after(self, place: Place) -> Place | None:
        if place.offset + 1 < len(self.order[place.entry]):
            return Place(place.entry, place.offset + 1)
        return Place(place.entry + 1) if place.entry + 1 < len(self.order) else None

    def before(self, place: Place) -> Place | None:
        if place.offset:
            return Place(place.entry, place.offset - 1)
        return Place(place.entry - 1, len(self.order[place.entry - 1]) - 1) if place.entry else None

    # Finding

    def find(self, run: str, seq: int) -> Place | None:
        """The entry that has a seq of a run, a record or a blank; None where none does."""
        seqs, numbers = self._by_run.get(run, ([], []))
        at = bisect_right(seqs, seq) - 1
        if at < 0 or seq >= self.order[numbers[at]].next_seq:
            return None
        return Place(numbers[at], seq - seqs[at] if isinstance(self.order[numbers[at]].span, Held) else 0)

    def nearest(self, run: str, seq: int, at_us: int = 0) -> Place | None:
        """The entry with a seq of a run; or else the nearest by seq, the older of two; or else by time.

        What is there no more is no entry to go to, as long as there is another.
        """
        found = self.find(run, seq)
        if found is not None and not self._is_gone(found):
            return found
        seqs, numbers = self._by_run.get(run, ([], []))
        at = bisect_right(seqs, seq) - 1
        below = next((n for n in reversed(numbers[: at + 1]) if not self._is_gone(Place(n))), None)
        above = next((n for n in numbers[at + 1 :] if not self._is_gone(Place(n))), None)
        if below is not None and (
            above is None or seq - (self.order[below].next_seq - 1) <= self.order[above].first_seq - seq
        ):
            return Place(below, len(self.order[below]) - 1)
        if above is not None:
            return Place(above)
        return self.at_time(at_us) or self.start

    def at_time(self, at_us: int) -> Place | None:
        """The first record of any run that is at this time or later, or else the last one; None without records."""
        found = None
        for number, entry in enumerate(self.order):
            if isinstance(entry.span, Held):
                found = Place(number, len(entry) - 1)
                if entry.span.at_us >= at_us:
                    return Place(number)
        return found

    def _is_gone(self, place: Place) -> bool:
        span = self.order[place.entry].span
        return isinstance(span, Edge) and span.span.kind is Kind.GONE

    # Learning

    def reel(self, run: str) -> Reel:
        return self.reels.get(run) or Reel(run)

    def with_reel(self, reel: Reel) -> Document:
        return replace(self, reels={**self.reels, reel.name: reel})

    def with_spans(self, run: str, spans: Tiling) -> Document:
        return self.with_reel(replace(self.reel(run), spans=spans))

    def with_extent(self, run: str, first_seq: int, head: int) -> Document:
        """The run has these seqs and no others; that it has fewer than was known, a Truncated says."""
        reel = self.reel(run)
        if reel.first_seq >= first_seq and reel.head >= head:
            return self
        spans = reel.spans.grown(max(head, first_seq - 1) + 1)
        return self.with_spans(run, spans.fill(reel.first_seq, first_seq, Kind.GONE))

    def with_hidden(self, hidden: frozenset[str]) -> Document:
        return replace(self, hidden=hidden)

    def with_pieces(
        self,
        run: str,
        first_seq: int,
        next_seq: int,
        pieces: Iterable[Piece],
        *,
        missing: Kind = Kind.GONE,
        at_us: int = 0,
    ) -> Document:
        """The run's records from one seq to before another are these.

        Args:
            missing: what it means that one is not among them; with a filter, that it does not match.
            at_us: their place among other runs' records at the earliest.
        """
        spans = spans_of(first_seq, next_seq, pieces, Kind.FILTERED if self.filter else missing, at_us)
        return self.with_spans(run, self.reel(run).spans.put(first_seq, next_seq, spans))

    def joined(self, run: str, seq: int) -> Document:
        """The same, with a run's records before and from `seq` in one span if they are few; and nothing is between."""
        return self.with_spans(run, self.reel(run).spans.joined(seq))

    def with_divider(self, run: str, seq: int, text: str) -> Document:
        reel = self.reel(run)
        return self.with_reel(replace(reel, dividers=(*reel.dividers, (seq, text))[-MAX_DIVIDERS:]))

    def without_divider(self, text: str) -> Document:
        """The same without the lines of this text."""
        reels = {
            run: replace(reel, dividers=tuple(each for each in reel.dividers if each[1] != text))
            for run, reel in self.reels.items()
        }
        return replace(self, reels=reels)

    def blank(self, filter: Filter) -> Document:
        """The same runs, with nothing read of them yet."""
        reels = {
            run: replace(reel, spans=Tiling().grown(reel.head + 1).fill(1, reel.first_seq, Kind.GONE))
            for run, reel in self.reels.items()
        }
        return replace(self, reels=reels, filter=filter)

    @cached_property
    def newest_us(self) -> int:
        """The time of the last record, by the order in which they are shown."""
        return max((self._newest_us(reel.spans) for reel in self.reels.values()), default=0)

    def _newest_us(self, spans: Tiling) -> int:
        return next((span.at_us for span in reversed(spans) if isinstance(span, Held)), 0)

    # Keeping to the bound

    @cached_property
    def held(self) -> tuple[int, int]:
        """How many records are held, and their bytes."""
        spans = [span for reel in self.reels.values() for span in reel.spans if isinstance(span, Held)]
        return sum(map(len, spans)), sum(len(span.data) for span in spans)


def _keyed(spans: Tiling) -> Iterator[tuple[int, int, Shown]]:
    """Each entry with what it is sorted by: a time and a number. A blank between records has one at each."""
    shown: list[Span] = [span for span in spans if isinstance(span, Held) or span.kind is not Kind.FILTERED]
    following_us = [0] * len(shown)
    next_us = -1
    for number in range(len(shown) - 1, -1, -1):
        span = shown[number]
        following_us[number] = next_us
        if isinstance(span, Held):
            next_us = span.at_us
    last_us = -1
    for number, span in enumerate(shown):
        if isinstance(span, Held):
            last_us = max(last_us, span.at_us)
            yield last_us, 2 * number, span
            continue
        if last_us >= 0:
            yield last_us, 2 * number, Edge(span, False)
        if following_us[number] >= 0 or last_us < 0:
            yield max(last_us, following_us[number]), 2 * number + 1, Edge(span, True)


def _is_one_place(first: Entry, second: Entry) -> bool:
    return (
        first.run == second.run
        and isinstance(first.span, Edge)
        and isinstance(second.span, Edge)
        and first.span.span is second.span.span
    )
