"""Files that are whole or not there, and files that are read whatever they are compressed with."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from logctl.files import READ_BYTES, CompressedSink, NewFile, Source, _zstd
from logd.errors import StoreError, UsageError


def test_a_file_is_there_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with NewFile(str(path), overwrite=False) as file:
        file.write(b"one\n")
        assert not path.exists()
        file.write(b"two\n")
        file.finish()
        assert path.read_bytes() == b"one\ntwo\n"
    assert os.listdir(tmp_path) == ["run.jsonl"]


def test_what_is_not_finished_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), NewFile(str(tmp_path / "run.jsonl"), overwrite=False) as file:
        file.write(b"one\n")
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == []


def test_a_file_that_is_there_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    path.write_bytes(b"before")
    with pytest.raises(UsageError, match="is there already"):
        NewFile(str(path), overwrite=False)
    with NewFile(str(path), overwrite=True) as file:
        file.write(b"after")
        assert path.read_bytes() == b"before"
        file.finish()
    assert path.read_bytes() == b"after"


@pytest.mark.parametrize("links", [True, False])
def test_so_is_one_that_comes_to_be_meanwhile(tmp_path: Path, links: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    path = tmp_path / "run.jsonl"
    with pytest.raises(UsageError, match="is there already"), NewFile(str(path), overwrite=False) as file:
        path.write_bytes(b"another's")
        file.finish()
    assert path.read_bytes() == b"another's"
    with NewFile(str(tmp_path / "other"), overwrite=False) as file:
        file.finish()
    assert sorted(os.listdir(tmp_path)) == ["other", "run.jsonl"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_is_no_file_is_not_replaced(tmp_path: Path, overwrite: bool) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name in ("folder", "pipe"):
        with pytest.raises(UsageError, match="no file"):
            NewFile(str(tmp_path / name), overwrite=overwrite)


def test_a_folder_that_there_is_not_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"cannot write .*run\.jsonl: No such file"):
        NewFile(str(tmp_path / "none" / "run.jsonl"), overwrite=False)


TEXT = b"".join(b"line %d\n" % number for number in range(100_000))


def test_any_compression_is_read(tmp_path: Path) -> None:
    with NewFile(str(tmp_path / "a.zst"), overwrite=False) as file:
        sink = CompressedSink(file)
        for start in range(0, len(TEXT), 70_000):
            sink.write(TEXT[start : start + 70_000])
        sink.finish()
    (tmp_path / "b.zst").write_bytes(_zstd().compress(TEXT[:1000]) + _zstd().compress(TEXT[1000:]))
    (tmp_path / "c.gz").write_bytes(gzip.compress(TEXT[:1000]) + gzip.compress(TEXT[1000:]))
    (tmp_path / "d.txt").write_bytes(TEXT)
    for path in sorted(tmp_path.iterdir()):
        with Source(str(path)) as source:
            pieces = list(iter(source.read, b""))
            assert b"".join(pieces) == TEXT
            assert max(map(len, pieces)) <= READ_BYTES
            assert source.done_bytes == source.size_bytes == path.stat().st_size


@pytest.mark.parametrize("name", ["a.gz", "a.zst"])
@pytest.mark.parametrize("damage", ["cut", "other"])
def test_damage_is_said(tmp_path: Path, name: str, damage: str) -> None:
    path = tmp_path / name
    whole = gzip.compress(TEXT) if name == "a.gz" else _zstd().compress(TEXT)
    path.write_bytes(whole[: len(whole) // 2] if damage == "cut" else b"plain text that is not compressed")
    with pytest.raises(StoreError, match=f"cannot read .*{name}"), Source(str(path)) as source:
        list(iter(source.read, b""))


def test_a_file_that_there_is_not_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="No such file"):
        Source(str(tmp_path / "none"))
    with pytest.raises(StoreError, match="directory"):
        Source(str(tmp_path))
