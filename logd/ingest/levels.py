"""Finding the level that a line of plain text names.

A level is named by

    ERROR            a level's word in capitals, alone
    warning:         in any of three cases before a colon, also as rustc writes it: error[E0308]:
    [warn] <Err>     within brackets
    level=debug      as the value of level, lvl or severity, also in JSON

so that prose ("no error was found", "0 errors") and names (`ValueError:`, `NO_ERROR`) name none. The first level that
a line names is the line's.

A search for the words runs over the whole block, and only where one stands does the pattern look at what is around it.
The accelerated form searches for all at once, with vector instructions (the Teddy algorithm of the aho-corasick crate);
the reference for one after the other. A scan for the pattern itself takes 13 times as long as the former with RE2, on
lines that name none, and 2,500 times as long with the standard library.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache

from logd import accel
from logd.record import LEVEL_WORDS, Severity, severity_from_word

# Longest first: of words that begin alike, the one that the text goes on with.
_WORDS = sorted(LEVEL_WORDS, key=len, reverse=True)
_CAPITALS = [word.upper() for word in _WORDS]
_SPELLINGS = [spelling for word in _WORDS for spelling in (word.upper(), word, word.title())]

_KEYS = [f"{key}{end}" for key in ("level", "lvl", "severity") for end in ("=", ":", '="', ": ", '":"', '": "')]

_PATTERN = re.compile(
    "|".join(
        (
            rf"(?<!\w)(?:{'|'.join(_CAPITALS)})(?!\w)",
            rf"(?<!\w)(?:{'|'.join(_SPELLINGS)})(?:\[\w+\])?:",
            rf"(?<=[\[<(])(?:{'|'.join(_SPELLINGS)})(?=[\])>])",
            rf"(?:{'|'.join(f'(?<={key})' for key in _KEYS)})(?:{'|'.join(_SPELLINGS)})(?!\w)",
        )
    ).encode()
)

_STEMS = [word.encode() for word in _WORDS if not any(word.startswith(other) for other in _WORDS if other != word)]
"""Every word begins with one of these, and with no other."""

_LONGEST_WORD = len(_WORDS[0])


def _severity_named(match: re.Match[bytes]) -> Severity:
    # A match can be as long as a line: what is remembered of it is not.
    return _severity_begun(match.group()[:_LONGEST_WORD])


@lru_cache(maxsize=1024)
def _severity_begun(text: bytes) -> Severity:
    """The severity whose word a text begins with."""
    lower = text.decode("ascii").lower()
    word = next(word for word in _WORDS if lower.startswith(word))
    return severity_from_word(word) or Severity.UNSET


def severity_of_line(line: bytes) -> Severity:
    """The severity that a line's text names, or UNSET."""
    match = _PATTERN.search(line)
    return _severity_named(match) if match else Severity.UNSET


def severities_by_stem(lines: bytes) -> dict[int, Severity]:
    """The reference for `severities_in_block`."""
    lower = lines.lower()
    starts: list[int] = []
    for stem in _STEMS:
        start = lower.find(stem)
        while start >= 0:
            starts.append(start)
            start = lower.find(stem, start + 1)
    return _severities_at(sorted(starts), lines)


def _severities_at(starts: Iterable[int], lines: bytes) -> dict[int, Severity]:
    """The severities that are named at `starts`: in order, every place where one could be, and perhaps others."""
    found: dict[int, Severity] = {}
    number = counted_to = line_end = 0
    for start in starts:
        if start < line_end or (match := _PATTERN.match(lines, start)) is None:
            continue
        number += lines.count(b"\n", counted_to, start)
        counted_to = start
        found[number] = _severity_named(match)
        line_end = lines.find(b"\n", start)
    return found


def _word_search() -> Callable[[bytes], dict[int, Severity]] | None:
    """The accelerated form of `severities_in_block`, None where its package is not installed."""
    try:
        from ahocorasick_rs import BytesAhoCorasick, MatchKind
    except ImportError:
        return None
    find_words = BytesAhoCorasick(
        [spelling.encode() for spelling in _SPELLINGS], matchkind=MatchKind.LeftmostFirst
    ).find_matches_as_indexes
    # A word cannot stand within another's match: it would have a letter before it, which the pattern forbids.

    def severities_by_words(lines: bytes) -> dict[int, Severity]:
        matches = find_words(lines)
        return _severities_at([start for _, start, _ in matches], lines) if matches else {}

    return severities_by_words


severities_in_block = accel.operation(
    "levels", reference=severities_by_stem, accelerated=_word_search(), threshold_bytes=64
)
"""The severities named in a block of whole lines, by line number from 0; lines that name none are left out."""
