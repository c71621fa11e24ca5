r"""A pattern over messages, and what it becomes over the JSON text that messages are stored as.

Each part of a pattern that stands for one character is made to stand for that character's JSON:

    slow page    slow\ page                 text that JSON leaves as it is
    "            \\"                        a character that JSON escapes
    \s           (?:\s|\\t|\\n|\\f|\\r)     a class with some of these in it, as RE2 itself says
    [^x]         (?:[^"\\x]|\\"|\\\\|...)   or with all of them, but a raw quote or backslash is none of the message's
    ^a|b$        a|...b"                    where a message begins and ends

All else is as it was. So RE2 can search whole blocks as they are stored, and finds what the pattern finds in the
decoded messages. Where that cannot be said (`^` within a group, a class that names the quote, `\b` in messages with an
escape) the rewritten pattern finds more, and is not `exact`: what it finds has to be looked at.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final, NamedTuple

from logd.errors import BadFilter
from logd.fanout.needles import find_needles

RE2_BYTES: Final = 8 * 1024 * 1024
"""What a compiled pattern may take, its automata included. RE2 refuses a pattern that does not fit; automata that have
grown to this are begun anew, and where that helps too little, RE2 does without them, slowly."""

_ESCAPED = "".join(map(chr, range(32))) + '"\\'
"""What JSON escapes."""

JSON_CHARACTER: Final = r'(?:[^"\\]|\\[^u]|\\u[0-9a-f]{4})'
"""One character of a message as it is stored."""

_TOKEN = re.compile(
    r"""
      \\Q(?P<quoted>.*?)(?:\\E|\Z)
    | (?P<start>\^|\\A)
    | (?P<end>\$|\\z)
    | (?P<boundary>\\[bB])
    | (?P<flags>\(\?[imsU-]+\))
    | (?P<open>\((?:\?(?:P?<\w+>|[imsU-]*:))?)
    | (?P<close>\))
    | (?P<bar>\|)
    | (?P<repeat>(?:[*+?]|\{\d+(?:,\d*)?\})\??)
    | (?P<characters>
        \[\^?\]?(?:\[:\^?\w+:\]|\\.|[^]\\])*\]
      | \.
      | \\(?:[pP](?:\{.*?\}|.)|x(?:\{.*?\}|..)|[0-7]{1,3}|[A-Za-z])
      )
    | \\(?P<punctuation>.)
    | (?P<plain>.)
    """,
    re.VERBOSE | re.DOTALL,
)


class Token(NamedTuple):
    kind: str
    """One of the groups of `_TOKEN`; `literal` for a character that stands for itself."""
    text: str
    """As it is in the pattern; of a literal, its JSON."""


class Pattern:
    """What a message has to match.

    Args:
        pattern: in RE2's syntax; it is searched for, so that it may match anywhere in a message.
        fixed: whether it is plain text instead.

    Raises:
        BadFilter: RE2 does not take the pattern, or is not there to be asked.
    """

    def __init__(self, pattern: str, *, fixed: bool, ignore_case: bool) -> None:
        if any("\ud800" <= character <= "\udfff" for character in pattern):
            raise BadFilter(f"{pattern!r} is not a pattern: it is not UTF-8")
        tokens = list(_literals(pattern) if fixed else _tokens(pattern))
        flags = "".join(token.text for token in tokens if token.kind in ("flags", "open") and "<" not in token.text)
        self._ignore_case = ignore_case
        self._text = pattern if fixed and not ignore_case else None
        self._regexp = None if self._text else _compile_given(pattern, fixed=fixed, ignore_case=ignore_case)
        self._has_boundary = any(token.kind == "boundary" for token in tokens)
        self._branches, self.exact_for_unescaped = _over_json(tokens, flags)
        """Whether `over_json` is exact for messages without escapes."""
        self.exact = self.exact_for_unescaped and not self._has_boundary
        """Whether it is for all."""
        self.needles = find_needles(tokens, ignore_case=ignore_case or "i" in flags)
        """Byte strings, one of which is in the JSON of every message that matches; none where that is not known."""

    def matches(self, message: str) -> bool:
        """Whether the pattern matches anywhere in a decoded message."""
        if self._regexp is None:
            return self._text is not None and self._text in message
        return self._regexp.search(message.encode()) is not None

    def over_json(self) -> str:
        """An RE2 pattern for a message as it is stored, from behind its opening quote up to its closing quote.

        Where it is exact, it matches just the messages that match; elsewhere others too, and perhaps more than them.
        """
        branches = [
            ("" if branch.at_start else f"{JSON_CHARACTER}*?")
            + branch.text
            + ('"' if branch.at_end else f'{JSON_CHARACTER}*"')
            for branch in self._branches
        ]
        if self._has_boundary:  # \b sees the n of an escaped newline as part of the word behind it
            branches.append(rf'[^"\\]*\\.{JSON_CHARACTER}*"')
        return f"(?i:{'|'.join(branches)})" if self._ignore_case else f"(?:{'|'.join(branches)})"


def compile_re2(pattern: str, *, ignore_case: bool = False) -> Any:
    """A compiled pattern, that searches bytes which are UTF-8.

    Raises:
        ImportError: google-re2 is not installed.
        ValueError: RE2 does not take the pattern; says why.
    """
    import re2  # type: ignore[import-untyped]

    options = re2.Options()
    options.max_mem = RE2_BYTES
    options.log_errors = False
    options.never_capture = True
    options.case_sensitive = not ignore_case
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        raise ValueError(error.args[0].decode("utf-8", "replace")) from None
    finally:
        re2.purge()  # the package would hold on to the last 128 patterns and their automata


_ANY_BYTE = re.compile(r"(?<!\\)(?:\\\\)*\\C")


def _compile_given(pattern: str, *, fixed: bool, ignore_case: bool) -> Any:
    if not fixed and _ANY_BYTE.search(pattern):
        raise BadFilter(f"{pattern!r} has \\C, which is a byte and may be no character; `.` is any character")
    try:
        return compile_re2(re.escape(pattern) if fixed else pattern, ignore_case=ignore_case)
    except ImportError:
        raise BadFilter(
            "patterns need the package google-re2, which is not installed (pip install google-re2)",
            hint="without it, a fixed text can be searched for in its own case",
        ) from None
    except ValueError as error:
        raise BadFilter(
            f"{pattern!r} is not a pattern: {error}",
            hint="a pattern is a regular expression in RE2's syntax; a backslash makes ( [ { . * + ? ^ $ | plain text",
        ) from None


def _tokens(pattern: str) -> Iterator[Token]:
    for match in _TOKEN.finditer(pattern):
        kind = str(match.lastgroup)
        if kind in ("quoted", "punctuation", "plain"):
            yield from _literals(match[kind])
        else:
            yield Token(kind, match.group())


def _literals(text: str) -> Iterator[Token]:
    return (Token("literal", json_text(character)) for character in text)


# Over JSON


class _Branch(NamedTuple):
    """One of a pattern's alternatives that stand in no group."""

    text: str
    at_start: bool
    """Whether it matches only from a message's first character on."""
    at_end: bool


