"""Texts of which a message needs one to match a pattern: for `(timeout|refused) after \\d+ms` it is " after ".

To search for a few texts takes a twentieth of the time that RE2 takes, or less: most blocks have none, and most of the
others have few.

A pattern is read once. What a group needs is what its branches need, all together; of what a branch needs one after
the other, what promises to be found sooner is kept. What may be left out, as a repeat says, is not needed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import product
from typing import Final

MAX_NEEDLES: Final = 32
"""How many texts are searched for at once: vector instructions do not find many more. A pattern that needs one of more
texts is left to RE2."""

_RARE_CHARACTERS = 6
"""Texts this long are most often rare, and longer ones no better."""

_NEEDLE_BYTES = 8
"""How much is searched for of each of several texts: if all are long, the search looks for single bytes, and slows."""

_FOLDED_CHARACTERS = 16
"""How much at the most is searched for of a text whose case does not matter; each letter doubles the needles."""

_AROUND = b'{"time":"20","level":"ERROR","level":"INFO","msg":"","stream":"stderr","source":"","stream":"stdout"'
"""What is around messages. A search for several texts pauses wherever three bytes are as one of them begins."""

_ALSO_FOLDED = {"k": "\N{KELVIN SIGN}", "s": "\N{LATIN SMALL LETTER LONG S}"}
"""What RE2 takes for an ASCII letter in another case."""

Texts = frozenset[str]
"""JSON texts, of which one is needed."""


def find_needles(tokens: Iterable[tuple[str, str]], *, ignore_case: bool) -> list[bytes]:
    """Byte strings, one of which is in the JSON of every message that a pattern matches; none where that is not known.

    Args:
        tokens: the pattern's, each with its kind. What matters are `literal` (a character's JSON), `repeat`, `open`,
            `close` and `bar`; all others may match anything.
        ignore_case: whether some or all of the pattern matches in any case.
    """
    texts = list(_needed(tokens) or ())
    if ignore_case:
        texts = [spelling for text in texts for spelling in _spellings(text, MAX_NEEDLES // len(texts))]
    needles = {text.encode() for text in texts}
    if len(needles) > 1:
        needles = {_from_rare_bytes_on(needle)[:_NEEDLE_BYTES] for needle in needles}
    return sorted(needles) if all(needles) else []


@dataclass
class _Group:
    """A group as it is read."""

    branches: list[Texts | None] = field(default_factory=list)
    """What its branches need that were read."""
    needed: Texts | None = None
    """What the present one needs, but for what was just read:"""
    literals: list[str] = field(default_factory=list)
    inner: Texts | None = None
    """literal characters in a row, or else a group and what that needs."""

    def drop_last(self) -> None:
        """What was just read may be left out."""
        self.inner = None
        del self.literals[-1:]

    def settle(self) -> None:
        """What was just read is needed."""
        read = frozenset({"".join(self.literals)}) if self.literals else self.inner
        self.needed = _more_promising(self.needed, read)
        self.literals, self.inner = [], None

    def end_branch(self) -> None:
        self.settle()
        self.branches.append(self.needed)
        self.needed = None

    def end(self) -> Texts | None:
        self.end_branch()
        texts: set[str] = set()
        for branch in self.branches:
            if branch is None:
                return None
            texts |= branch
        return frozenset(texts) if len(texts) <= MAX_NEEDLES else None


def _needed(tokens: Iterable[tuple[str, str]]) -> Texts | None:
    groups = [_Group()]
    for kind, text in tokens:
        group = groups[-1]
        if kind == "literal" and group.inner is None:
            group.literals.append(text)
            continue
        if kind == "repeat" and text.startswith(("*", "?", "{0")):
            group.drop_last()
        group.settle()
        if kind == "literal":
            group.literals.append(text)
        elif kind == "open":
            groups.append(_Group())
        elif kind == "bar":
            group.end_branch()
        elif kind == "close":
            groups.pop()
            groups[-1].inner = group.end()
    return groups[0].end()


def _more_promising(one: Texts | None, other: Texts | None) -> Texts | None:
    """Texts that are long enough to be rare, and then few."""
    if one is None or other is None:
        return one or other
    return max(one, other, key=lambda texts: (min(_RARE_CHARACTERS, *map(len, texts)), -len(texts)))


def _from_rare_bytes_on(needle: bytes) -> bytes:
    """The needle from where it does not begin as something around every message."""
    while len(needle) > 3 and needle[:3] in _AROUND:
        needle = needle[1:]
    return needle


def _spellings(text: str, limit: int) -> list[str]:
    """The longest part of `text` that has no more than `limit` spellings, in each; "" where there is none."""
    longest = ""
    for start in range(len(text)):
        count = 1
        for end in range(start + 1, min(start + _FOLDED_CHARACTERS, len(text)) + 1):
            count *= len(_cases(text[end - 1]))
            if not 0 < count <= limit:
                break
            longest = max(longest, text[start:end], key=len)
    return ["".join(spelling) for spelling in product(*map(_cases, longest))]


def _cases(character: str) -> str:
    """An ASCII character in each case; "" for others, whose cases only RE2 knows."""
    if not character.isascii():
        return ""
    lower = character.lower()
    return "".join(sorted({lower, character.upper()})) + _ALSO_FOLDED.get(lower, "")
