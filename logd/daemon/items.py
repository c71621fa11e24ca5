"""What a report makes of an item on a board: pure. Its fields go over those there are, and the daemon adds its own.

{"advance": 3, "status": None}  over  {"done": 44, "status": "page 44", …}  ->  {"done": 47, "moved_us": …, …}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from logd.daemon.refusal import RequestRefused
from logd.progress import Rate, state_of
from logd.protocol import ErrorCode
from logd.protocol.checks import MAX_BYTES_OF_ITEM, MAX_FIELDS_OF_ITEM, OWN_FIELDS, fits_board, wrong_in_report

ENDED: Final = ("done", "failed")


def merged(key: str, before: Mapping[str, Any] | None, given: Mapping[str, Any], now_us: int) -> Mapping[str, Any]:
    """The item that a report leaves; `before` itself where it changes nothing.

    Args:
        before: what the board has; None for a new item.
        given: fields that are set, of which None removes one, and `advance` is added to `done`.

    Raises:
        RequestRefused: a field is none that an item can have, or it has too many.
    """
    if wrong := wrong_in_report(given):
        raise _refused(key, wrong)
    old = {} if before is None else {name: value for name, value in before.items() if name not in OWN_FIELDS}
    new = {**old, **given}
    advance = new.pop("advance", None)
    if advance is not None:
        new["done"] = (new.get("done") or 0) + advance
        if wrong := wrong_in_report({"done": new["done"]}):
            raise _refused(key, wrong)
    new = {name: value for name, value in new.items() if value is not None}
    if before is not None and new == old:
        return before
    if not fits_board(new):
        raise _refused(key, f"it can have {MAX_FIELDS_OF_ITEM} fields of {MAX_BYTES_OF_ITEM} bytes together")
    return {**new, **_own(before or {}, new, now_us)}


def _refused(key: str, reason: str) -> RequestRefused:
    return RequestRefused(ErrorCode.BAD_ITEM, f"item {key}: {reason}")


def _own(before: Mapping[str, Any], new: Mapping[str, Any], now_us: int) -> dict[str, Any]:
    """The daemon's fields of an item that has changed."""
    own: dict[str, Any] = {name: before[name] for name in OWN_FIELDS if name in before}
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
