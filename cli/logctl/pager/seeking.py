"""What is under way: reading what is near the screen, finding a place and what is around it, and searching.

A `Seek` gathers what a screen at some place needs, and only when it has all of that the pager goes there: in one step,
and to no empty screen. It asks each run for what is before and what is behind the place, a *side* each, by seq or, for
runs whose seq there is not known, by time; both sides together leave no seq out, but for what comes between the two. A
filter that is changed is a seek to where one is, in a document of its own. A `Search` asks each run for its next record
that matches, and then becomes a seek to the nearest of these.

Here is what they know and how a page adds to it; goals.py and ahead.py ask, and go there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final, NamedTuple

from logctl.pager.document import Document
from logctl.pager.events import PageRead, Piece
from logctl.pager.filters import Filter

PAGE_RECORDS: Final = 500
"""Asked for at once: some screens, and read and sent within a few milliseconds."""
MAX_HITS: Final = 1000
"""How far on a search goes at once, of what matches: all before it is sent, too."""
SEEK_SECONDS: Final = 0.5
"""The pager goes to a place after so long though not all is read that its screen needs: a filter may match little."""


class Reading(NamedTuple):
    """A request for what is near the screen: a run's records before a seq, or from it on."""

    run: str
    from_seq: int
    backward: bool


class Aim(Enum):
    STAY = "stay"
    """Where one is: the anchor, or while following the end."""
    START = "start"
    END = "end"
    SEQ = "seq"
    TIME = "time"


class Target(NamedTuple):
    """Where to go.

    Args:
        run, seq: of SEQ, and of STAY while follow is off.
        at_us: of TIME; of the others what is known, 0 for nothing.
        start: what of the record is to be seen, as a layout.Row has it.
        opens: whether the record is opened, as what is looked for is within it.
        screen_row: where on the screen; None for its middle.
    """

    aim: Aim
    run: str = ""
    seq: int = 0
    at_us: int = 0
    start: int = 0
    opens: bool = False
    screen_row: int | None = None


class Side(NamedTuple):
    """What is read of a run in one direction."""

    run: str
    backward: bool
    from_seq: int | None = None
    from_time_us: int | None = None
    pieces: tuple[Piece, ...] = ()
    bound_seq: int | None = None
    """How far it has come: backward to this seq, forward to before it; None for not at all."""
    first_seq: int = 1
    head: int = 0
    """The newest seq when it was looked last; of what is read backward, when it was looked first, as none was since."""
    is_whole: bool = False

    def with_page(self, page: PageRead, needed_records: int) -> Side:
        pieces = (*page.pieces, *self.pieces) if self.backward else (*self.pieces, *page.pieces)
        return self._replace(
            pieces=pieces,
            bound_seq=bound_of(page, backward=self.backward),
            first_seq=page.first_seq,
            head=self.head if self.backward and self.bound_seq is not None else page.head,
            is_whole=page.next_seq is None or sum(piece.record_count for piece in pieces) >= needed_records,
        )

    @property
    def looked_from(self) -> int:
        """The first seq that was looked at."""
        if self.backward:
            return self.bound_seq or self.first_seq
        if self.from_time_us is None:
            return self.from_seq or self.first_seq
        return self.pieces[0].first_seq if self.pieces else self.looked_to

    @property
    def looked_to(self) -> int:
        """The seq behind the last one: of what is read backward by time, at the latest."""
        if self.backward:
            return min(self.from_seq or self.head + 1, self.head + 1)
        return self.bound_seq or self.head + 1


def bound_of(page: PageRead, *, backward: bool) -> int:
    """How far a page has looked: backward the first seq that it did, forward the one behind the last."""
    if page.next_seq is not None:
        return page.next_seq
    return page.first_seq if backward else page.head + 1


@dataclass(frozen=True)
class Seek:
    target: Target
    filter: Filter
    sides: Mapping[int, Side]
    """By the requests that they wait for."""
    deadline: float
    ready: tuple[Side, ...] = ()
    asked: frozenset[str] = field(default_factory=frozenset)
    """The runs that were asked."""

    @property
    def requests(self) -> Iterable[int]:
        return self.sides.keys()

    def with_page(self, page: PageRead, needed_records: int) -> tuple[Seek, Side]:
        """What is known with a page, and its side."""
        side = self.sides[page.request].with_page(page, needed_records)
        left = {request: each for request, each in self.sides.items() if request != page.request}
        seek = replace(self, sides=left, ready=(*self.ready, side) if side.is_whole else self.ready)
        return seek, side

    def in_time(self, now: float) -> Seek:
        """After the deadline what was read has to do, if there is something of each side."""
        if now < self.deadline or any(side.bound_seq is None for side in self.sides.values()):
            return self
        return replace(self, sides={}, ready=(*self.ready, *self.sides.values()))

    def put(self, document: Document) -> Document:
        """The document with all that was read."""
        sides: dict[str, list[Side]] = {}
        for side in self.ready:
            sides.setdefault(side.run, []).append(side)
        for run, both in sides.items():
            both.sort(key=lambda side: not side.backward)
            pieces = [piece for side in both for piece in side.pieces]
            # What came after one side was read, and is before what the other was asked for, nobody has looked at.
            for side in both:
                document = document.with_pieces(run, side.looked_from, min(side.looked_to, both[-1].looked_to), pieces)
            # Whichever side was read last knows more: meanwhile the run may have been cleared.
            document = document.with_extent(run, max(side.first_seq for side in both), max(side.head for side in both))
        return document


class Hit(NamedTuple):
    time_us: int
    run: str
    seq: int


@dataclass(frozen=True)
class Search:
    """Looking for the next record that matches.

    Args:
        wanted: what it matches, and what all that is shown does.
        filter: what is shown, when it is found.
        cursors: how far each run was looked through, and between which seqs that is: (from, now, to).
    """

    wanted: Filter
    filter: Filter
    said: str
    backward: bool
    asks: Mapping[int, str]
    cursors: Mapping[str, tuple[int, int, int]]
    count: int = 1
    """Which of those that match is looked for: the first, the second..."""
    hits: tuple[Hit, ...] = ()

    @property
    def requests(self) -> Iterable[int]:
        return self.asks.keys()

    @property
    def done(self) -> float:
        """How much is looked through of what there is: 0 to 1."""
        total = sum(abs(end - start) for start, _, end in self.cursors.values())
        return sum(abs(now - start) for start, now, _ in self.cursors.values()) / max(1, total)

    def with_page(self, page: PageRead) -> Search:
        """What is known with a page. The run is still to be asked, from its cursor, if `lacks` says so."""
        run = self.asks[page.request]
        start, _, _ = self.cursors[run]
        end = page.first_seq if self.backward else page.head + 1
        now = page.next_seq if page.next_seq is not None else end
        found = [
            Hit(piece.time_us, run, seq) for piece in page.pieces for seq in range(piece.first_seq, piece.next_seq)
        ]
        left = {request: each for request, each in self.asks.items() if request != page.request}
        return replace(self, asks=left, cursors={**self.cursors, run: (start, now, end)}, hits=(*self.hits, *found))

    def lacks(self, run: str) -> int:
        """How many more of a run may be needed."""
        return max(0, self.count - sum(hit.run == run for hit in self.hits))

    @property
    def nearest(self) -> Hit | None:
        """What was looked for, or the last before it where there are not so many; None where nothing matches."""
        runs = list(self.cursors)
        nearest = sorted(self.hits, key=lambda hit: (hit.time_us, runs.index(hit.run), hit.seq), reverse=self.backward)
        return nearest[min(self.count, len(nearest)) - 1] if nearest else None
