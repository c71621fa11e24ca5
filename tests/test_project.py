"""The project's own files: what the README says to run is there, and nothing is tied to one machine."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import tomllib
from configparser import ConfigParser
from pathlib import Path

import click
import pytest

import logctl.main
import logd.main
from logd.config import Config, parse_config

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
CLIS: dict[str, click.Command] = {"logd": logd.main.cli, "logctl": logctl.main.cli}


def tracked_files() -> list[Path]:
    """The files of the repository, also those that are not committed yet; skips where it is none."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("this is no git repository")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]


# The README


def code_lines() -> list[str]:
    """What the README shows as code: its indented lines."""
    return [line[4:] for line in README.splitlines() if line.startswith("    ")]


def test_the_readme_names_the_demo_and_the_tests() -> None:
    assert {"scripts/demo", "scripts/test"} <= set(code_lines())


@pytest.mark.parametrize("script", sorted(set(re.findall(r"\bscripts/[\w-]+", README))))
def test_a_script_that_the_readme_names_can_be_run(script: str) -> None:
    path = ROOT / script
    assert path.is_file()
    assert os.access(path, os.X_OK)
    assert path.read_bytes().startswith(b"#!")


def typed_commands() -> list[list[str]]:
    """Each call of logd and logctl that the README shows, as its words."""
    typed = [part for line in code_lines() if line.startswith("$ ") for part in re.split(r"[|;&] ?", line[2:])]
    return [words for part in typed if (words := part.split()) and words[0] in CLIS]


def test_the_readme_shows_both_commands() -> None:
    assert {words[0] for words in typed_commands()} == CLIS.keys()


@pytest.mark.parametrize("words", typed_commands(), ids=" ".join)
def test_a_command_that_the_readme_shows_can_be_given(words: list[str]) -> None:
    """Its words are parsed as they are when it is run; it is not run."""
    program, name, *arguments = words
    cli = CLIS[program]
    assert isinstance(cli, click.Group)
    context = click.Context(cli, info_name=program, **cli.context_settings)
    command = cli.get_command(context, name)
    assert command is not None, f"{program} has no command {name}"
    command.make_context(name, arguments, parent=context)


def test_a_file_that_the_readme_links_to_exists() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert {"ARCHITECTURE.md", "CHANGELOG.md", "LICENSE"} <= set(links)
    assert all((ROOT / link).is_file() for link in links)


def test_the_settings_that_the_readme_shows_are_the_defaults() -> None:
    (text,) = re.findall(r"^```toml\n(.*?)^```$", README, flags=re.M | re.S)
    tables = tomllib.loads(text)
    assert tables
    assert parse_config(tables) == Config()


# The files


HOMES = ("work", "root", r"home/\w+", r"Users/\w+")
"""Folders that are only one machine's, or one person's, wherever a path begins with them."""
FOREIGN_PATH = re.compile(rf"(?<![\w.~$}})\]/-])/(?:{'|'.join(HOMES)})\b(?:/|$)", re.M)


@pytest.mark.parametrize("text", ["see @work/main", '"@root/x"', "(@home/someone/x", "=@Users/me/x", "@work"])
def test_a_path_of_one_machine_is_recognised(text: str) -> None:
    assert FOREIGN_PATH.search(text.replace("@", "/"))  # as they are, this file would be found


@pytest.mark.parametrize("text", ["a@work@b", 'work @ "runs"', "@run@user@", "$HOME@work@", "root@", "@usr@bin@env"])
def test_other_paths_are_not(text: str) -> None:
    assert not FOREIGN_PATH.search(text.replace("@", "/"))


def test_no_file_names_a_path_of_one_machine() -> None:
    found = []
    for path in tracked_files():
        text = path.read_bytes().decode("utf-8", "replace")
        found += [f"{path.relative_to(ROOT)}: {match.group()}" for match in FOREIGN_PATH.finditer(text)]
    assert found == []


def test_no_file_is_a_left_over() -> None:
    left = (".orig", ".rej", ".swp", ".pyc", ".log", "~")
    assert [str(path.relative_to(ROOT)) for path in tracked_files() if path.name.endswith(left)] == []


def test_every_script_can_be_run_and_passes_the_shell() -> None:
    scripts = [path for path in tracked_files() if path.read_bytes().startswith((b"#!/bin/sh", b"#!/usr/bin/env bash"))]
    assert {"demo", "test"} <= {path.name for path in scripts}
    for path in scripts:
        assert os.access(path, os.X_OK), path
        shell = "bash" if b"bash" in path.read_bytes().splitlines()[0] else "sh"
        subprocess.run([shell, "-n", str(path)], check=True)


def test_the_licence_is_mit() -> None:
    text = " ".join((ROOT / "LICENSE").read_text("utf-8").split())
    assert text.startswith("MIT License Copyright (c) ")
    assert "Permission is hereby granted, free of charge, to any person obtaining a copy" in text
    assert "The above copyright notice and this permission notice shall be included in all copies" in text
    assert text.endswith("USE OR OTHER DEALINGS IN THE SOFTWARE.")
    setup = ConfigParser(interpolation=None)
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    assert setup.get("metadata", "license") == "MIT"
    assert "MIT" in README.partition("## Licence")[2]


def test_the_changelog_begins_with_what_is_not_released() -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), flags=re.M)
    assert headings[0] == "Unreleased"


_UNITS = {"KiB": 1024, "MiB": 1024 * 1024}
# Constants of modules with a plain number; settings, in lower case, are held to their pages elsewhere.
_BOUND = re.compile(r"^\| `([A-Z_]+)` \| `([\w/.]+)` \| ([\d,.]+)(?: (KiB|MiB))?(?: for each [\w ]+)? \|", re.MULTILINE)
BOUNDS = _BOUND.findall((ROOT / "ARCHITECTURE.md").read_text())


def test_there_is_a_table_of_bounds() -> None:
    assert len(BOUNDS) > 40


@pytest.mark.parametrize(("name", "path", "number", "unit"), BOUNDS)
def test_a_bound_is_as_the_table_has_them(name: str, path: str, number: str, unit: str) -> None:
    module = path.removeprefix("cli/") if path.startswith("cli/") else f"logd/{path}"
    value = getattr(importlib.import_module(module.removesuffix(".py").replace("/", ".")), name)
    assert value == float(number.replace(",", "")) * _UNITS.get(unit, 1)
