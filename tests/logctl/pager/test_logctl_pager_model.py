"""What a random machine meets too seldom: replies and pushes that cross what the user does."""

from __future__ import annotations

import pytest
from pager_bed import START_US, FakeDaemon, Pager, attached, row

from logctl.pager.events import Arrived, Cleared, FollowTurned, Gap, Piece, ReadFailed, Removed, RunEnded, Truncated
from logctl.pager.state import NOTE_SECONDS
from logctl.pager.tiling import Blank, Kind
from logctl.pager.trimming import MAX_HELD_BYTES, MAX_HELD_RECORDS
from logctl.screen.events import Disconnected, Resized


def current(pager: Pager) -> int:
    assert pager.state.current is not None
    return pager.state.current[1]


def far_away() -> Pager:
    """At the top of a long run, of which the end is not held any more but for the newest."""
    pager = attached(30_000)
    pager.press("g")
    pager.settle()
    for _ in range(3):
        pager.press(*["f"] * 200)
        pager.settle()
    return pager


# Who acted last


def test_what_belongs_to_an_earlier_action_is_dropped() -> None:
    pager = attached(20_000)
    pager.press("g")
    first = pager.asked.pop()
    pager.press(*"9999G")
    pager.settle()
    assert current(pager) == 9999
    before = pager.state
    pager.tell(pager.daemon.read(first))
    assert pager.state.document is before.document and current(pager) == 9999
    assert first.request in pager.cancelled


def test_toggling_while_the_end_is_read_stays_where_it_is() -> None:
    pager = far_away()
    pager.daemon.append("job", ["new"] * 5000)
    pager.press("F", "F")
    assert not pager.state.follow
    shown = pager.lines[:-1]
    while pager.asked:
        pager.answer()
    assert pager.lines[:-1] == shown


def test_scrolling_while_a_jump_is_under_way_calls_it_off() -> None:
    pager = attached(20_000)
    pager.press("b")
    pager.settle()
    pager.press("g", "k")
    pager.settle()
    assert current(pager) > 19_000


def test_a_filter_goes_on_while_one_scrolls() -> None:
    pager = attached(2000)
    pager.press("b")
    pager.settle()
    pager.press("&", *"9$", "enter", "k", "k")
    pager.settle()
    assert pager.state.document.filter.patterns == ("9$",)
    assert all(seq % 10 == 9 for seq in pager.seqs)


def test_a_pattern_that_is_none_leaves_the_filter_as_it_was() -> None:
    pager = attached(100)
    pager.press("&", *"(", "enter")
    pager.tell(ReadFailed(pager.asked.pop().request, "missing ): ("))
    assert pager.status == " missing ): (" and not pager.state.document.filter
    pager.wait(3)
    assert "[x] Follow" in pager.status


def test_a_run_that_is_cleared_while_it_is_filtered_has_what_is_gone_for_gone() -> None:
    """Though the side that was read before says of less."""
    pager = attached(50)
    pager.press("b")
    pager.settle()
    pager.press("&", *"line", "enter")
    assert len(pager.asked) == 2, "one for each side"
    pager.answer()
    run = pager.daemon.runs["job"]
    run.first_seq = run.head + 1
    pager.tell(Cleared("job"))
    while pager.asked:
        pager.answer()
    assert pager.state.document.filter
    assert [span.kind for span in pager.state.document.reel("job").spans if isinstance(span, Blank)] == [Kind.GONE]


def test_what_comes_while_it_is_filtered_is_not_taken_for_what_does_not_match() -> None:
    pager = Pager(FakeDaemon("job", scan_records=3))
    pager.daemon.append("job", ["one"] * 40)
    pager.settle()
    pager.press(*"&two", "enter")
    pager.answer()
    pager.daemon.append("job", ["two"] * 5)
    pager.settle()
    assert pager.seqs == [41, 42, 43, 44, 45]


def test_what_comes_between_the_two_sides_of_a_time_is_not_taken_for_gone() -> None:
    pager = Pager(FakeDaemon("job"))
    pager.press(*":time 11:07", "enter")
    pager.answer()
    pager.daemon.append("job", ["before that"] * 5)
    pager.push()
    pager.answer()
    assert pager.state.document.reel("job").first_seq == 1
    pager.settle()
    assert pager.seqs == [1, 2, 3, 4, 5]


