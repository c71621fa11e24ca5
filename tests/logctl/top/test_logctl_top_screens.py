"""Whole screens of all runs in the main situations, held to text files in tests/golden/top that people can look at.

`UPDATE_GOLDEN=1 python -m pytest tests/logctl/top` writes them anew: look at what has changed then.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from top_bed import EPOCH_US, Screen, listed, live

from logctl.screen.attributes import ROLES
from logctl.screen.cells import columns_of
from logctl.screen.events import Disconnected, KeyPressed, Resized
from logctl.top.model import restarted
from logctl.top.snapshot import as_text
from logctl.top.view import view

GOLDEN = Path(__file__).parents[2] / "golden" / "top"


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    import time

    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def busy(rows: int = 24, columns: int = 80, runs: int = 200) -> Screen:
    """Runs of all kinds, a quarter of which are in use, after a while."""
    screen = Screen(rows, columns)
    kinds = ("scrape", "train", "nightly-backup", "render-all-frames-of-the-long-film")
    names = [f"{kinds[number % 4]}-{number:03}" for number in range(runs)]
    ended = [
        listed(
            name,
            state="lost" if number % 37 == 36 else "ended",
            exit_status=None if number % 37 == 36 else (0, 0, 1, None, 137)[number % 5],
            bytes=number**4,
            errors=number % 3,
            last_time_us=EPOCH_US - number * 600_000_000,
        )
        for number, name in enumerate(names)
        if number % 4
    ]
    screen.list(*ended, *(listed(name, bytes=1_700_000) for name in names[::4]))
    for second in range(40):
        items = {}
        for number, name in enumerate(names[::4]):
            rate = 0.0 if number % 11 == 10 else 40 * number * (1 + math.sin(second / 4 + number)) + number / 10
            has_board = number % 3 == 0
            items[name] = live(
                state="silent" if number % 11 == 10 else "running",
                records_per_second=rate,
                head=1000 * number + second,
                warnings=number * 7,
                errors=number // 5 * 13,
                viewers=number % 4,
                progress=min(1.0, second * number / 1600) if has_board else None,
                left_seconds=4000 - 97 * number if has_board and number else None,
                queue=number * 31 if has_board else None,
                last_time_us=EPOCH_US + second * 1_000_000 - number * 10_000,
            )
        screen.use(**items)
        screen.pass_seconds(1)
    screen.total(records_per_second=12345.0, bytes_per_second=1.25e6, emitters=53, viewers=74, free_bytes=88 * 2**30)
    return screen


def empty() -> Screen:
    screen = Screen()
    screen.list()
    screen.total()
    return screen


def few() -> Screen:
    screen = Screen()
    screen.list(listed("nightly", exit_status=3, bytes=1024, last_time_us=EPOCH_US - 3_600_000_000))
    screen.use(scrape=live(records_per_second=2.5))
    screen.total(records_per_second=2.5, emitters=1)
    return screen


def stalled() -> Screen:
    screen = few()
    screen.use(scrape=live(stalled="No space left on device"))
    screen.total(emitters=1, store_error="cannot write 1.jsonl: No space left on device")
    return screen


def pressed(screen: Screen, *keys: str) -> Screen:
    screen.tell(*(KeyPressed(key) for key in keys))
    return screen


def told(screen: Screen, *events: Any) -> Screen:
    screen.tell(*events)
    return screen


def noted(screen: Screen, note: str) -> Screen:
    was = screen.state
    screen.state = restarted(was, note, rows=was.rows, columns=was.columns, now=was.now, epoch_us=was.epoch_us)
    return screen


SCREENS: dict[str, Callable[[], Screen]] = {
    "busy": busy,
    "busy_wide": lambda: busy(60, 200),
    "busy_narrow": lambda: busy(10, 40),
    "chosen": lambda: pressed(busy(), *"jjjj"),
    "last": lambda: pressed(busy(), "G"),
    "by_rate": lambda: pressed(busy(), "s", "s"),
    "by_errors_reversed": lambda: pressed(busy(), "s", "s", "s", "r"),
    "lost_alone": lambda: pressed(busy(), "l", "l", "l"),
    "filtered": lambda: pressed(busy(), "/", *"FILM-01", "enter"),
    "typing": lambda: pressed(busy(), "/", *"fil"),
    "nothing_like_that": lambda: pressed(busy(), "/", *"xyz", "enter"),
    "help": lambda: pressed(busy(40, 100), "h"),
    "reconnecting": lambda: told(busy(), Disconnected()),
    "note": lambda: noted(busy(), "there is no run scrape-1"),
    "resized": lambda: told(pressed(busy(), "G", *"kkk"), Resized(12, 100)),
    "empty": empty,
    "few": few,
    "stalled": stalled,
}


def check(name: str, text: str) -> None:
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text("utf-8")


@pytest.mark.parametrize("name", SCREENS)
def test_a_screen_is_as_it_was(name: str) -> None:
    state = SCREENS[name]().state
    shown = view(state)
    assert len(shown.rows) == state.rows
    assert all(sum(columns_of(text) for _, text in row) <= state.columns for row in shown.rows)
    assert all(attribute.role in ROLES for row in shown.rows for attribute, _ in row)
    check(name, shown.text())


def test_a_snapshot_is_as_it_was() -> None:
    state = busy(runs=20).state
    check("snapshot", as_text([state.runs[name] for name in state.keys], state.totals, state.now_us) + "\n")


def test_no_golden_file_is_left_over() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == {*SCREENS, "snapshot"}


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("columns", [1, 5, 12, 20])
def test_a_tiny_screen_has_what_fits(rows: int, columns: int) -> None:
    for keys in ((), ("h",), ("/", "x"), ("G",)):
        state = pressed(busy(rows, columns, 12), *keys).state
        shown = view(state)
        assert len(shown.rows) == rows
        assert all(sum(columns_of(text) for _, text in row) <= columns for row in shown.rows)
