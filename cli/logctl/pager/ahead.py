"""Reading ahead: what is near the screen is asked for before it is seen, and nothing else is."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final

from logctl.pager.document import Document, Edge, Place
from logctl.pager.goals import is_refiltering
from logctl.pager.seeking import Reading
from logctl.pager.state import State
from logctl.pager.tiling import Blank, Held, Kind
from logctl.pager.turns import Turn

AHEAD_SCREENS: Final = 2
"""What is nearer to the screen than this is read before it is asked for."""


def read_ahead(turn: Turn) -> None:
    """Ask for what is not read yet on the screen and near it: of each run, in each direction, one page at a time."""
    state = turn.state
    if not state.connected or not state.reads or is_refiltering(state):
        return
    for reading in _wanted(state):
        if all(reading[::2] != other[::2] for other in turn.state.readings.values()):
            request = turn.ask(
                reading.run, from_seq=reading.from_seq, backward=reading.backward, filter=state.document.filter
            )
            turn.change(readings={**turn.state.readings, request: reading})


def _wanted(state: State) -> Iterator[Reading]:
    """What is not read yet on the screen and near it. While following that is only what will not be pushed."""
    document, screen = state.document, state.screen
    if screen.top is None or screen.bottom is None:
        return
    top, bottom = screen.top.place.entry, screen.bottom.place.entry
    anchor = screen.anchor_line.place.entry if screen.anchor_line is not None else bottom
    if state.follow:
        near = {number: True for number in range(top, bottom + 1) if _is_oldest(document, number)}
        yield from _missed(state)
    else:
        near = {number: number < anchor for number in range(top, bottom + 1)}
        near |= _next_unread(document, screen.top.place, state.height * AHEAD_SCREENS, backward=True)
        near |= _next_unread(document, screen.bottom.place, state.height * AHEAD_SCREENS, backward=False)
    for number, is_above in near.items():
        entry = document.order[number]
        if not isinstance(entry.span, Edge) or entry.span.span.kind is not Kind.UNREAD:
            continue
        backward = entry.span.backward
        if backward is None:
            backward = is_above
            if number == anchor and not is_above:
                backward = number == 0
        yield Reading(entry.run, entry.next_seq if backward else entry.first_seq, backward)


def _missed(state: State) -> Iterator[Reading]:
    """The ends of runs that are not read and will not be pushed either, as what was behind them is lost."""
    for name in state.shown_runs:
        spans, next_seq = state.document.reel(name).spans, state.runs[name].next_seq
        if spans and isinstance(spans[-1], Blank) and spans[-1].kind is Kind.UNREAD and spans[-1].first_seq < next_seq:
            yield Reading(name, min(next_seq, spans.end_seq), True)


def _is_oldest(document: Document, number: int) -> bool:
    entry = document.order[number]
    return not any(isinstance(other.span, Held) and other.run == entry.run for other in islice(document.order, number))


def _next_unread(document: Document, place: Place, rows: int, *, backward: bool) -> dict[int, bool]:
    """Whatever is not read within so many entries from a place, by its number."""
    left = rows - (place.offset if backward else len(document.entry(place)) - 1 - place.offset)
    number = place.entry
    found: dict[int, bool] = {}
    while left > 0:
        number += -1 if backward else 1
        if not 0 <= number < len(document.order):
            break
        found[number] = backward
        left -= len(document.order[number])
    return found
