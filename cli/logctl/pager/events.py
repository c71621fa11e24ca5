"""What can happen to the pager, and what it can ask for, beside what any screen knows: the whole of its border.

Events come from three sides, the terminal, the daemon and the clock; effects go to them. A request is known by its
number: the pager counts them, and a reply whose number it does not wait for is dropped. A subscription is known by its
`epoch`, which it is made with: what comes of an earlier one is dropped, too.

seqs count from 1. A read backward from a seq gives records before it, forward it gives that record and later ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from logctl.pager.filters import Filter
from logctl.presence import Present
from logctl.screen.events import Disconnected, Quit, Reconnected, Repaint, Suspend, TerminalEvent, Ticked, Value


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


# From the daemon, about one run


class Arrived(Value):
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


class Counted(Value):
    """The seqs that a run has: what a paused subscription is told in place of records."""

    run: str
    first_seq: int
    head: int


class PageRead(Value):
    """The reply to a ReadPage. The daemon looked from where that begins up to `next_seq`, None for the end."""

    request: int
    pieces: tuple[Piece, ...]
    first_seq: int
    head: int
    next_seq: int | None


class ReadFailed(Value):
    """A ReadPage was refused, such as for its pattern; `reason` is a sentence."""

    request: int
    reason: str


class RunWaiting(Value):
    """There is no such run yet."""

    run: str


class RunStarted(Value):
    """A run is running: at first, or again after it had ended."""

    run: str


class RunEnded(Value):
    """A run has ended after record `seq`, or is lost: its job is gone without a word. What it had sent came before."""

    run: str
    seq: int
    exit_status: int | None = None
    duration_seconds: float | None = None
    lost: bool = False


class Gap(Value):
    """The `count` records from `seq` on are not there any more."""

    run: str
    seq: int
    count: int


class Cleared(Value):
    """All records of a run were removed; the next one has the next seq."""

    run: str


class Truncated(Value):
    """A run lost its records after `seq`, and gives their seqs to others."""

    run: str
    seq: int


class Removed(Value):
    run: str


class Stalled(Value):
    """A run cannot be stored at present, for a reason."""

    run: str
    reason: str


class Resumed(Value):
    """It can be stored again."""

    run: str


class Board(Value):
    """How far a run is, by its board: a few words, or none where that does not tell."""

    run: str
    text: str = ""


class Presence(Value):
    """Who emits into the runs and watches them at present, beside this pager: by run, the first to come first."""

    people: tuple[Present, ...]


# From the clock, and from what effects had done


class Told(Value):
    """Something to tell the user, such as that a file was saved."""

    text: str


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
    TerminalEvent | RunEvent | PageRead | ReadFailed | Disconnected | Reconnected | Ticked | Told | Presence
)


# What the pager asks for


class Subscribe(Value):
    """Watch the runs anew, with a filter, in place of what was watched before.

    Args:
        epoch: what is pushed is to carry it.
        after: of each run the seq to begin with; a run that is not in it begins with its newest records.
        paused: as SetView.
    """

    epoch: int
    filter: Filter
    after: Mapping[str, int] = MappingProxyType({})
    paused: bool = False


class SetView(Value):
    """Push counters only, or records again: those of now, with what came meanwhile skipped."""

    paused: bool


class ReadPage(Value):
    """Read records: from a seq, or from the first one received at a time or later, or else from an end of the run."""

    request: int
    run: str
    from_seq: int | None = None
    from_time_us: int | None = None
    backward: bool = False
    limit: int = 500
    filter: Filter = Filter()


class CancelRead(Value):
    """Nobody waits for this reply any more."""

    request: int


class Copy(Value):
    """Put text on the clipboard (OSC 52)."""

    text: str


class OpenEditor(Value):
    text: str


class Save(Value):
    """Write all records that match to a file, as text. Answer by Told."""

    path: str
    runs: tuple[str, ...]
    filter: Filter


class CaptureMouse(Value):
    captured: bool


class FollowTurned(Value):
    """A transition of the follow flag, for the trace."""

    now: float
    follow: bool
    source: str


class ShowRuns(Value):
    """Leave for the list of runs."""


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
