"""Repairing: of whatever is damaged, all that is sound stays, at its seq; also where it is interrupted at any point."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from threading import Thread
from typing import Any

import pytest
from store_damage import (
    AGED,
    OTHER_KEY,
    SAMPLE,
    SEALED,
    check,
    damage_and_repair,
    made_run,
    records_in,
    repair_all,
    write_over,
)
from store_helpers import (
    KEY,
    TIME_US,
    append,
    block,
    compress_all,
    copied,
    entries,
    every_state,
    failing_at,
    flip,
    folder_fd,
    full_disk,
    lines_of,
    open_descriptors,
    opened,
    read_blocks,
    row,
    rows,
    text_of,
)

from logd.errors import StoreError
from logd.store import RunStore, disk
from logd.store import repair as repair_module
from logd.store.index import ENTRY_BYTES, HEADER_BYTES, Header, Index, Kind
from logd.store.quarantine import keep_left_out
from logd.store.repair import Repaired, prepared
from logd.store.segment import compressed_name, first_seqs, index_name, segment_name

ALL = {seq: row(seq) for seq in range(1, 17)}
TEXT, INDEX, COMPRESSED = segment_name(1), index_name(1), compressed_name(1)
ENDS = [98, 147, 196, 294]
"""Of the first segment's blocks, which have records 1 and 2, 3, 4, and 5 and 6."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "run"


@pytest.fixture
def run(folder: Path) -> Iterator[RunStore]:
    with made_run(folder) as run:
        yield run


def all_but(*seqs: int) -> dict[int, bytes]:
    return {seq: line for seq, line in ALL.items() if seq not in seqs}


def repair(folder: Path, run: RunStore, segment: int, publish: Callable[[tuple[int, ...]], None]) -> Repaired:
    """As the run does it, with another who is told of the new segments."""
    with folder_fd(folder) as fd, prepared(fd, run.extent, segment) as repair:
        return repair.take_place(publish)


def kinds(folder: Path, segment: int) -> list[tuple[int, int, int]]:
    """Of a segment's entries: their kind, first seq and how many records."""
    return [(entry.kind, entry.first_seq, entry.record_count) for entry in entries(folder, segment)]


def damaged_of(folder: Path, segment: int = 1) -> list[tuple[dict[str, Any], bytes]]:
    """What was left out, with what stands before it."""
    data = (folder / f"{segment_name(segment)}.damaged").read_bytes()
    found = []
    while data:
        line, _, data = data.partition(b"\n")
        said = json.loads(line)
        found.append((said, data[: said["length"]]))
        assert data[said["length"] :].startswith(b"\n")
        data = data[said["length"] + 1 :]
    return found


class TestEachDamage:
    """To every byte of every file of a sealed segment, plain and compressed."""

    FEW = ((block(1, 2), block(3, key=OTHER_KEY)), (block(4),))

    @pytest.mark.parametrize("compressed", [(), (1,)])
    def test_loses_no_more_than_it_must(self, tmp_path: Path, compressed: tuple[int, ...]) -> None:
        folder, sound = tmp_path / "run", tmp_path / "sound"
        with made_run(folder, self.FEW, compressed=compressed) as run:
            all_rows, extent = read_blocks(run), run.extent
            copied(folder, sound)
            for name, start, end in damages(sound):
                restored(sound, folder)
                run.extent = extent
                if end is None:
                    os.truncate(folder / name, start)
                else:
                    write_over(folder / name, bytes([(sound / name).read_bytes()[start] ^ 1 << start % 8]), start)
                lost_records = repair_all(run)
                found = read_blocks(run)
                assert found.items() <= all_rows.items()
                assert all_rows.keys() - found.keys() <= records_in(sound, name, start, end)
                assert len(found) + lost_records == len(all_rows)
                if not name.endswith(".idx"):
                    assert (run.last_batch(KEY), run.last_batch(OTHER_KEY)) == (4, 3)


