"""How much the pager holds, and what it lets go: what is farthest from where one looks, each run's newest last."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from logctl.pager.document import Document, Place
from logctl.pager.tiling import Held

MAX_HELD_RECORDS: Final = 10_000
"""What is held: some hundred screens, so that a page up or down is always there before it is asked for."""
MAX_HELD_BYTES: Final = 16 * 1024 * 1024
"""Of their stored lines, as a record may be 64 KiB long."""
KEPT_FREE: Final = 10
"""What is let go at a time leaves a tenth free, so that it is not done for each record that comes."""
KEPT_TAIL_RECORDS: Final = 256
"""Each run's newest that are held stay wherever one looks, as now is a key away. Few screens have more rows."""


def trimmed(document: Document, focus: Place | None) -> Document:
    """The document with no more than may be held: what is farthest from `focus`, None for the end, is unread again."""
    records, size = document.held
    if records <= MAX_HELD_RECORDS and size <= MAX_HELD_BYTES:
        return document
    most_records, most_bytes = (bound - bound // KEPT_FREE for bound in (MAX_HELD_RECORDS, MAX_HELD_BYTES))
    dropped: dict[str, list[Held]] = {}
    for run, span in _farthest_first(document, len(document.order) if focus is None else focus.entry):
        dropped.setdefault(run, []).append(span)
        records -= len(span)
        size -= len(span.data)
        if records <= most_records and size <= most_bytes:
            break
    reels = {
        run: replace(document.reels[run], spans=document.reels[run].spans.without(d)) for run, d in dropped.items()
    }
    return replace(document, reels={**document.reels, **reels})


def _farthest_first(document: Document, focus: int) -> Iterator[tuple[str, Held]]:
    """Spans that may go: those of hidden runs, and then from whichever end has more records before the focus."""
    for run in document.hidden & document.reels.keys():
        yield from ((run, span) for span in document.reels[run].spans if isinstance(span, Held))
    tails = _tails(document)
    loose = [
        (number, entry.run, entry.span)
        for number, entry in enumerate(document.order)
        if isinstance(entry.span, Held) and number != focus and entry.first_seq < tails.get(entry.run, 0)
    ]
    below = sum(len(span) for number, _, span in loose if number < focus)
    above = sum(len(span) for number, _, span in loose if number > focus)
    low, high = 0, len(loose) - 1
    while low <= high:
        if below >= above:
            _, run, span = loose[low]
            below -= len(span)
            low += 1
        else:
            _, run, span = loose[high]
            above -= len(span)
            high -= 1
        yield run, span
    # Only runs' tails are left, which many runs, or long records, may have too much of.
    tail = [(e.run, e.span) for n, e in enumerate(document.order) if isinstance(e.span, Held) and n != focus]
    yield from (each for each in tail if each[1].first_seq >= tails[each[0]])


def _tails(document: Document) -> dict[str, int]:
    """The seq that each run's last KEPT_TAIL_RECORDS begin with, or the span in which they do."""
    tails = {}
    for run, reel in document.reels.items():
        left = KEPT_TAIL_RECORDS
        for span in reversed(reel.spans):
            if isinstance(span, Held):
                tails[run] = span.first_seq
                left -= len(span)
                if left <= 0:
                    break
    return tails
