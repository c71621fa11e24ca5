"""The pager's law, held to whatever can happen in any order: a state machine for hypothesis, and a way to run it long.

A step is an event, and after each one all of the law is checked, against the daemon's own records.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from pager_bed import FakeDaemon, Pager, matches, watcher

from logctl.pager import tiling, trimming
from logctl.pager.document import Document
from logctl.pager.events import (
    Arrived,
    Board,
    Cleared,
    Counted,
    Event,
    Gap,
    PageRead,
    Presence,
    ReadFailed,
    Removed,
    Resumed,
    RunEnded,
    RunStarted,
    Stalled,
    Truncated,
)
from logctl.pager.seeking import Search, Seek
from logctl.pager.state import State
from logctl.pager.status import status
from logctl.pager.tiling import Held, Kind
from logctl.pager.view import view
from logctl.screen.cells import columns_of
from logctl.screen.events import Clicked, Disconnected, KeyPressed, Reconnected, Resized, Ticked, Wheel

MESSAGES = st.sampled_from(
    [
        "short",
        "a line that is longer than most screens here are wide, so that it is wrapped " * 3,
        "\x1b[31mred\x1b[0m and \x1b[1mbold",
        "Traceback\n  one\n  two\nValueError: no",
        "two\nlines",
        "",
        "漢字 are wide, e\u0301 is one, 👩‍👩‍👧 are three and one",
        "\ttabs\tand \x07 bells \u202e",
    ]
)
LEVELS = st.sampled_from(["", "", "INFO", "WARN", "ERROR"])
MOVES = st.sampled_from(
    [
        *"jkjkdubgGFwWeEnNStlmqo125%xh =",
        *("page up", "page down", "left", "right", "enter", "ctrl c", "esc", "f2"),
    ]
)
TYPED = st.sampled_from(
    [
        *("/short", "?bold", "/nowhere", "&short", "&", "&ValueError", "&nowhere", "''", "'m", "ma", "-S"),
        *(":level warn", ":level", ":seq 3", ":50%", ":time 11:07", ":time 11:00", ":time never", ":grep two"),
        *(":nothing", ":h", ":1", "&!short", "&!", "-i", "-x", "3n", "40N", "2e", "30k", "500k", "60j"),
    ]
)


PHASES = (Phase.generate, Phase.shrink)


class PagerMachine(RuleBasedStateMachine):
    """A pager and its daemon, with replies that come late, in any order, or after they were called off."""

    steps = 0

    def __init__(self) -> None:
        super().__init__()
        self.known: dict[int, Held] = {}
        """Spans that were seen to be what the daemon has."""

    @initialize(
        runs=st.sampled_from([1, 1, 1, 2, 3]),
        window=st.sampled_from([5, 30, 1000]),
        scan_records=st.sampled_from([3, 40, 1000]),
        rows=st.integers(2, 14),
        columns=st.integers(1, 90),
        begins_with=st.sampled_from([0, 3, 40, 700]),
        resumes=st.booleans(),
        small=st.booleans(),
    )
    def begin(
        self,
        runs: int,
        window: int,
        scan_records: int,
        rows: int,
        columns: int,
        begins_with: int,
        resumes: bool,
        small: bool,
    ) -> None:
        self.bounds = pytest.MonkeyPatch()
        if small:
            # So that what is held is let go all the time.
            self.bounds.setattr(trimming, "MAX_HELD_RECORDS", 300)
            self.bounds.setattr(trimming, "KEPT_TAIL_RECORDS", 20)
            self.bounds.setattr(tiling, "SPAN_RECORDS", 10)
        self.names = [f"run-{number}" for number in range(1, runs + 1)]
        self.daemon = FakeDaemon(*self.names, window=window, scan_records=scan_records)
        self.daemon.append(self.names[0], ["first"] * begins_with)
        self.pager = Pager(self.daemon, rows=rows, columns=columns, resumes_at_bottom=resumes)
        self.check(None)

    def teardown(self) -> None:
        self.bounds.undo()

    # What happens

    def tell(self, event: Event) -> None:
        before = self.pager.state
        self.pager.tell(event)
        self.check(before, event)

    def some(self, number: int) -> str:
        return self.names[number % len(self.names)]

    @rule(which=st.integers(0, 2), messages=st.lists(MESSAGES, min_size=1, max_size=6), level=LEVELS)
    def append(self, which: int, messages: list[str], level: str) -> None:
        self.daemon.append(self.some(which), messages, level)

    @rule(which=st.integers(0, 2), count=st.sampled_from([50, 50, 400, 1500]), level=LEVELS)
    def flood(self, which: int, count: int, level: str) -> None:
        self.daemon.append(self.some(which), ["flood"] * count, level)
        self.push(which)

    @rule(which=st.integers(0, 2))
    def push(self, which: int) -> None:
        name = self.some(which)
        if self.pager.state.connected:
            for event in self.daemon.push(name):
                self.tell(event)

    @rule(which=st.integers(0, 2))
    def count(self, which: int) -> None:
        run = self.daemon.runs[self.some(which)]
        self.tell(Counted(self.some(which), run.first_seq, run.head))

    @precondition(lambda self: self.pager.asked)
    @rule(which=st.integers(0, 100), late=st.booleans())
    def answer(self, which: int, late: bool) -> None:
        """In the order of the requests or in any other; whether or not somebody waits."""
        asked = self.pager.asked.pop(which % len(self.pager.asked) if late else 0)
        if self.pager.state.connected:
            self.tell(self.daemon.read(asked))

    @precondition(lambda self: self.pager.asked)
    @rule()
    def answer_all(self) -> None:
        for _ in range(60):
            if self.pager.asked:
                self.answer(0, False)

    @precondition(lambda self: self.pager.asked)
    @rule()
    def refuse(self) -> None:
        self.tell(ReadFailed(self.pager.asked.pop(0).request, "no"))

    @rule(key=MOVES)
    def press(self, key: str) -> None:
        if key != "q" or self.pager.state.sheet is not None:
            self.tell(KeyPressed(key))

    @rule(key=st.sampled_from(["k", "page up", "j", "F", "G"]), times=st.integers(2, 8))
    def hold(self, key: str, times: int) -> None:
        for _ in range(times):
            self.tell(KeyPressed(key))

    @rule(typed=TYPED, enters=st.booleans())
    def type(self, typed: str, enters: bool) -> None:
        for key in typed:
            self.tell(KeyPressed(key))
        self.tell(KeyPressed("enter" if enters else "esc"))

    @rule(typed=st.sampled_from(["&short", "&", "&!two", "&two|bold", "/short", "?Trace", ":level warn", ":level"]))
    def find(self, typed: str) -> None:
        self.type(typed, True)
        self.answer_all()

    @rule(which=st.integers(0, 2))
    def push_of_before(self, which: int) -> None:
        """Of a subscription that is another by now: as if nothing was pushed."""
        name, state = self.some(which), self.pager.state
        head = self.daemon.runs[name].head
        pieces = self.daemon.pieces(name, range(1, head + 1))
        self.tell(Arrived(name, pieces, head + 1, head, 7, epoch=state.epoch - 1))
        assert (
            self.pager.state.document.reel(name) is state.document.reel(name) or self.pager.state.goal is not state.goal
        )

    @rule(rows=st.integers(-3, 3))
    def wheel(self, rows: int) -> None:
        self.tell(Wheel(rows))

    @rule(row=st.integers(0, 14), column=st.integers(0, 60))
    def click(self, row: int, column: int) -> None:
        self.tell(Clicked(row, column))

    @rule(rows=st.integers(1, 14), columns=st.integers(1, 90))
    def resize(self, rows: int, columns: int) -> None:
        self.tell(Resized(rows, columns))

    @rule(seconds=st.sampled_from([0.0, 0.1, 0.4, 3.0, 30.0]))
    def wait(self, seconds: float) -> None:
        self.pager.now += seconds
        self.tell(Ticked())

    @rule(which=st.integers(0, 2), share=st.sampled_from([0.1, 0.5, 0.9, 0.99, 1.0]), tells=st.booleans())
    def expire(self, which: int, share: float, tells: bool) -> None:
        """The oldest records go; the pager is told at once, or learns it by and by."""
        run = self.daemon.runs[self.some(which)]
        gone = int(share * (run.head + 1 - run.first_seq))
        run.first_seq += gone
        if tells and gone:
            self.tell(Gap(self.some(which), run.first_seq - gone, gone))

    @rule(which=st.integers(0, 2))
    def clear(self, which: int) -> None:
        run = self.daemon.runs[self.some(which)]
        self.push(which)
        run.first_seq = run.head + 1
        self.tell(Cleared(self.some(which)))

    @rule(which=st.integers(0, 2), count=st.integers(1, 60))
    def truncate(self, which: int, count: int) -> None:
        name = self.some(which)
        run = self.daemon.runs[name]
        head = max(run.first_seq - 1, run.head - count)
        self.daemon.cut(name, head)
        self.known.clear()
        self.tell(Truncated(name, head))

    @rule(which=st.integers(0, 2), status=st.sampled_from([None, 0, 3]), lost=st.booleans())
    def end(self, which: int, status: int | None, lost: bool) -> None:
        self.push(which)
        self.tell(RunEnded(self.some(which), self.daemon.runs[self.some(which)].head, status, 12.5, lost))

    @rule(which=st.integers(0, 2))
    def remove(self, which: int) -> None:
        """With all its records; what comes then is another run's of that name."""
        name = self.some(which)
        self.push(which)
        self.daemon.runs[name].first_seq = self.daemon.runs[name].head + 1
        self.tell(Removed(name))
        self.daemon.cut(name, 0)
        self.daemon.runs[name].first_seq = 1
        self.known.clear()
        self.tell(Truncated(name, 0))

    @rule(which=st.integers(0, 2))
    def start_again(self, which: int) -> None:
        self.tell(RunStarted(self.some(which)))

    @rule(which=st.integers(0, 2), event=st.sampled_from([Stalled, Resumed, Board]))
    def tell_of(self, which: int, event: Any) -> None:
        name = self.some(which)
        self.tell(
            Stalled(name, "full") if event is Stalled else Board(name, "pages 42%") if event is Board else Resumed(name)
        )

    @rule(terminals=st.sets(st.sampled_from(["pts/1", "pts/2", "pts/3"])))
    def come_and_go(self, terminals: set[str]) -> None:
        self.tell(Presence(tuple(map(watcher, sorted(terminals)))))

    @rule(goes=st.booleans())
    def connection(self, goes: bool) -> None:
        if self.pager.state.connected:
            self.pager.asked.clear()
            self.tell(Disconnected())
        if not goes:
            self.tell(Reconnected())

    @rule()
    def settle(self) -> None:
        """Everything is answered: what the screen shows is what there is."""
        if not self.pager.state.connected:
            self.tell(Reconnected())
        self.tell(KeyPressed("esc"))
        self.answer_all()
        self.pager.settle()
        state = self.pager.state
        assert state.goal is None and not state.readings
        for line in state.screen.lines:
            if line is not None and not state.follow:
                span = state.document.entry(line.place).span
                assert isinstance(span, Held) or span.span.kind is Kind.GONE
        for name in self.names:
            assert state.document.reel(name).head == self.daemon.runs[name].head
        if state.follow and (end := state.document.end) is not None and state.document.is_record(end):
            matching = [
                seq
                for name in state.shown_runs
                for seq in range(self.daemon.runs[name].first_seq, self.daemon.runs[name].head + 1)
                if matches(state.document.filter, self.daemon.runs[name].said[seq - 1])
            ]
            if len(self.names) == 1 and matching:
                assert state.document.seq(end) == matching[-1]

    # The law

    def check(self, before: State | None, event: Event | None = None) -> None:
        type(self).steps += 1
        after = self.pager.state
        self.check_what_is_held(after)
        self.check_the_screen(after)
        self.check_status(after)
        self.check_status(replace(after, columns=400))
        if before is not None and event is not None:
            self.check_that_nothing_moved(before, event, after)

    def check_what_is_held(self, state: State) -> None:
        """Each span of a run is what the daemon says of these seqs, and there is no more than may be."""
        assert state.document.held[0] <= trimming.MAX_HELD_RECORDS
        for name, reel in state.document.reels.items():
            run = self.daemon.runs[name]
            seq = 1
            for span in reel.spans:
                assert span.first_seq == seq < span.next_seq
                seq = span.next_seq
                if isinstance(span, Held):
                    if self.known.get(id(span)) is not span:
                        assert span.rows == run.rows[span.first_seq - 1 : span.next_seq - 1]
                        self.known[id(span)] = span
                elif span.kind is Kind.GONE:
                    assert span.next_seq <= run.first_seq
                elif span.kind is Kind.FILTERED:
                    assert state.document.filter
                    said = run.said[span.first_seq - 1 : span.next_seq - 1]
                    assert not any(matches(state.document.filter, each) for each in said[:50])
            assert seq - 1 <= run.head

    def check_the_screen(self, state: State) -> None:
        """Records are in order, follow has the newest as the last, and the view fits the terminal."""
        shown = state.document
        lines = [line for line in state.screen.lines if line is not None]
        places = [(line.place, line.number) for line in lines]
        assert places == sorted(places)
        assert (state.anchor is None) == state.follow
        assert len(state.screen.lines) == state.height
        if state.follow and shown.end is not None:
            last = state.screen.lines[-1]
            assert last is not None and last.place == shown.end
            assert last.number == len(state.paper.rows(last.place)) - 1
            behind = shown.order[last.place.entry + 1 :]
            assert not any(isinstance(entry.span, Held) for entry in behind)
            held = any(isinstance(entry.span, Held) for entry in shown.order)
            entry = shown.entry(last.place)
            assert isinstance(entry.span, Held) or entry.span.span.kind is Kind.GONE or not held
        rows = view(state).rows
        assert len(rows) == state.rows
        for cells in rows:
            assert columns_of("".join(text for _, text in cells)) <= state.columns
            assert not any(unicodedata.category(character) == "Cc" for _, text in cells for character in text)

    def check_that_nothing_moved(self, before: State, event: Event, after: State) -> None:
        if before.follow and not after.follow and after.goal is None and len(self.names) == 1:
            end = before.document.end
            if not after.document.filter and end is not None and before.document.is_record(end):
                newest = max(before.document.seq(end), before.runs[self.names[0]].next_seq - 1)
                assert after.runs[self.names[0]].mark_seq == newest
        if isinstance(event, KeyPressed | Clicked | Wheel) or before.follow or after.follow:
            return
        assert before.anchor is not None and after.anchor is not None
        goes = isinstance(before.goal, Search) or (
            isinstance(before.goal, Seek) and before.goal.target.aim.value != "stay"
        )
        if goes and isinstance(event, PageRead | Ticked | Resized | Arrived | ReadFailed):
            return
        if isinstance(event, Truncated):
            assert before.anchor.run != event.run or after.anchor.run != event.run or (after.anchor.seq <= event.seq)
            if before.anchor.seq > event.seq or (goes and after.goal is None):
                return  # what was looked for is looked for anew, and may be there already
        assert goes or after.anchor is before.anchor
        was, now = before.screen.anchor_line, after.screen.anchor_line
        if was is None or not was.is_within or not before.document.is_record(was.place):
            return
        run, seq = before.document.entry(was.place).run, before.document.seq(was.place)
        if now is None:
            assert not after.document.order
            return
        assert after.screen.anchor_row == min(after.anchor.screen_row, after.height - 1)
        here = after.document.find(run, seq)
        is_it = seq == before.anchor.seq and run == before.anchor.run
        if is_it and here is not None and after.document.is_record(here):
            assert now.place == here
            starts = [row.start for row in after.paper.rows(here) if row.start >= 0]
            assert now.row.start == max((at for at in starts if at <= after.anchor.start), default=starts[0])
        else:
            assert now.place == nearest(after.document, after.anchor.run, after.anchor.seq, now.place)
            if is_it and isinstance(event, Gap | Cleared) and after.document.is_record(now.place):
                assert after.shown_note

    def check_status(self, state: State) -> None:
        """What the status line says is so; and where there is room it says all that is."""
        said = "".join(text for _, text in status(state).segments)
        if state.columns >= 20:
            assert ("[x] Follow" in said, "[ ] Follow" in said) == (state.follow, not state.follow)
        if found := re.search("↓ (?:up to )?([0-9,]+) new", said):
            assert int(found[1].replace(",", "")) == state.new_count > 0
        if found := re.search("([0-9,]+)/([0-9,]+) ([0-9]+)%", said):
            seqs = [
                (state.document.seq(line.place), state.document.reel(state.document.entry(line.place).run).head)
                for line in state.screen.lines
                if line is not None and state.document.is_record(line.place)
            ]
            assert (int(found[1].replace(",", "")), int(found[2].replace(",", ""))) == seqs[-1]
            assert (found[3] == "100") == (seqs[-1][0] == seqs[-1][1])
        if state.columns < 300:
            return
        assert ("reconnecting" in said) == (not state.connected)
        assert (" new" in said) == (state.new_count > 0)
        assert (" skipped" in said) == any(state.runs[name].skipped for name in state.shown_runs)
        assert str(state.document.filter) in said
        assert ("looking for" in said) == isinstance(state.goal, Search)
        for name in state.shown_runs:
            assert len(self.names) > 1 or name in said


