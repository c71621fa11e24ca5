"""What tests of checking and repairing share: a run, damage to its files, and what that may take of its records."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random

import pytest
from store_helpers import TIME_US, append, block, compress_all, copied, entries, flip, opened, read_blocks

from logd.config import StoreConfig
from logd.errors import StoreError
from logd.store import Append, RunStore, compression, disk
from logd.store.index import Kind
from logd.store.report import Report
from logd.store.seekable import SeekableReader
from logd.store.segment import compressed_name, index_name, segment_name

AGED = StoreConfig(segment_age_seconds=1)
"""So that what is appended at once is a segment."""
OTHER_KEY = 2**63 + 5
SAMPLE = (
    (block(1, 2), block(3), block(4, part=True, batch=6), block(5, 2, batch=6)),
    (block(7), block(8, 2, key=OTHER_KEY), block(10)),
    (block(11, 3), block(14, key=OTHER_KEY)),
    (block(15, 2),),
)
"""A small run: three sealed segments and the one being written."""
SEALED = (1, 7, 11)


FRAME_BYTES = 120
"""Two records in a frame, so that segments have several."""


@contextmanager
def made_run(
    folder: Path, segments: Iterable[Iterable[Append]] = SAMPLE, *, compressed: Iterable[int] = ()
) -> Iterator[RunStore]:
    """A new run of such segments, some of which are compressed. Within, nothing is really synced: that takes time."""
    with pytest.MonkeyPatch.context() as patch, opened(folder, AGED) as run:
        for name in ("fsync", "fdatasync"):
            patch.setattr(disk, name, lambda fd: None)
        patch.setattr(compression, "FRAME_BYTES", FRAME_BYTES)
        for number, appends in enumerate(segments):
            append(run, *appends, now_us=TIME_US + number * 2_000_000)
        assert run.sync() is None
        for segment in compressed:
            assert run.compress(segment, lambda: None)
        yield run


def write_over(path: Path, data: bytes, at: int = 0) -> None:
    """Change some of a file. One that is cut and written anew is written to the disk at once by some file systems."""
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


def check(run: RunStore) -> Report:
    return run.verify(lambda done_bytes, total_bytes: None)


def repair_all(run: RunStore) -> int:
    """Repair what is found; then nothing is found any more. How many records were lost."""
    found = check(run)
    assert all(problem.repairable for problem in found.problems)
    lost_records = sum(run.repair(segment) for segment in sorted({problem.segment for problem in found.problems}))
    assert check(run).problems == []
    return lost_records


def records_in(folder: Path, name: str, start: int, end: int | None = None) -> set[int]:
    """The records that damage to some bytes of a sound file may take; it goes to the end where `end` is None.

    Those of a block of text, all of a frame of compressed text, and none of an index.
    """
    path = folder / name
    end = path.stat().st_size if end is None else end
    if name.endswith(".idx"):
        return set()
    spans = [(start, end)]
    if name.endswith(".zst"):
        with path.open("rb") as file:
            reader = SeekableReader(file.fileno())
            frames = [(reader.frame_place(number), reader.frame_span(number)) for number in range(reader.frame_count)]
        spans = [
            (offset, offset + length)
            for (place, size), (offset, length) in frames
            if place < end and place + size > start
        ]
    return {
        seq
        for entry in entries(folder, int(name.partition(".")[0]))
        if entry.kind != Kind.LOST and any(entry.offset < stop and entry.end > begin for begin, stop in spans)
        for seq in range(entry.first_seq, entry.next_seq)
    }


def sealed_files(run: RunStore, folder: Path) -> list[str]:
    """The names of all sealed segments' files that are not empty."""
    names = [
        name(segment) for segment in run.extent.segments[:-1] for name in (segment_name, compressed_name, index_name)
    ]
    return [name for name in names if (folder / name).exists() and (folder / name).stat().st_size]


def damage(path: Path, random: Random) -> tuple[int, int | None]:
    """Flip a bit of a file, or overwrite some of it, cut it off or remove it. Which bytes are concerned."""
    data = bytearray(path.read_bytes())
    start = random.randrange(len(data))
    kind = random.choice(["flip", "flip", "flip", "overwrite", "cut", "remove"])
    if kind == "flip":
        flip(path, start, random.randrange(8))
        return start, start + 1
    if kind == "overwrite":
        end = min(len(data), start + random.randrange(1, 200))
        data[start:end] = random.choice([bytes(end - start), random.randbytes(end - start)])
        path.write_bytes(data)
        return start, end
    if kind == "cut":
        os.truncate(path, start)
        return start, None
    path.unlink()
    return 0, None


def damage_and_repair(run: RunStore, folder: Path, random: Random) -> None:
    """Damage one of a run's files, check that this is noticed, and repair it; now and then compress, too.

    All records but those in the damaged place are there before and after, at their seqs.
    """
    if not random.randrange(5):
        compress_all(run)
    before, batch = read_blocks(run), run.last_batch(OTHER_KEY)
    name = random.choice(sealed_files(run, folder))
    sound = copied(folder, folder.with_name(f"{folder.name}-sound"))
    start, end = damage(folder / name, random)
    may_be_lost = records_in(sound, name, start, end)
    shutil.rmtree(sound)
    found, during = check(run), dict[int, bytes]()
    with suppress(StoreError):  # as of an index that is not there
        during = read_blocks(run)
    assert during.items() <= before.items()
    assert found.problem_count or during == before
    lost_records = repair_all(run)
    after = read_blocks(run)
    assert during.items() <= after.items() <= before.items()
    lost = before.keys() - after.keys()
    assert lost <= may_be_lost
    # Of an entry, nothing is known any more: neither its batch, nor that its records had been left out before.
    if not name.endswith(".idx"):
        assert len(lost) == lost_records
        assert run.last_batch(OTHER_KEY) == batch