def damages(sound: Path) -> Iterator[tuple[str, int, int | None]]:
    """A flip in each byte, and a cut at every tenth."""
    for name in (TEXT, COMPRESSED, INDEX):
        size_bytes = (sound / name).stat().st_size if (sound / name).exists() else 0
        yield from ((name, at, at + 1) for at in range(size_bytes))
        yield from ((name, at, None) for at in range(0, size_bytes, 10))


def restored(sound: Path, folder: Path) -> None:
    for path in folder.iterdir():
        if not (sound / path.name).exists():
            path.unlink()
    for path in sound.iterdir():
        (folder / path.name).touch()
        write_over(folder / path.name, path.read_bytes())
        os.truncate(folder / path.name, path.stat().st_size)


class TestDamagedBlock:
    def test_is_left_out_and_the_rest_keeps_its_seqs(self, folder: Path, run: RunStore) -> None:
        before = {entry.first_seq: entry for entry in entries(folder)}
        flip(folder / TEXT, 100)
        assert run.repair(1) == 1
        assert run.extent.segments == (1, 4, 7, 11, 15)
        assert read_blocks(run) == read_blocks(run, backward=True) == all_but(3)
        assert kinds(folder, 1) == [(Kind.BLOCK, 1, 2), (Kind.LOST, 3, 1), (Kind.CLOSE, 4, 0)]
        assert kinds(folder, 4) == [(Kind.PART, 4, 1), (Kind.BLOCK, 5, 2), (Kind.CLOSE, 7, 0)]
        for entry in entries(folder, 4)[:-1]:
            assert entry == before[entry.first_seq]._replace(offset=entry.offset)
        assert (folder / TEXT).read_bytes() == rows(1, 2)
        assert (folder / segment_name(4)).read_bytes() == rows(4, 3)
        assert check(run).problems == []
        assert check(run).notes == ["a repair left out record 3", f"{TEXT}.damaged has what a repair left out"]

    def test_is_kept_for_people_to_look_at(self, folder: Path, run: RunStore) -> None:
        flip(folder / TEXT, 100)
        flip(folder / TEXT, 250)
        damaged = (folder / TEXT).read_bytes()
        assert run.repair(1) == 3
        assert damaged_of(folder) == [
            ({"file": TEXT, "offset": 98, "length": 49, "first_seq": 3, "record_count": 1}, damaged[98:147]),
            ({"file": TEXT, "offset": 196, "length": 98, "first_seq": 5, "record_count": 2}, damaged[196:294]),
        ]
        flip(folder / TEXT, 0)
        assert run.repair(1) == 2
        assert len(damaged_of(folder)) == 3

    def test_may_be_the_first_or_all(self, folder: Path, run: RunStore) -> None:
        flip(folder / TEXT, 0)
        assert run.repair(1) == 2
        assert read_blocks(run) == all_but(1, 2)
        assert (folder / TEXT).read_bytes() == b""
        (folder / TEXT).unlink()
        (folder / segment_name(3)).unlink()
        assert run.repair(1) == 0
        assert run.repair(3) == 4
        assert check(run).problems == []
        assert run.extent.segments == (1, 3, 7, 11, 15)
        assert run.reader.read(run.extent, 1, 100).first_seq == 7
        with opened(folder, AGED) as again:
            assert again.extent.segments == (1, 3, 7, 11, 15)

    def test_keeps_its_batch(self, folder: Path, run: RunStore) -> None:
        """So that a resend of it is not stored: it would be, out of its place."""
        flip(folder / segment_name(11), 160)
        assert run.last_batch(OTHER_KEY) == 14
        assert run.repair(11) == 1
        assert run.last_batch(OTHER_KEY) == 14
        assert read_blocks(run) == all_but(14)

    def test_leaves_a_segment_that_can_be_compressed(self, folder: Path, run: RunStore) -> None:
        flip(folder / TEXT, 100)
        run.repair(1)
        compress_all(run)
        assert not list(folder.glob("*1.jsonl"))
        assert read_blocks(run) == all_but(3)
        assert check(run).problems == []
        for path in (folder / COMPRESSED, folder / compressed_name(4)):
            flip(path, 10)
        assert repair_all(run) == 3
        assert read_blocks(run) == all_but(1, 2, 3, 4)

    def test_of_a_part(self, folder: Path, run: RunStore) -> None:
        """What was sent with it stays."""
        flip(folder / TEXT, 150)
        assert run.repair(1) == 1
        assert read_blocks(run) == all_but(4)

    def test_in_many_places(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(repair_module, "MAX_SEGMENTS", 5)
        folder = tmp_path / "run"
        blocks = [[block(seq, pad=seq) for seq in range(1, 11)], [block(11)]]
        with made_run(folder, blocks) as run:
            ends = [entry.end for entry in entries(folder)]
            for number in (1, 3, 5, 7):
                flip(folder / TEXT, ends[number] - 1)
            damaged = copied(folder, tmp_path / "damaged")
            assert run.repair(1) == 4
            assert run.extent.segments == (1, 3, 5, 7, 9, 11)
            assert list(read_blocks(run)) == [1, 3, 5, 7, 9, 10, 11]
        flip(damaged / TEXT, ends[9] - 1)
        with opened(damaged, AGED) as run:
            assert run.repair(1) == 5
        restored(damaged, folder)


class TestIndex:
    def test_that_is_damaged_is_made_again(self, folder: Path, run: RunStore) -> None:
        """Of what is sound in it, and of the text."""
        before = entries(folder)
        flip(folder / INDEX, 8)
        flip(folder / INDEX, HEADER_BYTES + ENTRY_BYTES)
        text = (folder / TEXT).stat()
        assert run.repair(1) == 0
        after = entries(folder)
        assert [after[number] for number in (0, 2, 3)] == [before[number] for number in (0, 2, 3)]
        made = before[1]._replace(session_key=0, batch=0, level_mask=127, oldest_us=TIME_US + 3, newest_us=TIME_US + 3)
        assert after[1] == made
        assert header_of(folder) == Header(1, 1, TIME_US)
        assert (folder / TEXT).stat() == text, "it was not written again"
        assert not (folder / f"{TEXT}.damaged").exists()
        assert read_blocks(run) == ALL

    def test_of_compressed_text_is_made_again_and_that_stays(self, folder: Path, run: RunStore) -> None:
        compress_all(run)
        (folder / INDEX).unlink()
        text = (folder / COMPRESSED).stat()
        assert run.repair(1) == 0
        assert (folder / COMPRESSED).stat() == text
        assert not (folder / TEXT).exists()
        assert read_blocks(run) == ALL

    @pytest.mark.parametrize("index", [b"", b"other", bytes(1000)])
    def test_that_is_no_index_is_made_again(self, folder: Path, run: RunStore, index: bytes) -> None:
        (folder / INDEX).write_bytes(index)
        assert repair_all(run) == 0
        assert read_blocks(run) == ALL

    def test_of_another_segment_is_made_again(self, folder: Path, run: RunStore) -> None:
        shutil.copyfile(folder / index_name(7), folder / INDEX)
        assert repair_all(run) == 0
        assert read_blocks(run) == ALL

    def test_that_is_lost_with_some_of_the_text_leaves_the_records_that_it_begins_with(
        self, folder: Path, run: RunStore
    ) -> None:
        (folder / INDEX).unlink()
        flip(folder / TEXT, 3 * 49 - 1, 4)
        assert repair_all(run) == 4
        assert read_blocks(run) == all_but(3, 4, 5, 6)
        assert damaged_of(folder)[0][1].count(b"\n") == 3
        (folder / INDEX).unlink()
        os.truncate(folder / TEXT, 60)
        assert repair_all(run) == 5
        assert read_blocks(run) == all_but(2, 3, 4, 5, 6)
        (folder / INDEX).unlink()
        (folder / TEXT).write_bytes(b"x" * 3_000_000)
        assert repair_all(run) == 6

    def test_that_is_lost_leaves_out_what_follows_the_records(self, folder: Path, run: RunStore) -> None:
        (folder / INDEX).unlink()
        with (folder / TEXT).open("ab") as file:
            file.write(row(7) + b"torn")
        assert repair_all(run) == 0
        assert read_blocks(run) == ALL
        assert damaged_of(folder) == [
            ({"file": TEXT, "offset": 294, "length": 53, "first_seq": 7, "record_count": 0}, row(7) + b"torn")
        ]

    def test_has_generations_and_times_that_do_not_fall(self, folder: Path, run: RunStore) -> None:
        for segment, generation, begun_us in ((1, 9, 0), (7, 1, TIME_US + 5_000_000), (11, 0, TIME_US)):
            write_over(folder / index_name(segment), Header(generation, segment, begun_us).pack())
        for segment, number, time_us in ((1, 1, -1), (11, 1, 10_000_000)):
            entry = entries(folder, segment)[number]._replace(time_us=TIME_US + time_us)
            write_over(folder / index_name(segment), entry.pack(), HEADER_BYTES + number * ENTRY_BYTES)
        assert {problem.segment for problem in check(run).problems} == set(SEALED)
        for segment in SEALED:
            run.repair(segment)
        assert check(run).problems == []
        assert [header_of(folder, segment).generation for segment in SEALED] == [1, 1, 1]

    def test_of_a_segment_before_one_that_is_lost_says_so(self, folder: Path, run: RunStore) -> None:
        for name in (segment_name(7), index_name(7)):
            (folder / name).unlink()
        with opened(folder, AGED) as again:
            assert repair_all(again) == 4
            assert kinds(folder, 1)[-2:] == [(Kind.LOST, 7, 4), (Kind.CLOSE, 11, 0)]
            assert read_blocks(again) == all_but(7, 8, 9, 10)


class TestCompressed:
    def test_frames_that_are_sound_are_kept(self, folder: Path, run: RunStore) -> None:
        compress_all(run)
        data = bytearray((folder / COMPRESSED).read_bytes())
        data[100] ^= 1
        lost = records_in(folder, COMPRESSED, 100, 101)
        (folder / COMPRESSED).write_bytes(data)
        assert run.repair(1) == len(lost) == 2
        assert read_blocks(run) == all_but(*lost)
        assert not (folder / COMPRESSED).exists()
        ((said, frame),) = damaged_of(folder)
        assert said.keys() == {"file", "offset", "length"}
        assert (said["file"], frame) == (COMPRESSED, bytes(data[said["offset"] : said["offset"] + said["length"]]))

    def test_frames_are_found_without_the_table(self, folder: Path, run: RunStore) -> None:
        compress_all(run)
        flip(folder / COMPRESSED, (folder / COMPRESSED).stat().st_size - 1)
        assert read_blocks(run) == all_but(1, 2, 3, 4, 5, 6)
        assert run.repair(1) == 0
        assert read_blocks(run) == ALL
        assert text_of(folder) == rows(1, 16)
        assert not (folder / f"{TEXT}.damaged").exists()

    @pytest.mark.parametrize("at", range(0, 250, 10))
    def test_frames_are_found_around_one_that_is_damaged(self, folder: Path, run: RunStore, at: int) -> None:
        compress_all(run)
        lost = records_in(folder, COMPRESSED, at, at + 40)
        with (folder / COMPRESSED).open("r+b") as file:
            file.seek(at)
            file.write(b"\x28\xb5\x2f\xfd" * 10)
            file.truncate(os.stat(folder / COMPRESSED).st_size - 3)
        assert run.repair(1) == len(lost)
        assert read_blocks(run) == all_but(*lost)
        assert check(run).problems == []
        assert bool(lost) == (folder / f"{TEXT}.damaged").exists()

    def test_no_frames_are_found_where_there_are_none(self, folder: Path, run: RunStore) -> None:
        compress_all(run)
        (folder / COMPRESSED).write_bytes(b"nothing of that kind")
        assert run.repair(1) == 6
        assert damaged_of(folder)[0][1] == b"nothing of that kind"
        assert check(run).problems == []


def damage_block(folder: Path) -> None:
    flip(folder / TEXT, 100)


def damage_several(folder: Path) -> None:
    for at in (0, 150):
        flip(folder / TEXT, at)
    flip(folder / INDEX, HEADER_BYTES + ENTRY_BYTES)


def damage_index(folder: Path) -> None:
    flip(folder / INDEX, 20)
    flip(folder / INDEX, HEADER_BYTES)


def damage_text_and_index(folder: Path) -> None:
    damage_index(folder)
    damage_block(folder)


def damage_frame(folder: Path) -> None:
    flip(folder / COMPRESSED, 100)


def damage_table(folder: Path) -> None:
    os.truncate(folder / COMPRESSED, os.stat(folder / COMPRESSED).st_size - 5)


def add_to_text(folder: Path) -> None:
    with (folder / TEXT).open("ab") as file:
        file.write(b"never acknowledged")


DAMAGES: list[tuple[Callable[[Path], None], bool, set[int]]] = [
    (damage_block, False, {3}),
    (damage_several, False, {1, 2, 4}),
    (damage_index, False, set()),
    (damage_text_and_index, False, {3}),
    (add_to_text, False, set()),
    (damage_frame, True, {3, 4}),
    (damage_table, True, set()),
    (damage_index, True, set()),
]
each_damage = pytest.mark.parametrize(
    ("damage", "compressed", "lost"), DAMAGES, ids=[f"{each[0].__name__}-{each[1]}" for each in DAMAGES]
)


class TestInterrupted:
    @each_damage
    def test_at_any_point_it_can_be_read_and_is_finished_by_the_next(
        self, tmp_path: Path, damage: Callable[[Path], None], compressed: bool, lost: set[int]
    ) -> None:
        folder = tmp_path / "run"
        with made_run(folder, compressed=[1] if compressed else []) as run:
            damage(folder)
            readable = read_blocks(run)
            with every_state(folder, tmp_path / "states") as states:
                assert run.repair(1) == len(lost)
            assert check(run).problems == []
        assert len(states) > 5
        for state in states:
            with opened(state, AGED) as run:
                found = read_blocks(run)
                assert readable.items() <= found.items() <= ALL.items()
                run.tidy()
                found = read_blocks(run)
                assert readable.items() <= found.items() <= ALL.items()
                repair_all(run)
                assert read_blocks(run) == all_but(*lost)
                if damage not in {damage_index, damage_text_and_index}:
                    assert (run.last_batch(KEY), run.last_batch(OTHER_KEY)) == (16, 14)
                run.tidy()
            names = {path.name for path in state.iterdir()}
            assert not [name for name in names if name.endswith(".new")]

    @each_damage
    def test_by_an_error_it_can_be_read_and_done_again(
        self, tmp_path: Path, damage: Callable[[Path], None], compressed: bool, lost: set[int]
    ) -> None:
        """Of any call that changes the disk."""
        with made_run(tmp_path / "run", compressed=[1] if compressed else []) as run:
            damage(tmp_path / "run")
            damaged = copied(tmp_path / "run", tmp_path / "damaged")
        descriptors = open_descriptors()
        failures = 0
        for operation in ("pwritev", "fsync", "rename", "unlink"):
            number, failed = 1, True
            while failed:
                folder = copied(damaged, tmp_path / f"{operation}-{number}")
                with opened(folder, AGED) as run:
                    readable = read_blocks(run)
                    try:
                        with failing_at(operation, number, code=errno.ENOSPC):
                            run.repair(1)
                        failed = operation == "unlink" and number < 5
                    except StoreError as error:
                        assert "No space left on device" in error.message
                        failures += 1
                    assert readable.items() <= read_blocks(run).items() <= ALL.items()
                    if operation != "unlink":
                        assert not list(folder.glob("*.new"))
                    append(run, block(17), now_us=TIME_US + 6_000_000)
                    repair_all(run)
                    assert read_blocks(run) == all_but(*lost) | {17: row(17)}
                number += 1
        assert failures > 4
        assert open_descriptors() == descriptors

    def test_by_a_full_disk_nothing_is_changed(self, folder: Path, run: RunStore) -> None:
        damage_several(folder)
        before = {path.name: path.read_bytes() for path in folder.iterdir()}
        with full_disk(300), pytest.raises(StoreError, match=r"cannot repair 0+1\.jsonl: No space left on device"):
            run.repair(1)
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


class TestOrder:
    def test_of_what_is_synced_and_renamed(self, folder: Path, run: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
        """All is on the disk before a file takes its name, and each step before the next begins."""
        damage_several(folder)
        calls: list[str] = []

        def fsync(fd: int) -> None:
            calls.append(f"sync {Path(os.readlink(f'/proc/self/fd/{fd}')).name}")

        def rename(source: str, target: str, **options: Any) -> None:
            assert source == f"{target}.new"
            calls.append(target)
            os.rename(source, target, **options)

        def publish(segments: tuple[int, ...]) -> None:
            calls.append(f"publish {segments}")

        monkeypatch.setattr(disk, "fsync", fsync)
        monkeypatch.setattr(disk, "rename", rename)
        assert repair(folder, run, 1, publish) == ((1, 3, 5), 3)
        assert sorted(calls[:7]) == sorted(
            [f"sync {name(segment)}.new" for name in (segment_name, index_name) for segment in (1, 3, 5)]
            + [f"sync {TEXT}.damaged"]
        )
        assert calls[7:] == [
            *(index_name(5), segment_name(5), "sync run"),
            *(index_name(3), segment_name(3), "sync run"),
            "publish (1, 3, 5)",
            *(index_name(1), segment_name(1), "sync run"),
        ]

    def test_what_is_kept_can_be_read_throughout(self, folder: Path, run: RunStore) -> None:
        """By what was stored before, until there is more; and by that from then on."""
        damage_several(folder)
        seen: list[dict[int, bytes]] = []

        def publish(segments: tuple[int, ...]) -> None:
            stored, _ = run.reader.blocks(run.extent, 1, 10**6)
            seen.append(lines_of(stored))
            after = run.extent._replace(segments=(*segments, 7, 11, 15))
            stored, _ = run.reader.blocks(after, 1, 10**6)
            seen.append(lines_of(stored))

        repair(folder, run, 1, publish)
        assert seen == [all_but(1, 2, 4)] * 2


class TestRefused:
    def test_is_what_has_no_room_in_segments(
        self, folder: Path, run: RunStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(repair_module, "MAX_SEGMENTS", 2)
        damage_several(folder)
        with pytest.raises(StoreError, match="it is damaged in more than 2 places"):
            run.repair(1)
        assert read_blocks(run) == all_but(1, 2, 4)
        assert not list(folder.glob("*.new"))

    def test_is_a_gap_that_no_run_has(self, folder: Path, run: RunStore) -> None:
        (folder / segment_name(10**15)).write_bytes(row(1))
        with opened(folder, AGED) as again:
            assert any("is missing" in problem.what for problem in check(again).problems)
            with pytest.raises(StoreError, match="999999999999983 records are missing"):
                again.repair(15)

    def test_is_the_segment_that_is_written(self, folder: Path, run: RunStore) -> None:
        with pytest.raises(ValueError, match="not a sealed one"):
            repair(folder, run, 15, lambda _: None)
        assert run.repair(8) == 0


class TestTheRun:
    def test_is_not_rewritten_from_what_was_before(self, tmp_path: Path) -> None:
        """Where the disk fails to sync what was repaired before it was synced."""
        folder = tmp_path / "run"
        with opened(folder, AGED) as run:
            for number, appends in enumerate(SAMPLE):
                append(run, *appends, now_us=TIME_US + number * 2_000_000)
            damage_block(folder)
            assert run.repair(1) == 1
            with failing_at("fdatasync", 1):
                assert run.sync() is not None
            assert read_blocks(run) == all_but(3)
            assert check(run).problems == []

    def test_follows_the_segment_that_it_writes(self, folder: Path, run: RunStore) -> None:
        append(run, block(17), now_us=TIME_US + 6_000_000)
        flip(folder / segment_name(15), 0)
        assert run.repair(15) == 2
        assert check(run).problems == []
        assert read_blocks(run) == all_but(15, 16) | {17: row(17)}
        append(run, block(18), now_us=TIME_US + 6_000_000)
        assert run.extent.segments == (*SEALED, 15, 17, 18)

    def test_goes_on_and_lets_go(self, folder: Path, run: RunStore) -> None:
        damage_several(folder)
        run.repair(1)
        append(run, block(17), now_us=TIME_US + 60_000_000)
        assert run.drop_before(5, TIME_US + 60_000_000) == 4
        assert read_blocks(run) == {seq: row(seq) for seq in range(5, 18)}
        with opened(folder, AGED) as again:
            assert read_blocks(again) == {seq: row(seq) for seq in range(5, 18)}


class TestMeanwhile:
    """What others do while the new files are written."""

    @pytest.fixture
    def meanwhile(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
        def install(action: Callable[[], object]) -> None:
            def act(*args: Any) -> None:
                thread = Thread(target=action)
                thread.start()
                thread.join(10)
                assert not thread.is_alive(), "it waits for the repair"
                keep_left_out(*args)

            monkeypatch.setattr(repair_module, "keep_left_out", act)

        return install

    def test_the_run_may_be_written(
        self, run: RunStore, folder: Path, meanwhile: Callable[[Callable[[], object]], None]
    ) -> None:
        damage_several(folder)
        meanwhile(lambda: append(run, block(17), now_us=TIME_US + 60_000_000))
        assert run.repair(1) == 3
        assert run.extent.segments == (1, 3, 5, 7, 11, 15, 17)
        assert read_blocks(run) == all_but(1, 2, 4) | {17: row(17)}

    @pytest.mark.parametrize("seq", [7, 17])
    def test_the_segment_may_be_dropped(
        self, run: RunStore, folder: Path, meanwhile: Callable[[Callable[[], object]], None], seq: int
    ) -> None:
        damage_several(folder)
        meanwhile(lambda: run.drop_before(seq, TIME_US + 60_000_000))
        assert run.repair(1) == 0
        assert read_blocks(run) == {each: row(each) for each in range(seq, 17)}
        assert not list(folder.glob("*.new"))
        assert first_seqs(os.listdir(folder)) == list(run.extent.segments)

    def test_the_segment_may_be_compressed(
        self, run: RunStore, folder: Path, meanwhile: Callable[[Callable[[], object]], None]
    ) -> None:
        damage_index(folder)
        meanwhile(lambda: compress_all(run))
        assert run.repair(1) == 0
        assert not (folder / TEXT).exists()
        assert read_blocks(run) == ALL
        assert check(run).problems == []


def test_whatever_is_damaged_is_found_and_repaired(tmp_path: Path) -> None:
    """One damage after the other, to a run that was repaired so often already."""
    for seed in range(20):
        random = Random(seed)
        with made_run(tmp_path / str(seed), compressed=random.choice([(), SEALED, (7,)])) as run:
            for _ in range(10):
                damage_and_repair(run, tmp_path / str(seed), random)


def header_of(folder: Path, segment: int = 1) -> Header:
    with (folder / index_name(segment)).open("rb") as file:
        header = Index(file.fileno()).header()
    assert header is not None
    return header
