"""Runs as commands are given them: names, and patterns such as `scrape-*` that are matched against all names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from logd import console
from logd.client import Client, list_runs
from logd.errors import LogdError, NotFound, Refused
from logd.protocol import ErrorCode
from logd.record import check_run_name


def is_pattern(name: str) -> bool:
    return any(character in name for character in "*?[")


def runs_named(client: Client, names: Sequence[str]) -> tuple[list[str], int]:
    """The runs that names and patterns stand for, each once, in the order that they are named in.

    Returns:
        The runs, of which those that are named plainly need not exist; and 1 where no run matches a pattern, which is
        then said on standard error, or else 0.

    Raises:
        UsageError: a name is one that no run can have.
    """
    for name in names:
        if not is_pattern(name):
            check_run_name(name)
    if not any(map(is_pattern, names)):
        return list(dict.fromkeys(names)), 0
    from fnmatch import filter as matching

    every = [str(run["name"]) for run in list_runs(client)]
    found: list[str] = []
    status = 0
    for name in names:
        runs = matching(every, name) if is_pattern(name) else [name]
        if not runs:
            console.complain(f"no run matches {name}")
            status = 1
        found += runs
    return list(dict.fromkeys(found)), status


def not_found(client: Client, run: str) -> NotFound:
    """The error that there is no such run, which names those that come closest."""
    from difflib import get_close_matches

    names = [str(each["name"]) for each in list_runs(client)]
    close = get_close_matches(run, names, n=3, cutoff=0.5)
    if close:
        hint = "closest are " + ", ".join(close)
    else:
        hint = "`logctl runs` lists those that there are" if names else "there are no runs yet"
    return NotFound(f"there is no run {run}", hint=hint)


def explained(client: Client, run: str, error: Refused) -> LogdError:
    """A refusal that is about one run, as its user is told of it."""
    if error.code == ErrorCode.NO_SUCH_RUN:
        return not_found(client, run)
    if error.code == ErrorCode.RUN_IN_USE:
        hint = f"it can be when its last emitter has ended; `logctl clear {run}` removes what it has"
        return Refused(error.code, f"run {run} is running, and is not removed", hint=hint)
    return error


def for_each(client: Client, runs: Iterable[str], action: Callable[[str], None]) -> int:
    """Do something with each run; where one is refused, say so, and go on with the next.

    Returns:
        The exit status: 1 where any was refused.
    """
    status = 0
    for run in runs:
        try:
            action(run)
        except Refused as error:
            shown = explained(client, run, error)
            console.complain(shown.message, shown.hint)
            status = shown.exit_status
    return status
