"""What all messages are: immutable, and checked when they are built. They are in `from_client` and `from_daemon`.

A message's attributes are the keys of its CBOR map, beside `t`, which names its type. An attribute with a default may
be left out of the map. What each key means is in logd-protocol(7), which a test holds to the tables here.

One id names one thing: the `id` of an `open` names its session in `emit`, `ack` and `close`, the `id` of an `attach`
names its subscription in `batch`, `event` and `detach`, and the reply to any request carries the request's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, NoReturn, Self, TypeVar, dataclass_transform

from logd.protocol.checks import Check

PROTOCOL_VERSION = 1
SUPPORTED_VERSIONS = (1,)


class Message:
    """Base of all messages. Building one with a value that its key does not allow raises ValueError naming the key.

    A message's class has its keys as annotations and their defaults as attributes, as a frozen dataclass has, and is
    used as one. It is none because generating the methods of all messages takes 12 ms of each command's start.
    """

    t: ClassVar[str]
    checks: ClassVar[dict[str, Check]]
    """A check for every key, in the order of the arguments."""
    required: ClassVar[frozenset[str]]
    bulk: ClassVar[str] = ""
    """The key whose value is a block's bytes: it goes last in the map."""
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, *args: Any, **values: Any) -> None:
        names = tuple(self.checks)
        if len(args) > len(names) or not values.keys().isdisjoint(names[: len(args)]):
            raise ValueError(f"a {self.t} takes each of {', '.join(names)} once")
        self._fill(dict(zip(names, args, strict=False)) | values)

    @classmethod
    def from_map(cls, values: dict[str, Any]) -> Self:
        """The message with these keys' values; ValueError for an unknown, missing or bad one."""
        message = object.__new__(cls)
        message._fill(values)
        return message

    def _fill(self, values: dict[str, Any]) -> None:
        """Check what is given, and keep it; what is not given is the class's default, and costs nothing."""
        checks = self.checks
        for name, value in values.items():
            if name not in checks:
                raise ValueError(f"there is no key {name[:40]!r}")
            if not checks[name](value):
                raise ValueError(f"{name!r} has a value that it cannot have: {value!r:.80}")
        if not self.required <= values.keys():
            raise ValueError(f"{min(self.required - values.keys())!r} is missing")
        self.__dict__.update(values)
        self._check_whole()

    def _check_whole(self) -> None:
        """Raise ValueError where values are good each, but not together."""

    def to_map(self) -> dict[str, Any]:
        """The message's CBOR map, without the keys that have their default value."""
        default, required = type(self), self.required
        given = {
            name: value for name, value in self.__dict__.items() if name in required or value != getattr(default, name)
        }
        return {"t": self.t, **given}

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a message cannot be changed: {name}")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a message cannot be changed: {name}")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.to_map() == other.to_map()

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r:.200}" for name, value in self.__dict__.items())
        return f"{type(self).__name__}({shown})"


MESSAGE_TYPES: dict[str, type[Message]] = {}

_Class = TypeVar("_Class", bound=type[Message])


@dataclass_transform(frozen_default=True)
def message_type(name: str, **checks: Check) -> Callable[[_Class], _Class]:
    """Declare a message: its type's name on the wire, and a check for each of its keys."""

    def declare(message_class: _Class) -> _Class:
        keys = message_class.__annotations__
        message_class.t = name
        message_class.checks = {key: checks[key] for key in keys}
        message_class.required = frozenset(key for key in keys if not hasattr(message_class, key))
        MESSAGE_TYPES[name] = message_class
        return message_class

    return declare
