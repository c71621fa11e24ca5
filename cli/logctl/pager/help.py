"""What the pager says of its keys and commands, by theme: on its help sheet, and for the manual page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from logctl.pager.commands import COMMANDS
from logctl.pager.keys import THEMES
from logctl.screen.attributes import Attribute
from logctl.screen.cells import columns_of
from logctl.screen.keys import Binding, shown_keys
from logctl.screen.view import Row, help_row

TITLE = Attribute("title")
TEXT = Attribute("text")
_KEY_COLUMNS = 20
_TWO_COLUMNS = 150
"""A screen so wide has the themes in two columns."""

Block = list[Row]
_row = partial(help_row, key_columns=_KEY_COLUMNS)


def help_rows(columns: int) -> list[Row]:
    """The help, as rows that may be longer than the screen is wide."""
    blocks = list(_blocks())
    if columns < _TWO_COLUMNS:
        return [row for block in blocks for row in block]
    half = (sum(map(len, blocks)) + 1) // 2
    left: Block = []
    while blocks and len(left) + len(blocks[0]) // 2 <= half:
        left += blocks.pop(0)
    right = [row for block in blocks for row in block]
    height = max(len(left), len(right))
    left += [()] * (height - len(left))
    right += [()] * (height - len(right))
    return [(*_padded(a, columns // 2), *b) for a, b in zip(left, right, strict=True)]


def _blocks() -> Iterator[Block]:
    for theme in THEMES:
        yield [
            ((TITLE, theme.title),),
            *[_row(shown_keys(binding), binding.text) for binding in theme.bindings],
            (),
        ]
    yield [
        ((TITLE, "Commands"),),
        *[_row(f":{command.name} {command.argument}".rstrip(), command.text) for command in COMMANDS],
        (),
    ]
    yield [
        ((TITLE, "On the screen"),),
        _row("▸", "the record that keys act on"),
        _row("+", "a record that came since you paused"),
        _row("a to z", "a mark"),
        _row("name~", "a record that came late: of several runs, behind others received after it"),
        (),
    ]


def _padded(row: Row, columns: int) -> Row:
    used = sum(columns_of(text) for _, text in row)
    return (*row, (TEXT, " " * max(1, columns - used)))


def manual() -> str:
    """The keys and commands as lists of mdoc(7), a subsection for each theme."""
    lines: list[str] = []
    for theme in THEMES:
        lines += [f".Ss {theme.title}", *manual_of(theme.bindings)]
    lines += [".Ss Commands", ".Bl -tag -width Ds"]
    for command in COMMANDS:
        argument = f" Ar {command.argument.strip('[]').lower()}" if command.argument else ""
        optional = " Op" if command.argument.startswith("[") else ""
        lines += [f".It Ic :{command.name}{optional}{argument}", _sentence(command.text)]
    lines.append(".El")
    return "\n".join(lines) + "\n"


def manual_of(bindings: Iterable[Binding]) -> list[str]:
    """Keys and what they do, as the lines of a list of mdoc(7)."""
    lines = [".Bl -tag -width Ds"]
    for binding in bindings:
        lines += [f".It Ic {_escaped(shown_keys(binding, ascii=True))}", _sentence(binding.text)]
    return [*lines, ".El"]


def _sentence(text: str) -> str:
    """Text as a sentence, each that it has on a line of its own."""
    return _escaped(text[0].upper() + text[1:] + ".").replace(". ", ".\n")


_MDOC = {"\\": "\\e", "-": "\\-", "^": "\\(ha", "'": "\\(aq", "`": "\\(ga", "~": "\\(ti"}


def _escaped(text: str) -> str:
    """Text as mdoc has it; a word of punctuation alone would be a delimiter there."""
    words = ["".join([_MDOC.get(character, character) for character in word]) for word in text.split(" ")]
    return " ".join([word if any(map(str.isalnum, word)) else f"\\&{word}" for word in words])
