"""What can happen to the pager, and what it can ask for: the whole of its border.

Events come from three sides, the terminal, the daemon and the clock; effects go to them. A request is known by its
number: the pager counts them, and a reply whose number it does not wait for is dropped. A subscription is known by its
`epoch`, which it is made with: what comes of an earlier one is dropped, too.

seqs count from 1. A read backward from a seq gives records before it, forward it gives that record and later ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, NoReturn, TypeAlias, dataclass_transform

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


@dataclass_transform(frozen_default=True)
class Value:
    """What is as immutable as a frozen dataclass, and seen as one by type checkers.

    One `__init__` serves all: making a class of each by itself would take a tenth of what the pager takes to start.
    """

    def __init__(self, *args: Any, **values: Any) -> None:
        names = type(self).__annotations__
        given = dict(zip(names, args, strict=False)) | values
        if len(args) > len(names) or len(given) < len(args) + len(values) or not given.keys() <= names.keys():
            raise TypeError(f"{type(self).__name__} takes {', '.join(names) or 'nothing'}, each once")
        if missing := [name for name in names if name not in given and not hasattr(type(self), name)]:
            raise TypeError(f"{type(self).__name__} lacks {', '.join(missing)}")
        self.__dict__.update(given)

    def _values(self) -> tuple[object, ...]:
        return tuple([getattr(self, name) for name in type(self).__annotations__])

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"it cannot be changed: {name}")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"it cannot be changed: {name}")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and isinstance(other, Value) and self._values() == other._values()

    def __hash__(self) -> int:
        return hash((type(self), self._values()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{value!r:.200}' for value in self._values())})"


# From the terminal


class Resized(Value):
    rows: int
    columns: int


class KeyPressed(Value):
    """A key by urwid's name of it: "j", "page up", "ctrl c", "f2", "meta u"."""

    key: str


class Clicked(Value):
    """A mouse button was pressed at a cell, from 0."""

    row: int
    column: int


class Wheel(Value):
    """The wheel was turned by so many rows, down if positive."""

    rows: int


class FocusChanged(Value):
    focused: bool


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


class Disconnected(Value):
    pass


class Reconnected(Value):
    """The daemon is there again. The pager subscribes anew, by an effect."""


# From the clock, and from what effects had done


class Ticked(Value):
    """Time has passed; wanted when `State.wakes_at` has come."""


class Told(Value):
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


class Repaint(Value):
    """Draw the whole screen again, as something else may have written on it."""


class Suspend(Value):
    """Stop this process, as ^Z does."""


class ShowRuns(Value):
    """Leave for the list of runs."""


class Quit(Value):
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
