"""A screen that is a table of what has a key, as a pure state: (state, event, now) -> (state, effects).

A screen's own state is a Table and what else it knows. Which keys there are, and in which order, the screen says by
`listed`; where `update` has changed what is wanted, it is to say that anew.

While nobody has moved, the first keys are shown, whichever these are. Once somebody has, the key that they are at stays
on its row, however others come, go, or change their order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final, NamedTuple, TypeVar

from logctl.screen.events import (
    Disconnected,
    FocusChanged,
    Interrupt,
    KeyPressed,
    Open,
    Quit,
    Reconnected,
    Repaint,
    Resized,
    Suspend,
    Wheel,
)
from logctl.screen.keys import Binding
from logctl.screen.prompts import Prompt, edited

ALL: Final = ""


class Wanted(NamedTuple):
    """Which keys a user wants to see, and how."""

    sort: str = "state"
    """One of the table's sorts."""
    reverse: bool = False
    text: str = ""
    """What is to be found in what they stand for, in any case."""
    only: str = ALL
    """The one state that they are to be in."""


class Kind(NamedTuple):
    """What all tables of one screen have in common."""

    head_rows: int
    """Above the table, where there is room for them."""
    sorts: tuple[str, ...]
    """What it can be sorted by, in the order in which that is gone through."""
    filters: tuple[str, ...]
    """States that alone can be shown, of which ALL is one, in the same manner."""
    bindings: tuple[Binding, ...]
    signs: tuple[tuple[str, str], ...] = ()
    """What is on the screen, and what it stands for: for the help, as the bindings are."""


@dataclass(frozen=True)
class Table:
    kind: ClassVar[Kind]
    repaint_seconds: ClassVar[float] = 0.0
    """How long after a paint the next one is to be, at the least, but for the user's own doing."""

    rows: int = 24
    columns: int = 80
    now: float = 0.0
    """Monotonic seconds."""
    epoch_us: int = 0
    """The wall's time when `now` was 0."""

    wanted: Wanted = Wanted()  # noqa: RUF009 it is immutable
    keys: tuple[str, ...] = ()
    """What is shown, in its order."""
    all_count: int = 0
    """How many keys there are with those that are not wanted."""
    chosen: str | None = None
    """The key that the user is at; None where that is the first, whichever it is."""
    screen_row: int = 0
    """Of the table's rows, the one that it is on."""
    prompt: Prompt | None = None
    sheet: str = ""
    """What covers the table: "help" or "detail"."""
    sheet_top: int = 0
    connected: bool = True
    focused: bool = True

    @property
    def now_us(self) -> int:
        return self.epoch_us + int(self.now * 1e6)

    @property
    def head_rows(self) -> int:
        """How many rows are above the table; a small screen has fewer."""
        return max(0, min(self.kind.head_rows, self.rows - 4))

    @property
    def height(self) -> int:
        """Rows for keys: all but the head, the columns' names and the status line."""
        return max(0, self.rows - self.head_rows - 2)

    @property
    def index(self) -> int:
        """Where among the keys the user is."""
        return self.keys.index(self.chosen) if self.chosen is not None else 0

    @property
    def top(self) -> int:
        """The first key that is on the screen."""
        row = max(0, min(self.screen_row, self.height - 1))
        return max(0, min(self.index - row, len(self.keys) - self.height))

    @property
    def shown_keys(self) -> tuple[str, ...]:
        top = self.top
        return self.keys[top : top + self.height]


S = TypeVar("S", bound=Table)


def update(state: S, event: Any, now: float) -> tuple[S, list[Any]]:
    """What an event of the terminal or the connection makes of a table, and what it asks for; others only take time."""
    state = replace(state, now=now)
    if isinstance(event, KeyPressed):
        return _pressed(state, event.key)
    if isinstance(event, Wheel):
        state = _moved(state, event.rows)
    elif isinstance(event, Resized):
        state = placed(replace(state, rows=event.rows, columns=event.columns))
    elif isinstance(event, FocusChanged):
        state = replace(state, focused=event.focused)
    elif isinstance(event, Disconnected | Reconnected):
        state = replace(state, connected=isinstance(event, Reconnected))
    return state, []


def listed(state: S, keys: tuple[str, ...], all_count: int) -> S:
    """The table with these keys; where the chosen one is not among them, the one in its place is chosen."""
    chosen = state.chosen
    if chosen is not None and chosen not in keys:
        chosen = keys[min(state.index, len(keys) - 1)] if keys else None
    return replace(state, keys=keys, all_count=all_count, chosen=chosen)


def placed(state: S) -> S:
    """The chosen key on a row that there is."""
    return replace(state, screen_row=state.index - state.top) if state.chosen is not None else state


def with_sheet(state: S, sheet: str) -> S:
    """The table covered by a sheet, from its first row on."""
    return replace(state, sheet=sheet, sheet_top=0)


