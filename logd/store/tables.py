"""The catalog's tables, and their rows as others see them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import NoneType
from typing import Any, Literal, NamedTuple

from logd.store.database import Damaged, checked

SCHEMA = """
CREATE TABLE runs (
    name             TEXT PRIMARY KEY,
    first_seq        INTEGER,  -- this and the next four: NULL where not known, as for a run in use
    head             INTEGER,
    size_bytes       INTEGER,
    first_time_us    INTEGER,
    last_time_us     INTEGER,
    exit_status      INTEGER,
    max_bytes        INTEGER,
    max_age_seconds  REAL,
    warnings         INTEGER NOT NULL DEFAULT 0,
    errors           INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

CREATE TABLE sessions (
    run          TEXT NOT NULL REFERENCES runs ON DELETE CASCADE,
    key          INTEGER NOT NULL,
    uid          INTEGER NOT NULL,
    pid          INTEGER NOT NULL,
    host         TEXT NOT NULL,
    command      TEXT NOT NULL,
    source       TEXT NOT NULL,
    logger       TEXT NOT NULL,
    fields       TEXT NOT NULL,  -- JSON
    started_us   INTEGER NOT NULL,
    ended_us     INTEGER,  -- NULL while it runs
    exit_status  INTEGER,
    records      INTEGER NOT NULL DEFAULT 0,
    lost         INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (run, key)
) WITHOUT ROWID;
CREATE INDEX sessions_by_end ON sessions (run, ended_us);

CREATE TABLE items (
    run         TEXT NOT NULL REFERENCES runs ON DELETE CASCADE,
    key         TEXT NOT NULL,
    value       TEXT NOT NULL,  -- JSON
    updated_us  INTEGER NOT NULL,
    PRIMARY KEY (run, key)
) WITHOUT ROWID
"""

_INTEGER, _NUMBER = (int, NoneType), (int, float, NoneType)
_RUN_TYPES = (str, *7 * (_INTEGER,), _NUMBER, *3 * (int,))
_SESSION_TYPES = (str, *3 * (int,), *5 * (str,), int, *2 * (_INTEGER,), *2 * (int,))
_ITEM_TYPES = (str, str, int)


class RunFigures(NamedTuple):
    """What a run's folder tells: its first and its newest record's seq, its size, and the times of the two."""

    first_seq: int
    head: int
    size_bytes: int
    first_time_us: int | None
    last_time_us: int | None


class RunRow(NamedTuple):
    name: str
    figures: RunFigures | None
    """None: not known. The run is in use, or its folder is to be read."""
    exit_status: int | None
    """The last that a session of it gave; None where one was lost since."""
    max_bytes: int | None
    """This limit and the next are the run's own; None where it has none."""
    max_age_seconds: float | None
    warnings: int = 0
    """How many there were since the run was made, or cleared."""
    errors: int = 0
    lost: bool = False
    """Whether the session that ended last was lost."""


class SessionRow(NamedTuple):
    key: int
    """As `session_key` has it."""
    uid: int
    pid: int
    host: str
    command: str
    source: str
    logger: str
    fields: Mapping[str, Any]
    started_us: int
    """When it first began."""
    ended_us: int | None = None
    """None while it runs; of a lost one, when the loss was noticed."""
    exit_status: int | None = None
    records: int = 0
    """How many it stored until it last ended."""
    state: Literal["running", "ended", "lost"] = "running"
    """Lost: it vanished, or ran when the daemon died, and has not begun again."""


class Item(NamedTuple):
    """What a run's board has for a key."""

    value: Any
    updated_us: int


def signed(key: int) -> int:
    """A session's key as SQLite's integers can be."""
    return key - 2**64 if key >= 2**63 else key


def run_row(values: tuple[Any, ...]) -> RunRow:
    name, *figures, exit_status, max_bytes, max_age_seconds, warnings, errors, lost = checked(values, _RUN_TYPES)
    known = RunFigures(*figures) if None not in figures[:3] else None
    return RunRow(name, known, exit_status, max_bytes, max_age_seconds, warnings, errors, bool(lost))


def session_row(values: tuple[Any, ...]) -> SessionRow:
    _, *told, lost = checked(values, _SESSION_TYPES)
    row = SessionRow(*told)
    fields = _parsed(row.fields)
    if not isinstance(fields, dict):
        raise Damaged("a session's fields are no map")
    state: Literal["running", "ended", "lost"] = "running" if row.ended_us is None else "lost" if lost else "ended"
    return row._replace(key=row.key % 2**64, fields=fields, state=state)


def item_row(values: tuple[Any, ...]) -> tuple[str, Item]:
    key, value, updated_us = checked(values, _ITEM_TYPES)
    return key, Item(_parsed(value), updated_us)


def _parsed(text: Any) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Damaged("a row has text that should be JSON") from None
