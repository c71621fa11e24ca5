"""Which rows of the document are on the screen: the pager's law in one place.

While follow is on, the last row is the newest record's. While it is off, there is an `Anchor`: a record, a place in it,
and the row of the screen that this is on. All other rows follow from that one, upward and downward. So nothing that
comes, goes, is filtered, wrapped or resized can move what is read; only an action of the user gives another anchor.

Rows that the document has none for are empty, above or below.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from logctl.pager.document import Document, Edge, Place
from logctl.pager.layout import Look, Row, Stretch, hit_of, lay_out
from logctl.pager.tiling import Kind
from logctl.screen.attributes import Attribute


class Anchor(NamedTuple):
    """What stays where it is while follow is off.

    Args:
        run, seq: a record's identity. Where it is not there, the nearest one that is stands for it.
        start: what of it is on the row: where a row begins (layout.Row), or somewhere within one.
        screen_row: of the screen, from 0.
        at_us: where it is among other runs' records.
    """

    run: str
    seq: int
    start: int
    screen_row: int
    at_us: int = 0


class Line(NamedTuple):
    """A row of the screen: which of an entry's rows it shows."""

    place: Place
    number: int
    row: Row

    @property
    def is_within(self) -> bool:
        """Whether it is the entry's own, and no divider before it."""
        return self.row.start >= 0


