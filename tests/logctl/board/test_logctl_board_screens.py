"""Whole screens of the board's main situations, held to text files in tests/golden/board that people can look at.

`UPDATE_GOLDEN=1 python -m pytest tests/logctl/board` writes them anew: look at what has changed then.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from logctl.board.cells import HowIs
from logctl.board.model import Changed, State, start, update
from logctl.board.snapshot import as_text
from logctl.board.view import view
from logctl.screen.attributes import ROLES
from logctl.screen.events import Disconnected, KeyPressed, Resized, Ticked
from logd.daemon.items import merged

GOLDEN = Path(__file__).parents[2] / "golden" / "board"
EPOCH_US = 1_795_000_000_000_000
SHOWS = ("The Wire", "Dark", "Twin Peaks", "Über uns", "進撃の巨人")


def scanned(until: float = 60.0) -> dict[str, Any]:
    """The board of a library scan after so many seconds: one file is begun each second, and takes six."""
    items: dict[str, Any] = {}
    for number in range(100):
        key = f"{SHOWS[number % 5]} S01E{number + 1:02}"
        reports: list[tuple[float, dict[str, Any]]] = [(0.0, {"state": "pending"})]
        reports.append((number, {"state": "running", "done": 0, "total": 600, "unit": "frames", "status": "probing"}))
        reports += [(number + step, {"done": step * 100, "status": f"frame {step * 100}"}) for step in range(1, 6)]
        if number % 17 == 16:
            reports.append((number + 5.5, {"state": "failed", "status": "moov atom not found", "retries": 2}))
        else:
            reports.append((number + 6.0, {"state": "done", "done": 600, "status": "h264 1920x1080"}))
        for at, given in reports:
            if at <= until:
                items[key] = merged(key, items.get(key), given, EPOCH_US + int(at * 1e6))
    left = sum(item["state"] == "pending" for item in items.values())
    items["queue_depth"] = merged("queue_depth", None, {"gauge": left, "unit": "files"}, EPOCH_US)
    items["load"] = merged("load", None, {"gauge": 1.75}, EPOCH_US)
    return items


def screen(items: dict[str, Any], *events: Any, rows: int = 24, columns: int = 80, now: float = 60.0) -> State:
    state = start("scan", rows=rows, columns=columns, now=0.0, epoch_us=EPOCH_US)
    how = HowIs("running")
    for event in (Changed(items, whole=True, how=how), Ticked(), *events):
        state, _ = update(state, event, now)
    return state


def pressed(*keys: str) -> list[KeyPressed]:
    return [KeyPressed(key) for key in keys]


def running() -> State:
    return screen(scanned())


def wide() -> State:
    return screen(scanned(), rows=60, columns=200)


def narrow() -> State:
    return screen(scanned(), Resized(10, 40))


def chosen() -> State:
    return screen(scanned(), *pressed("page down", "j", "j"))


def failed_alone() -> State:
    return screen(scanned(), *pressed("l", "l"))


def filtered() -> State:
    return screen(scanned(), *pressed("/", *"wire", "enter", "s", "r"))


def typing() -> State:
    return screen(scanned(), *pressed("/", *"twin"))


def nothing_matches() -> State:
    return screen(scanned(), *pressed("/", *"nothing", "enter"))


def detail() -> State:
    return screen(scanned(), *pressed("l", "l", "enter"))


def help_sheet() -> State:
    return screen(scanned(), *pressed("h"))


def done() -> State:
    ended = Changed({}, how=HowIs("ended", 0, EPOCH_US + 106_000_000))
    return screen(scanned(200.0), ended, now=110.0)


def stopped() -> State:
    return screen(scanned(), Changed({}, how=HowIs("ended", 137, EPOCH_US + 60_500_000)), now=70.0)


def reconnecting() -> State:
    return screen(scanned(), Disconnected())


def one_counter() -> State:
    item = merged("k", None, {"done": 0, "unit": "pages"}, EPOCH_US)
    item = merged("k", item, {"done": 90}, EPOCH_US + 60_000_000)
    return screen({"pages": item})


def waiting() -> State:
    return screen({}, Changed({}, whole=True, how=HowIs("waiting")))


def gauges_alone() -> State:
    return screen({"queue_depth": merged("k", None, {"gauge": 12}, EPOCH_US)})


def empty() -> State:
    return screen({})


SITUATIONS: tuple[Callable[[], State], ...] = (
    *(running, wide, narrow, chosen, failed_alone, filtered, typing, nothing_matches, detail, help_sheet, done),
    *(stopped, reconnecting, one_counter, waiting, gauges_alone, empty),
)


def held(name: str, shown: str) -> None:
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(shown, "utf-8")
    assert shown == path.read_text("utf-8"), f"it is not as in {path.name}"


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.__name__)
def test_screens(situation: Callable[[], State]) -> None:
    shown = view(situation())
    held(situation.__name__, shown.text())
    assert {attribute.role for row in shown.rows for attribute, _ in row} <= set(ROLES)


def test_a_snapshot_for_a_pipe() -> None:
    held("snapshot", as_text("scan", scanned(), HowIs("running"), EPOCH_US + 60_000_000) + "\n")


def test_no_golden_screen_is_left_over() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == {"snapshot", *(each.__name__ for each in SITUATIONS)}


def test_a_board_that_was_cleared_says_so_for_a_while() -> None:
    cleared = Changed({}, how=HowIs("running", cleared_us=EPOCH_US + 50_000_000))
    for now, said in ((60.0, "cleared 10 s ago"), (120.0, "")):
        first = "".join(text for _, text in view(screen(scanned(), cleared, now=now)).rows[0])
        assert ("cleared" in first) == bool(said)
        assert said in first
