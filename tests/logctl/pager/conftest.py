from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from logctl import output
from logctl.pager import layout


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The local zone is UTC, so that screens show the same times everywhere."""

    def forget() -> None:
        time.tzset()
        for cached in (output._local_seconds, layout._lay_out, layout._lay_out_long, layout._lay_out_chopped):
            cached.cache_clear()

    monkeypatch.setenv("TZ", "UTC")
    forget()
    yield
    monkeypatch.undo()
    forget()
