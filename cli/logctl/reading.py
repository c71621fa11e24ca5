"""The records that `logctl logs` shows, of one run or of several together, in the order that they are shown in.

Several runs are merged by the times at which the daemon received their blocks. Of each run one page is held at a time.

The newest records are found by reading backward, and shown forward. As long as they are few they are held meanwhile; of
more only the seqs are kept that they are between, and they are read once more from there. So are those that come with
records around them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import merge
from operator import attrgetter
from typing import Any, Final, NamedTuple

from logd.client import Client, pieces_of, read_pages
from logd.errors import Refused
from logd.protocol import Page
from logd.protocol.checks import (
    MAX_PAGE_RECORDS,
)
from logd.record import Rows

HELD_BYTES: Final = 64 * 1024 * 1024
"""Of rows that are read in the other direction than they are shown in; more are read twice."""
MERGED_RECORDS: Final = 65_536
"""In the pages of all runs that are merged; but a page has `_LEAST_PAGE_RECORDS`, of however many runs."""
_LEAST_PAGE_RECORDS = 64


@dataclass(frozen=True)
class Query:
    """Which records, and how they are shown.

    Args:
        criteria: what they have to be, as the protocol's filter.
        first_seq: only records from this one on.
        oldest, newest: how many of the oldest, or of the newest, of all runs together; not both.
        before, after: how many records around each come with it.
        reverse: the newest come first.
        end_seqs: only records before these, by run.
    """

    criteria: dict[str, Any] | None = None
    first_seq: int | None = None
    oldest: int | None = None
    newest: int | None = None
    before: int = 0
    after: int = 0
    reverse: bool = False
    end_seqs: Mapping[str, int] = field(default_factory=dict)

    @property
    def has_context(self) -> bool:
        return bool(self.before or self.after)


class Chunk(NamedTuple):
    """Records of one run to be shown together."""

    run: str
    rows: Rows
    """In order. Of a run that is read alone, records between them may be left out: `next_seq` is behind the last."""
    next_seq: int
    time_us: int
    """When the daemon received the first of them."""
    matches: bool
    """Whether they match, or are around records that do."""
    late: bool = False
    """Whether they were received before others that are shown already."""


class Gap(NamedTuple):
    """Records that are not there any more, though some before or after them are."""

    run: str
    first_seq: int
    last_seq: int


class _Part(NamedTuple):
    """What of a run is read: records between two seqs, if they are given, and no more than so many that match."""

    first_seq: int | None
    end_seq: int | None
    limit: int | None


class Reading:
    """Reads what a query asks for; iterate over it once.

    Args:
        on_wait: called before a page is waited for: the time to write out what came, and to show how far it is.
        on_gap: called once with each gap, where nothing is filtered out.
        on_refused: called with a run that there is not, or that cannot be read; the others are read on.

    Raises, while it is iterated over:
        BadFilter: the filter's pattern is none.
        ConnectionLost: the daemon is gone.
    """

    def __init__(
        self,
        client: Client,
        runs: Sequence[str],
        query: Query,
        *,
        on_wait: Callable[[Reading], None] = lambda reading: None,
        on_gap: Callable[[Gap], None] = lambda gap: None,
        on_refused: Callable[[str, Refused], None] = lambda run, error: None,
    ) -> None:
        self.matched = 0
        """How many records that match were found."""
        self._client = client
        self._runs = runs
        self._query = query
        self._on_wait = on_wait
        self._on_gap = on_gap
        self._on_refused = on_refused
        self._gaps: set[Gap] = set()
        self._sources: list[_Source] = []

    @property
    def done(self) -> float:
        """How much is looked through of what there is: 0 to 1."""
        return sum(source.done for source in self._sources) / max(1, sum(source.total for source in self._sources))

    def __iter__(self) -> Iterator[Chunk]:
        query = self._query
        limit = query.oldest if query.newest is None else query.newest
        backward = query.reverse if limit is None else query.newest is not None
        parts = {run: _Part(query.first_seq, query.end_seqs.get(run), limit) for run in self._runs}
        if limit is None or (backward == query.reverse and not query.has_context):
            yield from self._chunks(parts, limit, backward=backward, context=query.has_context)
            return
        held, found = self._find(parts, limit, backward=backward)
        if held is not None:
            yield from held
        else:
            yield from self._chunks(found, None, backward=query.reverse, context=query.has_context)

    def _find(
        self, parts: dict[str, _Part], limit: int, *, backward: bool
    ) -> tuple[list[Chunk] | None, dict[str, _Part]]:
        """What is to be shown in the other direction, and where it is; only that where it is too much to be held."""
        held: list[Chunk] | None = None if self._query.has_context else []
        held_bytes = 0
        found: dict[str, _Part] = {}
        for chunk in self._chunks(parts, limit, backward=backward, context=False):
            rows = chunk.rows
            first_seq, end_seq, count = found.get(chunk.run, (rows.first_seq, chunk.next_seq, 0))
            found[chunk.run] = _Part(
                min(first_seq or 0, rows.first_seq),
                max(end_seq or 0, chunk.next_seq),
                (count or 0) + rows.record_count,
            )
            held_bytes += len(rows.data)
            if held_bytes > HELD_BYTES:
                held = None
            if held is not None:
                held.append(chunk)
        return held[::-1] if held is not None else None, found

    def _chunks(self, parts: dict[str, _Part], limit: int | None, *, backward: bool, context: bool) -> Iterator[Chunk]:
        """The parts of runs together, in one direction, up to `limit` records that match."""
        self.matched = 0
        self._sources = [_Source(run, part, backward=backward) for run, part in parts.items()]
        page_records = max(_LEAST_PAGE_RECORDS, MERGED_RECORDS // max(1, len(parts)))
        chunks = [self._chunks_of(source, page_records, context=context) for source in self._sources]
        for chunk in merge(*chunks, key=attrgetter("time_us"), reverse=backward):
            shown = chunk
            if chunk.matches:
                if limit is not None and self.matched + chunk.rows.record_count > limit:
                    shown = _cut(chunk, limit - self.matched, backward=backward)
                self.matched += shown.rows.record_count
            yield shown
            if self.matched == limit:
                return

    def _chunks_of(self, source: _Source, page_records: int, *, context: bool) -> Iterator[Chunk]:
        query, alone = self._query, len(self._sources) == 1
        pages = read_pages(
            self._client,
            source.run,
            first_seq=source.part.first_seq,
            # Forward with context the limit alone says where a part ends.
            end_seq=None if context and not source.backward else source.part.end_seq,
            backward=source.backward,
            limit=source.part.limit,
            before=query.before if context else 0,
            after=query.after if context else 0,
            criteria=query.criteria,
            page_records=MAX_PAGE_RECORDS if alone else page_records,
            ahead=alone,
        )
        try:
            while (page := self._next(pages)) is not None:
                for gap in source.follow(page):
                    if query.criteria is None and gap not in self._gaps:
                        self._gaps.add(gap)
                        self._on_gap(gap)
                yield from _chunks_in(source, page, whole=alone and not context)
        except Refused as error:
            self._on_refused(source.run, error)

    def _next(self, pages: Iterator[Page]) -> Page | None:
        self._on_wait(self)
        return next(pages, None)


class _Source:
    """How far the reading of one run has come, in one direction."""

    def __init__(self, run: str, part: _Part, *, backward: bool) -> None:
        self.run = run
        self.part = part
        self.backward = backward
        self.done = 0
        """How many records were looked through, of `total`."""
        self.total = 0
        self._missing = part.limit
        # If nothing is filtered out, what is yet to come are the records from `_low` on, and before `_high`.
        self._low = self._high = 0

    def follow(self, page: Page) -> list[Gap]:
        """Note what a page has; return what it should have had, too, if nothing is filtered out."""
        if not self.total:
            first_seq, end_seq, _ = self.part
            self._low = max(first_seq or 0, page.first_seq) if self.backward else first_seq or page.first_seq
            self._high = min(end_seq or page.head + 1, page.head + 1)
            self.total = max(1, self._high - self._low)
        gaps: list[Gap] = []
        for first_seq, count, _, matches in page.pieces[::-1] if self.backward else page.pieces:
            next_seq = first_seq + count
            if self.backward:
                gaps.append(Gap(self.run, next_seq, self._high - 1))
                self._high = first_seq
            else:
                gaps.append(Gap(self.run, self._low, first_seq - 1))
                self._low = next_seq
            if matches and self._missing is not None:
                self._missing -= count
        if page.next_seq is None:
            self.done = self.total
            if self._missing != 0:
                gaps.append(Gap(self.run, self._low, self._high - 1))
        else:
            self.done = self.total - (page.next_seq - self._low if self.backward else self._high - page.next_seq)
        return [gap for gap in gaps if gap.first_seq <= gap.last_seq]


def _chunks_in(source: _Source, page: Page, *, whole: bool) -> Iterator[Chunk]:
    if whole and page.pieces:
        first_seq, _, time_us, _ = page.pieces[0]
        rows = Rows(first_seq, sum(piece[1] for piece in page.pieces), page.rows)
        yield Chunk(source.run, rows, page.pieces[-1][0] + page.pieces[-1][1], time_us, matches=True)
        return
    pieces = list(pieces_of(page))
    for rows, time_us, matches in reversed(pieces) if source.backward else pieces:
        yield Chunk(source.run, rows, rows.next_seq, time_us, matches)


def _cut(chunk: Chunk, count: int, *, backward: bool) -> Chunk:
    """The first of a chunk's records, or backward the last."""
    rows = chunk.rows
    rows = rows.after(rows.next_seq - count) if backward else rows.up_to(rows.first_seq + count - 1)
    return chunk._replace(rows=rows, next_seq=rows.next_seq)
