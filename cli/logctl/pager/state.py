"""All that the pager is, at one moment. What is shown is a function of it, and it changes in model.update alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Final, NamedTuple, TypeAlias

from logctl.pager.document import Document
from logctl.pager.filters import Filter
from logctl.pager.layout import Look, Times
from logctl.pager.screen import Anchor, Paper, Screen
from logctl.pager.seeking import Reading, Search, Seek
from logctl.presence import Present
from logctl.screen.prompts import Prompt
from logd.states import told

NOTE_SECONDS: Final = 2.5
RETURN_SECONDS: Final = 5.0
"""Within it of a connection that was made again, others come back, and that is no news."""
REST_SECONDS: Final = 0.3
"""Since the user's last action, before being at the end turns follow on, where that is asked for."""
SILENT_SECONDS: Final = 20.0
"""Without a record, before a running run is said to be silent."""
LAG_SECONDS: Final = 1.0
GUTTER_COLUMNS: Final = 1
"""At the left, for marks: of the record that keys act on, of new ones, and of those that the user marked."""
MAX_NAME_COLUMNS: Final = 20
"""For the names of runs before their records, where there are several."""


class Source(Enum):
    """Who turns follow on or off."""

    START = "start"
    KEY = "key"
    CLICK = "click"
    END_AGAIN = "end_again"
    SCROLLED_AWAY = "scrolled_away"
    JUMP = "jump"
    SEARCH = "search"
    DETAIL = "detail"
    INTERRUPT = "interrupt"
    AT_BOTTOM = "at_bottom"
    END_OF_RUN = "end_of_run"
    RUN_STARTED = "run_started"


class Phase(Enum):
    """What a run does; nothing is said of one that nothing is known of yet."""

    UNKNOWN = ""
    WAITING = "waiting"
    RUNNING = "running"
    ENDED = "ended"
    LOST = "lost"
    REMOVED = "removed"


OVER: Final = (Phase.ENDED, Phase.LOST)
"""The phases of a run that nothing more comes of, until it starts again."""


@dataclass(frozen=True)
class Run:
    """What is known of a run beside its records."""

    phase: Phase = Phase.UNKNOWN
    exit_status: int | None = None
    heard_at: float = 0.0
    """When its last record came, or it started."""
    stalled: str = ""
    """Why it cannot be stored."""
    progress: str = ""
    """How far its board says that it is."""
    skipped: int = 0
    """Records that were left out of what was pushed, since the pager began."""
    lag_seconds: float = 0.0
    next_seq: int = 0
    """What is pushed next; 0 before the first push."""
    mark_seq: int = 0
    """While follow is off: the newest seq that had been shown when it was turned off."""
    seen_seq: int = 0
    """The newest one since that was on a screen which the user then left."""
    origin_us: int = 0
    """The time of the first record that was seen of it."""

    @property
    def ended(self) -> str:
        """How it ended, in the words that are said of runs elsewhere, too."""
        return told(self.phase.value, self.exit_status)


class Note(NamedTuple):
    text: str
    until: float
    of_people: bool = False
    """Whether it tells who came or went, which the next such news takes the place of."""


class Sheet(NamedTuple):
    """A page of text that covers the records: "help", the "detail" of one, or "people", who are present."""

    kind: str
    top: int = 0
    run: str = ""
    seq: int = 0
    row: bytes = b""


class Found(NamedTuple):
    """What was searched for last."""

    filter: Filter
    said: str
    backward: bool
    text: str = ""
    """The pattern as it was typed."""


Goal: TypeAlias = Seek | Search


