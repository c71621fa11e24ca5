"""What can happen to any live screen, and what it can ask for. What only one of them knows stands with that one."""

from __future__ import annotations

from typing import Any, NoReturn, TypeAlias, dataclass_transform


@dataclass_transform(frozen_default=True)
class Value:
    """What is as immutable as a frozen dataclass, and seen as one by type checkers.

    One `__init__` serves all: making a class of each by itself would take a tenth of what the pager takes to start.
    """

    def __init__(self, *args: Any, **values: Any) -> None:
        names = type(self).__annotations__
        given = dict(zip(names, args, strict=False)) | values
        if len(args) > len(names) or len(given) < len(args) + len(values) or not given.keys() <= names.keys():
            raise TypeError(f"{type(self).__name__} takes {', '.join(names) or 'nothing'}, each once")
        if missing := [name for name in names if name not in given and not hasattr(type(self), name)]:
            raise TypeError(f"{type(self).__name__} lacks {', '.join(missing)}")
        self.__dict__.update(given)

    def _values(self) -> tuple[object, ...]:
        return tuple([getattr(self, name) for name in type(self).__annotations__])

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"it cannot be changed: {name}")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"it cannot be changed: {name}")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and isinstance(other, Value) and self._values() == other._values()

    def __hash__(self) -> int:
        return hash((type(self), self._values()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{value!r:.200}' for value in self._values())})"


# From the terminal


class Resized(Value):
    rows: int
    columns: int


class KeyPressed(Value):
    """A key by urwid's name of it: "j", "page up", "ctrl c", "f2", "meta u"."""

    key: str


class Clicked(Value):
    """A mouse button was pressed at a cell, from 0."""

    row: int
    column: int


class Wheel(Value):
    """The wheel was turned by so many rows, down if positive."""

    rows: int


class FocusChanged(Value):
    focused: bool


UserEvent: TypeAlias = KeyPressed | Clicked | Wheel
TerminalEvent: TypeAlias = UserEvent | Resized | FocusChanged


# From the connection, and from the clock


class Disconnected(Value):
    pass


class Reconnected(Value):
    """The daemon is there again, and is asked anew for what is shown."""


class Ticked(Value):
    """Time has passed; wanted when `State.wakes_at` has come."""


# What a screen asks for


class Repaint(Value):
    """Draw the whole screen again, as something else may have written on it."""


class Suspend(Value):
    """Stop this process, as ^Z does."""


class Quit(Value):
    pass


class Interrupt(Value):
    """End as ^C ends a command."""


class Open(Value):
    """Open what has this key."""

    key: str
