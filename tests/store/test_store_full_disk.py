"""A full disk: nothing is stored of what fails, readers go on, and all goes on when there is room."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
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
    entries,
    failing_at,
    full_disk,
    opened,
    read_all,
    read_blocks,
    row,
    rows,
    text_of,
    torn_of,
)

from logd.errors import StoreError
from logd.store import disk, failpoints
from logd.store.index import Kind
from logd.store.run import RESERVE_BYTES
from logd.store.segment import segment_name


class TestAppend:
    def test_stores_nothing_of_an_append_that_fails_and_all_of_the_next(self, tmp_path: Path) -> None:
        more = [block(2, 2), block(4, part=True), block(5)]
        for room_bytes in range(0, sum(len(each.data) for each in more) + 3 * 80, 7):
            folder = tmp_path / str(room_bytes)
            with opened(folder) as run:
                append(run, block(1))
                before = run.extent
                with full_disk(room_bytes), pytest.raises(StoreError, match="No space left"):
                    run.append(more, TIME_US)
                assert (run.extent, run.next_seq, run.last_batch(KEY)) == (before, 2, 1)
                assert text_of(folder) == rows(1, 1)
                append(run, *more)
                assert read_all(run) == rows(1, 5)

    def test_what_was_refused_and_cannot_be_cut_off_does_not_follow_what_is_stored(self, tmp_path: Path) -> None:
        """Its last blocks are whole, and so are their entries; what is stored then is shorter than its first."""
        more = [block(2, 3), block(5), block(6), block(7)]
        room_bytes = sum(len(each.data) for each in more) + 3 * 80
        with opened(tmp_path / "run") as run:
            append(run, block(1))
            with full_disk(room_bytes, read_only=True), pytest.raises(StoreError):
                run.append(more, TIME_US)
            refused = copied(tmp_path / "run", tmp_path / "refused")
            append(run, block(2))
            killed = copied(tmp_path / "run", tmp_path / "killed")
        with opened(killed) as run:
            assert read_all(run) == rows(1, 2)
            assert run.last_batch(KEY) == 2
        with opened(refused) as run:  # as after a stop: it was not acknowledged, and may be there
            assert read_all(run) == rows(1, 6)
            assert run.last_batch(KEY) == 6

    @pytest.mark.parametrize("room_bytes", [0, 50, 200, 300])
    def test_what_cannot_be_cut_off_is_cut_later(self, tmp_path: Path, room_bytes: int) -> None:
        with opened(tmp_path / "run") as run:
            append(run, block(1))
            with full_disk(room_bytes, read_only=True), pytest.raises(StoreError):
                run.append([block(2, 5), block(7)], TIME_US)
            killed = copied(tmp_path / "run", tmp_path / "killed")
            append(run, block(2, 1))
            assert read_all(run) == rows(1, 2)
        with opened(tmp_path / "run") as run:
            assert read_all(run) == rows(1, 2)
        with opened(killed) as run:
            assert read_all(run) == rows(1, 1)
            append(run, block(2))
            assert torn_of(killed) == rows(2, 6)[:room_bytes]

    def test_what_could_not_be_cut_off_is_when_the_run_is_closed(self, tmp_path: Path) -> None:
        with opened(tmp_path) as run:
            append(run, block(1))
            with full_disk(200, read_only=True), pytest.raises(StoreError):
                run.append([block(2, 5)], TIME_US)
            assert len(text_of(tmp_path)) > len(rows(1, 1))
        with opened(tmp_path) as run:
            assert (run.torn_bytes, run.extent.head, run.extent.generation) == (0, 1, 1)

    def test_that_marks_no_end_of_a_segment_loses_nothing(self, tmp_path: Path) -> None:
        with opened(tmp_path) as run:
            append(run, block(1, pad=5000))
            with full_disk(64), pytest.raises(StoreError):
                run.append([block(2)], TIME_US)
            append(run, block(2))
            assert entries(tmp_path, 1)[-1].kind == Kind.BLOCK
        with opened(tmp_path) as run:
            assert (run.torn_bytes, run.extent.segments) == (0, (1, 2))
            assert read_all(run) == row(1, 5000) + row(2)

    @pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS])
    def test_fails_as_the_disk_does_at_any_write(self, tmp_path: Path, code: int) -> None:
        for number in range(1, 10):
            with opened(tmp_path / str(number)) as run:
                append(run, block(1, pad=3000))
                more = [block(2, pad=3000), block(3, pad=3000), block(4)]
                with failing_at("pwritev", *range(number, 20), code=code) as calls:
                    try:
                        count = run.append(more, TIME_US)
                    except StoreError as error:
                        count = 0
                        assert error.errno == code
                    assert read_all(run) == rows(1, 1 + count, 3000) if count < 3 else read_all(run).endswith(row(4))
                append(run, *more[count:])
                assert read_all(run) == text_of(tmp_path / str(number)) == rows(1, 3, 3000) + row(4)
            if len(calls) < number:
                break
        else:
            pytest.fail("it failed to the last")

    def test_is_whole_though_each_write_takes_half(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        short = failpoints.wrap({"pwritev": disk.pwritev}, "pwritev:1+=short")
        monkeypatch.setattr(disk, "pwritev", short["pwritev"])
        with opened(tmp_path) as run:
            append(run, *(block(seq, 2, pad=950) for seq in range(1, 20, 2)))
            compress_all(run)
            assert read_all(run) == rows(1, 20, 950)
        with opened(tmp_path) as run:
            assert run.torn_bytes == 0
            assert read_all(run) == text_of(tmp_path) == rows(1, 20, 950)

    def test_as_the_system_has_it(self, tmp_path: Path) -> None:
        """With a limit that the kernel holds a process to, in one of its own."""
        limit = len(rows(1, 20)) + 17
        script = f"""
