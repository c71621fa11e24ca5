"""Records that say who sent them and as which one, and the check of what a run holds against what was sent.

A record's text is `<sender> <number> <length> <padding>`: numbers go from 1, and the padding is known, so that a run is
checked whole in one pass over it.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from random import Random

from logd.record import Rows

try:
    from orjson import loads
except ImportError:
    from json import loads  # type: ignore[assignment]

MAX_PAD = 2000
_PAD = Random(1).randbytes(512 * 1024).hex()
"""So much of it, and hexadecimal, that it compresses to a half and no less."""
_STEP = 7919


def text_of(sender: str, number: int, pad: int) -> str:
    start = number * _STEP % (len(_PAD) - MAX_PAD)
    return f"{sender} {number} {pad} {_PAD[start : start + pad]}"


class Shown:
    """What readers were shown of a run: it must still be there at the end. Some of it is remembered, by its sum."""

    def __init__(self) -> None:
        self.sums: dict[int, int] = {}
        self.head = 0

    def note(self, rows: Rows) -> None:
        self.head = max(self.head, rows.next_seq - 1)
        self.sums[rows.first_seq] = zlib.crc32(rows.data[: rows.data.index(b"\n")])


@dataclass
class Sent:
    """What one sender sent into a run."""

    sender: str
    sent: int = 0
    """The number of its newest record."""
    acked: int = 0
    """The number of its newest record that was acknowledged."""
    cleared: int = 0
    """Up to this number, all may be gone."""


@dataclass
class Found:
    """What was found in a run. Nothing should be `wrong`."""

    records: int = 0
    first_seq: int = 0
    head: int = 0
    wrong: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    """How each thing that is wrong shows first."""

    def note(self, what: str, example: str, count: int = 1) -> None:
        self.wrong[what] += count
        self.examples.setdefault(what, example)

    def faults(self) -> list[str]:
        return [f"{count} {what}, first {self.examples[what]}" for what, count in self.wrong.items() if count]


def check_run(
    pieces: Iterable[Rows], sent: Iterable[Sent], *, acked: Mapping[str, int] | None = None, shown: Shown | None = None
) -> Found:
    """Hold a run to what was sent: every acknowledged record once, each sender's in order, and nothing else.

    Args:
        pieces: all of the run, in order; seqs go on from the first without gaps.
        acked: what was acknowledged when the run began to be read; by default, what is now.
        shown: what readers saw of it.
    """
    senders = {each.sender: each for each in sent}
    acked = acked if acked is not None else {each.sender: each.acked for each in senders.values()}
    sums = shown.sums if shown is not None else {}
    numbers: dict[str, list[int]] = {name: [] for name in senders}
    found = Found()
    seq: int | None = None
    for rows in pieces:
        if seq is not None and rows.first_seq != seq:
            found.note("gaps", f"record {rows.first_seq} comes where {seq} should")
        lines = rows.data.split(b"\n")
        if lines.pop() or len(lines) != rows.record_count:
            found.note("wrong counts", f"{len(lines)} rows come as {rows.record_count} from record {rows.first_seq} on")
        for at, line in enumerate(lines, rows.first_seq):
            told = _told(line)
            if told is None or told[0] not in senders:
                found.note("foreign", f"at record {at}: {line[:200]!r}")
            else:
                numbers[told[0]].append(told[1])
            if at in sums and zlib.crc32(line) != sums[at]:
                found.note("changed", f"record {at} is not what a reader was shown")
        found.records += len(lines)
        found.first_seq = found.first_seq or rows.first_seq
        found.head = rows.next_seq - 1
        seq = rows.next_seq
    if shown is not None and shown.head > found.head:
        found.note("lost", f"readers saw up to record {shown.head}, the run ends at {found.head}")
    for name, each in senders.items():
        _check_numbers(found, each, acked[name], numbers[name])
    return found


def _told(line: bytes) -> tuple[str, int] | None:
    """The sender and the number that a row says; None where it is not what we send."""
    try:
        message = loads(line)["msg"]
        sender, number, pad, _ = message.split(" ", 3)
        return (sender, int(number)) if message == text_of(sender, int(number), int(pad)) else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _check_numbers(found: Found, sent: Sent, acked: int, numbers: list[int]) -> None:
    if numbers and numbers == list(range(numbers[0], numbers[-1] + 1)):
        # As it should be, all of them at once.
        first, last = numbers[0], numbers[-1]
        lost = max(0, first - 1 - sent.cleared) + max(0, acked - last)
        example = sent.cleared + 1 if first - 1 > sent.cleared else last + 1
    else:
        there = set(numbers)
        missing = [number for number in range(sent.cleared + 1, acked + 1) if number not in there]
        lost, example = len(missing), missing[0] if missing else 0
        if len(numbers) > len(there):
            again = next(number for number, count in Counter(numbers).items() if count > 1)
            found.note("doubled", f"{sent.sender}'s {again}", len(numbers) - len(there))
        backward = [number for number, before in zip(numbers[1:], numbers, strict=False) if number < before]
        if backward:
            found.note("out of order", f"{sent.sender}'s {backward[0]}", len(backward))
        inner = [number for number in range(min(there), max(there)) if number not in there] if there else []
        if inner and not lost:
            found.note("skipped", f"{sent.sender}'s {inner[0]}", len(inner))
    if lost:
        found.note("lost", f"{sent.sender}'s {example}", lost)
    if numbers and max(numbers) > sent.sent:
        found.note("foreign", f"{sent.sender}'s {max(numbers)}, of {sent.sent} that were sent")
