"""A run's name is the command's with the next free number, and nobody else's while it is held."""

from __future__ import annotations

from pathlib import Path

import pytest

from logctl.job.naming import MAX_STEM_CHARACTERS, next_name
from logd.paths import Paths
from logd.record import check_run_name


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths.resolve(socket=str(tmp_path / "s"), state_dir=str(tmp_path / "state"), environ={})


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("make", "make-1"),
        ("/usr/bin/python3.11", "python3.11-1"),
        ("./run my job.sh", "run-my-job.sh-1"),
        (".hidden", "hidden-1"),
        ("日本", "run-1"),
        ("x" * 200, "x" * MAX_STEM_CHARACTERS + "-1"),
    ],
)
def test_a_name_is_made_of_the_commands(paths: Paths, command: str, name: str) -> None:
    assert check_run_name(next_name(paths, command).name) == name


def test_numbers_follow_the_highest_there_is(paths: Paths) -> None:
    for name in ("make-2", "make-10", "make-x", "make-007", "maker-99", "make"):
        (paths.state_dir / "runs" / name).mkdir(parents=True)
    assert next_name(paths, "make").name == "make-11"
    paths.spool_dir.mkdir()
    (paths.spool_dir / "make-11.0123456789abcdef.frames").touch()
    assert next_name(paths, "make").name == "make-12"


def test_a_name_is_ones_own_until_it_is_let_go(paths: Paths) -> None:
    first, second = next_name(paths, "make"), next_name(paths, "make")
    assert (first.name, second.name) == ("make-1", "make-2")
    first.close()
    assert next_name(paths, "make").name == "make-1"
    assert [path.name for path in (paths.state_dir / "names").iterdir()].count("make-2") == 1


def test_there_is_a_name_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    paths = Paths.resolve(socket=str(tmp_path / "s"), state_dir=str(tmp_path / "state"), environ={})
    assert next_name(paths, "make").name == "make-1"
