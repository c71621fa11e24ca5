"""Finding the level that a line of plain text names.

One pattern serves the whole block: RE2 scans it once, off the interpreter's lock, and only lines in which it matched
are looked at again. The first level that a line names is the line's. A level is named by

    ERROR            a level's word in capitals, alone
    warning:         in any case before a colon, also as rustc writes it: error[E0308]:
    [warn] <err>     in any case within brackets
    level=debug      in any case as the value of level, lvl or severity, also in JSON

so that prose ("no error was found", "0 errors") and names (`ValueError:`, `NO_ERROR`) name none.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import re2  # type: ignore[import-untyped]

from logd.record import LEVEL_WORDS, Severity, severity_from_word

_WORDS = "|".join(sorted(LEVEL_WORDS, key=len, reverse=True))
_PATTERN = (
    rf"\b(?:{_WORDS.upper()})\b"
    rf"|\b(?i:{_WORDS})(?:\[[A-Za-z0-9]+\])?:"
    rf"|[\[<(](?i:{_WORDS})[\])>]"
    rf'|\b(?i:level|lvl|severity)"? ?[=:] ?"?(?i:{_WORDS})\b'
).encode()

_reference_pattern = re.compile(_PATTERN)
_word_pattern = re.compile(rf"(?i:{_WORDS})".encode())


def _compile_re2() -> Any:
    options = re2.Options()
    # Bytes as they are: the pattern is ASCII, and the text need not be UTF-8.
    options.encoding = re2.Options.Encoding.LATIN1
    options.never_capture = True
    return re2.compile(_PATTERN, options)


_block_pattern = _compile_re2()


@lru_cache(maxsize=256)
def _severity_named(matched: bytes) -> Severity:
    word = _word_pattern.search(matched)
    severity = severity_from_word(word.group().decode()) if word else None
    return severity or Severity.UNSET


def severity_of_line(line: bytes) -> Severity:
    """The severity that a line's text names, or UNSET. The reference for `severities_in_block`."""
    match = _reference_pattern.search(line)
    return _severity_named(match.group()) if match else Severity.UNSET


def severities_in_block(lines: bytes) -> dict[int, Severity]:
    """The severities named in a block, by line number from 0; lines that name none are left out.

    Args:
        lines: whole lines, each ended by a newline.
    """
    found: dict[int, Severity] = {}
    counted_to = number = start = 0
    while (match := _block_pattern.search(lines, start)) is not None:
        at, end = match.span()
        number += lines.count(b"\n", counted_to, at)
        counted_to = at
        found[number] = _severity_named(lines[at:end])
        start = lines.find(b"\n", end) + 1
        if not start:
            break
    return found
