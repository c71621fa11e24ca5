"""Values of options as people write them."""

from __future__ import annotations

from typing import Any

import click
import pytest
from click.testing import CliRunner

from logctl.commands.import_ import _run_name, is_json
from logctl.commands.runs import parse_size, parse_span
from logctl.options import filter_of, filter_options
from logd.errors import UsageError
from logd.record import Severity


def given(*arguments: str) -> Any:
    """The filter that a command with such options has."""

    @click.command
    @filter_options
    def command(**options: Any) -> Any:
        criteria = filter_of(options)
        assert not options
        return criteria

    return CliRunner().invoke(command, arguments, standalone_mode=False, catch_exceptions=False).return_value


@pytest.mark.parametrize(
    ("arguments", "criteria"),
    [
        ([], None),
        (["--level", "Warn"], {"min_severity": Severity.WARN}),
        (["--grep", "a b"], {"pattern": "a b"}),
        (["--grep", "x", "-Fiv"], {"pattern": "x", "fixed": True, "ignore_case": True, "invert": True}),
        (["--stream", "stderr", "--source", "w3"], {"stream": "stderr", "source": "w3"}),
        (
            ["--since", "1970-01-01T00:00:01Z", "--until", "@2.5"],
            {"since_us": 1_000_000, "until_us": 2_500_000},
        ),
        (["--since", "@0", "--until", "@0"], {"since_us": 0, "until_us": 0}),
        (["--grep", "", "--source", ""], None),
    ],
)
def test_options_are_a_filter(arguments: list[str], criteria: dict[str, Any] | None) -> None:
    assert given(*arguments) == criteria


@pytest.mark.parametrize(
    "arguments", [["-i"], ["-F"], ["-v", "--grep", ""], ["--level", "loud"], ["--grep", "x" * 4097]]
)
def test_options_that_cannot_be(arguments: list[str]) -> None:
    with pytest.raises(click.UsageError):
        given(*arguments)


def test_a_time_that_is_none() -> None:
    with pytest.raises(UsageError, match="not a time"):
        given("--since", "soon")


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("1500", 1500),
        ("1k", 1024),
        ("500M", 500 * 1024**2),
        ("2GiB", 2 * 1024**3),
        ("2 gib", 2 * 1024**3),
        ("1.5G", 3 * 1024**3 // 2),
        ("500MB", 500_000_000),
        ("1TB", 10**12),
        ("100B", 100),
        ("", None),
        ("G", None),
        ("-1", None),
        ("1e9", None),
        ("1 parsec", None),
        ("1_000", None),
    ],
)
def test_sizes(text: str, size: int | None) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("90s", 90),
        ("7d", 604_800),
        ("1d12h", 129_600),
        ("2w", 1_209_600),
        ("15m", 900),
        ("", None),
        ("7", None),
        ("d", None),
        ("-7d", None),
        ("7 days", None),
    ],
)
def test_spans(text: str, seconds: int | None) -> None:
    assert parse_span(text) == seconds


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("scrape.jsonl", "scrape"),
        ("/var/log/nginx/access.log.gz", "access"),
        ("a.jsonl.zst", "a"),
        ("00000000000000000001.jsonl", "00000000000000000001"),
        ("syslog.1", "syslog.1"),
        ("My Log (1).txt", "My-Log-1"),
        (".hidden.log", "hidden"),
        ("Protokoll für März.log", "Protokoll-f-r-M-rz"),
        ("x" * 100 + ".log", "x" * 64),
    ],
)
def test_a_run_is_named_as_its_file(path: str, name: str) -> None:
    assert _run_name(path) == name


@pytest.mark.parametrize("path", ["-", "...", ".log", "日本.log"])
def test_a_file_that_no_run_can_be_named_as(path: str) -> None:
    with pytest.raises(UsageError, match="has no name"):
        _run_name(path)


@pytest.mark.parametrize(
    ("beginning", "json"),
    [
        (b'{"a":1}\n', True),
        (b'{"a":1}\n{"b":2}\n{"c":', True),
        (b'\n{"a":1}\n', True),
        (b'{"a":1}\ntext\n', False),
        (b'{"a":1}\n[1]\n', False),
        (b'{"a":1', True),
        (b"", False),
        (b"text", False),
        (b"{text}\n", False),
        (b'{"a":1}\n' * 20 + b"text\n", True),
        (b'{"a":"' + b"x" * 100_000, True),
    ],
)
def test_json_is_told_by_the_first_lines(beginning: bytes, json: bool) -> None:
    assert is_json(beginning) is json
