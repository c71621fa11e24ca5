"""What is installed: every package folder, the manual pages, and nothing at the top level but logd and logctl."""

from __future__ import annotations

import json
from configparser import ConfigParser
from importlib.metadata import Distribution, distributions
from pathlib import Path

import pytest

from logd.version import __version__

ROOT = Path(__file__).parents[1]
FOLDERS = {"logd": ROOT / "logd", "logctl": ROOT / "cli" / "logctl"}


@pytest.fixture(scope="module")
def setup() -> ConfigParser:
    parser = ConfigParser(interpolation=None)
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def listed(setup: ConfigParser, section: str, key: str) -> list[str]:
    """The lines of a setting that is a list."""
    return setup.get(section, key).split("\n")[1:]


def package_folders() -> dict[str, Path]:
    """Every folder with Python in it, by the name of its package."""
    found = {}
    for top, folder in FOLDERS.items():
        for path in {source.parent for source in folder.rglob("*.py")}:
            found[".".join((top, *path.relative_to(folder).parts))] = path
    return found


def test_setup_lists_every_package_once_and_no_other(setup: ConfigParser) -> None:
    assert sorted(listed(setup, "options", "packages")) == sorted(package_folders())


def test_every_folder_with_python_in_it_is_a_package() -> None:
    without = [name for name, folder in package_folders().items() if not (folder / "__init__.py").is_file()]
    assert without == []


def test_setup_finds_every_package_where_it_is(setup: ConfigParser) -> None:
    moved = dict(line.split(" = ") for line in listed(setup, "options", "package_dir"))
    for name, folder in package_folders().items():
        top, _, rest = name.partition(".")
        assert ROOT / moved.get(top, top) / rest.replace(".", "/") == folder


def test_the_folder_of_logctl_is_no_package() -> None:
    """`cli` is only where it lies: nothing imports it, and nothing installs it."""
    assert not (ROOT / "cli" / "__init__.py").exists()
    assert [path.name for path in (ROOT / "cli").iterdir() if path.name != "__pycache__"] == ["logctl"]


def test_the_commands_are_functions_that_exist(setup: ConfigParser) -> None:
    scripts = dict(line.split(" = ") for line in listed(setup, "options.entry_points", "console_scripts"))
    assert scripts == {"logd": "logd.main:main", "logctl": "logctl.main:main"}
    for place in scripts.values():
        module, _, function = place.partition(":")
        assert callable(getattr(__import__(module, fromlist=[function]), function))


def test_both_packages_say_that_they_are_typed() -> None:
    assert all((folder / "py.typed").is_file() for folder in FOLDERS.values())


def installed() -> Distribution:
    """The distribution as it is installed; skips where there is none, or one that only points to the sources."""
    for found in distributions(name="logd"):
        # Building leaves a logd.egg-info among the sources, which is found, too, and is none.
        if any(file.parts[0].endswith(".dist-info") for file in found.files or ()):
            origin = json.loads(found.read_text("direct_url.json") or "{}")
            if not origin.get("dir_info", {}).get("editable"):
                return found
    pytest.skip("logd is not installed")


def test_nothing_else_is_installed_at_the_top_level() -> None:
    files = [file for file in installed().files or () if ".." not in file.parts]
    top = {file.parts[0] for file in files if not file.parts[0].endswith(".dist-info")}
    assert top == {"logd", "logctl"}


def test_what_is_installed_has_every_module_and_page() -> None:
    found = installed()
    assert found.version == __version__
    files = {file.as_posix() for file in found.files or ()}
    for name, folder in FOLDERS.items():
        modules = {f"{name}/{path.relative_to(folder).as_posix()}" for path in folder.rglob("*.py")}
        assert modules <= files
        assert f"{name}/py.typed" in files
    pages = {f"man{page.suffix[1:]}/{page.name}" for page in (ROOT / "man").iterdir()}
    assert {"/".join(file.split("/")[-2:]) for file in files if "/man/" in file} == pages


def test_the_licence_is_installed() -> None:
    assert any(file.name == "LICENSE" for file in installed().files or ())
