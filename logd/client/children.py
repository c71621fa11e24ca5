"""What a child of `multiprocessing` has of its own. Where that is not imported, this is none."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

_Owner = TypeVar("_Owner")


class _End(Protocol):
    def __call__(self, *, threads_go_on: bool) -> object: ...


def _this_child() -> Any:
    """What `multiprocessing` has for this process; None where it is no child of that, or not one yet."""
    process = sys.modules.get("multiprocessing.process")
    return process.current_process() if process is not None and process.parent_process() is not None else None


def ends_untold() -> bool:
    """Whether this is one that is not told of its end: a daemonic one, such as a Pool's, which its parent kills when it
    has no more to do, or one that has been told already, and waits for its threads."""
    child = _this_child()
    if child is None:
        return False
    from multiprocessing.util import is_exiting

    return bool(child.daemon or is_exiting())


def when_child(owner: _Owner, begin: Callable[[_Owner], object]) -> None:
    """Call `begin` where this is a child: at once, or when it is made one, behind the import of its main module."""
    if "multiprocessing.process" in sys.modules:
        from multiprocessing.util import register_after_fork

        register_after_fork(owner, begin)
        if _this_child() is not None:
            begin(owner)


def close_last(end: _End) -> None:
    """Call `end` at a child's end, which `atexit` does not see: before the end of threads that it still waits for."""
    from multiprocessing.util import Finalize

    Finalize(None, _end, args=(end,), exitpriority=-100)


def _end(end: _End) -> None:
    own = (threading.current_thread(), threading.main_thread())
    end(threads_go_on=any(not thread.daemon for thread in threading.enumerate() if thread not in own))
