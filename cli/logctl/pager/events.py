"""What can happen to the pager, and what it can ask for: the whole of its border.

Events come from three sides, the terminal, the daemon and the clock; effects go to them. A request is known by its
number: the pager counts them, and a reply whose number it does not wait for is dropped. A subscription is known by its
`epoch`, which it is made with: what comes of an earlier one is dropped, too.

seqs count from 1. A read backward from a seq gives records before it, forward it gives that record and later ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from logctl.pager.filters import Filter


class Piece(NamedTuple):
    """Consecutive records of one block as they are stored: whole lines of JSON."""

    first_seq: int
    record_count: int
    time_us: int
    """When the daemon received them."""
    data: bytes
    matches: bool = True

    @property
    def next_seq(self) -> int:
        return self.first_seq + self.record_count


# From the terminal


@dataclass(frozen=True)
class Resized:
    rows: int
    columns: int


@dataclass(frozen=True)
class KeyPressed:
    """A key by urwid's name of it: "j", "page up", "ctrl c", "f2", "meta u"."""

    key: str


@dataclass(frozen=True)
class Clicked:
    """A mouse button was pressed at a cell, from 0."""

    row: int
    column: int


@dataclass(frozen=True)
class Wheel:
    """The wheel was turned by so many rows, down if positive."""

    rows: int


@dataclass(frozen=True)
class FocusChanged:
    focused: bool


# From the daemon, about one run


@dataclass(frozen=True)
class Arrived:
    """The subscription's next records.

    Args:
        pieces: in order. With a filter they are what matches of the records before `next_seq`.
        next_seq: how far the daemon has looked: the next push begins there, or leaves out from there.
        head: the run's newest seq.
        skipped: how many records before the pieces are left out, as they were too many to show.
        lag_seconds: how old the newest of them was when it came.
    """

    run: str
    pieces: tuple[Piece, ...]
    next_seq: int
    head: int
    skipped: int = 0
    lag_seconds: float = 0.0
    epoch: int = 0


@dataclass(frozen=True)
class Counted:
    """The seqs that a run has: what a paused subscription is told in place of records."""

    run: str
    first_seq: int
    head: int


@dataclass(frozen=True)
class PageRead:
    """The reply to a ReadPage. The daemon looked from where that begins up to `next_seq`, None for the end."""

    request: int
    pieces: tuple[Piece, ...]
    first_seq: int
    head: int
    next_seq: int | None


@dataclass(frozen=True)
class ReadFailed:
    """A ReadPage was refused, such as for its pattern; `reason` is a sentence."""

    request: int
    reason: str


@dataclass(frozen=True)
class RunWaiting:
    """There is no such run yet."""

    run: str


@dataclass(frozen=True)
class RunStarted:
    """A run is running: at first, or again after it had ended."""

    run: str


@dataclass(frozen=True)
class RunEnded:
    """A run has ended after record `seq`. What it had sent came before this."""

    run: str
    seq: int
    exit_status: int | None = None
    duration_seconds: float | None = None


@dataclass(frozen=True)
class Gap:
    """The `count` records from `seq` on are not there any more."""

    run: str
    seq: int
    count: int


@dataclass(frozen=True)
class Cleared:
    """All records of a run were removed; the next one has the next seq."""

    run: str


@dataclass(frozen=True)
class Truncated:
    """A run lost its records after `seq`, and gives their seqs to others."""

    run: str
    seq: int


@dataclass(frozen=True)
class Removed:
    run: str


@dataclass(frozen=True)
class Stalled:
    """A run cannot be stored at present, for a reason."""

    run: str
    reason: str


@dataclass(frozen=True)
class Resumed:
    """It can be stored again."""

    run: str


@dataclass(frozen=True)
class Board:
    """How far a run is with the item of its board that tells most: `done` of `total`, 0 where that is not known."""

    run: str
    done: int
    total: int
    text: str = ""


@dataclass(frozen=True)
class Disconnected:
    pass


@dataclass(frozen=True)
class Reconnected:
    """The daemon is there again. The pager subscribes anew, by an effect."""


# From the clock, and from what effects had done


@dataclass(frozen=True)
class Ticked:
    """Time has passed; wanted when `State.wakes_at` has come."""


@dataclass(frozen=True)
class Told:
    """Something to tell the user, such as that a file was saved."""

    text: str


UserEvent: TypeAlias = KeyPressed | Clicked | Wheel
RunEvent: TypeAlias = (
    Arrived
    | Counted
    | RunWaiting
    | RunStarted
    | RunEnded
    | Gap
    | Cleared
    | Truncated
    | Removed
    | Stalled
    | Resumed
    | Board
)
Event: TypeAlias = (
    UserEvent | RunEvent | Resized | FocusChanged | PageRead | ReadFailed | Disconnected | Reconnected | Ticked | Told
)


# What the pager asks for


@dataclass(frozen=True)
class Subscribe:
    """Watch the runs anew, with a filter, in place of what was watched before.

    Args:
        epoch: what is pushed is to carry it.
        after: of each run the seq to begin with; a run that is not in it begins with its newest records.
        paused: as SetView.
    """

    epoch: int
    filter: Filter
    after: Mapping[str, int] = field(default_factory=dict)
    paused: bool = False


@dataclass(frozen=True)
class SetView:
    """Push counters only, or records again: those of now, with what came meanwhile skipped."""

    paused: bool


@dataclass(frozen=True)
class ReadPage:
    """Read records: from a seq, or from the first one received at a time or later, or else from an end of the run."""

    request: int
    run: str
    from_seq: int | None = None
    from_time_us: int | None = None
    backward: bool = False
    limit: int = 500
    filter: Filter = Filter()  # noqa: RUF009 it is frozen


@dataclass(frozen=True)
class CancelRead:
    """Nobody waits for this reply any more."""

    request: int


@dataclass(frozen=True)
class Copy:
    """Put text on the clipboard (OSC 52)."""

    text: str


@dataclass(frozen=True)
class OpenEditor:
    text: str


@dataclass(frozen=True)
class Save:
    """Write all records that match to a file, as text. Answer by Told."""

    path: str
    runs: tuple[str, ...]
    filter: Filter


@dataclass(frozen=True)
class CaptureMouse:
    captured: bool


@dataclass(frozen=True)
class FollowTurned:
    """A transition of the follow flag, for the trace."""

    now: float
    follow: bool
    source: str


@dataclass(frozen=True)
class Repaint:
    """Draw the whole screen again, as something else may have written on it."""


@dataclass(frozen=True)
class Suspend:
    """Stop this process, as ^Z does."""


@dataclass(frozen=True)
class ShowRuns:
    """Leave for the list of runs."""


@dataclass(frozen=True)
class Quit:
    pass


Effect: TypeAlias = (
    Subscribe
    | SetView
    | ReadPage
    | CancelRead
    | Copy
    | OpenEditor
    | Save
    | CaptureMouse
    | FollowTurned
    | Repaint
    | Suspend
    | ShowRuns
    | Quit
)
