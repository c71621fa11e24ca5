"""Lines that the user types: a pattern to search for or to filter by, a command, or the letter of a mark."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from logctl.pager.commands import run_command
from logctl.pager.filters import Filter
from logctl.pager.goals import remember, search, seek, shown_filter
from logctl.pager.seeking import Aim, Target
from logctl.pager.state import Found, Source, State
from logctl.pager.turns import Turn
from logctl.screen.prompts import Prompt, edited

LETTERS: Final = ("m", "'", "-")
"""Prompts that take one key."""
MAX_TYPED: Final = 50
"""Lines of each kind that are remembered; the oldest go."""


def open_prompt(turn: Turn, kind: str) -> None:
    turn.change(prompt=Prompt(kind))


def prompt_key(turn: Turn, key: str) -> None:
    """A key while a prompt is open."""
    prompt = turn.state.prompt
    if prompt is None:
        return
    if key in ("esc", "ctrl c", "ctrl g"):
        turn.change(prompt=None)
    elif prompt.kind in LETTERS:
        turn.change(prompt=None)
        if len(key) == 1:
            _ENTERED[prompt.kind](turn, key)
    elif key == "enter":
        turn.change(prompt=None)
        if prompt.text:
            _remember_typed(turn, prompt)
        _ENTERED[prompt.kind](turn, prompt.text)
    else:
        turn.change(prompt=edited(prompt, key, turn.state.typed.get(prompt.kind, ())))


def _remember_typed(turn: Turn, prompt: Prompt) -> None:
    typed = turn.state.typed
    lines = [line for line in typed.get(prompt.kind, ()) if line != prompt.text]
    turn.change(typed={**typed, prompt.kind: (*lines, prompt.text)[-MAX_TYPED:]})


def _search(turn: Turn, text: str, *, backward: bool) -> None:
    """Search for a pattern; for none, for the last one again."""
    found = turn.state.found
    if text:
        found = Found(_pattern(turn.state, text), f"/{text}/", backward, text)
    elif found is not None:
        found = found._replace(backward=backward)
    else:
        turn.note("Nothing was searched for yet")
        return
    turn.change(found=found, pattern=found.filter.patterns[0])
    search(turn, found.filter, found.said, backward=backward)


def _pattern(state: State, text: str) -> Filter:
    return Filter((f"(?i){text}" if state.ignores_case else text,))


def _filter(turn: Turn, text: str) -> None:
    seek(turn, Target(Aim.STAY), shown_filter(turn.state).with_typed(text))


def _set_mark(turn: Turn, letter: str) -> None:
    state = turn.state
    anchor = state.anchor or state.paper.chosen(state.screen)
    if letter.isalpha() and anchor is not None:
        turn.change(marks={**state.marks, letter: anchor})
        turn.note(f"Mark {letter} is here · '{letter} comes back")


def _go_to_mark(turn: Turn, letter: str) -> None:
    mark = turn.state.marks.get(letter)
    if mark is None:
        turn.note(f"There is no mark {letter}")
        return
    turn.set_follow(False, Source.JUMP)
    remember(turn)
    seek(turn, Target(Aim.SEQ, mark.run, mark.seq, mark.at_us, mark.start, screen_row=mark.screen_row))


def _option(turn: Turn, letter: str) -> None:
    state = turn.state
    if letter == "S":
        turn.change(wrap=not state.wrap, left=0)
        turn.note("Long lines are wrapped" if turn.state.wrap else "Long lines are chopped")
    elif letter in "iI":
        turn.change(ignores_case=not state.ignores_case)
        if (found := state.found) is not None:
            filter = _pattern(turn.state, found.text)
            turn.change(found=found._replace(filter=filter), pattern=filter.patterns[0] if state.pattern else "")
        turn.note("Searches ignore case" if turn.state.ignores_case else "Searches heed case")
    else:
        turn.note(f"There is no option -{letter}")


_ENTERED: dict[str, Callable[[Turn, str], None]] = {
    "/": lambda turn, text: _search(turn, text, backward=False),
    "?": lambda turn, text: _search(turn, text, backward=True),
    "&": _filter,
    ":": run_command,
    "m": _set_mark,
    "'": _go_to_mark,
    "-": _option,
}
"""What becomes of what was typed, by the kind of the prompt."""
