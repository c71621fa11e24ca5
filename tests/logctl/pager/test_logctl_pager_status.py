from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from pager_bed import FakeDaemon, FakeRun, Pager, attached, watcher

from logctl.pager.events import (
    Arrived,
    Board,
    Counted,
    FollowTurned,
    Presence,
    Resumed,
    RunEnded,
    RunStarted,
    RunWaiting,
    Stalled,
    Subscribe,
    Told,
)
from logctl.pager.model import start, update
from logctl.pager.status import status
from logctl.screen.events import Clicked, Disconnected, FocusChanged, Reconnected, Wheel


def wide(pager: Pager) -> str:
    """The status line where there is room for all of it."""
    return "".join(text for _, text in status(replace(pager.state, columns=300)).segments)


def running(count: int = 100) -> Pager:
    pager = attached(count)
    pager.tell(RunStarted("job"))
    return pager


@pytest.mark.parametrize(
    ("happens", "said"),
    [
        (lambda pager: None, " job running  [x] Follow  100/100 100%"),
        (lambda pager: pager.wait(21), " job silent for 21 s  [x] Follow  100/100 100%"),
        (lambda pager: pager.tell(RunEnded("job", 100, 2)), " job ended 2  [ ] Follow  100/100 100%"),
        (lambda pager: pager.tell(RunEnded("job", 100)), " job ended  [ ] Follow  100/100 100%"),
        (lambda pager: pager.tell(RunWaiting("job")), " waiting for job to start  [x] Follow  100/100 100%"),
        (lambda pager: pager.tell(Stalled("job", "full")), " job cannot be stored: full  [x] Follow  100/100 100%"),
        (lambda pager: pager.tell(Disconnected()), " job running  [x] Follow  reconnecting…  100/100 100%"),
        (lambda pager: pager.tell(Board("job", "pages 45%")), " job running  [x] Follow  100/100 100%  pages 45%"),
        (lambda pager: pager.tell(RunEnded("job", 100, lost=True)), " job lost  [ ] Follow  100/100 100%"),
        (
            lambda pager: pager.tell(Presence((watcher("pts/1"),))),
            " job running  [x] Follow  100/100 100%  1 other watches",
        ),
        (
            lambda pager: pager.tell(Presence((watcher("pts/1"), watcher("pts/1"), watcher("pts/2"), watcher("")))),
            " job running  [x] Follow  100/100 100%  2 others watch",
        ),
        (lambda pager: pager.press("1", "2"), " job running  [x] Follow  100/100 100%  :12"),
        (
            lambda pager: (pager.press("ctrl c"), pager.tell(Counted("job", 1, 12_445))),
            " job running  [ ] Follow  100/12,445 0%  ↓ 12,345 new",
        ),
        (
            lambda pager: pager.tell(Arrived("job", (), 5101, 5100, 5000, 2.13)),
            " job running  [x] Follow  100/5,100 1%  5,000 skipped  lag 2.1 s",
        ),
    ],
)
def test_the_status_line_says_how_things_are(happens: Callable[[Pager], object], said: str) -> None:
    pager = running()
    happens(pager)
    assert wide(pager) == said


def test_a_run_is_silent_since_its_newest_record_however_long_one_looks() -> None:
    daemon = FakeDaemon("job")
    daemon.append("job", ["long ago"])
    pager = Pager(daemon)
    pager.now = 40.5
    pager.tell(RunStarted("job"))
    pager.settle()
    assert " job silent for 40 s " in wide(pager)
    pager.tell(Arrived("job", (), 3, 2))  # what a filter leaves out is heard, too
    assert " job running " in wide(pager)


def test_what_does_not_exist_yet_is_waited_for() -> None:
    pager = Pager(FakeDaemon(), patterns=("scrape-*", "build"))
    assert " waiting for scrape-* or build to start  [x] Follow" in wide(pager)
    pager.daemon.runs["scrape-1"] = FakeRun()
    pager.tell(RunStarted("scrape-1"))
    assert " scrape-1 running  [x] Follow" in wide(pager)
    pager.daemon.runs["scrape-2"] = FakeRun()
    pager.tell(RunWaiting("scrape-2"))
    assert " 2 runs, 1 running, waiting for 1  [x] Follow" in wide(pager)


def test_what_is_new_is_counted_until_it_was_on_the_screen() -> None:
    pager = running()
    pager.press("ctrl c")
    pager.daemon.append("job", ["new"] * 30)
    pager.push()
    assert pager.state.new_count == 30
    pager.settle()
    pager.press(*"jjjjj")
    assert 0 < pager.state.new_count < 30
    pager.press("G")
    pager.settle()
    assert pager.state.new_count == 0
    pager.press("b", "b")
    assert pager.state.new_count == 0