@dataclass(frozen=True)
class State:
    document: Document
    runs: Mapping[str, Run]
    """The same runs as the document's."""
    patterns: tuple[str, ...] = ()
    """Of runs that are to start, beside these."""
    rows: int = 24
    columns: int = 80
    now: float = 0.0
    """Monotonic seconds."""
    epoch_us: int = 0
    """The wall's time when `now` was 0."""

    people: tuple[Present, ...] | None = None
    """Who emits and who watches, beside this pager; None while that is not known."""
    reconnected_at: float = -math.inf

    follow: bool = True
    followed_by: Source = Source.START
    """Who set it last."""
    anchor: Anchor | None = None
    """There is one exactly while follow is off."""
    resumes_at_bottom: bool = False
    acted_at: float = 0.0
    """When the user last did something."""

    goal: Goal | None = None
    """Where the user is to be, as soon as what is there was read."""
    readings: Mapping[int, Reading] = field(default_factory=dict)
    """Requests for what is near the screen."""
    next_request: int = 1
    reads: bool = True
    """Whether what is near is read; it is not after a read failed, until the user does something."""
    epoch: int = 0
    connected: bool = True

    wrap: bool = True
    left: int = 0
    times: Times = Times.ABSOLUTE
    colour: bool = True
    pattern: str = ""
    """What is to be seen in messages."""
    opened: frozenset[tuple[str, int]] = frozenset()

    found: Found | None = None
    marks: Mapping[str, Anchor] = field(default_factory=dict)
    """By their letters; "'" is where the user was before the last jump."""
    note: Note | None = None
    prompt: Prompt | None = None
    sheet: Sheet | None = None
    last_action: str = ""
    """What the last key did."""
    ignores_case: bool = False
    """Whether searches do."""
    count: str = ""
    """Digits that were typed before a command."""
    typed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What was typed into each kind of prompt, the newest last."""
    mouse: bool = False
    """Whether the mouse is captured."""
    focused: bool = True

    # What follows from it

    @property
    def height(self) -> int:
        """Rows for records: all but the status line."""
        return max(1, self.rows - 1)

    @property
    def shown_runs(self) -> tuple[str, ...]:
        return tuple(name for name in self.document.reels if name not in self.document.hidden)

    @cached_property
    def look(self) -> Look:
        names = max(map(len, self.document.reels)) if len(self.document.reels) > 1 else 0
        return Look(
            max(1, self.columns - GUTTER_COLUMNS),
            self.wrap,
            self.left,
            self.times,
            self.colour,
            self.pattern,
            min(names, MAX_NAME_COLUMNS),
        )

    @cached_property
    def paper(self) -> Paper:
        return Paper(
            self.document,
            self.look,
            self.opened,
            {name: run.origin_us for name, run in self.runs.items()},
            fills=self.connected,
        )

    @cached_property
    def screen(self) -> Screen:
        if self.anchor is None:
            return self.paper.following(self.height)
        return self.paper.anchored(self.anchor, self.height)

    @property
    def at_end(self) -> bool:
        """Whether the last row of all that there is can be seen."""
        bottom = self.screen.lines[-1]
        last = self.document.last
        if bottom is None or last is None:
            return True
        return bottom.place == last and bottom.number == len(self.paper.rows(last)) - 1

    @property
    def current(self) -> tuple[str, int, bytes] | None:
        """The record that keys act on: the anchor's, or while following the newest. Its run, seq and stored line."""
        document = self.document
        line = self.screen.anchor_line
        place = line.place if line is not None else document.end if self.follow else None
        if place is None or not document.is_record(place):
            return None
        return document.entry(place).run, document.seq(place), document.row(place)

    def is_new(self, run: str, seq: int) -> bool:
        """Whether a record came since follow was turned off, and was not seen before this screen."""
        known = self.runs[run]
        return not self.follow and seq > max(known.mark_seq, known.seen_seq)

    @property
    def newest_on_screen(self) -> dict[str, int]:
        """Of each run that has records on the screen, the newest one's seq."""
        document = self.document
        newest: dict[str, int] = {}
        for line in self.screen.lines:
            if line is not None and document.is_record(line.place):
                run, seq = document.entry(line.place).run, document.seq(line.place)
                newest[run] = max(newest.get(run, 0), seq)
        return newest

    @property
    def new_count(self) -> int:
        """Records that came since follow was turned off, and are newer than all that was on the screen since."""
        if self.follow:
            return 0
        newest, count = self.newest_on_screen, 0
        for name in self.shown_runs:
            seen_seq = max(self.runs[name].mark_seq, self.runs[name].seen_seq, newest.get(name, 0))
            count += max(0, self.document.reel(name).head - seen_seq)
        return count

    @property
    def shown_note(self) -> str:
        return self.note.text if self.note is not None and self.now < self.note.until else ""

    @property
    def wakes_at(self) -> float | None:
        """When a Ticked is wanted next; None for never."""
        times = [self.note.until] if self.note is not None else []
        if isinstance(self.goal, Seek):
            times.append(self.goal.deadline)
        if self.resumes_at_bottom and not self.follow:
            times.append(self.acted_at + REST_SECONDS)
        times += [
            max(run.heard_at + SILENT_SECONDS, self.now + 1) for run in self.runs.values() if run.phase is Phase.RUNNING
        ]
        return min((at for at in times if at > self.now), default=None)

    @property
    def repaint_seconds(self) -> float:
        """How long after a repaint the next one is to be, at the least: a screen that nobody looks at costs little."""
        return 0.0 if self.focused else 1.0