@dataclass(frozen=True)
class Paper:
    """A document as it is laid out."""

    document: Document
    look: Look = Look(80)  # noqa: RUF009 it is immutable
    opened: frozenset[tuple[str, int]] = frozenset()
    """Records that are shown with all their lines."""
    origins_us: Mapping[str, int] = field(default_factory=dict)
    """What each run's times are relative to."""
    fills: bool = True
    """Whether what is not read yet is about to be."""

    def rows(self, place: Place) -> tuple[Row, ...]:
        """An entry's rows, and before them the dividers that stand before it."""
        document = self.document
        dividers = document.dividers_before(place)
        rows = self._own_rows(place)
        if not dividers:
            return rows
        above = [
            Row(number - len(dividers), ((Attribute("divider"), _ruled(text, self.look.columns)),))
            for number, text in enumerate(dividers)
        ]
        return (*above, *rows)

    def _own_rows(self, place: Place) -> tuple[Row, ...]:
        run, span = self.document.entry(place)
        if isinstance(span, Edge):
            name = f"{run}: " if self.look.name_columns else ""
            return (Row(0, ((Attribute("gap"), _ruled(name + self._said_of(run, span), self.look.columns)),)),)
        return lay_out(
            span.rows[place.offset],
            self.look,
            name=run if self.look.name_columns else "",
            role=f"run.{list(self.document.reels).index(run) + 1}" if self.look.name_columns else "run",
            origin_us=self.origins_us.get(run, 0),
            late=span.is_late,
            opened=(run, span.first_seq + place.offset) in self.opened,
        )

    def hit(self, place: Place) -> Stretch | None:
        """Where in a record's lines what is searched for is first seen."""
        run = self.document.entry(place).run
        return hit_of(
            self.document.row(place),
            self.look,
            name=run if self.look.name_columns else "",
            origin_us=self.origins_us.get(run, 0),
            opened=(run, self.document.seq(place)) in self.opened,
        )

    def _said_of(self, run: str, edge: Edge) -> str:
        span = edge.span
        count = f"{len(span):,} record{'s' * (len(span) > 1)}"
        if span.kind is Kind.GONE:
            return f"{count} not there any more"
        reel = self.document.reel(run)
        if self.document.filter:
            what = f"{count} not looked through yet"
        elif span.first_seq <= reel.first_seq:
            what = f"{len(span):,} older record{'s' * (len(span) > 1)}"
        elif span.next_seq > reel.head:
            what = f"{len(span):,} newer record{'s' * (len(span) > 1)}"
        else:
            what = f"{count} skipped"
        return what if self.fills else f"{what}, no connection"

    def down(self, place: Place, number: int = 0) -> Iterator[Line]:
        """The rows from one of an entry's on."""
        at: Place | None = place
        while at is not None:
            rows = self.rows(at)
            for which in range(number, len(rows)):
                yield Line(at, which, rows[which])
            at, number = self.document.after(at), 0

    def up(self, place: Place, number: int) -> Iterator[Line]:
        """The rows before one of an entry's, the nearest first."""
        rows = self.rows(place)
        at: Place | None = place
        while at is not None:
            for which in range(number - 1, -1, -1):
                yield Line(at, which, rows[which])
            at = self.document.before(at)
            if at is not None:
                rows = self.rows(at)
                number = len(rows)

    def line_at(self, place: Place, start: int) -> Line:
        """The row of an entry that has what begins at `start`."""
        rows = self.rows(place)
        own = next(number for number, row in enumerate(rows) if row.start >= 0)
        found = max((number for number in range(own, len(rows)) if rows[number].start <= start), default=own)
        return Line(place, found, rows[found])

    # The two ways in which a screen is come by

    def following(self, height: int) -> Screen:
        """The screen whose last row is the newest record's."""
        end = self.document.end
        if end is None:
            return Screen((None,) * height, None)
        above = list(islice(self.up(end, len(self.rows(end))), height))[::-1]
        return Screen((*(None,) * (height - len(above)), *above), None)

    def anchored(self, anchor: Anchor, height: int) -> Screen:
        """The screen that has the anchor where it is, as far as the screen has so many rows."""
        place = self.document.nearest(anchor.run, anchor.seq, anchor.at_us)
        if place is None:
            return Screen((None,) * height, None)
        is_it = self.document.is_record(place) and self.document.seq(place) == anchor.seq
        line = self.line_at(place, anchor.start if is_it else 0)
        return self.around(line, min(anchor.screen_row, height - 1), height)

    def around(self, line: Line, screen_row: int, height: int) -> Screen:
        """The screen that has a line on one of its rows."""
        above = list(islice(self.up(line.place, line.number), screen_row))[::-1]
        below = list(islice(self.down(line.place, line.number), height - screen_row))
        lines = (*(None,) * (screen_row - len(above)), *above, *below)
        return Screen((*lines, *(None,) * (height - len(lines))), screen_row)

    # What the user does

    def settled_row(self, line: Line, screen_row: int, height: int) -> int:
        """The row nearest to `screen_row` on which the line leaves no row empty that need not be.

        It may be off the screen. A document that is shorter than the screen stands at its bottom, as when following.
        """
        farther = max(0, screen_row - height, -screen_row)
        above = sum(1 for _ in islice(self.up(line.place, line.number), height + farther))
        below = sum(1 for _ in islice(self.down(line.place, line.number), height + farther)) - 1
        return max(min(screen_row, above), height - 1 - below)

    def moved(self, line: Line, screen_row: int, height: int) -> tuple[Line, int]:
        """A line near the middle of the screen that has `line` on a row, which may be off it; and its own row."""
        middle = height // 2
        if screen_row > middle:
            lines = islice(self.up(line.place, line.number), screen_row - middle)
            step = -1
        else:
            lines = islice(self.down(line.place, line.number), 1, 1 + middle - screen_row)
            step = 1
        for other in lines:
            line, screen_row = other, screen_row + step
        return line, screen_row

    def anchor(self, line: Line, screen_row: int) -> Anchor:
        document = self.document
        start = max(0, line.row.start)
        run, seq = document.entry(line.place).run, document.seq(line.place)
        edge = document.entry(line.place).span
        if isinstance(edge, Edge) and edge.backward:
            seq = edge.span.next_seq - 1
        return Anchor(run, seq, start, screen_row, document.at_us(line.place))

    def chosen(self, screen: Screen) -> Anchor | None:
        """The anchor for what is on a screen: the record nearest its middle, or what there is; None for nothing."""
        middle = len(screen.lines) // 2
        rows = sorted(range(len(screen.lines)), key=lambda row: (abs(row - middle), row))
        shown = [(line, row) for row in rows if (line := screen.lines[row]) is not None and line.is_within]
        records = (each for each in shown if self.document.is_record(each[0].place))
        best = next(records, shown[0] if shown else None)
        return self.anchor(*best) if best is not None else None


def _ruled(text: str, columns: int) -> str:
    """Text in a rule across the screen."""
    text = f"── {text} "
    return (text + "─" * (columns - len(text)))[:columns]


class Screen(NamedTuple):
    lines: tuple[Line | None, ...]
    anchor_row: int | None
    """The row that the anchor is on, while follow is off and there is anything."""

    @property
    def anchor_line(self) -> Line | None:
        return self.lines[self.anchor_row] if self.anchor_row is not None else None

    @property
    def top(self) -> Line | None:
        return next((line for line in self.lines if line is not None), None)

    @property
    def bottom(self) -> Line | None:
        return next((line for line in reversed(self.lines) if line is not None), None)