def test_a_filter_counts_what_may_be_new() -> None:
    pager = running()
    pager.enter("&9")
    pager.press("ctrl c")
    pager.daemon.append("job", ["new"] * 30)
    pager.push()
    assert "↓ up to 30 new" in wide(pager)


@pytest.mark.parametrize("columns", range(1, 120))
def test_the_status_line_fits_and_keeps_the_follow_box(columns: int) -> None:
    pager = running()
    pager.enter("&9")
    pager.press("ctrl c")
    pager.daemon.append("job", ["new"] * 3000)
    pager.push()
    shown = status(replace(pager.state, columns=columns))
    said = "".join(text for _, text in shown.segments)
    assert len(said) <= columns
    assert columns < 11 or "[ ] Follow" in said
    for region in shown.regions:
        assert said[region.start : region.end].startswith(("[ ]", "↓")) or columns < 11


# Notes


def test_a_note_stands_for_a_while_and_the_newest_wins() -> None:
    pager = running()
    pager.tell(Told("first"))
    pager.wait(2)
    pager.tell(Told("second"))
    assert pager.status == " second"
    pager.wait(2.4)
    assert pager.status == " second"
    assert pager.state.wakes_at is not None and pager.state.wakes_at <= pager.now + 0.2
    pager.wait(0.2)
    assert "[x] Follow" in pager.status


def test_who_comes_and_goes_is_told_where_nothing_else_is() -> None:
    pager = running()
    pager.tell(Presence((watcher("pts/1"),)))
    assert "1 other watches" in pager.status, "it was there before"
    pager.tell(Presence((watcher("pts/1"), watcher("pts/2"))))
    assert pager.status.endswith("(pts/2) watches")
    pager.tell(Told("saved"))
    pager.tell(Presence((watcher("pts/1"), watcher("pts/2"), watcher("pts/3"))))
    assert pager.status == " saved"
    pager.wait(3)
    pager.tell(Presence(()))
    assert pager.status.endswith("(pts/1) and 2 more watch no more")


def test_who_is_back_with_the_daemon_has_not_come() -> None:
    pager = running()
    pager.tell(Presence((watcher("pts/1"),)))
    pager.tell(Disconnected())
    pager.press("P")
    assert any("not known" in line for line in pager.lines)
    assert "reconnecting…" in pager.status
    pager.press("q")
    pager.tell(Reconnected())
    pager.tell(Presence(()))
    pager.wait(1)
    pager.tell(Presence((watcher("pts/1"),)))
    assert "1 other watches" in pager.status
    pager.wait(5)
    pager.tell(Presence(()))
    assert pager.status.endswith("(pts/1) watches no more")
    pager.tell(Presence((watcher("pts/1"),)))
    assert pager.status.endswith("(pts/1) watches")


def test_it_is_woken_for_what_time_brings_and_never_in_vain() -> None:
    pager = attached(2000)
    assert pager.state.wakes_at is None
    pager.press("g")
    assert pager.state.wakes_at is not None and pager.state.wakes_at > pager.now
    for _ in range(20):
        if (wakes_at := pager.state.wakes_at) is not None:
            assert wakes_at > pager.now
            pager.wait(wakes_at - pager.now)
    assert pager.state.wakes_at is None


# The mouse


def test_a_click_on_the_box_turns_follow_and_on_what_is_new_resumes() -> None:
    pager = running()
    column = pager.status.index("[x]")
    pager.tell(Clicked(23, column))
    assert not pager.state.follow
    pager.daemon.append("job", ["new"] * 30)
    pager.push()
    pager.wait(3)
    pager.tell(Clicked(23, pager.status.index("new")))
    pager.settle()
    assert pager.state.follow and pager.seqs[-1] == 130
    turned = [(each.follow, each.source) for each in pager.effects if isinstance(each, FollowTurned)]
    assert turned == [(False, "click"), (True, "click")]


def test_a_click_elsewhere_on_the_status_line_does_nothing() -> None:
    pager = running()
    pager.tell(Clicked(23, 0))
    assert pager.state.follow


def test_a_click_on_a_note_has_the_status_line_back() -> None:
    pager = running()
    pager.press("ctrl c")
    assert "Follow paused" in pager.status
    pager.tell(Clicked(23, 5))
    assert "[ ] Follow" in pager.status and not pager.state.follow
    pager.tell(Clicked(23, pager.status.index("[ ]")))
    assert pager.state.follow


