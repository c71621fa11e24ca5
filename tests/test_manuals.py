"""The manual pages of both commands say what the commands do: every command, option, setting, status, and no others.

The pages are read as their mdoc source, whose lists are regular: a command is a subsection of COMMANDS, an option an
item of its list, and a setting an item with its range and default:

    .Ss start
    .It Fl -foreground
    .It Va segment_bytes Pq integer, at least 4096; default 67108864
"""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

import logctl.main
import logd.main
from logctl import merging
from logctl.board.keys import BINDINGS
from logctl.commands import attach, run, wait
from logctl.pager import help
from logd import accel, console, errors, paths
from logd.client import jsonlines
from logd.config import Config, parse_config
from logd.errors import ConfigError
from logd.fanout.throttle import FLOOD_RATE, QUIET_RATE
from logd.ingest.levels import severity_of_line
from logd.protocol.checks import MAX_WINDOW_RECORDS
from logd.record import LEVEL_WORDS, RESERVED_KEYS, Severity, severity_from_word

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "man").iterdir())
README = (ROOT / "README.md").read_text("utf-8")
CLIS: dict[str, click.Command] = {"logd.8": logd.main.cli, "logctl.1": logctl.main.cli}
SOURCES = {page: (ROOT / "man" / page).read_text("ascii") for page in CLIS}


def section(page: str, title: str) -> str:
    """A section's source, without its heading."""
    _, found, rest = SOURCES[page].partition(f"\n.Sh {title}\n")
    assert found, f"{page} has no section {title}"
    return rest.partition("\n.Sh ")[0] + "\n"


def subsections(page: str, title: str) -> dict[str, str]:
    """The source of each subsection of a section, by its heading."""
    _, *parts = re.split(r"^\.Ss (.+)\n", section(page, title), flags=re.M)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def items(text: str) -> dict[str, str]:
    """The text of each item of a section's lists, by its heading, up to the next item or the list's end."""
    parts = re.split(r"^\.It (.+)\n|^\.(?:El|Bl).*\n", text, flags=re.M)
    return {heading: body for heading, body in zip(parts[1::2], parts[2::2], strict=True) if heading is not None}


def flags(source: str) -> set[str]:
    """The options that a piece of source names: `Fl o , Fl -output` names -o and --output."""
    return {f"-{name}" for name in re.findall(r"(?:^\.|\s)(?:Op )?Fl (-?[A-Za-z][a-z-]*)", source, flags=re.M)}


def listed_options(text: str) -> dict[frozenset[str], str]:
    """The options that a subsection lists, each by all its names, with its heading and text."""
    return {frozenset(flags(f".{head}")): head + "\n" + body for head, body in items(text).items() if "Fl " in head}


def commands_of(cli: click.Command) -> dict[str, click.Command]:
    """All commands, also those of commands, such as "runs set"."""
    assert isinstance(cli, click.Group)
    context = click.Context(cli)
    found = {}
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        found[name] = command
        if isinstance(command, click.Group):
            found |= {f"{name} {inner}": each for inner, each in commands_of(command).items()}
    return found


def options_of(command: click.Command, parent: click.Context | None = None) -> dict[frozenset[str], click.Option]:
    """A command's options by all their names, as its parser takes them."""
    context = click.Context(command, parent=parent, **command.context_settings)
    options = [each for each in command.get_params(context) if isinstance(each, click.Option)]
    return {frozenset([*each.opts, *each.secondary_opts]): each for each in options}


HELP = frozenset({"-h", "--help"})
COMMANDS = [(page, name) for page, cli in CLIS.items() for name in commands_of(cli)]


def command_options(page: str, name: str) -> dict[frozenset[str], click.Option]:
    cli = CLIS[page]
    return options_of(commands_of(cli)[name], click.Context(cli, **cli.context_settings))


# Commands and their options


@pytest.mark.parametrize("page", CLIS)
def test_a_page_has_every_command_and_no_other(page: str) -> None:
    assert set(subsections(page, "COMMANDS")) == set(commands_of(CLIS[page]))


@pytest.mark.parametrize("page", CLIS)
def test_a_page_has_the_options_of_the_command_itself(page: str) -> None:
    listed = listed_options(subsections(page, "DESCRIPTION")["Options"])
    assert set(listed) == set(options_of(CLIS[page]))
    assert {HELP, frozenset({"--version"})} <= set(listed)
    assert "Every command takes this option" in listed[HELP]


