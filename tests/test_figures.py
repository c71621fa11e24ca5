"""Figures and tables as commands print them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logctl.figures import (
    counted,
    gone,
    human_age,
    human_amount,
    human_bytes,
    human_count,
    human_percent,
    human_rate,
    human_span,
    human_speed,
    table,
)


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1_258_291, "1.2 MiB"),
        (1024**2 - 1, "1.0 MiB"),
        (1024**3 - 1, "1.0 GiB"),
        (5 * 1024**4, "5.0 TiB"),
        (3 * 1024**5, "3.0 PiB"),
    ],
)
def test_human_bytes(size: int, shown: str) -> None:
    assert human_bytes(size) == shown


@given(st.integers(0, 2**59))
def test_human_bytes_never_shows_1024_of_a_unit(size: int) -> None:
    assert float(human_bytes(size).split()[0]) < 1024


def test_human_count() -> None:
    assert [human_count(count) for count in (0, 999, 12_345)] == ["0", "999", "12,345"]


@pytest.mark.parametrize(
    ("rate", "shown"), [(0, "0/s"), (0.5, "0.5/s"), (9.94, "9.9/s"), (9.96, "10/s"), (12_345.4, "12,345/s")]
)
def test_human_rate(rate: float, shown: str) -> None:
    assert human_rate(rate) == shown


@pytest.mark.parametrize(
    ("amount", "shown"),
    [(0, "0"), (1234, "1,234"), (1234.0, "1,234"), (0.25, "0.25"), (1234.567, "1,234.57"), (0.00123, "0.0012")],
)
def test_human_amount(amount: float, shown: str) -> None:
    assert human_amount(amount) == shown


@pytest.mark.parametrize(
    ("per_second", "shown"),
    [(1234.4, "1,234/s"), (1.5, "1.5/s"), (0.99, "3,564/h"), (1 / 3600, "1.0/h"), (0.5 / 3600, "0.5/h")],
)
def test_human_speed_is_by_the_hour_where_that_reads_better(per_second: float, shown: str) -> None:
    assert human_speed(per_second) == shown


def test_nothing_but_all_of_it_is_100_percent() -> None:
    assert [human_percent(share) for share in (0, 0.099, 0.5, 0.9999, 1)] == ["0%", "9%", "50%", "99%", "100%"]


def test_human_span_is_to_the_second_below_an_hour() -> None:
    shown = [human_span(seconds) for seconds in (0, 59.9, 60, 200, 3599, 3600, 7500)]
    assert shown == ["0 s", "59 s", "1 m 0 s", "3 m 20 s", "59 m 59 s", "1 h", "2 h 5 m"]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-3, "0 s"),
        (0.9, "0 s"),
        (59.9, "59 s"),
        (60, "1 m"),
        (185, "3 m"),
        (3600, "1 h"),
        (7500, "2 h 5 m"),
        (86_400, "1 d"),
        (86_700, "1 d"),
        (6 * 86_400 + 3_700, "6 d 1 h"),
    ],
)
def test_human_age(seconds: float, shown: str) -> None:
    assert human_age(seconds) == shown


def test_table() -> None:
    shown = table(["RUN", "RECORDS", "STATE"], [["train", "12,345", "running"], ["漢字", "7", ""]], {1})
    assert shown.splitlines() == [
        "RUN    RECORDS  STATE",
        "train   12,345  running",
        "漢字         7",
    ]


def test_table_without_rows_is_its_headers() -> None:
    assert table(["RUN", "STATE"], []) == "RUN  STATE"


@pytest.mark.parametrize(("count", "shown"), [(0, "0 runs"), (1, "1 run"), (12_345, "12,345 runs")])
def test_counted(count: int, shown: str) -> None:
    assert counted(count, "run") == shown


def test_gone() -> None:
    assert gone(12, 99) == "records 12 to 99 are not there any more"
    assert gone(12, 12) == "record 12 is not there any more"