# Keys


def _pressed(state: S, key: str) -> tuple[S, list[Any]]:
    if state.prompt is not None:
        return _typed(state, state.prompt, key), []
    action = next((binding.action for binding in state.kind.bindings if key in binding.keys), "")
    if action == "quit" and state.sheet and key != "ctrl c":
        return replace(state, sheet=""), []
    if action in _EFFECTS:
        return state, [_EFFECTS[action]()]
    if action == "open" and state.keys and not state.sheet:
        chosen = state.keys[state.index]
        return placed(replace(state, chosen=chosen)), [Open(chosen)]
    if action in _MOVES:
        return _moved(state, _MOVES[action](state)), []
    if action in _WISHES:
        return replace(state, wanted=_WISHES[action](state.kind, state.wanted)), []
    return _acted(state, action), []


def _typed(state: S, prompt: Prompt, key: str) -> S:
    if key in ("esc", "ctrl c", "ctrl g"):
        return replace(state, prompt=None)
    if key == "enter":
        return replace(state, prompt=None, wanted=state.wanted._replace(text=prompt.text))
    return replace(state, prompt=edited(prompt, key, ()))


def _acted(state: S, action: str) -> S:
    if action == "filter":
        return replace(state, prompt=Prompt("/"), sheet="")
    if action == "help":
        return with_sheet(state, "" if state.sheet == "help" else "help")
    if action == "start":
        return replace(state, sheet_top=0) if state.sheet else replace(state, chosen=None, screen_row=0)
    if action == "close" and not state.sheet:
        return replace(state, wanted=state.wanted._replace(text="", only=ALL))
    return replace(state, sheet="") if action in ("close", "open") else state


def _moved(state: S, rows: int) -> S:
    if state.sheet:
        return replace(state, sheet_top=max(0, state.sheet_top + rows))
    keys, index = state.keys, state.index
    if not keys:
        return state
    row = index - state.top
    # By a line the choice moves on the screen as far as it can; by more, the screen moves.
    row = max(0, min(row + rows, state.height - 1)) if abs(rows) == 1 else row
    return placed(replace(state, chosen=keys[max(0, min(index + rows, len(keys) - 1))], screen_row=row))


def _next_of(names: Iterable[str], name: str, step: int = 1) -> str:
    every = list(names)
    return every[(every.index(name) + step) % len(every)]


_EFFECTS: Final[dict[str, Callable[[], Any]]] = {
    "quit": Quit,
    "interrupt": Interrupt,
    "suspend": Suspend,
    "repaint": Repaint,
}
_MOVES: Final[dict[str, Callable[[Table], int]]] = {
    "line_down": lambda state: 1,
    "line_up": lambda state: -1,
    "page_down": lambda state: max(1, state.height),
    "page_up": lambda state: -max(1, state.height),
    "half_down": lambda state: max(1, state.height // 2),
    "half_up": lambda state: -max(1, state.height // 2),
    "end": lambda state: 10**6,
}
_WISHES: Final[dict[str, Callable[[Kind, Wanted], Wanted]]] = {
    "cycle_state": lambda kind, wanted: wanted._replace(only=_next_of(kind.filters, wanted.only)),
    "sort": lambda kind, wanted: wanted._replace(sort=_next_of(kind.sorts, wanted.sort)),
    "sort_back": lambda kind, wanted: wanted._replace(sort=_next_of(kind.sorts, wanted.sort, -1)),
    "reverse": lambda kind, wanted: wanted._replace(reverse=not wanted.reverse),
}


def moving(one: str) -> tuple[Binding, ...]:
    """The bindings that move among keys, of which each stands for one "item"."""
    a = "an" if one[0] in "aeiou" else "a"
    return (
        Binding("line_down", ("j", "down", "ctrl n", "ctrl e"), f"{a} {one} down"),
        Binding("line_up", ("k", "up", "ctrl p", "ctrl y"), f"{a} {one} up"),
        Binding("page_down", (" ", "f", "page down", "ctrl f", "ctrl v"), "a page down"),
        Binding("page_up", ("b", "page up", "ctrl b", "meta v"), "a page up"),
        Binding("half_down", ("d", "ctrl d"), "half a page down"),
        Binding("half_up", ("u", "ctrl u"), "half a page up"),
        Binding("start", ("g", "<", "home", "meta <"), f"to the first {one}, whichever that is from then on"),
        Binding("end", ("G", ">", "end", "meta >"), f"to the last {one}"),
    )


COMMON: Final = (
    Binding("close", ("esc",), "close this, or show all again"),
    Binding("repaint", ("ctrl l", "ctrl r"), "paint it again"),
    Binding("suspend", ("ctrl z",), "stop; `fg` goes on"),
    Binding("help", ("h", "H", "?", "f1"), "this"),
)
"""What is bound in all tables beside that."""
