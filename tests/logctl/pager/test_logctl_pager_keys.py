from __future__ import annotations

import shutil
import subprocess

import pytest
from pager_bed import FakeDaemon, Pager, attached

from logctl.pager import actions
from logctl.pager.commands import COMMANDS
from logctl.pager.events import CaptureMouse, Copy, Effect, FollowTurned, OpenEditor, Save, ShowRuns
from logctl.pager.filters import Filter
from logctl.pager.help import help_rows, manual
from logctl.pager.keys import ACTIONS, THEMES
from logctl.pager.layout import Times
from logctl.screen.events import Quit, Repaint, Suspend
from logctl.screen.keys import shown_key, shown_keys


def test_every_key_has_an_action_and_every_action_a_key() -> None:
    assert actions.ACTIONS.keys() == set(ACTIONS.values())
    assert actions.ACTIONS.keys() >= actions.IN_SHEET


def test_no_key_has_two_meanings() -> None:
    keys = [key for theme in THEMES for binding in theme.bindings for key in binding.keys]
    assert len(keys) == len(set(keys))


# What each does to a run of 200 records, of which a screen of 11 rows shows 95 to 105; 100 is current.


def reading() -> Pager:
    pager = attached(200, rows=12)
    pager.press(*"100G")
    pager.settle()
    assert pager.seqs == list(range(95, 106))
    pager.effects.clear()
    return pager


@pytest.mark.parametrize(
    ("keys", "first"),
    [
        ("j", 96),
        ("down", 96),
        ("ctrl n", 96),
        ("k", 94),
        ("y", 94),
        ("up", 94),
        ("5 j", 100),
        ("1 2 k", 83),
        ("f", 105),
        ("page down", 105),
        ("3 f", 98),
        ("b", 85),
        ("meta v", 85),
        ("d", 100),
        ("u", 90),
        ("g", 1),
        ("home", 1),
        ("<", 1),
        ("G", 190),
        ("end", 190),
        (">", 190),
        ("3 0 g", 25),
        ("3 0 G", 25),
        ("2 5 %", 45),
        ("0 j", 96),
        ("n", 95),
        ("k j k j", 95),
        ("m a G ' a", 95),
        ("G ' '", 95),
        ("G g ' ' ' '", 1),
    ],
)
def test_a_key_moves_the_screen(keys: str, first: int) -> None:
    pager = reading()
    for key in [" ".join(each) for each in _named(keys)]:
        pager.press(key)
        pager.settle()
    assert pager.seqs[0] == first
    assert not pager.state.follow


def _named(keys: str) -> list[list[str]]:
    """Keys apart by spaces; some have names of two words."""
    words, named = keys.split(), list[list[str]]()
    while words:
        two = words[0] in ("page", "ctrl", "meta") and len(words) > 1
        named.append(words[: 1 + two])
        words = words[1 + two :]
    return named


@pytest.mark.parametrize(
    ("key", "effect"),
    [
        ("q", Quit()),
        ("r", Repaint()),
        ("ctrl l", Repaint()),
        ("T", ShowRuns()),
        ("ctrl z", Suspend()),
        ("f2", CaptureMouse(True)),
        ("c", Copy("2026-11-18 11:06:40.001 line 100")),
        ("v", OpenEditor("2026-11-18 11:06:40.001 line 100")),
    ],
)
def test_a_key_asks_for_something(key: str, effect: Effect) -> None:
    pager = reading()
    pager.press(key)
    assert pager.effects == [effect]


def test_times_wrapping_and_the_mouse_go_round() -> None:
    pager = reading()
    pager.press("t")
    assert pager.state.times is Times.RELATIVE
    assert "+0:00:00.000" in pager.text
    pager.press("t")
    assert "11:06" not in pager.text and "+0:00" not in pager.text
    pager.press("t", "S", "right")
    assert (pager.state.times, pager.state.wrap, pager.state.left) == (Times.ABSOLUTE, False, 40)
    pager.press("-", "S", "right")
    assert (pager.state.wrap, pager.state.left) == (True, 0)
    pager.press("f2", "f2")
    assert pager.effects == [CaptureMouse(True), CaptureMouse(False)]


