"""The pager's law holds after each of several thousand random events; `scripts/pager-soak` runs many more."""

from __future__ import annotations

from pager_law import soak


def test_the_law_holds() -> None:
    assert soak(6000) >= 6000
