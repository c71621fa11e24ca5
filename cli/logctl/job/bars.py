"""What a line that is drawn again and again says of how far its job is: a board's item.

    b"train:  24%|##4       | 237/1000 [00:02<00:07, 107.5it/s]"  ->  {"done": 237, "total": 1000, "unit": "it", ...}
    b"Reading package lists... 24%"                               ->  {"done": 24, "total": 100, "unit": "%", ...}
    b"Resolving deltas"                                           ->  {"state": "running", "status": ...}

Numbers of steps are taken where they agree with a percentage beside them, as a lone "3/4" may be a date.
"""

from __future__ import annotations

import re
from typing import Any, Final

MAX_STATUS_CHARACTERS: Final = 200
"""An item is small, and what is behind that would not be shown."""

_SEQUENCE: Final = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|[@-Z\\-_])|[\x00-\x08\x0e-\x1f\x7f-\x9f]")
_PERCENT: Final = re.compile(r"(?<![\d.])(\d{1,3}(?:\.\d+)?) ?%")
_STEPS: Final = re.compile(r"(?<![\d./])(\d{1,15})/(\d{1,15})(?![\d./])")
_SIZES: Final = re.compile(r"(?<![\d./])(\d+(?:\.\d+)?)/(\d+(?:\.\d+)?) ?([kKMGT]i?B)\b")
_UNIT: Final = re.compile(r"(?<=[\d?])([A-Za-z]{1,16})/s|s/([A-Za-z]{1,16})\b")


def item_of(line: bytes) -> dict[str, Any]:
    """The fields of the item for a live line; `done`, `total` and `unit` are None where it names none."""
    status = " ".join(_SEQUENCE.sub("", line.decode("utf-8", "replace")).split())
    done: float | None = None
    total: float | None = None
    unit: str | None = None
    if percents := _PERCENT.findall(status):
        percent = min(float(percents[-1]), 100.0)
        done, total, unit = percent, 100, "%"
        steps = _STEPS.search(status)
        if steps and int(steps[2]) and abs(100 * int(steps[1]) / int(steps[2]) - percent) <= 1:
            done, total, unit = int(steps[1]), int(steps[2]), None
            if found := _UNIT.search(status, steps.end()):
                unit = found[1] or found[2]
    elif (sizes := _SIZES.search(status)) and float(sizes[2]):
        done, total, unit = float(sizes[1]), float(sizes[2]), sizes[3]
    return {
        "state": "running",
        "status": status[:MAX_STATUS_CHARACTERS],
        "done": done,
        "total": total,
        "unit": unit,
    }
