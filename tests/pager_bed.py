"""A daemon in memory for the pager, and a pager that is joined to it by hand: nothing happens unless a test says so."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from logctl.pager.events import (
    Arrived,
    CancelRead,
    Counted,
    Effect,
    Event,
    Gap,
    PageRead,
    Piece,
    ReadPage,
    SetView,
    Subscribe,
)
from logctl.pager.filters import Filter
from logctl.pager.model import start, update
from logctl.pager.state import State
from logctl.pager.view import view
from logctl.presence import Present
from logctl.screen.events import KeyPressed
from logd.record import rfc3339, severity_from_word

START_US = 1_795_000_000_000_000
"""2026-11-18T11:06:40Z."""


@dataclass
class FakeRun:
    """A run's records. What is gone, or was cut off, is kept here too: `first_seq` and `head` say what there is."""

    rows: list[bytes] = field(default_factory=list)
    times_us: list[int] = field(default_factory=list)
    """When each came; records of one block have one time."""
    said: list[tuple[int, str, str]] = field(default_factory=list)
    """Of each what filters look at: severity, message and source."""
    first_seq: int = 1

    @property
    def head(self) -> int:
        return len(self.rows)


def row(message: str, level: str = "", time_us: int = START_US, **fields: Any) -> bytes:
    """A record as it is stored."""
    record: dict[str, Any] = {"time": rfc3339(time_us)}
    if level:
        record["level"] = level
    return json.dumps({**record, "msg": message, **fields}, ensure_ascii=False, separators=(",", ":")).encode()


def watcher(terminal: str, run: str = "job") -> Present:
    """One who watches a run."""
    value = {"uid": 0, "pid": 7, "terminal": terminal, "since_us": START_US, "paused": False, "filter": ""}
    return Present(run, "viewer", {**value, "lag_records": 0, "lag_seconds": 0.0})


def matches(filter: Filter, said: tuple[int, str, str]) -> bool:
    severity, message, source = said
    return (
        severity >= filter.min_severity
        and all(
            (re.search(pattern, message) is None) == (filter.inverted and not number)
            for number, pattern in enumerate(filter.patterns)
        )
        and filter.source in ("", source)
    )


class FakeDaemon:
    """Keeps runs, answers reads, and pushes when it is told to.

    Args:
        window: how many records a push has at the most.
        scan_records: how many records a read looks through at the most.
    """

    def __init__(self, *names: str, window: int = 1000, scan_records: int = 10_000) -> None:
        self.runs = {name: FakeRun() for name in names}
        self.window = window
        self.scan_records = scan_records
        self.clock_us = START_US
        self.epoch = 0
        self.filter = Filter()
        self.paused = False
        self.cursors: dict[str, int] = {}

    def append(self, name: str, messages: Iterable[str], level: str = "", **fields: Any) -> None:
        """Store records as one block."""
        self.clock_us += 1000
        run = self.runs[name]
        for message in messages:
            run.rows.append(row(message, level, self.clock_us, **fields))
            run.times_us.append(self.clock_us)
            run.said.append((severity_from_word(level) or 0, message, fields.get("source", "")))

    def cut(self, name: str, head: int) -> None:
        """Have a run lose its records behind one."""
        run = self.runs[name]
        del run.rows[head:], run.times_us[head:], run.said[head:]
        if name in self.cursors:
            self.cursors[name] = min(self.cursors[name], head + 1)

    def pieces(self, name: str, seqs: Iterable[int]) -> tuple[Piece, ...]:
        """These records, in order, as pieces of blocks."""
        run = self.runs[name]
        groups: list[list[int]] = []
        for seq in seqs:
            last = groups[-1] if groups else []
            if last and last[-1] == seq - 1 and run.times_us[seq - 1] == run.times_us[last[0] - 1]:
                last.append(seq)
            else:
                groups.append([seq])
        return tuple(
            Piece(
                group[0],
                len(group),
                run.times_us[group[0] - 1],
                b"".join([run.rows[seq - 1] + b"\n" for seq in group]),
            )
            for group in groups
        )

    def subscribe(self, effect: Subscribe) -> None:
        self.epoch, self.filter, self.paused = effect.epoch, effect.filter, effect.paused
        self.cursors = dict(effect.after)

    def push(self, name: str) -> list[Event]:
        """What the subscription has to tell of a run now."""
        run = self.runs[name]
        if self.paused:
            return [Counted(name, run.first_seq, run.head)]
        cursor = self.cursors.get(name, max(run.first_seq, run.head + 1 - self.window))
        gaps: list[Event] = []
        if cursor < run.first_seq:
            gaps.append(Gap(name, cursor, run.first_seq - cursor))
            cursor = self.cursors[name] = run.first_seq
        if name in self.cursors and cursor > run.head:
            return gaps
        seqs = [seq for seq in range(cursor, run.head + 1) if matches(self.filter, run.said[seq - 1])]
        skipped = max(0, len(seqs) - self.window)
        self.cursors[name] = run.head + 1
        arrived = Arrived(
            name, self.pieces(name, seqs[skipped:]), run.head + 1, run.head, skipped=skipped, epoch=self.epoch
        )
        return [*gaps, arrived]

    def read(self, effect: ReadPage) -> PageRead:
        run = self.runs[effect.run]
        end_seq = run.head + 1
        if effect.from_seq is not None:
            at = min(max(effect.from_seq, run.first_seq), end_seq)
        elif effect.from_time_us is not None:
            later = (seq for seq in range(run.first_seq, end_seq) if run.times_us[seq - 1] >= effect.from_time_us)
            at = next(later, end_seq)
        else:
            at = end_seq if effect.backward else run.first_seq
        order = range(at - 1, run.first_seq - 1, -1) if effect.backward else range(at, end_seq)
        taken: list[int] = []
        looked = 0
        for seq in order:
            if len(taken) == effect.limit or looked == self.scan_records:
                break
            looked += 1
            if matches(effect.filter, run.said[seq - 1]):
                taken.append(seq)
        following: int | None = at - looked if effect.backward else at + looked
        if looked == len(order):
            following = None
        return PageRead(effect.request, self.pieces(effect.run, sorted(taken)), run.first_seq, run.head, following)