import os, resource
from pathlib import Path
from store_helpers import TIME_US, append, block, opened, read_all, rows
from logd.errors import StoreError
with opened(Path({str(tmp_path / "run")!r})) as run:
    append(run, block(1, 20))
    resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, resource.RLIM_INFINITY))
    try:
        run.append([block(21, 1)], TIME_US)
    except StoreError as error:
        print(error.operation, error.message)
    assert read_all(run) == rows(1, 20)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    append(run, block(21, 2))
    assert read_all(run) == rows(1, 22)
"""
        ended = subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            text=True,
            check=False,
            env=HERE,
        )
        assert (ended.returncode, ended.stderr) == (0, "")
        assert ended.stdout == f"write cannot write {segment_name(1)}: File too large\n"
        assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != limit
        assert text_of(tmp_path / "run") == rows(1, 22)


@contextmanager
def free_bytes(free: int) -> Iterator[None]:
    """Within, the disk says that so much is free."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(disk, "free_bytes", lambda fd: free)
        yield


class TestReserve:
    def test_is_not_written_to(self, tmp_path: Path) -> None:
        size_bytes = len(rows(2, 3))
        with opened(tmp_path) as run:
            append(run, block(1))
            for free in (0, RESERVE_BYTES - 1, RESERVE_BYTES, RESERVE_BYTES + size_bytes - 1):
                with free_bytes(free), pytest.raises(StoreError, match="cannot write the run: No space left") as caught:
                    run.append([block(2, 3)], TIME_US)
                assert caught.value.errno == errno.ENOSPC
                assert read_all(run) == text_of(tmp_path) == row(1)
            with free_bytes(RESERVE_BYTES + size_bytes):
                append(run, block(2, 3))
            assert read_all(run) == rows(1, 4)

    def test_is_there_for_marks_and_for_letting_go(self, tmp_path: Path) -> None:
        with opened(tmp_path) as run:
            append(run, *(block(seq, pad=5000) for seq in range(1, 5)))
            with free_bytes(0):
                assert run.sync() is None
                assert run.drop_before(3, TIME_US) == 2
                assert read_all(run) == rows(3, 2, 5000)
                assert run.drop_before(5, TIME_US) == 2
                assert read_all(run) == b""
        with opened(tmp_path) as run:
            assert (run.torn_bytes, run.extent.head) == (0, 4)

    def test_that_cannot_be_asked_for_is_an_error(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def fstatvfs(fd: int) -> os.statvfs_result:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        with opened(tmp_path) as run:
            append(run, block(1))
            monkeypatch.setattr(os, "fstatvfs", fstatvfs)
            with pytest.raises(StoreError, match="cannot read the file system's state: Input/output error"):
                run.append([block(2)], TIME_US)
            assert read_all(run) == row(1)


class TestOpening:
    @pytest.mark.parametrize("read_only", [True, False])
    def test_changes_nothing_and_reads_all(self, tmp_path: Path, read_only: bool) -> None:
        """Of a run that was killed, with torn bytes, plain and compressed segments, and things left to be tidied."""
        with opened(tmp_path / "run") as run:
            append(run, *(block(seq, pad=950) for seq in range(1, 13)))
            compress_all(run)
            append(run, block(13), block(14, part=True))
            killed = copied(tmp_path / "run", tmp_path / "killed")
        (killed / "00000000000000000006.jsonl.zst.new").write_bytes(b"half")
        before = {path.name: path.read_bytes() for path in killed.iterdir()}
        with full_disk(read_only=read_only), free_bytes(0), opened(killed) as run:
            assert run.torn_bytes == len(row(14))
            assert read_all(run) == rows(1, 12, 950) + row(13)
            assert len(read_blocks(run, backward=True)) == 13
            assert run.last_batch(KEY) == 13
            assert len(run.segments()) == 3
            with pytest.raises(StoreError, match="No space left"):
                run.append([block(14)], TIME_US)
        assert {path.name: path.read_bytes() for path in killed.iterdir()} == before

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
    def test_works_where_nothing_may_be_written(self, tmp_path: Path) -> None:
        with opened(tmp_path) as run:
            append(run, block(1, 3))
        for path in (*tmp_path.iterdir(), tmp_path):
            path.chmod(0o500)
        try:
            with opened(tmp_path) as run:
                assert read_all(run) == rows(1, 3)
                with pytest.raises(StoreError, match="Permission denied"):
                    run.append([block(4)], TIME_US)
        finally:
            tmp_path.chmod(0o700)
