"""The list of runs: what is shown, and what keys do in it."""

from __future__ import annotations

from typing import Any

from logctl.pager.listing import Listing
from logctl.pager.runs_list import RunsList, view_of_runs

NOW_US = 1_795_000_000_000_000


def run(name: str, state: str = "ended", age_seconds: int = 0, **values: Any) -> dict[str, Any]:
    figures = {"stalled": "", "exit_status": None, "records": 12_345, "bytes": 1 << 20, "records_per_second": 0.0}
    return {"name": name, "state": state, "last_time_us": NOW_US - age_seconds * 1_000_000, **figures, **values}


RUNS = [
    run("old", age_seconds=7200, exit_status=1),
    run("new", age_seconds=60),
    run("busy", "running", 3, records_per_second=120.0),
]


def test_what_runs_is_first_and_then_what_was_written_last() -> None:
    listed = RunsList.of(RUNS, NOW_US, current="new")
    shown = view_of_runs(listed, 6, 60).text().splitlines()
    assert [line.split()[:2] for line in shown[1:4]] == [["busy", "running"], ["▸", "new"], ["old", "ended"]]
    assert "ended 1" in shown[3]
    stalled = run("job", "silent", stalled="full", exit_status=1)
    assert "silent !" in view_of_runs(RunsList.of([stalled], NOW_US), 6, 60).text()
    assert shown[5] == " 3 runs · Enter opens · q closes"


def test_keys_move_open_and_close() -> None:
    listed = RunsList.of(RUNS, NOW_US)
    assert listed.press("j", 10).chosen == 1
    assert listed.press("k", 10).chosen == 0
    assert listed.press("G", 10).chosen == 2
    assert listed.press("page down", 10).chosen == 2
    assert listed.press("down", 10).press("enter", 10).opens == "new"
    for key in ("q", "esc", "T", "ctrl c"):
        assert listed.press(key, 10).closes
    assert listed.press("x", 10) == listed


def table(head: int, state: str = "running", **values: Any) -> dict[str, Any]:
    """A run in use as the topic `runs` has it."""
    return {
        "state": state,
        "first_seq": 1,
        "stalled": "",
        "head": head,
        "exit_status": None,
        "records_per_second": 0.0,
        **values,
    }


def test_what_is_told_changes_runs_where_they_are_and_what_is_new_is_first() -> None:
    listed = RunsList.of(RUNS, NOW_US, current="old")
    later = NOW_US + 10_000_000
    told = listed.told(Listing(changed={"old": table(12_346), "fresh": table(7), "new": None}), later)
    shown = view_of_runs(told, 8, 60).text().splitlines()
    assert [line.split()[:2] for line in shown[1:4]] == [["fresh", "running"], ["busy", "running"], ["new", "ended"]]
    assert shown[4].split() == ["▸", "old", "running", "12,346", "1.0", "MiB", "0", "s", "ago"]
    assert "13 s ago" in shown[2]  # whose age grows though nothing is told of it
    ended = told.told(Listing(changed={"old": table(12_346, "ended", exit_status=3)}), later)
    assert "▸ old    ended 3" in view_of_runs(ended, 8, 60).text()


def test_what_is_chosen_stays_so_whatever_comes_and_goes() -> None:
    listed = RunsList.of(RUNS, NOW_US, current="new")
    told = listed.told(Listing([run("before"), *RUNS]), NOW_US)
    assert (told.chosen_name, told.chosen) == ("new", 2)
    gone = told.told(Listing([run("old"), run("busy")]), NOW_US)
    assert [each["name"] for each in gone.runs] == ["busy", "old"] and gone.chosen_name == "old"
    assert gone.told(Listing([]), NOW_US).press("enter", 10).opens == ""
    away = gone.told(Listing(connected=False), NOW_US)
    assert "reconnecting…" in view_of_runs(away, 8, 60).text() and away.runs == gone.runs


def test_a_click_chooses_and_another_opens_and_the_wheel_moves() -> None:
    listed = RunsList.of(RUNS, NOW_US)
    assert listed.click(3, 10).chosen_name == "old"
    assert listed.click(3, 10).click(3, 10).opens == "old"
    for row in (0, 4, 9):
        assert listed.click(row, 10) == listed
    assert listed.moved(3).chosen == 2 and listed.moved(-3).chosen == 0


def test_the_chosen_run_is_on_the_screen_however_small_that_is() -> None:
    listed = RunsList.of([run(f"run-{number:03}", age_seconds=number) for number in range(100)], NOW_US)
    for number in (0, 50, 99):
        listed = RunsList(listed.runs, NOW_US, number)
        for rows in (3, 10, 24):
            view = view_of_runs(listed, rows, 40)
            assert len(view.rows) == rows
            assert f"▸ run-{number:03}" in view.text()
    assert "There are no runs yet" in view_of_runs(RunsList.of([], NOW_US), 5, 80).text()
