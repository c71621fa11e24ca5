"""Failures on order: what LOGD_FAILPOINTS may say, and that a process fails, or ends, exactly where it says."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from store_helpers import HERE

from logd.errors import ConfigError
from logd.store import disk
from logd.store.failpoints import wrap


def counted(*names: str) -> tuple[dict[str, list[int]], dict[str, Callable[..., Any]]]:
    """Operations that do nothing but list what they are given."""
    made: dict[str, list[int]] = {name: [] for name in names}
    return made, {name: made[name].append for name in names}


def failures(operation: Callable[..., Any], count: int) -> list[int]:
    """Which of the first calls fail, from 1."""
    failed = []
    for number in range(1, count + 1):
        try:
            operation(number)
        except OSError:
            failed.append(number)
    return failed


class TestPoints:
    @pytest.mark.parametrize(
        ("points", "failed"),
        [
            ("fsync:1=EIO", [1]),
            ("fsync:3=EIO", [3]),
            ("fsync:7+=EIO", [7, 8, 9]),
            ("fsync:2=EIO,fsync:4=ENOSPC", [2, 4]),
            (" fsync:2=EIO , fsync:8+=EIO ", [2, 8, 9]),
            ("fsync:10=EIO", []),
            ("unlink:1+=EIO", []),
        ],
    )
    def test_say_which_calls_fail(self, points: str, failed: list[int]) -> None:
        made, operations = counted("fsync", "unlink")
        wrapped = {**operations, **wrap(operations, points)}
        assert failures(wrapped["fsync"], 9) == failed
        assert made["fsync"] == [number for number in range(1, 10) if number not in failed]

    @given(st.integers(1, 20), st.booleans(), st.integers(0, 25))
    def test_are_counted_by_operation(self, nth: int, on: bool, others: int) -> None:
        _, operations = counted("rename", "unlink")
        wrapped = wrap(operations, f"rename:{nth}{'+' * on}=EIO,unlink:1=EIO")
        failures(wrapped["unlink"], others)
        assert failures(wrapped["rename"], 20) == (list(range(nth, 21)) if on else [nth])

    @pytest.mark.parametrize("name", ["EIO", "ENOSPC", "EROFS", "EDQUOT", "EMFILE"])
    def test_fail_with_the_error_that_is_named(self, name: str) -> None:
        _, operations = counted("fsync")
        with pytest.raises(OSError, match=os.strerror(getattr(errno, name))) as caught:
            wrap(operations, f"fsync:1={name}")["fsync"](3)
        assert caught.value.errno == getattr(errno, name)

    def test_leave_other_operations_alone(self) -> None:
        _, operations = counted("fsync", "unlink", "rename")
        assert wrap(operations, "fsync:1=EIO,rename:2=kill").keys() == {"fsync", "rename"}

    @pytest.mark.parametrize(
        "points",
        [
            *("fsync", "fsync=EIO", "fsync:=EIO", "fsync:0=EIO", "fsync:-1=EIO", "fsync:1", "fsync:1=", "fsync:1=eio"),
            *("fsync:1=EWRONG", "fsync:1=5", "open:1=EIO", "fsync:1=EIO,", ",", "fsync:1=EIO;fsync:2=EIO"),
            *("fsync:1=errorcode", "fsync:1=__name__", "fsync:1=short", "fsync:1++=EIO", "fsync:1=killed"),
        ],
    )
    def test_that_cannot_be_are_an_error(self, points: str) -> None:
        _, operations = counted("fsync", "pwritev")
        with pytest.raises(ConfigError, match=r"LOGD_FAILPOINTS has '.*', which is not operation:nth=action"):
            wrap(operations, points)


class TestShort:
    @pytest.mark.parametrize(("length", "taken"), [(0, 0), (1, 1), (2, 1), (9, 4), (1000, 500)])
    def test_has_a_write_take_half(self, tmp_path: Path, length: int, taken: int) -> None:
        pwritev = wrap({"pwritev": os.pwritev}, "pwritev:1=short")["pwritev"]
        data = bytes(range(1, 251)) * 4
        fd = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
        try:
            assert pwritev(fd, [data[:length][:3], data[:length][3:]], 0) == taken
        finally:
            os.close(fd)
        assert (tmp_path / "file").read_bytes() == data[:taken]

    def test_loses_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(disk, "pwritev", wrap({"pwritev": os.pwritev}, "pwritev:1+=short")["pwritev"])
        fd = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
        try:
            disk.write_at(fd, [b"abc", b"", b"defghij"], 0)
        finally:
            os.close(fd)
        assert (tmp_path / "file").read_bytes() == b"abcdefghij"


# In a process of its own

SCRIPT = """
import os
from logd.store import disk
own = [name for name in disk.OPERATIONS if getattr(disk, name) is getattr(os, name, None)]
print(*own, flush=True)
for number in range(1, 4):
    try:
        disk.mkdir(str(number))
        print("made", number, flush=True)
    except OSError as error:
        print(error.strerror, flush=True)
import sys
print("logd.store.failpoints" in sys.modules)
"""


def run_script(folder: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**HERE, **environ},
    )


@pytest.mark.parametrize("environ", [{}, {"LOGD_FAILPOINTS": ""}])
def test_without_the_variable_they_are_not_even_imported(tmp_path: Path, environ: dict[str, str]) -> None:
    ended = run_script(tmp_path, **environ)
    assert (ended.returncode, ended.stderr) == (0, "")
    operations, *printed = ended.stdout.splitlines()
    assert operations.split() == list(disk.OPERATIONS)
    assert printed == ["made 1", "made 2", "made 3", "False"]


def test_with_it_only_what_it_names_is_another(tmp_path: Path) -> None:
    ended = run_script(tmp_path, LOGD_FAILPOINTS="mkdir:2=ENOSPC,unlink:1=kill")
    operations, *printed = ended.stdout.splitlines()
    assert operations.split() == [name for name in disk.OPERATIONS if name not in ("mkdir", "unlink")]
    assert printed == ["made 1", os.strerror(errno.ENOSPC), "made 3", "True"]


@pytest.mark.parametrize(("action", "made"), [("kill", ["1"]), ("kill-after", ["1", "2"])])
def test_a_process_is_killed_before_or_after_the_call(tmp_path: Path, action: str, made: list[str]) -> None:
    ended = run_script(tmp_path, LOGD_FAILPOINTS=f"mkdir:2={action}")
    assert ended.returncode == -signal.SIGKILL
    assert sorted(os.listdir(tmp_path)) == made
    assert ended.stdout.splitlines()[1:] == ["made 1"]


def test_what_cannot_be_ends_the_process_at_once(tmp_path: Path) -> None:
    ended = run_script(tmp_path, LOGD_FAILPOINTS="mkdir:2=EWRONG")
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert "LOGD_FAILPOINTS has 'mkdir:2=EWRONG'" in ended.stderr
