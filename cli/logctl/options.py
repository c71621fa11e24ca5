"""Options that pick records, for all commands that have them, and the types of their values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from logd.protocol.checks import (
    MAX_PATTERN_CHARACTERS,
)
from logd.record import LEVEL_WORDS, MAX_LABEL_BYTES, severity_from_word

Command = Callable[..., Any]


class Level(click.ParamType[int]):
    """A level's word, as its severity number."""

    name = "LEVEL"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        severity = severity_from_word(str(value))
        if severity is None:
            self.fail(f"{value!r} is no level; one of {', '.join(LEVEL_WORDS)} is", param, ctx)
        return int(severity)


class When(click.ParamType[int]):
    """A time as people write it, in microseconds since the epoch."""

    name = "WHEN"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        from datetime import datetime

        from logctl.when import parse_when

        return parse_when(str(value), datetime.now())


class Text(click.ParamType[str]):
    """Text that the protocol takes: UTF-8, and no longer than it may be."""

    name = "TEXT"

    def __init__(self, max_characters: int) -> None:
        self._max_characters = max_characters

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        try:
            text.encode()
        except UnicodeEncodeError:
            self.fail(f"{text!r} is not UTF-8", param, ctx)
        if len(text) > self._max_characters:
            self.fail(f"it has {len(text)} characters, and can have {self._max_characters}", param, ctx)
        return text


_FILTER = (
    click.option("--since", type=When(), metavar="WHEN", help="Only records of this time or later: 10m, 14:30, ..."),
    click.option("--until", type=When(), metavar="WHEN", help="Only records from before this time."),
    click.option("--level", type=Level(), metavar="LEVEL", help="Only records of this level or a more severe one."),
    click.option("--grep", type=Text(MAX_PATTERN_CHARACTERS), metavar="RE", help="Only records whose message matches."),
    click.option("-F", "--fixed", is_flag=True, help="RE is plain text, and no regular expression."),
    click.option("-i", "--ignore-case", is_flag=True, help="RE matches in any case."),
    click.option("-v", "--invert", is_flag=True, help="Only records whose message does not match RE."),
    click.option("--stream", type=Text(MAX_LABEL_BYTES), metavar="NAME", help="Only records from this stream."),
    click.option("--source", type=Text(MAX_LABEL_BYTES), metavar="NAME", help="Only records from this source."),
)
_FILTER_NAMES = ("since", "until", "level", "grep", "fixed", "ignore_case", "invert", "stream", "source")


def filter_options(command: Command) -> Command:
    """Give a command the options that pick records; see `filter_of`."""
    for option in reversed(_FILTER):
        command = option(command)
    return command


def filter_of(options: dict[str, Any]) -> dict[str, Any] | None:
    """Take the values of `filter_options` out of a command's, as the protocol's filter; None where none is given."""
    given = {name: options.pop(name) for name in _FILTER_NAMES}
    if not given["grep"]:
        for name, option in (("fixed", "-F"), ("ignore_case", "-i"), ("invert", "-v")):
            if given[name]:
                raise click.UsageError(f"{option} needs --grep")
    criteria = {
        "since_us": given["since"],
        "until_us": given["until"],
        "min_severity": given["level"],
        "pattern": given["grep"],
        "fixed": given["fixed"],
        "ignore_case": given["ignore_case"],
        "invert": given["invert"],
        "stream": given["stream"],
        "source": given["source"],
    }
    return {
        key: value for key, value in criteria.items() if value is not None and value is not False and value != ""
    } or None
