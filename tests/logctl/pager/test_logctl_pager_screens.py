"""Whole screens of the main situations, held to text files in tests/golden/pager that people can look at.

`UPDATE_GOLDEN=1 python -m pytest tests/logctl/pager` writes them anew: look at what has changed then.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from pager_bed import START_US, FakeDaemon, Pager, attached, watcher

from logctl.pager.events import Arrived, Board, Gap, Presence, RunEnded, RunStarted, RunWaiting, Stalled
from logctl.pager.view import view
from logctl.presence import Present
from logctl.screen.attributes import ROLES
from logctl.screen.cells import columns_of
from logctl.screen.events import Disconnected, Resized

GOLDEN = Path(__file__).parents[2] / "golden" / "pager"

PAGES = ("index", "about", "search?q=logs", "a/very/long/path/to/some/page/that/nobody/ever/reads/and/that/is/wrapped")


def scraper(rows: int = 24, columns: int = 80, count: int = 300, **options: bool) -> Pager:
    """A pager that follows a job which gets pages, warns and fails at times, and has a run's board."""
    daemon = FakeDaemon("scrape-1")
    pager = Pager(daemon, rows=rows, columns=columns, **options)
    for number in range(1, count + 1):
        page = PAGES[number % 4]
        source = f"w{number % 3 + 1}"
        daemon.clock_us += 997_000
        if number % 29 == 0:
            trace = (
                'Traceback (most recent call last):\n  File "get.py", line 7\n    get(page)\nTimeoutError: no answer'
            )
            daemon.append("scrape-1", [trace], "ERROR", source=source, page=page)
        elif number % 7 == 0:
            daemon.append("scrape-1", [f"slow page {page}"], "WARN", source=source, seconds=number / 10)
        else:
            daemon.append("scrape-1", [f"got {page}"], "INFO", source=source, status=200, bytes=number * 17)
    pager.tell(RunStarted("scrape-1"))
    pager.settle()
    return pager


def empty() -> Pager:
    pager = Pager(FakeDaemon("scrape-1"))
    pager.tell(RunWaiting("scrape-1"))
    return pager


def few() -> Pager:
    pager = attached(4)
    pager.tell(RunStarted("job"))
    return pager


def follow_wide() -> Pager:
    pager = scraper(60, 200)
    pager.tell(Board("scrape-1", "pages 45%"))
    return pager


def just_paused() -> Pager:
    pager = scraper()
    pager.press("b")
    pager.settle()
    return pager


def paused_with_new() -> Pager:
    """Paused at the end; then some came, and were scrolled to."""
    pager = scraper()
    pager.press("ctrl c")
    pager.daemon.append("scrape-1", ["got what is new"] * 40, "INFO", source="w1")
    pager.push()
    for key in "jd":
        pager.press(key)
        pager.settle()
    pager.wait(3)
    return pager


def skipped() -> Pager:
    """A flood of which the daemon sent the newest few, in two pushes; as it is while following."""
    pager = scraper()
    daemon = pager.daemon
    for _ in range(2):
        daemon.append("scrape-1", ["flood"] * 12_000, "INFO")
        head = daemon.runs["scrape-1"].head
        pieces = daemon.pieces("scrape-1", range(head - 7, head + 1))
        daemon.cursors["scrape-1"] = head + 1
        pager.tell(Arrived("scrape-1", pieces, head + 1, head, 11_992, lag_seconds=1.5))
    return pager


def filtered() -> Pager:
    pager = scraper()
    pager.press("b", "b")
    pager.settle()
    pager.enter("&slow page i")
    pager.enter(":level warn")
    pager.wait(3)
    return pager


def nothing_matches() -> Pager:
    pager = scraper()
    pager.press("b")
    pager.settle()
    pager.enter("&nowhere")
    return pager


def found() -> Pager:
    pager = scraper()
    pager.press("g")
    pager.settle()
    pager.enter("/time[a-z]+|q=log")
    pager.press("n", "n", "n", "n")
    pager.settle()
    pager.press("n")
    pager.settle()
    pager.wait(3)
    return pager


def chopped() -> Pager:
    pager = scraper()
    pager.press("S", "b", "right")
    pager.settle()
    pager.wait(3)
    return pager


def detail() -> Pager:
    pager = scraper()
    pager.press("b", "E")
    pager.settle()
    pager.press("i")
    return pager


