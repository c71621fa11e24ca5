"""Who emits into runs, and who watches them, as lines and tables: pure, of the daemon's table of presence.

A key is "scrape-1/viewer/7/2": the run, what they do there, their connection, and which of its doings it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from logctl.figures import counted, human_age, human_count, table
from logctl.people import user_name
from logctl.terminal_text import escape_text
from logd.client.tables import Change

Value = Mapping[str, Any]

_EMITTER_HEADERS = ("RUN", "SOURCE", "PID", "USER", "SINCE", "RECORDS", "COMMAND")
_VIEWER_HEADERS = ("RUN", "USER", "TERMINAL", "PID", "SINCE", "DOES", "LAG", "FILTER")


class Present(NamedTuple):
    """One who emits or watches."""

    run: str
    role: str
    """emitter or viewer"""
    value: Value


def present_of(key: str, value: Value) -> Present:
    run, role, *_ = key.split("/")
    return Present(run, role, value)


def all_of(items: Mapping[str, Value]) -> list[Present]:
    """All who are there, by run, and the first to come first."""
    everyone = [present_of(key, value) for key, value in items.items()]
    return sorted(everyone, key=lambda each: (each.run, each.value["since_us"]))


def tables(everyone: Sequence[Present], now_us: int) -> str:
    """Who is there, for people: a table of those who emit, and one of those who watch; "" where nobody is."""
    emitters = [_emitter_row(each, now_us) for each in everyone if each.role == "emitter"]
    viewers = [_viewer_row(each, now_us) for each in everyone if each.role == "viewer"]
    shown = []
    if emitters:
        shown.append(f"{counted(len(emitters), 'emitter')}\n{table(_EMITTER_HEADERS, emitters, {2, 5})}")
    if viewers:
        shown.append(f"{counted(len(viewers), 'viewer')}\n{table(_VIEWER_HEADERS, viewers, {3})}")
    return "\n\n".join(shown)


def _emitter_row(each: Present, now_us: int) -> tuple[str, ...]:
    value = each.value
    return (
        each.run,
        _said(value["source"]),
        str(value["job_pid"] or ""),
        user_name(value["uid"]),
        _since(value, now_us),
        human_count(value["records"]),
        _said(value["command"]),
    )


def _viewer_row(each: Present, now_us: int) -> tuple[str, ...]:
    value = each.value
    return (
        each.run,
        user_name(value["uid"]),
        _said(value["terminal"]),
        str(value["pid"] or ""),
        _since(value, now_us),
        does(value),
        lag(value),
        _said(value["filter"]),
    )


def _since(value: Value, now_us: int) -> str:
    return human_age((now_us - value["since_us"]) / 1e6)


def _said(text: str) -> str:
    return escape_text(text, colour=False)


def does(value: Value) -> str:
    """What a viewer does."""
    return "paused" if value["paused"] else "following"


def lag(value: Value) -> str:
    """How far a viewer is behind: "1,024 records, 2.1 s"; "" where it has all there is."""
    if not value["lag_records"]:
        return ""
    seconds = f", {value['lag_seconds']:.1f} s" if value["lag_seconds"] else ""
    return counted(value["lag_records"], "record") + seconds


def who(each: Present) -> str:
    """Somebody in a few words: "anna (pts/3)", "w3 (pid 4711, ./scrape)"."""
    value = each.value
    if each.role == "viewer":
        at = _said(value["terminal"]) or (f"pid {value['pid']}" if value["pid"] else "elsewhere")
        return f"{user_name(value['uid'])} ({at})"
    named = _said(value["source"]) or user_name(value["uid"])
    said = ", ".join(filter(None, [f"pid {value['job_pid']}" if value["job_pid"] else "", _said(value["command"])]))
    return f"{named} ({said})" if said else named


def event(change: Change) -> tuple[str, Present] | None:
    """What has happened by a change, in a word, and to whom: join, leave, pause or follow; None for mere counts."""
    key, before, after = change
    if after is None:
        return ("leave", present_of(key, before)) if before is not None else None
    if before is None:
        return "join", present_of(key, after)
    if before.get("paused") != after.get("paused"):
        return "pause" if after["paused"] else "follow", present_of(key, after)
    return None


def viewers(everyone: Iterable[Present]) -> dict[tuple[Any, ...], Present]:
    """People at a terminal who watch, each once, however many runs they watch and however often they begin anew."""
    watching = [each for each in everyone if each.role == "viewer" and each.value["terminal"]]
    return {(each.value["uid"], each.value["pid"], each.value["terminal"]): each for each in watching}


def told_viewers(before: Iterable[Present], after: Iterable[Present]) -> str:
    """Which people have come and gone: "anna (pts/3) and 2 more watch"; "" where nobody has."""
    were, are = viewers(before), viewers(after)
    came = [who(are[person]) for person in are.keys() - were.keys()]
    left = [who(were[person]) for person in were.keys() - are.keys()]
    return ", ".join(filter(None, [_told_viewers(came, "watch"), _told_viewers(left, "watch", " no more")]))


def _told_viewers(people: list[str], verb: str, more: str = "") -> str:
    match len(people):
        case 0:
            return ""
        case 1:
            return f"{people[0]} {verb}es{more}"
        case count:
            return f"{min(people)} and {count - 1} more {verb}{more}"


_SAID = {
    ("join", "viewer"): "watches",
    ("leave", "viewer"): "watches no more",
    ("pause", "viewer"): "has paused",
    ("follow", "viewer"): "follows again",
    ("join", "emitter"): "emits",
    ("leave", "emitter"): "emits no more",
}


def told(happened: str, each: Present) -> str:
    """An event for people: "scrape-1: anna (pts/3) watches"."""
    return f"{each.run}: {who(each)} {_SAID[happened, each.role]}"


def events(changes: Iterable[Change]) -> list[tuple[str, Present]]:
    """What has happened by changes, without mere counts."""
    return [found for change in changes if (found := event(change)) is not None]
