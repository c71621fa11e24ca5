"""Of records that match one pattern, those that match others, too: the daemon's filter has a single one."""

from __future__ import annotations

from collections.abc import Iterator

from logctl.output import parse_rows
from logctl.pager.events import Piece
from logctl.pager.filters import Filter
from logctl.pager.highlight import matches


def narrowed(pieces: tuple[Piece, ...], filter: Filter) -> tuple[Piece, ...]:
    """The pieces with only those records whose messages match all of the filter's patterns.

    Args:
        pieces: of records that match all of it but its patterns, of which they match the last.
    """
    if len(filter.patterns) < 2:
        return pieces
    return tuple([part for piece in pieces for part in _parts(piece, filter)])


def _parts(piece: Piece, filter: Filter) -> Iterator[Piece]:
    lines = piece.data.splitlines(keepends=True)
    for number, (line, row) in enumerate(zip(lines, parse_rows(piece.data), strict=True)):
        matching = [matches(pattern, str(row["msg"])) for pattern in filter.patterns[:-1]]
        if all(matching[1:]) and matching[0] != filter.inverted:
            yield Piece(piece.first_seq + number, 1, piece.time_us, line, piece.matches)
