"""What `logctl attach` shows of what is stored, before it shows what comes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from memory_daemon import MemoryClient, MemoryRun, blocks_of

from logctl.commands.attach import _Attaching
from logd.client import Client, Following
from logd.paths import Paths


class Begun(Following):
    """Knows of each run where it was begun to be followed."""

    def __init__(self, begins: dict[str, int]) -> None:
        self._begins = begins

    def wait_begun(self) -> dict[str, int]:
        return self._begins


class Quiet(MemoryClient):
    def close(self) -> None:
        pass


@pytest.fixture
def runs() -> Iterator[dict[str, MemoryRun]]:
    yield {
        name: MemoryRun(blocks_of(["odd", "even"] * 50, [7, 1, 4], first_time_us=1000 + offset, step_us=10))
        for offset, name in enumerate(("a", "b"))
    }


@pytest.mark.parametrize("names", [("a",), ("a", "b")])
@pytest.mark.parametrize("criteria", [None, {"pattern": "odd", "fixed": True}])
@pytest.mark.parametrize("last", [None, 10, 200])
def test_the_history_ends_where_what_comes_begins(
    runs: dict[str, MemoryRun],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
    names: tuple[str, ...],
    criteria: dict[str, Any] | None,
    last: int | None,
) -> None:
    """Records came between: they will come, and are not to be shown twice."""
    paths = Paths.resolve(state_dir=str(tmp_path), socket=str(tmp_path / "socket"))
    attaching = _Attaching(paths, names, "json", {"follow": True, "filter": criteria, "mode": "stream"})

    def connect() -> Client:
        return Quiet(**runs)

    monkeypatch.setattr(attaching, "_connect", connect)
    attaching._show_history(Begun(dict.fromkeys(names, 98)), list(names), last)
    shown = capfdbinary.readouterr().out.splitlines()
    seqs = [int("".join(filter(str.isdigit, line.split(b'"msg":"')[1].decode()))) for line in shown]
    assert max(seqs) == 97
    expected = [seq for seq in range(1, 98) if not criteria or seq % 2]
    if last != 10:
        assert sorted(seqs) == sorted(expected * len(names))