def nearest(held: Document, run: str, seq: int, found: Any) -> Any:
    """The entry that is nearest by seq in the run: found by looking at all of them. Blanks count by their ends."""
    best: list[tuple[int, int, Any]] = []
    for number, entry in enumerate(held.order):
        if entry.run != run:
            continue
        gone = not isinstance(entry.span, Held) and entry.span.span.kind is Kind.GONE
        if not gone:
            distance = max(entry.first_seq - seq, seq - (entry.next_seq - 1), 0)
            best.append((distance, entry.first_seq > seq, number))
    if not best:
        return found  # of other runs, the nearest in time
    distance, _, number = min(best)
    entry = held.order[number]
    if not isinstance(entry.span, Held):
        return found if held.order[found.entry].span.span is entry.span.span else None
    at = min(max(seq, entry.first_seq), entry.next_seq - 1) - entry.first_seq
    return type(found)(number, at)


def soak(
    steps: int, *, on_progress: Callable[[int], None] = lambda steps: None, examples: int = 50, random: bool = True
) -> int:
    """Run the machine until so many steps were checked, and return how many were. A broken law is an AssertionError.

    Without `random` they are the same steps each time, where `examples` are enough for all of them.
    """
    PagerMachine.steps = 0
    while PagerMachine.steps < steps:
        run_state_machine_as_test(
            PagerMachine,
            settings=settings(
                max_examples=examples,
                stateful_step_count=60,
                deadline=None,
                database=None,
                derandomize=not random,
                suppress_health_check=list(HealthCheck),
                phases=PHASES,
            ),
        )
        on_progress(PagerMachine.steps)
    return PagerMachine.steps


def main() -> None:
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    done = soak(steps, on_progress=lambda count: print(f"\r{count:,} steps", end="", file=sys.stderr, flush=True))
    print(f"\r{done:,} steps, and the law held after each")


if __name__ == "__main__":
    main()
