"""The newest segment cut short at every byte of its last two blocks, and indexes that are lost or older than they were.

Of the newest segment, text that no entry speaks for is taken for what was never acknowledged: it is set aside in
`.torn` when the run is written to again. A sealed one's is known to belong to it, and is read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from random import Random
from shutil import copytree
from typing import NamedTuple

from faults.image import Image, go_on, make_image, opened, read_seqs
from faults.outcome import Outcome
from logd.store.index import ENTRY_BYTES, HEADER_BYTES, Kind
from logd.store.segment import index_name, segment_name


class _Case(NamedTuple):
    name: str
    folder: Path
    """Of the image that is damaged."""
    file: str
    content: bytes | None
    """What the file has then; None: it is lost."""
    kept: int
    """Up to this record, all must be there."""


def truncate(work: Path, random: Random, *, times: int) -> Outcome:
    image = make_image(work / "image", random)
    return _torture(work, random, times, list(_truncations(image)))


def lose_indexes(work: Path, random: Random, *, times: int) -> Outcome:
    image = make_image(work / "image", random)
    return _torture(work, random, times, list(_lost_indexes(image)))


def _truncations(image: Image) -> Iterator[_Case]:
    segment, first = image.active[-2]
    text, index = segment_name(segment), index_name(segment)
    for form in (image.closed, image.killed):
        content = (form / text).read_bytes()
        for length in range(first.offset, len(content)):
            count = sum(each.entry.end <= length for each in image.active)
            yield _Case(f"{form.name}, text of {length} bytes", form, text, content[:length], _kept(image, count))
        content = (form / index).read_bytes()
        for length in range(HEADER_BYTES + (len(image.active) - 2) * ENTRY_BYTES, len(content)):
            count = (length - HEADER_BYTES) // ENTRY_BYTES
            yield _Case(f"{form.name}, index of {length} bytes", form, index, content[:length], _kept(image, count))


def _kept(image: Image, count: int) -> int:
    """The last record that counts, where so many of the active segment's blocks are there."""
    ends = [each.entry.next_seq for each in image.active[:count] if each.entry.kind == Kind.BLOCK]
    return max(ends, default=image.segments[-1]) - 1


def _lost_indexes(image: Image) -> Iterator[_Case]:
    for form in (image.closed, image.killed):
        for segment in image.segments:
            is_active = segment == image.segments[-1]
            name = index_name(segment)
            content = (form / name).read_bytes()
            yield _Case(f"{form.name}, segment {segment}, index lost", form, name, None, image.head)
            for length in (0, 1, HEADER_BYTES - 1):
                yield _Case(f"{form.name}, {segment}, {length} bytes", form, name, content[:length], image.head)
            for count in range(sum(each.segment == segment for each in image.blocks)):
                older = content[: HEADER_BYTES + count * ENTRY_BYTES]
                kept = _kept(image, count) if is_active else image.head
                yield _Case(f"{form.name}, segment {segment}, index of {count} entries", form, name, older, kept)


def _torture(work: Path, random: Random, times: int, cases: list[_Case]) -> Outcome:
    outcome = Outcome()
    chosen = random.sample(cases, min(times, len(cases)))
    outcome.figures["cases there are"] = len(cases)
    for number, case in enumerate(chosen):
        folder = work / str(number)
        with outcome.case(folder, case.name):
            copytree(case.folder, folder)
            if case.content is None:
                os.unlink(folder / case.file)
            else:
                (folder / case.file).write_bytes(case.content)
            _check(folder, case, outcome)
        outcome.figures["cases"] += 1
    return outcome


def _check(folder: Path, case: _Case, outcome: Outcome) -> None:
    with opened(folder) as run:
        head = run.extent.head
        seqs = read_seqs(run)
        lost = set(range(1, case.kept + 1)) - seqs
        outcome.figures["records lost"] += len(lost)
        if lost:
            outcome.faults.append(f"records {sorted(lost)} are lost")
        if seqs != set(range(1, head + 1)):
            outcome.faults.append(f"the run ends at record {head}, and does not have all before it")
        outcome.figures["runs with bytes set aside"] += bool(run.torn_bytes)
        seqs_after = go_on(run)
        if not seqs <= seqs_after:
            outcome.faults.append("records are gone when more are appended")
    with opened(folder) as run:
        if read_seqs(run) != seqs_after:
            outcome.faults.append("another opening gives other records")
