"""The spool file: frames in order, one owner, and a disk that says no."""

from __future__ import annotations

import fcntl
import os
import stat
import threading
from pathlib import Path

import pytest
from bed import wait_until

from logd.client.spool import Spool
from logd.errors import StoreError

OPENING = b"\0\0\0\4open"


def frame(payload: bytes) -> bytes:
    return len(payload).to_bytes(4, "big") + payload


def spool_at(folder: Path, **options: int) -> Spool:
    return Spool(lambda: folder, "run.session", OPENING, **options)


def test_frames_are_read_in_order_and_only_those_that_are_unread(tmp_path: Path) -> None:
    spool = spool_at(tmp_path / "state" / "spool")
    spool.append(frame(b"in memory"), unread=False)
    assert spool.unread_bytes == 0
    spool.append(frame(b"one"), unread=True)
    spool.append(frame(b"three"), unread=True)
    assert spool.next_bytes() == 7
    assert [spool.read(), spool.read()] == [frame(b"one"), frame(b"three")]
    assert spool.unread_bytes == 0
    assert spool.path.read_bytes() == OPENING + b"".join(map(frame, [b"in memory", b"one", b"three"]))
    spool.close()


def test_it_is_its_users_alone(tmp_path: Path) -> None:
    spool = spool_at(tmp_path / "state" / "spool")
    assert not (tmp_path / "state").exists()
    spool.append(frame(b"x"), unread=True)
    assert stat.S_IMODE(spool.path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "state" / "spool").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700
    spool.close()


def test_its_owner_holds_it_locked_until_it_is_closed(tmp_path: Path) -> None:
    spool = spool_at(tmp_path / "spool")
    spool.append(frame(b"x"), unread=True)
    fd = os.open(spool.path, os.O_RDONLY)
    with pytest.raises(BlockingIOError):
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    spool.close()
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(fd)


def test_a_file_that_was_removed_while_its_lock_was_waited_for_is_made_anew(tmp_path: Path) -> None:
    """The daemon finds it between its making and its locking: empty, and nobody's."""
    spool = spool_at(tmp_path / "spool")
    (tmp_path / "spool").mkdir()
    fd = os.open(spool.path, os.O_RDWR | os.O_CREAT)
    fcntl.flock(fd, fcntl.LOCK_EX)
    appending = threading.Thread(target=lambda: spool.append(frame(b"x"), unread=True))
    appending.start()
    try:
        wait_until(lambda: _opened_twice(spool.path))
        spool.path.unlink()
    finally:
        os.close(fd)
        appending.join()
    assert spool.path.read_bytes() == OPENING + frame(b"x")
    spool.close()


def _opened_twice(path: Path) -> bool:
    links = []
    for link in Path("/proc/self/fd").iterdir():
        try:
            links.append(os.readlink(link))
        except FileNotFoundError:
            continue
    return links.count(str(path)) == 2


def test_removed_it_can_begin_anew(tmp_path: Path) -> None:
    spool = spool_at(tmp_path / "spool")
    spool.append(frame(b"one"), unread=True)
    spool.remove()
    assert not spool.path.exists()
    assert spool.unread_bytes == 0
    spool.append(frame(b"two"), unread=True)
    assert spool.read() == frame(b"two")
    spool.remove()
    spool.remove()


def test_over_its_bound_nothing_is_added(tmp_path: Path) -> None:
    spool = spool_at(tmp_path / "spool", max_bytes=30)
    spool.append(frame(b"x" * 10), unread=True)
    with pytest.raises(StoreError, match=r"cannot write .*: it has reached its 30 bytes"):
        spool.append(frame(b"x" * 10), unread=True)
    spool.append(frame(b"y"), unread=True)
    assert [spool.read(), spool.read()] == [frame(b"x" * 10), frame(b"y")]
    spool.close()


def test_what_the_disk_took_half_of_is_cut_off_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = spool_at(tmp_path / "spool")
    spool.append(frame(b"whole"), unread=True)
    before = spool.path.read_bytes()
    really_write = os.pwrite
    room = [5]

    def write_while_there_is_room(fd: int, data: memoryview, offset: int) -> int:
        if not room[0]:
            raise OSError(28, "No space left on device")
        written = really_write(fd, data[: room[0]], offset)
        room[0] -= written
        return written

    monkeypatch.setattr(os, "pwrite", write_while_there_is_room)
    with pytest.raises(StoreError, match="No space left"):
        spool.append(frame(b"half of it"), unread=True)
    assert spool.path.read_bytes() == before
    room[0] = 1000
    spool.append(frame(b"half of it"), unread=True)
    assert [spool.read(), spool.read()] == [frame(b"whole"), frame(b"half of it")]
    spool.close()


def test_a_file_that_was_cut_by_somebody_else_is_an_error(tmp_path: Path) -> None:
    spool = spool_at(tmp_path / "spool")
    spool.append(frame(b"one"), unread=True)
    os.truncate(spool.path, len(OPENING) + 5)
    with pytest.raises(StoreError, match="it has become shorter"):
        spool.read()
    spool.close()


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    spool = spool_at(tmp_path / "spool")
    (tmp_path / "spool").mkdir()
    (tmp_path / "precious").write_text("precious")
    spool.path.symlink_to(tmp_path / "precious")
    with pytest.raises(StoreError, match="cannot write"):
        spool.append(frame(b"x"), unread=True)
    assert (tmp_path / "precious").read_text() == "precious"
