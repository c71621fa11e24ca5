"""Figures in few columns, and columns in what room there is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logctl.top.cells import COLUMNS, bar, cells, gap_of, short, short_bytes, widths
from logctl.top.lines import Run


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (0.04, "0.0"), (0.5, "0.5"), (5, "5"), (9.96, "10"), (987, "987"), (999.6, "1.0k"), (1234, "1.2k")],
)
def test_a_number_is_short(number: float, text: str) -> None:
    assert short(number) == text


@given(st.floats(0, 1e17))
def test_no_number_is_longer_than_five(number: float) -> None:
    assert len(short(number)) <= 5
    assert len(short_bytes(int(number))) <= 5


@given(st.floats(0, 1), st.integers(0, 30))
def test_a_bar_is_as_wide_as_it_is_to_be(share: float, columns: int) -> None:
    assert len(bar(share, columns)) == columns
    assert bar(0, columns) == "░" * columns
    assert bar(1, columns) == "█" * columns


@given(st.integers(20, 250), st.integers(1, 64), st.booleans())
def test_columns_fit(columns: int, longest: int, full: bool) -> None:
    run = Run(
        "x" * longest,
        "ended",
        137,
        99.5,
        99999,
        99999,
        0.5 if full else None,
        7000 if full else None,
        12345.0 if full else None,
        3,
        4,
        10**9,
        10**9,
        1,
        "no",
    )
    wide = widths([cells(run, 10**12)], longest, columns)
    assert list(wide) == [name for name in COLUMNS if name in wide], "in their order"
    assert {"name", "state", "rate", "errors"} <= wide.keys(), "what is never left out"
    if columns >= 40:
        assert sum(wide.values()) + gap_of(columns) * (len(wide) - 1) <= columns
    if columns >= 170 and longest <= 30:
        assert set(wide) == set(COLUMNS) - (set() if full else {"progress", "left", "queue"})