def opened() -> Pager:
    pager = scraper()
    pager.press("b", "E")
    pager.settle()
    pager.press("enter", "t")
    return pager


def ended() -> Pager:
    pager = scraper()
    pager.tell(RunEnded("scrape-1", 300, 3, 301.0))
    return pager


def started_again() -> Pager:
    pager = ended()
    pager.tell(RunStarted("scrape-1"))
    pager.settle()
    pager.daemon.append("scrape-1", ["and again", "and on"], "INFO")
    pager.push()
    pager.wait(3)
    return pager


def reconnecting() -> Pager:
    pager = scraper(count=2000)
    pager.press("b", "b")
    pager.settle()
    pager.tell(Disconnected())
    pager.press(*["b"] * 46)
    pager.wait(3)
    return pager


def gone() -> Pager:
    pager = scraper()
    pager.press("b", "b")
    pager.settle()
    pager.daemon.runs["scrape-1"].first_seq = 280
    pager.tell(Gap("scrape-1", 1, 279))
    return pager


def stalled() -> Pager:
    pager = scraper()
    pager.tell(Stalled("scrape-1", "the disk is full"))
    return pager


def typing() -> Pager:
    pager = scraper()
    pager.press("/", *"time")
    return pager


def several_runs() -> Pager:
    daemon = FakeDaemon("scrape-1", "scrape-2", "build")
    pager = Pager(daemon)
    for number in range(1, 60):
        daemon.clock_us += 700_000
        name = ("scrape-1", "scrape-2", "build")[number % 3 if number % 4 else 0]
        daemon.append(name, [f"step {number} of {name}"], "INFO" if number % 5 else "WARN")
    for name in daemon.runs:
        pager.tell(RunStarted(name))
    pager.settle()
    pager.press("b")
    pager.settle()
    pager.daemon.append("build", ["came since"] * 3)
    pager.push()
    for key in "33ddd":
        pager.press(key)
        pager.settle()
    pager.wait(3)
    return pager


def help_sheet() -> Pager:
    pager = scraper()
    pager.press("h")
    return pager


def people() -> Pager:
    pager = few()
    emits = {
        "uid": 0,
        "job_pid": 4711,
        "source": "w3",
        "since_us": START_US,
        "records": 1234,
        "command": "./scrape",
    }
    pager.tell(Presence((Present("job", "emitter", emits), watcher("pts/1"), watcher("pts/2"))))
    pager.wait(75)
    pager.press("P")
    return pager


def help_wide() -> Pager:
    pager = scraper(60, 200)
    pager.press("h")
    return pager


def narrow() -> Pager:
    pager = scraper(12, 30)
    pager.press("b")
    pager.settle()
    pager.wait(3)
    return pager


def paused_and_resized() -> Pager:
    pager = scraper()
    pager.press("b", "j", "m", "a", "j", "j")
    pager.settle()
    pager.tell(Resized(30, 100))
    pager.wait(3)
    return pager


SITUATIONS: list[Callable[[], Pager]] = [
    empty,
    few,
    follow_wide,
    scraper,
    just_paused,
    paused_with_new,
    skipped,
    filtered,
    nothing_matches,
    found,
    chopped,
    detail,
    opened,
    ended,
    started_again,
    reconnecting,
    gone,
    stalled,
    typing,
    several_runs,
    help_sheet,
    people,
    help_wide,
    narrow,
    paused_and_resized,
]


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.__name__)
def test_a_screen_is_as_it_was_looked_at(situation: Callable[[], Pager]) -> None:
    pager = situation()
    rows, columns = pager.state.rows, pager.state.columns
    edge = "+" + "-" * columns + "+\n"
    shown = edge + "".join(f"|{line}{' ' * (columns - columns_of(line))}|\n" for line in pager.lines) + edge
    assert len(pager.lines) == rows
    roles = {attribute.role for cells in view(pager.state).rows for attribute, _ in cells}
    assert {role for role in roles if not re.fullmatch("run.[1-9]", role)} <= set(ROLES)
    path = GOLDEN / f"{situation.__name__}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(shown, "utf-8")
    assert shown == path.read_text("utf-8")


def test_what_was_searched_for_is_seen() -> None:
    pager = found()
    hits = [text for cells in view(pager.state).rows for attribute, text in cells if attribute.role == "hit"]
    assert hits == ["q=log"] * 5


def test_no_golden_screen_is_left_over() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == {situation.__name__ for situation in SITUATIONS}