def test_a_filter_that_matches_little_is_shown_before_all_is_read() -> None:
    pager = attached(20_000)
    pager.daemon.scan_records = 100
    pager.press("&", *"line 19990", "enter")
    pager.answer()
    assert not pager.state.document.filter and "filtering" in pager.text
    pager.wait(0.6)
    assert pager.state.document.filter
    assert pager.lines[-2].endswith("line 19990") and "not looked through yet" in pager.lines[-3]
    while pager.asked and len(pager.asked) < 5 and "19,3" not in pager.text:
        pager.answer()
        if pager.state.document.reel("job").spans[0].next_seq < 10_000:
            break
    assert pager.lines[-2].endswith("line 19990")


# Follow


@pytest.mark.parametrize("pauses", ["ctrl c", "F", "end", "c"])
def test_pausing_moves_nothing(pauses: str) -> None:
    pager = attached(300)
    pager.daemon.append("job", ["a long line, which is wrapped; " * 20, "one\ntwo\nthree\nfour"])
    pager.push()
    shown = pager.lines[:-1]
    if pauses == "end":
        pager.tell(RunEnded("job", 302, 0))
    else:
        pager.press(pauses)
    assert [line.replace("▸", " ") for line in pager.lines[:-1]] == shown
    pager.daemon.append("job", ["new"] * 50)
    pager.settle()
    if pauses != "c":
        assert not pager.state.follow
        assert [line.replace("▸", " ") for line in pager.lines[:-1]] == shown


def test_follow_shows_now_and_not_a_replay() -> None:
    pager = far_away()
    pager.daemon.append("job", ["new"] * 5000)
    pager.press("F")
    pager.settle()
    assert pager.seqs[-1] == 35_000 and pager.state.anchor is None
    assert sum(isinstance(effect, FollowTurned) for effect in pager.effects) == 2


def test_the_newest_records_are_a_key_away() -> None:
    """They are held wherever one reads, so that the screen is there before anything is read."""
    pager = far_away()
    assert pager.state.document.held[0] <= MAX_HELD_RECORDS
    pager.press("F")
    assert pager.seqs == list(range(29_978, 30_001))


def test_the_end_is_read_where_it_was_cut_off() -> None:
    pager = attached(20)
    pager.daemon.window = 5
    pager.daemon.append("job", ["flood"] * 500)
    pager.push()
    pager.daemon.cut("job", 510)
    pager.tell(Truncated("job", 510))
    pager.settle()
    assert pager.state.follow and pager.seqs[-1] == 510


def test_no_scrolling_passes_by_what_was_skipped_unseen() -> None:
    pager = Pager(FakeDaemon("job", window=50), rows=12)
    for _ in range(3):
        pager.daemon.append("job", ["flood"] * 1000)
        pager.push()
    pager.press("ctrl c", *"100k")
    assert "950 records skipped" in pager.lines[0] and pager.seqs[0] == 2951
    pager.press("b")
    assert "950 records skipped" in pager.lines[0] and "reading" in pager.status
    pager.settle()
    before = pager.seqs[0]
    assert before == 2950
    for _ in range(11):
        pager.type("100k")
    assert pager.seqs[0] == before - 1100
    pager.tell(Disconnected())
    for _ in range(20):
        pager.press(*"500k")  # what is held can be read all the same
    assert pager.seqs[0] < 1000


def test_what_comes_late_while_somebody_reads_is_behind_and_marked() -> None:
    pager = Pager(FakeDaemon("one", "two"))
    pager.daemon.append("one", ["first"])
    pager.settle()
    pager.press("ctrl c")
    for seconds, name, message in ((5, "one", "of five"), (2, "two", "of two"), (6, "two", "of six")):
        at_us = START_US + seconds * 1_000_000
        piece = Piece(2 if name == "one" or seconds == 6 else 1, 1, at_us, row(message, time_us=at_us) + b"\n")
        pager.tell(Arrived(name, (piece,), piece.next_seq, piece.first_seq))
    pager.press(" ")
    shown = [line for line in pager.lines if " of " in line]
    assert [line[1:5] + line.split()[-1] for line in shown] == ["one five", "two~two", "two six"]


def test_what_is_pushed_while_the_end_of_several_runs_is_read_is_shown() -> None:
    daemon = FakeDaemon("one", "two")
    daemon.append("one", [f"line {number}" for number in range(3000)])
    daemon.append("two", [f"line {number}" for number in range(3000)])
    pager = Pager(daemon)
    pager.settle()
    pager.press("g")
    pager.settle()
    pager.press("F")
    replies = [daemon.read(asked) for asked in pager.asked]
    pager.asked.clear()
    daemon.append("one", ["the newest"])
    pager.push()
    for reply in replies:
        pager.tell(reply)
    pager.settle()
    assert pager.lines[-2].endswith("the newest")


