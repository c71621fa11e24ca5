"""What a key does, and how keys are said: one table for a screen, its help and its manual page to go by."""

from __future__ import annotations

from typing import NamedTuple


class Binding(NamedTuple):
    action: str
    keys: tuple[str, ...]
    text: str
    """What it does, for the help."""


_SHOWN = {
    " ": "Space",
    "page up": "PgUp",
    "page down": "PgDn",
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
    "enter": "Enter",
    "home": "Home",
    "end": "End",
    "esc": "Esc",
    "f1": "F1",
    "f2": "F2",
}
_ASCII = {"up": "Up", "down": "Down", "left": "Left", "right": "Right"}


def shown_key(key: str, *, ascii: bool = False) -> str:
    """A key as people write it: "PgUp", "^F", "M-v"."""
    if ascii and key in _ASCII:
        return _ASCII[key]
    modifier, space, name = key.partition(" ")
    if space and name and modifier == "ctrl":
        return f"^{name.upper()}"
    if space and name and modifier == "meta":
        return f"M-{name}"
    return _SHOWN.get(key, key)


def shown_keys(binding: Binding, *, ascii: bool = False) -> str:
    """A binding's keys: "j ↓ e ^N ^E"; a row of digits by its ends."""
    if binding.keys == tuple("123456789"):
        return "1 to 9" if ascii else "1 … 9"
    return " ".join(shown_key(key, ascii=ascii) for key in binding.keys)