def _over_json(tokens: list[Token], flags: str) -> tuple[list[_Branch], bool]:
    """The pattern's branches over JSON text, and whether they are exact for messages without escapes."""
    # With `m`, ^ and $ also match at the newlines in a message; with `s`, the dot matches them.
    exact = not {"m", "s"} & set(flags)
    branches: list[_Branch] = []
    parts: list[str] = []
    depth = 0
    at_start = at_end = begun = False
    for number, (kind, text) in enumerate(tokens):
        following = tokens[number + 1].kind if number + 1 < len(tokens) else "bar"
        part = text
        if kind == "bar" and depth == 0:
            branches.append(_Branch("".join(parts), at_start, at_end))
            parts = []
            at_start = at_end = begun = False
            continue
        if kind == "start" and not begun and following != "repeat" and "m" not in flags:
            at_start, part = True, ""
        elif kind == "end" and depth == 0 and following == "bar" and "m" not in flags:
            at_end, part = True, ""
        elif kind in ("start", "end"):
            exact, part = False, "(?:)"
        elif kind == "literal":
            part = _one(text)
        elif kind == "characters":
            part, same = _characters_over_json("(?s:.)" if text == "." and "s" in flags else text)
            exact = exact and same
        depth += (kind == "open") - (kind == "close")
        parts.append(part)
        begun = begun or kind not in ("flags", "start")
    branches.append(_Branch("".join(parts), at_start, at_end))
    return branches, exact


@lru_cache(maxsize=256)
def _characters_over_json(characters: str) -> tuple[str, bool]:
    """A class, an escape or the dot, as one character of JSON; and whether it is exact."""
    escaped = _escaped_among(characters)
    if not escaped:
        return characters, True
    unescaped = _without_quote(characters) if set(escaped) & set('"\\') else characters
    exact = not set(_escaped_among(unescaped)) & set('"\\')
    return f"(?:{'|'.join((unescaped, *(_one(json_text(character)) for character in escaped)))})", exact


def _escaped_among(characters: str) -> str:
    """Which of the characters that JSON escapes a class has."""
    found: list[bytes] = compile_re2(characters).findall(_ESCAPED.encode())
    return b"".join(found).decode()


def _without_quote(characters: str) -> str:
    """A class of all but some characters, without the quote and the backslash; any other class as it is."""
    if characters in (".", "(?s:.)"):
        return r'[^"\\]'
    if characters.startswith("[^"):
        rest = characters[2:]
        return r'[^"\\' + ("\\" if rest[0] in "]-" else "") + rest
    if re.match(r"\\[DSWP](?!\{\^)", characters):
        return r'[^"\\' + f"\\{characters[1].lower()}{characters[2:]}]"
    return characters


def _one(text: str) -> str:
    """A pattern for a character's JSON; whatever repeats it repeats the whole."""
    return re.escape(text) if len(text) == 1 else f"(?:{re.escape(text)})"


def json_text(text: str) -> str:
    """`text` as it is stored within a JSON string."""
    return json.dumps(text, ensure_ascii=False)[1:-1]