def test_a_click_on_a_record_has_it_for_the_current_one() -> None:
    pager = running()
    seqs = pager.seqs
    pager.tell(Clicked(3, 10))
    assert pager.seqs == seqs and pager.state.current is not None and pager.state.current[1] == seqs[3]


def test_the_wheel_scrolls_and_pauses() -> None:
    pager = running()
    pager.tell(Wheel(3))
    assert pager.state.follow
    pager.tell(Wheel(-3))
    assert not pager.state.follow and pager.seqs[-1] == 97


# The life of a run, and of the connection


def test_a_run_that_starts_again_is_followed_again() -> None:
    pager = running()
    pager.tell(RunEnded("job", 100, 0, 61))
    assert pager.status == " job has ended with status 0 after 1 m" and not pager.state.follow
    pager.tell(RunStarted("job"))
    assert pager.state.follow
    pager.daemon.append("job", ["again"])
    pager.push()
    assert "── job ended 0 · started again" in pager.lines[-3] and "again" in pager.lines[-2]


def test_a_run_that_starts_again_leaves_alone_who_has_scrolled_since() -> None:
    pager = running()
    pager.tell(RunEnded("job", 100, 0, 61))
    pager.press("k")
    pager.tell(RunStarted("job"))
    assert not pager.state.follow


def test_after_a_reconnection_it_goes_on_where_it_was() -> None:
    pager = running()
    pager.tell(Disconnected())
    pager.press("b", "g")
    assert pager.seqs[0] == 1
    pager.daemon.append("job", ["meanwhile"] * 5)
    pager.tell(Reconnected())
    assert pager.daemon.cursors == {"job": 101} and pager.daemon.paused
    pager.press("F")
    pager.settle()
    assert pager.seqs[-1] == 105 and pager.seqs[-7:] == [99, 100, 101, 102, 103, 104, 105]


def test_what_was_under_way_when_the_connection_was_lost_is_dropped() -> None:
    pager = running()
    pager.press("/", *"line 5", "enter")
    pager.tell(Disconnected())
    assert pager.state.goal is None
    pager.press("n")
    assert "no connection" in pager.status


def test_a_run_that_can_be_stored_again_is_said_to_run() -> None:
    pager = running()
    pager.tell(Stalled("job", "full"))
    pager.tell(Resumed("job"))
    assert wide(pager).startswith(" job running")


def test_it_repaints_seldom_while_nobody_looks() -> None:
    pager = running()
    assert pager.state.repaint_seconds == 0
    pager.tell(FocusChanged(False))
    assert pager.state.repaint_seconds == 1


def test_it_begins_by_following() -> None:
    state, effects = start(["job"], rows=24, columns=80, now=5.0)
    assert state.follow and state.anchor is None
    assert effects == (Subscribe(0, state.document.filter),)
    state, effects = update(state, RunWaiting("job"), 5.0)
    assert not effects


# Several runs


def several() -> Pager:
    daemon = FakeDaemon("one", "two")
    pager = Pager(daemon, rows=12)
    for number in range(2000):
        daemon.append(("one", "two")[number % 2], [f"step {number}"])
    pager.settle()
    return pager


def steps(pager: Pager) -> list[int]:
    return [int(line.rpartition("step ")[2]) for line in pager.lines if "step" in line]


def test_several_runs_are_merged_wherever_one_goes() -> None:
    pager = several()
    assert steps(pager) == list(range(1989, 2000))
    for key in ("g", "3", "b", "d", "u", "f", "f", "f"):
        pager.press(key)
        pager.settle()
        shown = steps(pager)
        assert shown == list(range(shown[0], shown[0] + 11))
    pager.enter(":seq 500")
    shown = steps(pager)
    assert shown == list(range(shown[0], shown[0] + 11)) and 998 in shown
    pager.enter(":50%")
    pager.enter("/step 17.1$")
    assert 1701 in steps(pager) and steps(pager) == list(range(steps(pager)[0], steps(pager)[0] + 11))
    pager.press("F")
    pager.settle()
    pager.wait(3)
    assert steps(pager) == list(range(1989, 2000))


def test_a_digit_hides_a_run_and_shows_it_again() -> None:
    pager = several()
    pager.press("1")
    assert all("two" in line for line in pager.lines[:-1])
    pager.press("2")
    assert "only run" in pager.status
    pager.press("1")
    assert steps(pager) == list(range(1989, 2000))


def test_a_run_that_starts_later_is_shown_too() -> None:
    pager = several()
    pager.daemon.runs["three"] = type(pager.daemon.runs["one"])()
    pager.tell(RunStarted("three"))
    pager.daemon.append("three", ["step 2000"])
    pager.push()
    assert steps(pager)[-1] == 2000 and "three" in pager.lines[-2]
