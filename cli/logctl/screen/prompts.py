"""A line that the user types, as keys edit it: those of a shell's line."""

from __future__ import annotations

from typing import NamedTuple

from logd.protocol.checks import MAX_PATTERN_CHARACTERS


class Prompt(NamedTuple):
    """A line that the user is typing: `kind` is what it is shown behind, such as "/"."""

    kind: str
    text: str = ""
    cursor: int = 0
    recalled: int = 0
    """How far back in what was typed before it is; 0 for what is new."""


def edited(prompt: Prompt, key: str, typed: tuple[str, ...]) -> Prompt | None:
    """The prompt after a key that edits it; None where it is given up."""
    text, cursor = prompt.text, prompt.cursor
    before, behind = text[:cursor], text[cursor:]
    if len(key) == 1 and key.isprintable():
        if len(text) >= MAX_PATTERN_CHARACTERS:
            return prompt
        return prompt._replace(text=before + key + behind, cursor=cursor + 1)
    if key in ("backspace", "ctrl h"):
        return prompt._replace(text=before[:-1] + behind, cursor=max(0, cursor - 1)) if text else None
    if key in ("delete", "ctrl d"):
        return prompt._replace(text=before + behind[1:])
    if key == "ctrl u":
        return prompt._replace(text=behind, cursor=0)
    if key == "ctrl k":
        return prompt._replace(text=before)
    if key in ("ctrl w", "meta backspace"):
        kept = before.rstrip()
        kept = kept[: kept.rfind(" ") + 1]
        return prompt._replace(text=kept + behind, cursor=len(kept))
    if key in ("up", "down", "ctrl p", "ctrl n"):
        recalled = min(max(0, prompt.recalled + (1 if key in ("up", "ctrl p") else -1)), len(typed))
        text = typed[-recalled] if recalled else ""
        return prompt._replace(text=text, cursor=len(text), recalled=recalled)
    moves = {"left": cursor - 1, "right": cursor + 1, "home": 0, "end": len(text)}
    moves |= {"ctrl b": cursor - 1, "ctrl f": cursor + 1, "ctrl a": 0, "ctrl e": len(text)}
    return prompt._replace(cursor=min(max(0, moves.get(key, cursor)), len(text)))