# Following


@pytest.mark.parametrize("key", ["k", "y", "b", "u", "g", "5%", "/line 3", "e", "ctrl c", "F", "enter"])
def test_leaving_the_end_pauses_at_once(key: str) -> None:
    pager = attached(200)
    if len(key) > 1 and key[0] in "/5":
        pager.press(*key, *(["enter"] if key[0] == "/" else []))
    else:
        pager.press(key)
    assert not pager.state.follow
    assert pager.daemon.paused
    assert "F resumes" in pager.status or "looking" in pager.text or pager.state.sheet


@pytest.mark.parametrize("key", ["j", " ", "d", "G", "t", "l", "h", "m"])
def test_other_keys_do_not(key: str) -> None:
    pager = attached(200)
    pager.press(key)
    assert pager.state.follow


def test_the_end_once_more_follows() -> None:
    pager = attached(200)
    pager.press("g")
    pager.settle()
    pager.press("G")
    pager.settle()
    assert not pager.state.follow and pager.seqs[-1] == 200
    pager.daemon.append("job", ["new"] * 100)
    pager.push()
    pager.press("G")
    pager.settle()
    assert pager.state.follow and pager.seqs[-1] == 300


def test_scrolling_to_the_end_does_not_follow() -> None:
    pager = attached(200)
    pager.press("b", " ", " ", " ")
    pager.wait(10)
    assert not pager.state.follow and pager.seqs[-1] == 200


def test_scrolling_to_the_end_follows_after_a_rest_where_that_is_wanted() -> None:
    pager = attached(200, resumes_at_bottom=True)
    pager.press("b", " ")
    pager.wait(0.2)
    assert not pager.state.follow
    assert pager.state.wakes_at is not None
    pager.wait(0.15)
    assert pager.state.follow
    turned = [effect for effect in pager.effects if isinstance(effect, FollowTurned)]
    assert [(each.follow, each.source) for each in turned] == [(False, "scrolled_away"), (True, "at_bottom")]


def test_pausing_at_the_end_stays_paused_where_rest_at_the_end_follows() -> None:
    pager = attached(200, resumes_at_bottom=True)
    pager.press("ctrl c")
    pager.wait(10)
    assert not pager.state.follow


def test_an_interrupt_never_quits() -> None:
    pager = attached(200)
    pager.press(*["ctrl c"] * 5)
    assert not any(isinstance(effect, Quit) for effect in pager.effects)


# Commands


@pytest.mark.parametrize(
    ("typed", "filter"),
    [
        (":level warn", Filter(min_severity=13)),
        (":lev err", Filter(min_severity=17)),
        (":grep 1.0", Filter(("1.0",))),
        ("&1.0", Filter(("1.0",))),
        (":source w1", Filter(source="w1")),
        (":stream stderr", Filter(stream="stderr")),
    ],
)
def test_a_command_filters_and_without_a_value_shows_all(typed: str, filter: Filter) -> None:
    pager = reading()
    pager.enter(typed)
    assert pager.state.document.filter == filter
    assert pager.daemon.filter == filter
    pager.enter("&" if typed[0] == "&" else typed.partition(" ")[0])
    assert not pager.state.document.filter
    assert pager.seqs == list(range(95, 106))


@pytest.mark.parametrize(("typed", "first"), [(":seq 50", 45), (":50", 45), (":25%", 45), (":seq 1,50", 145)])
def test_a_command_goes_to_a_record(typed: str, first: int) -> None:
    pager = reading()
    pager.enter(typed)
    assert pager.seqs[0] == first