# What is gone


def test_a_reply_from_before_records_were_cut_off_is_not_believed() -> None:
    pager = attached(2000)
    pager.press("ctrl c", "b")
    pager.settle()
    pager.daemon.append("job", ["old"] * 50)
    pager.push()
    pager.press("G")
    stale = [pager.daemon.read(asked) for asked in pager.asked]
    pager.asked.clear()
    pager.daemon.cut("job", 2010)
    pager.tell(Truncated("job", 2010))
    pager.daemon.append("job", ["other"] * 50)
    for reply in stale:
        pager.tell(reply)
    pager.settle()
    assert pager.state.document.reel("job").head == 2060
    pager.press("G")
    pager.settle()
    assert pager.lines[-3].endswith("other") and "old" not in "".join(pager.lines[-30:-25])


def test_the_nearest_survivor_stands_where_a_record_is_gone() -> None:
    pager = attached(1000)
    pager.press(*"500G")
    pager.settle()
    row = pager.state.screen.anchor_row
    pager.daemon.runs["job"].first_seq = 601
    pager.tell(Gap("job", 1, 600))
    assert current(pager) == 601 and pager.state.screen.anchor_row == row
    assert "not there any more" in pager.status
    pager.wait(NOTE_SECONDS + 1)
    pager.daemon.runs["job"].first_seq = 701
    pager.tell(Gap("job", 601, 100))
    assert current(pager) == 701 and pager.state.screen.anchor_row == row
    assert "not there any more" in pager.status


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (Cleared("job"), "job was cleared"),
        (Removed("job"), "job was removed"),
        (Gap("job", 1, 100), "All records are gone"),
    ],
)
def test_where_all_is_gone_it_says_so(event: Cleared | Removed | Gap, said: str) -> None:
    pager = attached(100)
    pager.press("b")
    pager.settle()
    pager.daemon.runs["job"].first_seq = 101
    pager.tell(event)
    assert said in pager.status and "100 records not there any more" in pager.text


def test_a_filter_and_back_is_where_one_was() -> None:
    pager = attached(1000)
    pager.press(*"500G")
    pager.settle()
    shown = pager.lines[:-1]
    pager.enter("&line .*7$")
    assert current(pager) == 497 and "does not match" in pager.status
    pager.enter("&")
    assert pager.lines[:-1] == shown


def test_narrow_and_wide_again_is_where_one_was() -> None:
    pager = attached()
    pager.daemon.append("job", [f"{number} " + "many words " * 40 for number in range(100)])
    pager.push()
    pager.press("b", "k", "k", "k")
    pager.settle()
    shown = pager.lines[:-1]
    for columns, rows in ((30, 24), (200, 60), (12, 3), (80, 24)):
        pager.tell(Resized(rows, columns))
        pager.settle()
    assert pager.lines[:-1] == shown


# The ends


def test_every_record_can_be_reached() -> None:
    pager = attached(50, rows=12)
    pager.press("g")
    pager.settle()
    assert pager.seqs[0] == 1
    pager.press(*"kkkkkkkkkk")
    assert current(pager) == 1 and pager.seqs[0] == 1
    pager.press(*"3j")
    assert pager.seqs[0] == 4
    pager.press("G")
    pager.settle()
    pager.press(*"jjjjjjjjjj")
    assert current(pager) == 50 and pager.seqs[-1] == 50


def test_a_short_run_stands_at_the_bottom_and_stays_there() -> None:
    pager = attached(3)
    shown = pager.lines[:-1]
    for key in ("ctrl c", "g", "b", "k", "j", "G", "f"):
        pager.press(key)
        pager.settle()
        assert [line.replace("▸", " ") for line in pager.lines[:-1]] == shown


# Bounds


def test_no_more_is_held_than_may_be_however_far_one_scrolls() -> None:
    pager = attached(30_000)
    for _ in range(60):
        pager.press(*["b"] * 20)
        pager.settle()
        assert pager.state.document.held[0] <= MAX_HELD_RECORDS
    assert current(pager) < 20_000


def test_few_long_records_are_held() -> None:
    pager = attached(1)
    for number in range(60):
        first_seq = 2 + number * 10
        rows = b"".join([b'{"time":"2026-11-18T11:06:40.000000Z","msg":"%s"}\n' % (b"x" * 60_000)] * 10)
        piece = Piece(first_seq, 10, 1, rows)
        pager.tell(Arrived("job", (piece,), first_seq + 10, first_seq + 9))
    assert pager.state.document.held[1] <= MAX_HELD_BYTES
    assert pager.seqs[-1] == 601
