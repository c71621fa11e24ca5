"""Single bits of a run's files are turned over: while it is in use, while it is closed, or after a kill.

Each must be noticed, or change nothing that can be read. No row that is read may be wrong. A repair leaves no problems,
and all records but those of the block that was hit, or of the compressed frame; so they are before it, too, but behind
a damaged seek table.

Where a run was killed, damage in what was sent last cannot be told from what was never acknowledged: it is enough that
the run is said to have a torn end.
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
from logd.store import Entry, RunStore
from logd.store.salvage import find_sizes
from logd.store.segment import compressed_name, index_name, segment_name


class _Flip(NamedTuple):
    form: str
    """How the run is when it is damaged: open, closed or killed."""
    file: str
    bit: int
    hit: frozenset[int]
    """The records of the block, or the frame, that it is in."""
    may_hide: bool
    """Whether it may make its whole segment unreadable until it is repaired."""


def torture(work: Path, random: Random, *, times: int) -> Outcome:
    outcome = Outcome()
    image = make_image(work / "image", random)
    hits = {path.name: list(_hits(image, path)) for path in sorted(image.closed.iterdir())}
    last_sent = frozenset(seq for each in image.last_sending for seq in _seqs(each.entry))
    for number in range(times):
        form = random.choice(("open", "closed", "killed"))
        file = random.choice(list(hits))
        source = image.killed if form == "killed" else image.closed
        bit = random.randrange(8 * (source / file).stat().st_size)
        hit = frozenset(seq for start, end, seqs in hits[file] if start <= bit // 8 < end for seq in seqs)
        may_hide = not hit and file.endswith(".zst")
        if form == "killed" and file == index_name(image.segments[-1]):
            hit = last_sent
        flip = _Flip(form, file, bit, last_sent if form == "killed" and hit & last_sent else hit, may_hide)
        folder = work / str(number)
        with outcome.case(folder, f"{form}, bit {bit} of {file}"):
            copytree(source, folder)
            _case(folder, image, flip, outcome)
        outcome.figures["flips"] += 1
    return outcome


def _seqs(entry: Entry) -> range:
    return range(entry.first_seq, entry.next_seq)


def _hits(image: Image, path: Path) -> Iterator[tuple[int, int, frozenset[int]]]:
    """Where a file holds records that a flip there destroys: from which byte to which, and their seqs."""
    for each in image.blocks:
        entry = each.entry
        if path.name == segment_name(each.segment):
            yield entry.offset, entry.end, frozenset(_seqs(entry))
    segment = next((each for each in image.segments if path.name == compressed_name(each)), None)
    if segment is not None:
        yield from _frames(image, path, segment)


def _frames(image: Image, path: Path, segment: int) -> Iterator[tuple[int, int, frozenset[int]]]:
    entries = [each.entry for each in image.blocks if each.segment == segment]
    place = offset = 0
    fd = os.open(path, os.O_RDONLY)
    try:
        for size, length in find_sizes(fd, None):
            within = [entry for entry in entries if offset <= entry.offset < offset + length]
            yield place, place + size, frozenset(seq for entry in within for seq in _seqs(entry))
            place, offset = place + size, offset + length
    finally:
        os.close(fd)


def _case(folder: Path, image: Image, flip: _Flip, outcome: Outcome) -> None:
    if flip.form == "open":
        with opened(folder) as run:
            _turn_over(folder, flip)
            _check(run, image, flip, outcome)
    else:
        _turn_over(folder, flip)
        with opened(folder) as run:
            _check(run, image, flip, outcome)
    with opened(folder) as run:
        if problems := run.verify(lambda *_: None).problems:
            outcome.faults.append(f"opened again after the repair, it has problems: {problems[0].what}")
        read_seqs(run)


def _turn_over(folder: Path, flip: _Flip) -> None:
    with (folder / flip.file).open("r+b") as file:
        file.seek(flip.bit // 8)
        (byte,) = file.read(1)
        file.seek(flip.bit // 8)
        file.write(bytes([byte ^ 1 << flip.bit % 8]))


def _check(run: RunStore, image: Image, flip: _Flip, outcome: Outcome) -> None:
    everything = frozenset(range(1, image.head + 1))
    there = read_seqs(run)
    report = run.verify(lambda *_: None)
    kept = everything - flip.hit
    noticed = bool(report.problem_count or run.torn_bytes or run.mended_indexes)
    if noticed:
        outcome.figures["noticed"] += 1
    elif there == everything and _knows_batches(run, image):
        outcome.figures["harmless"] += 1
    else:
        outcome.figures["not noticed"] += 1
        outcome.faults.append("it is not noticed")
    if not kept <= there:
        if flip.may_hide:
            outcome.figures["unreadable until repaired"] += 1
        else:
            outcome.figures["records lost outside"] += len(kept - there)
            outcome.faults.append(f"records {sorted(kept - there)} cannot be read, and were not hit")
    for segment in dict.fromkeys(problem.segment for problem in report.problems):
        run.repair(segment)
    if report.problem_count:
        outcome.figures["repaired"] += 1
    after = read_seqs(run)
    if problems := run.verify(lambda *_: None).problems:
        outcome.faults.append(f"there are problems after the repair: {problems[0].what}")
    if not kept <= after or not there - flip.hit <= after:
        outcome.figures["records lost outside"] += len(kept - after)
        outcome.faults.append(f"records {sorted(kept - after)} are gone with the repair, and were not hit")
    outcome.figures["sessions forgotten"] += not _knows_batches(run, image)
    if not after <= go_on(run):
        outcome.faults.append("records are gone when more are appended")


def _knows_batches(run: RunStore, image: Image) -> bool:
    return all(run.last_batch(key) == batch for key, batch in image.batches.items())
