"""Who is present, as people are told of it."""

from __future__ import annotations

import os
from typing import Any

import pytest

from logctl.people import user_name
from logctl.presence import all_of, event, present_of, tables, told, told_viewers, viewers
from logd.client.tables import Change

ME = user_name(os.getuid())
NOW_US = 1_000_000_000


def viewer(**values: Any) -> dict[str, Any]:
    return {
        "pid": 7,
        "uid": os.getuid(),
        "terminal": "pts/3",
        "client": "logctl attach 1",
        "since_us": NOW_US - 90_000_000,
        "mode": "view",
        "paused": False,
        "filter": "",
        "lag_records": 0,
        "lag_seconds": 0.0,
        **values,
    }


def emitter(**values: Any) -> dict[str, Any]:
    given = {"pid": 8, "uid": os.getuid(), "job_pid": 9, "host": "h", "command": "./scrape", "source": "w3"}
    return {**given, "since_us": NOW_US - 5_000_000, "records": 12345, **values}


def test_all_are_listed_by_run() -> None:
    items = {
        "b/viewer/1/1": viewer(paused=True, lag_records=1024, lag_seconds=2.14, filter="level>=WARN"),
        "a/viewer/2/1": viewer(terminal=""),
        "a/emitter/3/1": emitter(),
    }
    emitters, viewers = tables(all_of(items), NOW_US).split("\n\n")
    assert emitters.splitlines() == [
        "1 emitter",
        f"RUN  SOURCE  PID  {'USER':{len(ME)}}  SINCE  RECORDS  COMMAND",
        f"a    w3        9  {ME:4}  5 s     12,345  ./scrape",
    ]
    first, second = viewers.splitlines()[2:]
    assert first.split() == ["a", ME, "7", "1", "m", "following"]
    assert second.endswith("paused     1,024 records, 2.1 s  level>=WARN")


def test_nobody_is_nothing() -> None:
    assert tables([], NOW_US) == ""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (Change("a/viewer/1/1", None, viewer()), f"a: {ME} (pts/3) watches"),
        (Change("a/viewer/1/1", viewer(terminal=""), None), f"a: {ME} (pid 7) watches no more"),
        (Change("a/viewer/1/1", viewer(), viewer(paused=True)), f"a: {ME} (pts/3) has paused"),
        (Change("a/viewer/1/1", viewer(paused=True), viewer()), f"a: {ME} (pts/3) follows again"),
        (Change("a/emitter/1/1", None, emitter()), "a: w3 (pid 9, ./scrape) emits"),
        (Change("a/emitter/1/1", emitter(source="", job_pid=0, command=""), None), f"a: {ME} emits no more"),
        (Change("a/viewer/1/1", viewer(), viewer(lag_records=1)), None),
        (Change("a/emitter/1/1", emitter(), emitter(records=1)), None),
    ],
)
def test_who_comes_and_goes_is_told_and_mere_counts_are_not(change: Change, said: str | None) -> None:
    found = event(change)
    assert (told(*found) if found is not None else None) == said


def test_people_are_one_each_whatever_they_watch() -> None:
    anna, more = present_of("a/viewer/1/1", viewer()), present_of("b/viewer/1/2", viewer(paused=True))
    script = present_of("a/viewer/2/1", viewer(terminal=""))
    assert len(viewers([anna, more, script, present_of("a/emitter/3/1", emitter())])) == 1
    assert told_viewers([anna], [more, script]) == ""


def test_people_who_come_and_go_are_told_together() -> None:
    people = [present_of(f"a/viewer/{number}/1", viewer(terminal=f"pts/{number}")) for number in range(4)]
    assert told_viewers([], people[:1]) == f"{ME} (pts/0) watches"
    assert told_viewers(people[:1], people[1:]) == f"{ME} (pts/1) and 2 more watch, {ME} (pts/0) watches no more"
    assert told_viewers(people, people[:2]) == f"{ME} (pts/2) and 1 more watch no more"


def test_what_somebody_says_of_itself_cannot_drive_a_terminal() -> None:
    bad = "\x1b]0;x\x07"
    items = {"a/viewer/1/1": viewer(terminal=bad, filter=bad), "a/emitter/1/1": emitter(source=bad, command=bad)}
    assert "\x1b" not in tables(all_of(items), NOW_US)
    assert all("\x1b" not in told("join", present_of(key, value)) for key, value in items.items())