@pytest.mark.parametrize(("page", "name"), COMMANDS)
def test_a_command_is_said_whole_in_a_line_of_help(page: str, name: str) -> None:
    shown = CliRunner().invoke(CLIS[page], [*name.split()[:-1], "--help"]).stdout
    (line,) = re.findall(rf"^  {name.rsplit(maxsplit=1)[-1]} +(\S.*)$", shown, flags=re.M)
    assert line.endswith(".") and not line.endswith("...")


@pytest.mark.parametrize(("page", "name"), COMMANDS)
def test_a_page_has_every_option_of_a_command_and_no_other(page: str, name: str) -> None:
    options = set(command_options(page, name))
    assert HELP in options, "the page says that every command takes it"
    assert set(listed_options(subsections(page, "COMMANDS")[name])) == options - {HELP}


@pytest.mark.parametrize("page", CLIS)
def test_a_page_names_no_option_that_does_not_exist(page: str) -> None:
    """Also outside of lists: in the synopsis, the text and the examples."""
    known = [*options_of(CLIS[page])]
    for name in commands_of(CLIS[page]):
        known += command_options(page, name)
    options = frozenset[str]().union(*known)
    assert flags(SOURCES[page]) <= options
    typed = re.findall(r"^ *(?:\$ |.*\| )(?:logd|logctl) .*$", SOURCES[page], flags=re.M)
    assert typed, "the page has no examples"
    assert {word for line in typed for word in re.findall(r"(?<=\s)--[a-z-]+", line)} <= options


@pytest.mark.parametrize(("page", "name"), COMMANDS)
def test_the_synopsis_has_every_command_with_its_options(page: str, name: str) -> None:
    synopses = [text for text in section(page, "SYNOPSIS").split(".Nm\n") if re.search(rf"^\.Cm {name}$", text, re.M)]
    assert len(synopses) == 1
    options = {option for names in command_options(page, name) for option in names}
    shown = flags(synopses[0])
    assert shown <= options
    for names in command_options(page, name):
        assert names == HELP or names & shown, f"{sorted(names)} is not in the synopsis of {name}"


@pytest.mark.parametrize(("page", "name"), COMMANDS)
def test_the_page_has_what_an_option_can_be(page: str, name: str) -> None:
    listed = listed_options(subsections(page, "COMMANDS")[name])
    for names, option in command_options(page, name).items():
        if isinstance(option.type, click.Choice):
            assert f"Cm {' | '.join(map(str, option.type.choices))}\n" in listed[names]
        if isinstance(option.default, int) and not option.is_flag:
            assert f"The default is {option.default}." in listed[names]


@pytest.mark.parametrize(
    ("page", "title", "found", "numbers"),
    [
        ("logctl.1", "COMMANDS", r"each is held back for ([\d.]+) seconds\.", [merging.MERGE_SECONDS]),
        ("logctl.1", "COMMANDS", r"only the newest (\d+) are of what comes at once", [attach.WINDOW_RECORDS]),
        ("logctl.1", "COMMANDS", r"with more than (\d+), or with\n", [MAX_WINDOW_RECORDS]),
        ("logd.8", "CONFIGURATION", r"up to (\d+) records a second to", [QUIET_RATE]),
        ("logd.8", "CONFIGURATION", r"to the greatest from (\d+) on\.", [FLOOD_RATE]),
    ],
)
def test_a_page_says_how_what_comes_is_bounded(page: str, title: str, found: str, numbers: list[float]) -> None:
    assert list(map(float, re.findall(found, section(page, title)))) == numbers


# The environment


@pytest.mark.parametrize("page", CLIS)
def test_an_options_variable_stands_with_it(page: str) -> None:
    listed = listed_options(subsections(page, "DESCRIPTION")["Options"])
    named = {}
    for names, option in options_of(CLIS[page]).items():
        for variable in re.findall(r"\[env: (\w+)\]", option.help or ""):
            named[variable] = names
    assert set(named) == {value for name, value in vars(paths).items() if name.endswith("_VARIABLE")}
    for variable, names in named.items():
        assert f".Ev {variable}\n" in listed[names]


