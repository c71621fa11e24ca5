"""A process that is killed after any system call that changes something, at whatever it is doing to a run.

What it leaves is opened and tidied: all that was stored is there, once and in order, of what was being stored all up
to some block, and what was being let go is there or not, the oldest first. Then the run goes on. Stops while segments
are mended, compressed or written again have their tests with those.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from store_helpers import (
    HERE,
    KEY,
    TIME_US,
    append,
    block,
    compress_all,
    copied,
    every_state,
    open_run,
    opened,
    read_all,
    read_blocks,
    row,
    rows,
    text_of,
)

from logd.store import Append, RunStore


@contextmanager
def stops(
    folder: Path, prepare: Callable[[RunStore], object], act: Callable[[RunStore], object]
) -> Iterator[list[Path]]:
    """The states that a run goes through in an act; the last is after it."""
    with opened(folder / "run") as run:
        prepare(run)
        with every_state(folder / "run", folder / "states") as states:
            act(run)
        states.append(copied(folder / "run", folder / "after"))
        yield states


def goes_on(state: Path, known: bytes, first_seq: int = 1) -> None:
    """The run in a folder holds just these rows, also when it was tidied, and takes more."""
    with opened(state) as run:
        assert (run.extent.first_seq, read_all(run)) == (first_seq, known)
        run.tidy()
        head = run.extent.head
        assert read_blocks(run, backward=True) == dict(enumerate(known.splitlines(keepends=True), first_seq))
        append(run, block(head + 1, pad=5000), block(head + 2))
        more = row(head + 1, 5000) + row(head + 2)
        assert read_all(run) == text_of(state) == known + more
    with opened(state) as run:
        assert (run.torn_bytes, run.last_batch(KEY)) == (0, head + 2)
        assert read_all(run) == known + more


SENDINGS = {
    "of a block": [block(5, 3)],
    "of blocks": [block(5, 2), block(7), block(8, 3)],
    "of parts": [block(5, 2, part=True), block(7, part=True), block(8)],
    "that fill segments": [block(5, pad=5000), block(6), block(7, pad=5000), block(8)],
    "of parts that fill a segment": [block(5, pad=5000, part=True), block(6, pad=5000), block(7), block(8, part=True)],
}


class TestStoring:
    @pytest.mark.parametrize("sending", SENDINGS.values(), ids=SENDINGS)
    @pytest.mark.parametrize("pad", [0, 5000])
    def test_keeps_all_up_to_some_block(self, tmp_path: Path, sending: list[Append], pad: int) -> None:
        """With `pad`, the first of it is in a new segment."""
        before = rows(1, 3) + row(4, pad)
        ends, so_far, pending = {4: before}, before, b""
        for each in sending:
            pending += each.data
            if not each.part:
                so_far, pending = so_far + pending, b""
                ends[so_far.count(b"\n")] = so_far
        heads = set()
        with stops(
            tmp_path, lambda run: append(run, block(1, 3), block(4, pad=pad)), lambda run: append(run, *sending)
        ) as states:
            for state in states:
                with opened(state) as run:
                    head = run.extent.head
                    assert run.last_batch(KEY) == head
                heads.add(head)
                goes_on(state, ends[head])
        assert heads == ends.keys()

    def test_keeps_the_first_block_or_nothing(self, tmp_path: Path) -> None:
        heads = []
        with stops(tmp_path, lambda run: None, lambda run: append(run, block(1, 2))) as states:
            for state in states:
                with opened(state) as run:
                    heads.append(run.extent.head)
                goes_on(state, rows(1, heads[-1]))
        assert heads == sorted(heads)
        assert set(heads) == {0, 2}

    def test_keeps_what_was_stored_before_the_run_was_closed(self, tmp_path: Path) -> None:
        """Its mark is written over, and what was torn is mended, before more is stored."""
        for left in (b"", b"torn"):
            folder = tmp_path / str(len(left))
            with opened(folder) as run:
                append(run, block(1, 3))
            (text,) = folder.glob("*.jsonl")
            text.write_bytes(text.read_bytes() + left)
            with opened(folder) as run:
                with every_state(folder, tmp_path / f"states{len(left)}") as states:
                    append(run, block(4))
                for state in states:
                    with opened(state) as again:
                        head = again.extent.head
                        assert head in (3, 4)
                    goes_on(state, rows(1, head))

    def test_keeps_all_when_it_is_closing(self, tmp_path: Path) -> None:
        run = open_run(tmp_path / "run")
        append(run, block(1, pad=5000), block(2))
        with every_state(tmp_path / "run", tmp_path / "states") as states:
            run.close()
        assert len(states) >= 3
        for state in states:
            goes_on(state, row(1, 5000) + row(2))


class TestLettingGo:
    @pytest.mark.parametrize("compress", [True, False])
    @pytest.mark.parametrize("seq", [6, 11, 2**63], ids=["a segment", "two", "all"])
    def test_cuts_at_the_front_alone(self, tmp_path: Path, compress: bool, seq: int) -> None:
        def prepare(run: RunStore) -> None:
            append(run, *(block(number, pad=950) for number in range(1, 13)))
            assert run.extent.segments == (1, 6, 11)
            if compress:
                compress_all(run)

        begins = []
        with stops(tmp_path, prepare, lambda run: run.drop_before(seq, TIME_US)) as states:
            for state in states:
                with opened(state) as run:
                    run.tidy()
                    begins.append(run.extent.first_seq)
                    assert run.extent.head == 12
                goes_on(state, rows(begins[-1], 13 - begins[-1], 950), begins[-1])
        assert begins == sorted(begins)
        assert begins[-1] == min(seq, 13)
        assert {1, *begins} == {begin for begin in (1, 6, 11, 13) if begin <= seq}

    def test_of_all_is_of_the_next_generation_when_anything_is_gone(self, tmp_path: Path) -> None:
        with stops(
            tmp_path,
            lambda run: append(run, *(block(number, pad=950) for number in range(1, 13))),
            lambda run: run.drop_before(2**63, TIME_US),
        ) as states:
            for state in states:
                with opened(state) as run:
                    assert run.extent.generation == 2 or run.extent.first_seq == 1
            assert run.extent.generation == 2


SCRIPT = """
from pathlib import Path
import sys
from store_helpers import append, block, compress_all, opened, TIME_US
with opened(Path(sys.argv[1])) as run:
    for seq in range(run.next_seq, run.next_seq + 20):
        append(run, block(seq, pad=900))
        print(seq, flush=True)
        run.sync()
    compress_all(run)
    run.drop_before(6, TIME_US)
"""


def test_a_process_that_is_killed_in_earnest_keeps_what_it_said_was_stored(tmp_path: Path) -> None:
    """By SIGKILL, one after the other."""
    said = kills = 0
    for points in (
        *("pwritev:2=kill", "pwritev:7=kill-after", "fdatasync:9=kill", "ftruncate:3=kill-after"),
        *("rename:2=kill-after", "unlink:5=kill"),
    ):
        ended = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(tmp_path / "run")],
            capture_output=True,
            text=True,
            check=False,
            env={**HERE, "LOGD_FAILPOINTS": points},
        )
        assert ended.returncode in (0, -signal.SIGKILL), ended.stderr
        kills += ended.returncode != 0
        said = max([said, *map(int, ended.stdout.split())])
        with opened(tmp_path / "run") as run:
            run.tidy()
            extent = run.extent
            assert extent.head in (said, said + 1)
            assert extent.first_seq in (1, 6)
            assert read_all(run) == rows(extent.first_seq, extent.head + 1 - extent.first_seq, 900)
            said = extent.head
    assert kills == 6
