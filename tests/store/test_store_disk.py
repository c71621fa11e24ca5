"""The system calls that change the disk: they are the system's own, and the store uses no others."""

from __future__ import annotations

import ast
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from store_helpers import full_disk

import logd.store
from logd.store import disk

SOURCES = sorted(Path(logd.store.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("name", disk.OPERATIONS)
def test_an_operation_is_the_systems_own(name: str) -> None:
    own = getattr(os, name) if name != "fdatasync" else getattr(os, "fdatasync", os.fsync)
    assert getattr(disk, name) is own


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_no_other_module_calls_the_system_to_change_something(path: Path) -> None:
    """Or a failure on order would pass it by."""
    changing = {*disk.OPERATIONS, "write", "writev", "pwrite", "truncate", "remove", "replace", "link", "renames"}
    called = {
        node.attr
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os"
    }
    allowed = {"disk": set(disk.OPERATIONS), "failpoints": {"pwrite"}}
    assert called & changing <= allowed.get(path.stem, set())


def test_what_is_free_is_what_an_ordinary_user_may_write(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        found = os.statvfs(tmp_path)
        assert disk.total_bytes(fd) == found.f_blocks * found.f_frsize
        assert 0 < disk.free_bytes(fd) <= disk.total_bytes(fd)
        assert found.f_bavail <= found.f_bfree
    finally:
        os.close(fd)


class TestWriteAt:
    @given(
        st.lists(st.binary(max_size=20), max_size=30),
        st.integers(0, 50),
        st.lists(st.integers(1, 30), min_size=1, max_size=5),
    )
    def test_writes_all_however_few_bytes_a_call_takes(
        self, tmp_path_factory: pytest.TempPathFactory, buffers: list[bytes], offset: int, takes: list[int]
    ) -> None:
        calls = 0

        def pwritev(fd: int, views: Sequence[bytes], at: int) -> int:
            nonlocal calls
            calls += 1
            return os.pwrite(fd, b"".join(views)[: takes[calls % len(takes)]], at)

        path = tmp_path_factory.mktemp("write") / "file"
        fd = os.open(path, os.O_RDWR | os.O_CREAT)
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(disk, "pwritev", pwritev)
                disk.write_at(fd, buffers, offset)
        finally:
            os.close(fd)
        data = b"".join(buffers)
        assert path.read_bytes() == (bytes(offset) + data if data else b"")

    @pytest.mark.parametrize("count", [0, 1, 511, 512, 513, 5000])
    def test_writes_any_number_of_buffers(self, tmp_path: Path, count: int) -> None:
        buffers = [b"%d\n" % number for number in range(count)]
        fd = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
        try:
            disk.write_at(fd, buffers, 0)
        finally:
            os.close(fd)
        assert (tmp_path / "file").read_bytes() == b"".join(buffers)

    def test_says_where_it_stopped_by_failing_alone(self, tmp_path: Path) -> None:
        """What was written before stays: it is the caller's to write over, or to cut off."""
        fd = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
        try:
            with full_disk(5), pytest.raises(OSError, match="No space left"):
                disk.write_at(fd, [b"abc", b"defg"], 0)
        finally:
            os.close(fd)
        assert (tmp_path / "file").read_bytes() == b"abcde"
