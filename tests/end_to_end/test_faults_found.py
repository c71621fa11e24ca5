"""What the fault harness has found, each by itself."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from bed import Bed, wait_until
from faults.image import make_image, opened, read_seqs
from faults.reading import read_run
from faults.records import check_run
from faults.sender import Sender

from logd.daemon.access import Credentials
from logd.daemon.commit import _Group, _Work
from logd.daemon.run import LiveRun, Session
from logd.errors import StoreError
from logd.fanout import Shelf
from logd.ingest import Envelope, LineBatch
from logd.protocol import Clear, Open, Remove
from logd.record import Severity
from logd.store import disk
from logd.store.batches import _REMEMBERED_SEGMENTS
from logd.store.index import HEADER_BYTES
from logd.store.segment import index_name


@pytest.fixture
def sender() -> Iterator[Sender]:
    made = Sender("run", "s", Random(1))
    yield made
    made.disconnect()


def full(*_: object) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_what_comes_while_a_run_is_stalled_is_stored_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def group(batch: int) -> _Group:
        made = _Group(session, Envelope(), Severity.INFO, cont=False, structured=False, time_us=1)
        made.batches.append(LineBatch(1, b"%d\n" % batch))
        made.last_batch = batch
        return made

    with opened(tmp_path / "run") as store:
        session = Session(LiveRun("run", store, Shelf()), 7, Open(1, "run", "s"), Credentials(0, 0), 0, 0, 0)
        work = _Work(session.run, [group(1)], sync_always=False)
        with monkeypatch.context() as patched:
            patched.setattr(disk, "pwritev", full)
            work.run_in_thread()
        assert work.error is not None
        assert store.extent.head == 0
        work.groups.append(group(2))
        work.run_in_thread()
        assert work.error is None
        assert (store.extent.head, store.last_batch(7)) == (2, 2)


def test_a_run_that_was_not_removed_whole_is_gone_all_the_same(idle_bed: Bed, sender: Sender) -> None:
    """Who emits under its name makes another run, and does not write to what is removed."""
    idle_bed.environ["LOGD_FAILPOINTS"] = "rmdir:1=EIO"
    idle_bed.run("logd", "start")
    before = Sender("run", "before", Random(2))
    before.connect(idle_bed.paths)
    before.emit(3)
    before.close()
    with idle_bed.client() as client:
        client.request(Remove(client.new_id(), "run"))
    sender.connect(idle_bed.paths)
    sender.emit(5)
    sender.settle()
    idle_bed.kill()
    del idle_bed.environ["LOGD_FAILPOINTS"]
    idle_bed.run("logd", "start")
    with idle_bed.client() as client:
        assert check_run(read_run(client, "run"), [sender]).faults() == []
    wait_until(lambda: os.listdir(idle_bed.state_dir / "runs") == ["run"])


def test_a_session_whose_records_were_cleared_goes_on(daemon: Bed, sender: Sender) -> None:
    sender.connect(daemon.paths)
    for _ in range(3):
        sender.emit(2)
    sender.settle()
    sender.disconnect()
    with daemon.client() as client:
        client.request(Clear(client.new_id(), "run"))
    sender.cleared = sender.sent
    sender.emit(4)
    sender.connect(daemon.paths)
    sender.settle()
    assert sender.forgotten == 1
    with daemon.client() as client:
        assert check_run(read_run(client, "run"), [sender]).faults() == []


def test_a_session_is_known_again_however_much_others_stored_since(idle_bed: Bed, sender: Sender) -> None:
    """What it had sent and saw no acknowledgement of is not stored again."""
    (idle_bed.folder / "logd.toml").write_text("[store]\nsegment_bytes = 4096\nkeep_free_percent = 0\n")
    idle_bed.run("logd", "start")
    sender.connect(idle_bed.paths)
    sender.emit(3)
    other = Sender("run", "other", Random(2))
    wait_until(lambda: list((idle_bed.state_dir / "runs").glob("run/*.jsonl")))
    sender.disconnect()
    other.connect(idle_bed.paths)
    for _ in range(_REMEMBERED_SEGMENTS + 2):
        other.emit(30, pad=200)
        other.settle()
    other.disconnect()
    sender.connect(idle_bed.paths)
    sender.settle()
    with idle_bed.client() as client:
        assert check_run(read_run(client, "run"), [sender, other]).faults() == []


def test_a_sealed_segment_is_compressed_though_nothing_follows(idle_bed: Bed, sender: Sender) -> None:
    (idle_bed.folder / "logd.toml").write_text("[store]\nsegment_bytes = 4096\nkeep_free_percent = 0\n")
    idle_bed.run("logd", "start")
    sender.connect(idle_bed.paths)
    for _ in range(2):
        sender.emit(30, pad=200)
        sender.settle()
    folder = idle_bed.state_dir / "runs" / "run"
    wait_until(lambda: sum(path.suffix == ".jsonl" for path in folder.iterdir()) == 1)


def test_a_segment_that_a_full_disk_cannot_compress_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = make_image(tmp_path, Random(4))
    before = set(os.listdir(image.closed))
    with opened(image.closed) as run:
        monkeypatch.setattr(disk, "pwritev", full)
        with pytest.raises(StoreError):
            run.compress(image.segments[-2], lambda: None)
        monkeypatch.undo()
        assert set(os.listdir(image.closed)) == before


@pytest.mark.parametrize("form", ["closed", "killed"])
def test_an_index_whose_header_alone_is_damaged_keeps_its_sessions(tmp_path: Path, form: str) -> None:
    image = make_image(tmp_path, Random(3))
    folder = image.closed if form == "closed" else image.killed
    newest = image.segments[-1]
    with (folder / index_name(newest)).open("r+b") as file:
        file.write(b"\xff" * (HEADER_BYTES // 2))
    with opened(folder) as run:
        assert run.mended_indexes == [newest]
        assert {key: run.last_batch(key) for key in image.batches} == image.batches
        assert read_seqs(run) == set(range(1, image.head + 1))
        assert run.verify(lambda *_: None).problems == []
