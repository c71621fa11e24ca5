"""Finding the level that a line of plain text names.

A level is named by

    ERROR            a level's word in capitals, alone
    warning:         in any of three cases before a colon, also as rustc writes it: error[E0308]:
    [warn] <Err>     within brackets
    level=debug      as the value of level, lvl or severity, also in JSON

so that prose ("no error was found", "0 errors") and names (`ValueError:`, `NO_ERROR`) name none. The first level that
a line names is the line's.

One search for all words runs over the whole block, with vector instructions (the Teddy algorithm of the aho-corasick
crate); only where a word stands does the pattern look at what is around it. An RE2 scan for the pattern itself finds
the same, and takes 13 times as long on lines that name none.
"""

from __future__ import annotations

import re
from functools import lru_cache

from ahocorasick_rs import BytesAhoCorasick, MatchKind

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
_word_search = BytesAhoCorasick([spelling.encode() for spelling in _SPELLINGS], matchkind=MatchKind.LeftmostFirst)


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


def severities_of_lines(lines: bytes) -> dict[int, Severity]:
    """The reference for `severities_in_block`: line by line, with the standard library alone."""
    found = ((number, severity_of_line(line)) for number, line in enumerate(lines[:-1].split(b"\n")))
    return {number: severity for number, severity in found if severity}


def severities_in_block(lines: bytes) -> dict[int, Severity]:
    """The severities named in a block, by line number from 0; lines that name none are left out.

    Args:
        lines: whole lines, each ended by a newline.
    """
    found: dict[int, Severity] = {}
    number = counted_to = line_end = 0
    for _, start, _ in _word_search.find_matches_as_indexes(lines):
        # A word cannot stand within another's match: it would have a letter before it, which the pattern forbids.
        if start < line_end or (match := _PATTERN.match(lines, start)) is None:
            continue
        number += lines.count(b"\n", counted_to, start)
        counted_to = start
        found[number] = _severity_named(match)
        line_end = lines.find(b"\n", start)
    return found
