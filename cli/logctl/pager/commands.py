"""What can be typed behind `:`. A command may be shortened as long as it is still the only one."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final, NamedTuple

from logctl.pager.events import Save, ShowRuns
from logctl.pager.goals import remember, seek, shown_filter
from logctl.pager.seeking import Aim, Target
from logctl.pager.state import Sheet, Source
from logctl.pager.turns import Turn
from logctl.screen.events import Quit
from logctl.when import parse_when
from logd.errors import UsageError
from logd.record import Severity, severity_from_word


class Command(NamedTuple):
    name: str
    argument: str
    """What it takes, for the help; "" for nothing, in brackets if it need not be given."""
    text: str
    run: Callable[[Turn, str], None]


def run_command(turn: Turn, typed: str) -> None:
    """Do what was typed; a note says what is wrong with it."""
    name, _, argument = typed.strip().partition(" ")
    argument = argument.strip()
    if not name:
        return
    if match := re.fullmatch(r"([0-9]{1,15})(%?)", name):
        _seq_or_percent(turn, int(match[1]), is_percent=bool(match[2]))
        return
    found = [command for command in COMMANDS if command.name == name]
    found = found or [command for command in COMMANDS if command.name.startswith(name)]
    if len(found) != 1:
        names = " or ".join([command.name for command in found])
        turn.note(f":{name} is short for {names}" if found else f":{name} is no command · :help shows them")
    elif not argument and found[0].argument and not found[0].argument.startswith("["):
        turn.note(f":{found[0].name} needs {found[0].argument}")
    else:
        found[0].run(turn, argument)


def _level(turn: Turn, word: str) -> None:
    severity = severity_from_word(word) if word and word != "all" else 0
    if severity is None:
        turn.note(f"{word} is no level; one of {', '.join([each.name.lower() for each in Severity if each])} is")
    else:
        seek(turn, Target(Aim.STAY), replace(shown_filter(turn.state), min_severity=int(severity)))


def _grep(turn: Turn, pattern: str) -> None:
    seek(turn, Target(Aim.STAY), shown_filter(turn.state).with_typed(pattern))


def _source(turn: Turn, source: str) -> None:
    seek(turn, Target(Aim.STAY), replace(shown_filter(turn.state), source=source))


def _stream(turn: Turn, stream: str) -> None:
    seek(turn, Target(Aim.STAY), replace(shown_filter(turn.state), stream=stream))


def _time(turn: Turn, when: str) -> None:
    state = turn.state
    now = datetime.fromtimestamp((state.epoch_us + state.now * 1e6) / 1e6)
    try:
        time_us = parse_when(when, now)
    except UsageError as error:
        turn.note(str(error))
        return
    _go(turn, Target(Aim.TIME, at_us=time_us))


def _seq(turn: Turn, text: str) -> None:
    if re.fullmatch("[0-9,]{1,20}", text):
        _seq_or_percent(turn, int(text.replace(",", "") or 0), is_percent=False)
    else:
        turn.note(f"{text} is no record's number")


def _seq_or_percent(turn: Turn, number: int, *, is_percent: bool) -> None:
    state = turn.state
    run = state.current[0] if state.current is not None else next(iter(state.shown_runs), "")
    if not run:
        return
    reel = state.document.reel(run)
    if is_percent:
        number = reel.first_seq + (reel.head - reel.first_seq) * min(number, 100) // 100
    _go(turn, Target(Aim.SEQ, run, max(1, min(number, reel.head))))


def _go(turn: Turn, target: Target) -> None:
    turn.set_follow(False, Source.JUMP)
    remember(turn)
    seek(turn, target, shown_filter(turn.state))


def _save(turn: Turn, path: str) -> None:
    turn.do(Save(path, turn.state.shown_runs, turn.state.document.filter))


COMMANDS: Final = (
    Command("level", "[LEVEL]", "show only records of a level or worse; without one, all", _level),
    Command("grep", "[RE]", "show only records that match RE2, as & does; !RE: that do not", _grep),
    Command("source", "[NAME]", "show only records from a source", _source),
    Command("stream", "[NAME]", "show only records from a stream", _stream),
    Command("time", "WHEN", "to a time: 14:05, yesterday 14:00, 10m ago", _time),
    Command("seq", "N", "to record N; also :N, and :N%", _seq),
    Command("save", "FILE", "write what is shown, all of it, to a file", _save),
    Command("runs", "", "the list of runs", lambda turn, _: turn.do(ShowRuns())),
    Command("help", "", "what keys do", lambda turn, _: turn.change(sheet=Sheet("help"))),
    Command("quit", "", "quit", lambda turn, _: turn.do(Quit())),
)
