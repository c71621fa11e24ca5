"""What a child of `multiprocessing` has of its own. Where that is not imported, this is none."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any


def _this_child() -> Any:
    """What `multiprocessing` has for this process; None where it is no child of that."""
    process = sys.modules.get("multiprocessing.process")
    return process.current_process() if process is not None and process.parent_process() is not None else None


def ends_by_signal() -> bool:
    """Whether this is one, such as a Pool's, that is not asked to end, but killed when its parent has no more to do."""
    child = _this_child()
    return child is not None and child.daemon


def close_with_child(close: Callable[[], object]) -> None:
    """Have something closed at the end of such a child, which `atexit` does not see; elsewhere this does nothing."""
    if _this_child() is not None:
        from multiprocessing.util import Finalize

        Finalize(None, close, exitpriority=-100)