def test_a_command_goes_to_a_time() -> None:
    pager = attached(200)
    pager.daemon.clock_us += 3600_000_000
    pager.daemon.append("job", ["later"] * 200)
    pager.push()
    pager.enter(":time 12:00")
    assert pager.state.current is not None and pager.state.current[1] == 201
    assert not pager.state.follow


def test_a_command_saves_all_that_is_shown() -> None:
    pager = reading()
    pager.enter("&2$")
    pager.press(*":save out.log", "enter")
    assert pager.effects == [Save("out.log", ("job",), Filter(("2$",)))]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (":nothing", "no command"),
        (":s", "short for"),
        (":level loud", "loud is no level; one of trace, debug, info, warn, error, fatal is"),
        (":foo", ":foo is no command · :help shows them"),
        (":seq x", "no record's number"),
        (":time never", "is not a time"),
        (":save", "needs FILE"),
        ("'z", "no mark z"),
        ("-x", "no option -x"),
    ],
)
def test_a_command_that_cannot_be_says_so(typed: str, said: str) -> None:
    pager = reading()
    pager.press(*typed, *(["enter"] if typed[0] == ":" else []))
    assert said in pager.status


def test_prompts_are_edited_and_remembered() -> None:
    pager = reading()
    pager.press("/", *"line 9x", "backspace", "home", "right", "delete", *"i")
    assert pager.state.prompt is not None and pager.state.prompt.text == "line 9"
    assert pager.status.startswith("/line 9")
    pager.press("enter")
    pager.settle()
    pager.press("/", "up")
    assert pager.state.prompt is not None and pager.state.prompt.text == "line 9"
    pager.press("ctrl u", "backspace")
    assert pager.state.prompt is None


def test_a_filter_may_be_of_what_does_not_match() -> None:
    pager = reading()
    pager.enter("&!line .*[0-8]$")
    assert len(pager.seqs) == 11 and all(seq % 10 == 9 for seq in pager.seqs)
    pager.wait(3)
    assert "&!/line .*[0-8]$/" in pager.status
    pager.enter("/line")
    assert "/line/ is not found" not in pager.status
    pager.enter("&")
    assert "&" not in pager.status and len(pager.seqs) == 11


def test_it_says_where_one_is() -> None:
    pager = reading()
    pager.press("=")
    assert " job: record 100 of 1 to 200 · 2026-11-18 11:06:40.001" in pager.status


def test_a_key_that_is_none_says_so() -> None:
    pager = reading()
    pager.press("z")
    assert "z does nothing here · h shows what keys do" in pager.status


# Searching


def test_a_search_goes_on_and_back() -> None:
    pager = reading()
    found = []
    for keys in (["/", *"line 1.5$", "enter"], ["n"], ["n"], ["N"], ["?", "enter"], ["n"]):
        pager.press(*keys)
        pager.settle()
        assert pager.state.current is not None
        found.append(pager.state.current[1])
    assert found == [105, 115, 125, 115, 105, 105]
    assert "is not found before this" in pager.status


def test_a_search_takes_a_count() -> None:
    pager = reading()
    pager.enter("/line 1.5$")
    found = []
    for keys in ("3n", "2N", "400n", "2N"):
        pager.type(keys)
        assert pager.state.current is not None
        found.append(pager.state.current[1])
        if keys == "400n":
            assert "/line 1.5$/ is found only 8 times: this is the last" in pager.status
    assert found == [135, 115, 195, 175]


def test_a_search_that_finds_nothing_says_what_may_be_why() -> None:
    pager = reading()
    pager.enter("/LINE 1.5$")
    assert "/LINE 1.5$/ is not found after this · N looks before it · -i ignores case" in pager.status
    pager.type("N")
    assert "/LINE 1.5$/ is not found before this · n looks after it · -i ignores case" in pager.status
    pager.type("e")
    assert "an error is not found after this · E looks before it" in pager.status
    pager.press("-", "i")
    pager.type("n")
    assert pager.state.current is not None and pager.state.current[1] == 105
    pager.enter("/NO")
    assert "/NO/ is not found after this" in pager.status and "-i" not in pager.status
    pager.press("-", "i")
    pager.enter(r"/\W\d{9}")
    assert "-i" not in pager.status


