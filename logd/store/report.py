"""What the check of a run has found: problems, notes, and how much is sound."""

from __future__ import annotations

from typing import NamedTuple

from logd.store.scan import Span, State, Stretch

MAX_PROBLEMS = 1000
"""That a report lists: more than anybody reads. All are counted."""
MAX_NOTES = 100
"""That a report has; further ones are left out."""


class Problem(NamedTuple):
    segment: int
    """Its first seq."""
    what: str
    """A sentence, without a full stop."""
    offset: int | None = None
    """Of the first byte concerned, in the text."""
    first_seq: int | None = None
    record_count: int | None = None
    """Of the records concerned."""
    repairable: bool = False
    """Whether `repair` mends it as it is: the segment is sealed."""


class Report(NamedTuple):
    problems: list[Problem]
    """The first `MAX_PROBLEMS`."""
    problem_count: int
    notes: list[str]
    """What is worth knowing and no problem, as sentences without a full stop."""
    segments: int
    blocks: int
    """Sound ones, as in the next two."""
    records: int
    text_bytes: int


class Findings:
    """What was found so far."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.problem_count = 0
        self.notes: list[str] = []
        self.blocks = self.records = self.text_bytes = 0

    def add(self, problem: Problem) -> None:
        self.problem_count += 1
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(problem)

    def note(self, what: str) -> None:
        if len(self.notes) < MAX_NOTES:
            self.notes.append(what)

    def add_all(self, others: Findings) -> None:
        self.problems += others.problems[: MAX_PROBLEMS - len(self.problems)]
        self.problem_count += others.problem_count
        self.notes += others.notes[: MAX_NOTES - len(self.notes)]
        self.blocks += others.blocks
        self.records += others.records
        self.text_bytes += others.text_bytes


class StretchProblems:
    """Makes problems of stretches, one of all that follow each other with the same fault."""

    def __init__(self, found: Findings, span: Span) -> None:
        self._found = found
        self._span = span
        self._last: Stretch | None = None

    def add(self, stretch: Stretch) -> None:
        if stretch.state == State.SOUND:
            self._found.blocks += 1
            self._found.records += stretch.record_count
            self._found.text_bytes += stretch.length
            if self._last is None:
                return
        last = self._last
        if last is not None and (last.state, last.fault) == (stretch.state, stretch.fault):
            length, count = stretch.end - last.offset, stretch.next_seq - last.first_seq
            self._last = last._replace(length=length, record_count=count)
        else:
            self.end()
            self._last = stretch if stretch.state != State.SOUND else None

    def end(self) -> None:
        last, self._last = self._last, None
        if last is None:
            return
        if last.state == State.LOST:
            self._found.note(f"a repair left out {_named(last)}")
            return
        segment, is_sealed = self._span.first_seq, self._span.is_sealed
        if last.state == State.NEEDLESS:
            what = f"{last.length} bytes of its text belong to no record"
        else:
            what = f"the text of {_named(last)} {last.fault}"
        self._found.add(Problem(segment, what, last.offset, last.first_seq, last.record_count, is_sealed))


def _named(stretch: Stretch) -> str:
    if stretch.record_count == 1:
        return f"record {stretch.first_seq}"
    return f"records {stretch.first_seq} to {stretch.next_seq - 1}"
