"""What a record may do to a terminal: show text, and colour it. Everything else is made visible here.

Passed as they are: printable characters, tab, and, where colour is wanted, complete SGR sequences (ESC [ ... m).
Shown instead of obeyed:

    C0 controls and DEL                            ^[ ^M ^@ ^?
    C1 controls, bidi controls, U+2028, U+2029     <U+009B> <U+202E>

A lone ESC is shown, so no other sequence (cursor, title, clipboard, OSC, DCS) is ever complete, in 7 or in 8 bits.
Known limit: SGR can still write black on black; such text is hidden from the eye but not from a selection.
"""

from __future__ import annotations

import re
from typing import Final

RESET: Final = "\x1b[0m"
DIM: Final = "\x1b[2m"
CYAN: Final = "\x1b[36m"
GREEN: Final = "\x1b[32m"
RED: Final = "\x1b[1;31m"

SGR: Final = re.compile(r"\x1b\[[0-9;:]*m")
"""One complete Select Graphic Rendition sequence: colour, weight, underline."""

_BIDI_AND_SEPARATORS = "\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"

# SGR and controls are one pattern, in one pass: taking SGR out first would join "ESC [ <SGR> 2 J" to a new sequence.
_SGR_OR_CONTROL = re.compile(rf"{SGR.pattern}|[\x00-\x08\x0a-\x1f\x7f-\x9f{_BIDI_AND_SEPARATORS}]")
_RAW_IN_JSON = re.compile(rf"[\x7f-\x9f{_BIDI_AND_SEPARATORS}]")


def escape_text(text: str, *, colour: bool) -> str:
    """`text` as it may reach a terminal: on one line, as newlines are controls too.

    Args:
        colour: whether complete SGR sequences pass; they are removed otherwise.
    """
    # str.isprintable() is false for every control, format and separator character, and 5 times as fast as a pattern.
    if text.isprintable():
        return text
    return _SGR_OR_CONTROL.sub(_pass_or_show if colour else _drop_or_show, text)


def painted(text: str, sgr: str) -> str:
    """`text` in the colour that a sequence begins; as it is where either is empty."""
    return f"{sgr}{text}{RESET}" if text and sgr else text


def escape_json(rows: bytes) -> bytes:
    """Lines of JSON, with what JSON leaves raw in its strings (DEL, C1, bidi) as `\\u` escapes: the same values."""
    if rows.isascii() and b"\x7f" not in rows:
        return rows
    return _RAW_IN_JSON.sub(_json_escape, rows.decode("utf-8", "replace")).encode()


def display_width(text: str) -> int:
    """The columns that a line of text without SGR takes: East Asian wide characters two, combining marks none.

    Sequences that a terminal may join into one picture (emoji with joiners) are counted by their parts.
    """
    if text.isascii():
        return len(text)
    from unicodedata import category, east_asian_width

    return sum(
        0 if category(character) in {"Mn", "Me", "Cf"} else 2 if east_asian_width(character) in "WF" else 1
        for character in text
    )


def _pass_or_show(match: re.Match[str]) -> str:
    found = match[0]
    return found if len(found) > 1 else _show(found)


def _drop_or_show(match: re.Match[str]) -> str:
    found = match[0]
    return "" if len(found) > 1 else _show(found)


def _show(control: str) -> str:
    code = ord(control)
    if code < 0x20 or code == 0x7F:
        return "^" + chr(code ^ 0x40)
    return f"<U+{code:04X}>"


def _json_escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"
