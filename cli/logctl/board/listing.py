"""Which items of a board are shown, and in which order: worked out when something has changed, and not for each screen.

Sorting by what moves on its own, such as what is left, takes the figures of all items; sorting by state or name does
not, so that 10,000 items cost little while one looks at a few.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

from logctl.screen.table import ALL, Wanted
from logd.progress import RANKED, STOPPED, Item, figures, is_gauge, share_of, state_of

FILTERS: Final = (ALL, "running", "failed", "pending", "done", STOPPED)
"""States that alone can be shown, in the order in which they are gone through."""
_RANKS: Final = {state: rank for rank, state in enumerate(RANKED)}


class Listing(NamedTuple):
    keys: tuple[str, ...]
    """Of the items that are shown, in their order."""
    all_count: int
    """Of all that are no gauges."""


class _Times(NamedTuple):
    now_us: int
    run_ended_us: int | None


def _by_left(key: str, item: Item, times: _Times) -> Any:
    eta_seconds = figures(item, *times).eta_seconds
    return math.inf if eta_seconds is None else eta_seconds


SORTS: Final[dict[str, Callable[[str, Item, _Times], Any]]] = {
    "state": lambda key, item, times: _RANKS[state_of(item, times.run_ended_us)],
    "item": lambda key, item, times: 0,
    "done": lambda key, item, times: -(share_of(item, state_of(item)) or 0.0),
    "rate": lambda key, item, times: -(figures(item, *times).per_second or 0.0),
    "left": _by_left,
    "time": lambda key, item, times: -(figures(item, *times).elapsed_seconds or 0.0),
    "newest": lambda key, item, times: -item.get("updated_us", 0),
}
"""What items can be sorted by, in the order in which that is gone through. Of what is equal, the key decides."""


def listing(items: Mapping[str, Item], wanted: Wanted, now_us: int, run_ended_us: int | None) -> Listing:
    """The items that are wanted, in their order."""
    times, by = _Times(now_us, run_ended_us), SORTS[wanted.sort]
    counted = [(key, item) for key, item in items.items() if not is_gauge(item)]
    shown = counted
    if wanted.only:
        shown = [(key, item) for key, item in shown if state_of(item, run_ended_us) == wanted.only]
    if wanted.text:
        text = wanted.text.casefold()
        shown = [
            (key, item) for key, item in shown if text in key.casefold() or text in item.get("status", "").casefold()
        ]
    keys = [key for *_, key in sorted((by(key, item, times), _numbered(key), key) for key, item in shown)]
    return Listing(tuple(reversed(keys) if wanted.reverse else keys), len(counted))


@lru_cache(maxsize=16_384)
def _numbered(key: str) -> tuple[tuple[str, int], ...]:
    """A key by which page-2 comes before page-10."""
    parts = re.split("([0-9]{1,15})", key.casefold())
    return tuple(zip(parts[::2], [*map(int, parts[1::2]), -1], strict=True))
