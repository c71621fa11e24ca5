"""Where a pattern is in text that is on the screen. What matches at all, the daemon says; this only colours it."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any


@lru_cache(maxsize=8)
def _compiled(pattern: str) -> Any:
    """The pattern of RE2, or without that package of the standard library's `re`; None for one that is not known."""
    try:
        import re2  # type: ignore[import-untyped]
    except ImportError:
        try:
            return re.compile(pattern)
        except re.error:
            return None
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error:
        return None


def hits(pattern: str, text: str) -> list[tuple[int, int]]:
    """Where the pattern matches in a line, in order, as pairs of offsets; empty matches are not told."""
    compiled = _compiled(pattern)
    if compiled is None:
        return []
    return [match.span() for match in compiled.finditer(text) if match.end() > match.start()]
