"""What a report makes of an item on a board: pure. Its fields go over those there are, and the daemon adds its own.

{"advance": 3, "status": None}  over  {"done": 44, "status": "page 44", …}  ->  {"done": 47, "moved_us": …, …}
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from logd.daemon.refusal import RequestRefused
from logd.progress import STATES, Rate, state_of
from logd.protocol import ErrorCode
from logd.protocol.checks import MAX_ITEM_BYTES, MAX_ITEM_NAMES, is_item, item_bytes

OWN: Final = ("started_us", "updated_us", "moved_us", "ended_us", "rate", "rate_seconds")
"""The daemon's fields: when the item was first running, changed last, its `done` did, and it was done or failed; and
how fast it is, in units a second, with how long that was measured."""
OWN_BYTES: Final = 256
"""Of an item's bytes, left free for them."""
MAX_FIELDS_OF_ITEM: Final = MAX_ITEM_NAMES - 8
"""A job's fields of one item; more are refused."""
MAX_BYTES_OF_ITEM: Final = MAX_ITEM_BYTES - OWN_BYTES
"""A job's fields of one item together, as text; more are refused."""

ENDED: Final = ("done", "failed")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and type(value) is not bool and math.isfinite(value)


def _is_amount(value: object) -> bool:
    return isinstance(value, int | float) and _is_number(value) and 0 <= value < 2**64


_CHECKS: Final[dict[str, tuple[Callable[[Any], bool], str]]] = {
    "state": (lambda value: value in STATES, f"one of {', '.join(STATES)}"),
    "done": (_is_amount, "a number, 0 or more"),
    "total": (_is_amount, "a number, 0 or more"),
    "advance": (_is_number, "a number"),
    "unit": (lambda value: type(value) is str, "text"),
    "status": (lambda value: type(value) is str, "text"),
    "gauge": (_is_number, "a number"),
    "retries": (lambda value: type(value) is int and value >= 0, "a whole number, 0 or more"),
}
"""What fields may be that are known; others are any text, number or flag."""


def merged(key: str, before: Mapping[str, Any] | None, given: Mapping[str, Any], now_us: int) -> Mapping[str, Any]:
    """The item that a report leaves; `before` itself where it changes nothing.

    Args:
        before: what the board has; None for a new item.
        given: fields that are set, of which None removes one, and `advance` is added to `done`.

    Raises:
        RequestRefused: a field is none that an item can have, or it has too many.
    """
    _check(key, given)
    old = {} if before is None else {name: value for name, value in before.items() if name not in OWN}
    new = {**old, **given}
    advance = new.pop("advance", None)
    if advance is not None:
        new["done"] = (new.get("done") or 0) + advance
        if not _is_amount(new["done"]):
            raise _refused(key, f"done would be {new['done']}")
    new = {name: value for name, value in new.items() if value is not None}
    if before is not None and new == old:
        return before
    if len(new) > MAX_FIELDS_OF_ITEM or item_bytes(new) > MAX_BYTES_OF_ITEM or not is_item(new):
        raise _refused(key, f"it can have {MAX_FIELDS_OF_ITEM} fields of {MAX_BYTES_OF_ITEM} bytes together")
    return {**new, **_own(before or {}, new, now_us)}


def _check(key: str, given: Mapping[str, Any]) -> None:
    for name, value in given.items():
        if name in OWN:
            raise _refused(key, f"{name} is the daemon's to say")
        if value is None:
            continue
        check, like = _CHECKS.get(name, (None, ""))
        if check is not None and not check(value):
            raise _refused(key, f"{name} is {value!r}, and has to be {like}")
        if type(value) is float and not math.isfinite(value):
            raise _refused(key, f"{name} is {value!r}, which is no number")


def _refused(key: str, reason: str) -> RequestRefused:
    return RequestRefused(ErrorCode.BAD_ITEM, f"item {key}: {reason}")


def _own(before: Mapping[str, Any], new: Mapping[str, Any], now_us: int) -> dict[str, Any]:
    """The daemon's fields of an item that has changed."""
    own: dict[str, Any] = {name: before[name] for name in OWN if name in before}
    own["updated_us"] = now_us
    state, was = state_of(new), state_of(before) if before else ""
    if state not in ("", "pending"):
        own.setdefault("started_us", now_us)
    if state not in ENDED:
        own.pop("ended_us", None)
    elif state != was or "ended_us" not in own:
        own["ended_us"] = now_us
    done, had = new.get("done"), before.get("done", 0)
    if done is None or done < had:  # it begins anew
        for name in ("moved_us", "rate", "rate_seconds"):
            own.pop(name, None)
    if done is not None and done != had:
        since_us = own.get("moved_us", before.get("started_us") if done > had else None)
        if since_us is not None:
            rate = Rate(own.get("rate", 0.0), own.get("rate_seconds", 0.0))
            rate = rate.after(done - had, max(0, now_us - since_us) / 1e6)
            if rate.seconds:
                own["rate"], own["rate_seconds"] = _rounded(rate.per_second), _rounded(rate.seconds)
        own["moved_us"] = now_us
    return own


def _rounded(value: float) -> float:
    """To what can be read, and fits."""
    return float(f"{value:.6g}")