class Pager:
    """A pager, and the daemon that it asks."""

    def __init__(self, daemon: FakeDaemon, *, rows: int = 24, columns: int = 80, **options: Any) -> None:
        self.daemon = daemon
        self.now = 0.0
        self.effects: list[Effect] = []
        """All but what the daemon takes."""
        self.asked: list[ReadPage] = []
        """What is not answered yet."""
        self.cancelled: list[int] = []
        self.state, effects = start(daemon.runs, rows=rows, columns=columns, epoch_us=START_US, **options)
        self._take(effects)

    def _take(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, ReadPage):
                self.asked.append(effect)
            elif isinstance(effect, CancelRead):
                self.cancelled.append(effect.request)
            elif isinstance(effect, Subscribe):
                self.daemon.subscribe(effect)
            elif isinstance(effect, SetView):
                self.daemon.paused = effect.paused
            else:
                self.effects.append(effect)

    def tell(self, event: Event) -> State:
        """Have an event happen."""
        self.state, effects = update(self.state, event, self.now)
        self._take(effects)
        return self.state

    def push(self) -> None:
        """Have the daemon push what it has of every run."""
        for name in self.daemon.runs:
            for event in self.daemon.push(name):
                self.tell(event)

    def answer(self, which: int = 0) -> None:
        """Have one of the requests answered, also if nobody waits for it any more."""
        self.tell(self.daemon.read(self.asked.pop(which)))

    def settle(self) -> None:
        """Have everything answered and pushed."""
        for _ in range(200):
            while self.asked:
                self.answer()
            self.push()
            if not self.asked:
                return
        raise AssertionError("the pager asks for ever")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.tell(KeyPressed(key))

    def type(self, text: str) -> None:
        """Type what is one character each, and then have all answered."""
        self.press(*text)
        self.settle()

    def enter(self, text: str) -> None:
        self.press(*text, "enter")
        self.settle()

    def wait(self, seconds: float) -> None:
        from logctl.screen.events import Ticked

        self.now += seconds
        self.tell(Ticked())

    @property
    def text(self) -> str:
        """The screen."""
        return view(self.state).text()

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @property
    def status(self) -> str:
        return self.lines[-1]

    @property
    def seqs(self) -> list[int]:
        """The records on the screen, from above, by their seqs; a record of several rows once."""
        document = self.state.document
        found: list[int] = []
        for line in self.state.screen.lines:
            if line is not None and document.is_record(line.place) and document.seq(line.place) not in found[-1:]:
                found.append(document.seq(line.place))
        return found


def attached(count: int = 0, *, rows: int = 24, columns: int = 80, **options: Any) -> Pager:
    """A pager that follows a run `job` of so many records, "line 1" and so on."""
    daemon = FakeDaemon("job")
    daemon.append("job", [f"line {number}" for number in range(1, count + 1)])
    pager = Pager(daemon, rows=rows, columns=columns, **options)
    pager.settle()
    return pager
