"""How a command ends: what is said, and its status."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import pytest

from logd import console
from logd.errors import NotPermitted


def ended(monkeypatch: pytest.MonkeyPatch, error: Exception) -> int:
    """The status of a command that raises an error."""

    @click.command()
    def command() -> None:
        raise error

    monkeypatch.setattr(sys, "argv", ["/usr/bin/tool"])
    with pytest.raises(SystemExit) as ending:
        console.run(command)
    assert isinstance(ending.value.code, int)
    return ending.value.code


def test_an_error_that_was_thought_of_says_what_is_wrong_and_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(monkeypatch, NotPermitted("it is not yours", hint="ask whose it is")) == 77
    assert capsys.readouterr().err == "tool: it is not yours\ntool: ask whose it is\n"


def test_one_that_was_not_is_a_sentence_and_its_traceback_is_in_a_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert ended(monkeypatch, ExceptionGroup("a nursery", [KeyError("begun")])) == 70
    (path,) = tmp_path.iterdir()
    assert capsys.readouterr().err == (
        f"tool: ended by KeyError: 'begun'\ntool: that is a mistake in tool itself; please report it with {path}\n"
    )
    assert "Traceback" in path.read_text() and "KeyError: 'begun'" in path.read_text()


def test_where_no_file_can_be_written_that_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    assert ended(monkeypatch, ValueError("a\nb")) == 70
    said = capsys.readouterr().err
    assert said.startswith("tool: ended by ValueError: a b\n") and "No such file" in said