@pytest.mark.parametrize("columns", [40, 80])
def test_chopped_lines_scroll_so_that_what_is_found_is_seen(columns: int) -> None:
    daemon = FakeDaemon("job")
    daemon.append("job", ["short needle", "x" * 500 + " needle " + "y" * 500, "first\nz\n" + "z" * 90 + "needle\nlast"])
    pager = Pager(daemon, columns=columns)
    pager.settle()
    pager.press("S")
    pager.enter(":seq 1")
    lefts: list[int] = []
    for keys in ("/needle", "/", "?", "?"):
        pager.enter(keys)
        assert any("needle" in line for line in pager.lines[:-1])
        lefts.append(pager.state.left)
    assert lefts[3] == 0 < lefts[1] < lefts[0] == lefts[2] < 501


def test_what_is_found_on_the_screen_moves_nothing() -> None:
    pager = reading()
    pager.enter("/line 103")
    assert pager.seqs == list(range(95, 106))
    assert pager.state.current is not None and pager.state.current[1] == 103


def test_a_long_search_tells_how_far_it_is_and_is_cancelled() -> None:
    pager = reading()
    pager.daemon.scan_records = 10
    pager.press("/", *"nowhere", "enter")
    for _ in range(5):
        pager.answer()
    pager.wait(3)
    assert "looking for /nowhere/ 5" in pager.status
    pager.press("ctrl c")
    assert pager.cancelled == [pager.asked[0].request]
    before = pager.state.document
    pager.answer()
    assert pager.state.document is before and not pager.asked


def test_what_is_in_folded_lines_is_found_and_opened() -> None:
    pager = attached(5)
    pager.daemon.append("job", ["Traceback\n  one\n  two\nValueError"])
    pager.push()
    pager.enter("/two")
    assert "  two" in pager.text
    pager.press("o")
    assert "⋯ 2 lines ⋯ ValueError" in pager.text


# Help


def test_the_help_and_the_manual_name_every_key_and_command() -> None:
    shown = "\n".join("".join(text for _, text in row) for row in help_rows(80))
    wide = "\n".join("".join(text for _, text in row) for row in help_rows(200))
    for theme in THEMES:
        assert theme.title in shown and f".Ss {theme.title}\n" in manual()
        for binding in theme.bindings:
            assert shown_keys(binding) in shown and shown_keys(binding) in wide
            assert binding.text in shown and binding.text in wide
    for command in COMMANDS:
        assert f":{command.name}" in shown and f".It Ic :{command.name}" in manual()
    assert manual().isascii()


@pytest.mark.skipif(shutil.which("mandoc") is None, reason="mandoc is not there")
def test_the_manual_is_mdoc() -> None:
    page = ".Dd November 21, 2026\n.Dt PAGER 1\n.Os\n.Sh NAME\n.Nm pager\n.Nd keys\n.Sh KEYS\n" + manual()
    mandoc = ["mandoc", "-T", "lint", "-W", "warning"]
    done = subprocess.run(mandoc, input=page, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_keys_are_shown_as_people_write_them() -> None:
    assert [shown_key(key) for key in ("ctrl f", "meta v", " ", "page up", "k", "f1")] == [
        "^F",
        "M-v",
        "Space",
        "PgUp",
        "k",
        "F1",
    ]


def test_the_help_scrolls_and_closes() -> None:
    pager = reading()
    pager.press("h")
    first = pager.text
    pager.press(" ")
    assert pager.text != first and "Help" in pager.status
    pager.press("G", "G", "G")
    assert pager.status.startswith(" Help · 7")
    pager.press("q")
    assert pager.seqs == list(range(95, 106)) and not pager.effects