@pytest.mark.parametrize("page", CLIS)
def test_a_page_has_every_variable_that_is_read(page: str) -> None:
    headings = items(section(page, "ENVIRONMENT"))
    listed = {name for heading in headings for name in heading.removeprefix("Ev ").split(" , ")}
    read = {value for name, value in vars(paths).items() if name.endswith("_VARIABLE")}
    read |= {accel.MODE_VARIABLE}
    read |= {"XDG_RUNTIME_DIR", "XDG_STATE_HOME", "XDG_CONFIG_HOME"}  # by platformdirs
    if page == "logctl.1":
        for path in ("output.py", "screen/theme.py", "pager/errands.py"):
            read |= set(re.findall(r'environ\.get\("(\w+)"', (ROOT / "cli/logctl" / path).read_text("utf-8")))
        read |= {"TZ", run.RUN_VARIABLE}  # by the C library, and by commands
    assert listed == read
    assert set(re.findall(r"(?:^\.| )Ev (\w+)", SOURCES[page], flags=re.M)) <= listed


# Exit statuses


def exit_statuses() -> set[int]:
    """Every status that a constant names, and those that shells show for SIGPIPE and SIGINT."""
    constants = {
        name: value for module in (errors, console) for name, value in vars(module).items() if name.startswith("EXIT_")
    }
    assert {"EXIT_DONE", "EXIT_MISTAKE"} <= constants.keys()
    return {*constants.values(), 128 + signal.SIGPIPE, 128 + signal.SIGINT}


@pytest.mark.parametrize("page", CLIS)
def test_a_page_has_every_exit_status(page: str) -> None:
    own = {wait.EXIT_TIMED_OUT} if page == "logctl.1" else set()
    assert set(map(int, items(section(page, "EXIT STATUS")))) == exit_statuses() | own


def test_the_readme_has_every_exit_status() -> None:
    table = README.partition("## Exit statuses\n")[2].partition("\n## ")[0]
    assert set(map(int, re.findall(r"^\| (\d+) \|", table, flags=re.M))) == exit_statuses() | {wait.EXIT_TIMED_OUT}


def test_every_error_ends_with_a_status_that_has_a_name() -> None:
    classes = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, errors.LogdError)]
    assert len(classes) > 1
    assert {each.exit_status for each in classes} <= exit_statuses()


# The configuration


def default_settings() -> dict[str, dict[str, Any]]:
    return dataclasses.asdict(Config())


def listed_settings() -> dict[str, dict[str, tuple[str, str, Any]]]:
    """What logd.8 says of each section's settings: kind, range and default."""
    listed: dict[str, dict[str, tuple[str, str, Any]]] = {}
    for heading, text in subsections("logd.8", "CONFIGURATION").items():
        settings = listed[heading.strip("[]")] = {}
        for item in items(text):
            found = re.fullmatch(r"Va (\w+) Pq (integer|number|word), (.+); default ([\w.-]+)", item)
            assert found, f"a setting is not written as the others are: {item}"
            key, kind, allowed, default = found.groups()
            settings[key] = (kind, allowed, _WORDS.get(default, default) if kind == "word" else float(default))
    return listed


_WORDS = {"true": True, "false": False}


SETTINGS = [(name, key) for name, table in default_settings().items() for key in table]


def test_logd_8_has_every_setting_with_its_default_and_no_other() -> None:
    listed = {name: {key: each[2] for key, each in table.items()} for name, table in listed_settings().items()}
    assert listed == default_settings()


@pytest.mark.parametrize(("name", "key"), SETTINGS)
def test_a_setting_takes_what_logd_8_allows_and_no_more(name: str, key: str) -> None:
    kind, allowed, default = listed_settings()[name][key]
    if kind == "word":
        good_words = [_WORDS.get(word, word) for word in allowed.split(" or ")]
        for word in good_words:
            assert getattr(getattr(parse_config({name: {key: word}}), name), key) == word
        for no_word in ("maybe", 1, None, ""):
            with pytest.raises(ConfigError):
                parse_config({name: {key: no_word}})
        return
    number, step = (int, 1) if kind == "integer" else (float, 0.001)
    allowed, _, bound = allowed.partition(" and no ")
    relation, _, other = bound.partition(" than ")
    bounds = {other: {"more": 60.0, "less": 0.0}[relation]} if bound else {}
    good: list[float]
    bad: list[Any]
    low, *high = map(number, re.findall(r"\d+(?:\.\d+)?", allowed))
    match re.sub(r"\d+(?:\.\d+)?", "N", allowed):
        case "at least N":
            good, bad = [low], [low - step]
        case "more than N":
            good, bad = [low + step], [low, low - step]
        case "N to N":
            good, bad = [low, high[0]], [low - step, high[0] + step]
        case unknown:
            pytest.fail(f"no such range: {unknown}")
    bad += ["1", True, None] + ([default + 0.5] if number is int else [float("nan")])
    for value in good:
        assert getattr(getattr(parse_config({name: bounds | {key: value}}), name), key) == value
    for value in bad:
        with pytest.raises(ConfigError):
            parse_config({name: bounds | {key: value}})
    if bound:
        edge, past = (max(good), -1) if relation == "more" else (min(good), 1)
        with pytest.raises(ConfigError, match=f"{key}.*{other}|{other}.*{key}"):
            parse_config({name: {key: edge, other: edge + past}})


