"""The pager keeps its law through thousands of events, always the same; `scripts/pager-soak` has random ones."""

from __future__ import annotations

from pager_law import soak


def test_the_law_holds() -> None:
    assert soak(6000, examples=130, random=False) >= 6000
