"""Be the daemon, and count how often it makes each of the disk's operations.

python -m faults.counting FILE start --foreground
"""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from logd.main import main
from logd.store import disk


def counted(operation: Callable[..., Any], calls: itertools.count[int]) -> Callable[..., Any]:
    def call(*args: Any, **options: Any) -> Any:
        next(calls)
        return operation(*args, **options)

    return call


if __name__ == "__main__":
    counts = {name: itertools.count() for name in disk.OPERATIONS}
    for name, calls in counts.items():
        setattr(disk, name, counted(getattr(disk, name), calls))
    path = Path(sys.argv.pop(1))
    try:
        main()
    finally:
        path.write_text(json.dumps({name: next(calls) for name, calls in counts.items()}))