def test_every_setting_has_a_range() -> None:
    """A value that is far off is refused whatever the setting, so that none is without a check."""
    for name, key in SETTINGS:
        with pytest.raises(ConfigError, match=key):
            parse_config({name: {key: -1}})


# Levels and JSON input


def test_logd_8_has_every_word_for_a_level_under_its_level() -> None:
    listed = {
        heading.removeprefix("Li "): body.strip().split(", ")
        for heading, body in items(section("logd.8", "LEVELS")).items()
        if heading.removeprefix("Li ") in Severity.__members__ and "\n" not in body.strip()
    }
    assert sorted(word for words in listed.values() for word in words) == sorted(LEVEL_WORDS)
    for level, words in listed.items():
        for word in words:
            assert severity_from_word(word) is Severity[level]


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("ERROR", "ERROR"),
        ("an ERROR, here", "ERROR"),
        ("warning: unused", "WARN"),
        ("Error: no", "ERROR"),
        ("error[E0308]: mismatched types", "ERROR"),
        ("[warn] slow", "WARN"),
        ("<Err> no", "ERROR"),
        ("(INFO) ready", "INFO"),
        ("level=debug msg=x", "DEBUG"),
        ('{"level": "debug"}', "DEBUG"),
        ("severity:Notice x", "INFO"),
        ("no error was found", "UNSET"),
        ("0 errors", "UNSET"),
        ("NO_ERROR", "UNSET"),
        ("ValueError: no", "UNSET"),
        ("WARN then ERROR", "WARN"),
    ],
)
def test_the_ways_to_name_a_level_are_those_that_logd_8_has(line: str, named: str) -> None:
    assert severity_of_line(line.encode()) is Severity[named]


def test_logctl_1_has_every_key_and_command_of_the_pager() -> None:
    assert section("logctl.1", "PAGER").endswith(help.manual())


def test_logctl_1_has_every_key_of_the_board() -> None:
    assert section("logctl.1", "BOARD").endswith("\n".join(help.manual_of(BINDINGS)) + "\n")


def test_logctl_1_has_every_name_of_a_json_key_in_its_order() -> None:
    listed = re.findall(r"^\.It Em (\w+)\n\.Va (.+)$", section("logctl.1", "JSON INPUT"), flags=re.M)
    assert {what: tuple(names.split(" , ")) for what, names in listed} == {
        "time": jsonlines.TIME_KEYS,
        "level": jsonlines.LEVEL_KEYS,
        "message": jsonlines.MESSAGE_KEYS,
    }


def test_logd_8_has_every_reserved_key_in_its_order() -> None:
    listed = re.findall(r"^\.It Va (\w+)$", section("logd.8", "STORED FORM"), flags=re.M)
    assert tuple(listed) == RESERVED_KEYS


# The pages themselves


def test_setup_installs_every_page() -> None:
    setup = (ROOT / "setup.cfg").read_text("utf-8")
    installed = dict(re.findall(r"^share/man/man(\d) =(.*\n(?: +.*\n)*)", setup, flags=re.M))
    assert {page.suffix[1:] for page in PAGES} == installed.keys()
    for section, pages in installed.items():
        assert sorted(pages.split()) == [f"man/{page.name}" for page in PAGES if page.suffix == f".{section}"]


def test_a_page_refers_to_pages_of_ours_that_exist() -> None:
    names = {page.name for page in PAGES}
    for page in PAGES:
        referred = re.findall(r"^\.Xr (log\S+) (\d)", page.read_text("ascii"), flags=re.M)
        assert {f"{name}.{number}" for name, number in referred} <= names, page.name


def needs_mandoc() -> None:
    if shutil.which("mandoc") is None:
        assert not os.environ.get("LOGD_TESTS_NEED_TOOLS"), "mandoc is not installed"
        pytest.skip("mandoc is not installed")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_mandoc_finds_nothing_wrong(page: Path) -> None:
    needs_mandoc()
    linted = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "warning", str(page)], capture_output=True, text=True, check=False
    )
    assert (linted.stdout, linted.stderr, linted.returncode) == ("", "", 0)
