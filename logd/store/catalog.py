"""The catalog: what the folders of runs cannot tell, and a copy of what they can, in one SQLite file.

The folders are the truth about records. The catalog is the truth about who wrote them (sessions), a run's own limits,
and its board; of what a folder tells it remembers a few figures, so that a list of all runs reads no folder. The loss
of the file loses who wrote, not what was written.

A run's figures are in the file only while nobody changes its folder: `begin_use` forgets them, before the first change,
and `end_use` gives the new ones, behind the last. Where a daemon dies between the two, they are to be read from the
folder again, and no others. After a power failure (see `database`) those of a run that was used in the seconds before
may be too low until it is used again.

At each opening the runs are compared with the folders' names: a new file has them all, with figures that are not known.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from logd.errors import NotFound, UsageError
from logd.store.database import Database, checked, transaction
from logd.store.tables import SCHEMA, Item, RunFigures, RunRow, SessionRow, item_row, run_row, session_row, signed

__all__ = ["MAX_ITEMS_OF_RUN", "MAX_SESSIONS_OF_RUN", "Catalog", "Item", "RunFigures", "RunRow", "SessionRow"]

MAX_SESSIONS_OF_RUN = 1000
"""Sessions of a run that have ended: a script may emit once a second for years. The first ended go first."""
MAX_ITEMS_OF_RUN = 10_000
"""Keys on a run's board: what a reader can still take in whole. One more is refused."""

_RUNS = """
SELECT *, COALESCE((
    SELECT lost FROM sessions WHERE run = name AND ended_us IS NOT NULL ORDER BY ended_us DESC, key DESC LIMIT 1
), 0) FROM runs
"""


class Catalog(Database):
    """The catalog of a state directory's runs, for any thread. Blocks on the disk: call it in a thread.

    All methods raise StoreError where the disk says no.

    Args:
        path: the file, which need not be there; it is opened by the first call.
        run_names: gives the names of the runs' folders: at each opening, and in `sync`. A folder is made before its
            run's first `begin_use` or `begin_session`.
    """

    _SCHEMA = SCHEMA
    _SCHEMA_VERSION = 2

    def __init__(self, path: Path, run_names: Callable[[], Iterable[str]]) -> None:
        super().__init__(path)
        self._run_names = run_names
        self._in_use: set[str] = set()

    # Runs

    @transaction
    def row(self, run: str) -> RunRow | None:
        found = self._execute(f"{_RUNS} WHERE name = ?", run).fetchone()
        return run_row(found) if found else None

    @transaction
    def page(self, after: str, limit: int) -> list[RunRow]:
        """At most `limit` runs in the order of their names, from the first after `after`."""
        found = self._execute(f"{_RUNS} WHERE name > ? ORDER BY name LIMIT ?", after, limit)
        return list(map(run_row, found))

    @transaction
    def oldest_first(self) -> list[RunRow]:
        """All runs that are known to have bytes, by the time of their newest record."""
        found = self._execute(f"{_RUNS} WHERE size_bytes > 0 ORDER BY last_time_us, name")
        return list(map(run_row, found))

    @transaction
    def totals(self) -> tuple[int, int]:
        """How many runs there are, and how many bytes those have together whose figures are known."""
        ((runs, size_bytes),) = self._execute("SELECT COUNT(*), TOTAL(size_bytes) FROM runs")
        return runs, int(size_bytes)

    @transaction
    def begin_use(self, run: str) -> None:
        """Somebody is about to change a run's folder. Uses do not nest: the first user begins, the last one ends.

        Where it cannot be kept, the run counts as in use all the same.
        """
        self._begin_use(run)

    @transaction
    def end_use(self, run: str, figures: RunFigures | None) -> None:
        """Nobody changes a run's folder any more; it is left with these figures (None: they have to be read)."""
        self._end_use(run, figures)

    @transaction
    def set_figures(self, run: str, figures: RunFigures) -> None:
        """Keep what a run's folder told, which was read because the figures were not known.

        What was read is dropped where it may be too old: the run is in use, or was, and its figures are known now.
        """
        unknown = self._execute("SELECT 1 FROM runs WHERE name = ? AND head IS NULL", run).fetchone()
        if unknown and run not in self._in_use:
            self._write_figures(run, figures)

    @transaction
    def set_limits(self, run: str, max_bytes: int | None, max_age_seconds: float | None) -> None:
        """Set a run's own limits. NotFound where there is no such run."""
        self._require(run)
        self._execute(
            "UPDATE runs SET max_bytes = ?, max_age_seconds = ? WHERE name = ?", max_bytes, max_age_seconds, run
        )

    @transaction
    def set_counts(self, counts: Mapping[str, tuple[int, int]]) -> None:
        """Keep how many warnings and errors runs have had. One that is not there is not missed."""
        for run, (warnings, errors) in counts.items():
            self._execute("UPDATE runs SET warnings = ?, errors = ? WHERE name = ?", warnings, errors, run)

    @transaction
    def remove_run(self, run: str) -> None:
        """Forget a run, with its sessions and its board. Its folder is removed before, or `sync` brings it back."""
        self._in_use.discard(run)
        self._execute("DELETE FROM runs WHERE name = ?", run)

    @transaction
    def sync(self) -> None:
        """Add runs that have a folder, with figures not known, and remove those that have none and are not in use."""
        self._refill()

    # Sessions

    @transaction
    def begin_session(self, run: str, session: SessionRow) -> None:
        """A session begins, which begins the use of its run. One that is there runs again, and goes on counting."""
        self._begin_use(run)
        self._execute(
            """
            INSERT INTO sessions (run, key, uid, pid, host, command, source, logger, fields, started_us)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET
                uid = excluded.uid, pid = excluded.pid, host = excluded.host, command = excluded.command,
                source = excluded.source, logger = excluded.logger, fields = excluded.fields,
                ended_us = NULL, exit_status = NULL
            """,
            *(run, signed(session.key), *session[1:7], json.dumps(session.fields), session.started_us),
        )

    @transaction
    def end_session(
        self,
        run: str,
        key: int,
        *,
        ended_us: int,
        exit_status: int | None,
        records: int,
        figures: RunFigures | None = None,
        lost: bool = False,
    ) -> None:
        """A session ends. One that is not there, as the file was lost since, is not missed.

        Args:
            lost: whether its emitter is gone without having said that it ends.
            records: how many it stored since it began, this time.
            figures: of the run, where its use ends with the session; None where it goes on.
        """
        self._execute(
            """
            UPDATE sessions SET ended_us = ?, exit_status = ?, records = records + ?, lost = ?
            WHERE run = ? AND key = ?
            """,
            *(ended_us, exit_status, records, int(lost), run, signed(key)),
        )
        self._execute(
            """
            DELETE FROM sessions WHERE run = ?1 AND key IN (
                SELECT key FROM sessions WHERE run = ?1 AND ended_us IS NOT NULL
                ORDER BY ended_us DESC, key DESC LIMIT -1 OFFSET ?2
            )
            """,
            *(run, MAX_SESSIONS_OF_RUN),
        )
        if lost or exit_status is not None:
            self._execute("UPDATE runs SET exit_status = ? WHERE name = ?", exit_status, run)
        if figures is not None:
            self._end_use(run, figures)

    @transaction
    def interrupt_session(self, run: str, key: int, *, records: int) -> None:
        """The daemon stops, and with it a session, which runs on as far as anybody knows: see `mark_lost`."""
        self._execute("UPDATE sessions SET records = records + ? WHERE run = ? AND key = ?", records, run, signed(key))

    @transaction
    def sessions(self, run: str, limit: int) -> list[SessionRow]:
        """At most `limit` sessions of a run: those that run, by when they began, then the others, by when they ended;
        the newest first."""
        found = self._execute(
            """
            SELECT * FROM sessions WHERE run = ?
            ORDER BY ended_us IS NOT NULL, COALESCE(ended_us, started_us) DESC, key DESC LIMIT ?
            """,
            *(run, limit),
        )
        return list(map(session_row, found))

    @transaction
    def session_started_us(self, run: str, key: int) -> int | None:
        """When a session first began; None for one that is not known."""
        found = self._execute("SELECT * FROM sessions WHERE run = ? AND key = ?", run, signed(key)).fetchone()
        return session_row(found).started_us if found else None

    @transaction
    def mark_lost(self, now_us: int) -> dict[str, set[int]]:
        """At the daemon's start: sessions that still run do so no more, and nobody ended them.

        Returns:
            Their keys, by run.
        """
        lost: dict[str, set[int]] = {}
        for row in self._execute("SELECT run, key FROM sessions WHERE ended_us IS NULL").fetchall():
            run, key = checked(row, (str, int))
            lost.setdefault(run, set()).add(key % 2**64)
        self._execute(
            "UPDATE runs SET exit_status = NULL WHERE name IN (SELECT run FROM sessions WHERE ended_us IS NULL)"
        )
        self._execute("UPDATE sessions SET ended_us = ?, lost = 1 WHERE ended_us IS NULL", now_us)
        return lost

    # Boards

    @transaction
    def set_items(self, run: str, values: Mapping[str, Any], now_us: int) -> None:
        """Set what a run's board has for some keys, to values that JSON has a form for; None removes one.

        Raises:
            NotFound: there is no such run.
            UsageError: the board would have more than MAX_ITEMS_OF_RUN keys; it stays as it was.
        """
        self._require(run)
        self._execute_many(
            """
            INSERT INTO items (run, key, value, updated_us) VALUES (?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET value = excluded.value, updated_us = excluded.updated_us
            """,
            [(run, key, json.dumps(value), now_us) for key, value in values.items() if value is not None],
        )
        for key, value in values.items():
            if value is None:  # it need not be there
                self._execute("DELETE FROM items WHERE run = ? AND key = ?", run, key)
        ((count,),) = self._execute("SELECT COUNT(*) FROM items WHERE run = ?", run)
        if count > MAX_ITEMS_OF_RUN:
            raise UsageError(f"the board of run {run} would have {count} items; it can have {MAX_ITEMS_OF_RUN}")

    @transaction
    def items(self, run: str) -> dict[str, Item]:
        """A run's board, in the order of its keys."""
        found = self._execute("SELECT key, value, updated_us FROM items WHERE run = ? ORDER BY key", run)
        return dict(map(item_row, found))

    # Parts of transactions

    def _begin_use(self, run: str) -> None:
        self._in_use.add(run)
        self._execute("INSERT INTO runs (name) VALUES (?) ON CONFLICT DO NOTHING", run)
        self._write_figures(run, None)

    def _end_use(self, run: str, figures: RunFigures | None) -> None:
        self._in_use.discard(run)
        self._write_figures(run, figures)

    def _write_figures(self, run: str, figures: RunFigures | None) -> None:
        self._execute(
            """
            UPDATE runs SET first_seq = ?, head = ?, size_bytes = ?, first_time_us = ?, last_time_us = ?
            WHERE name = ?
            """,
            *(*(figures or (None,) * len(RunFigures._fields)), run),
        )

    def _require(self, run: str) -> None:
        if not self._execute("SELECT 1 FROM runs WHERE name = ?", run).fetchone():
            raise NotFound(f"there is no run {run}")

    def _refill(self) -> None:
        # Under the lock: no run becomes known meanwhile, whose folder would seem to be missing.
        known = {name for (name,) in self._execute("SELECT name FROM runs")}
        there = set(self._run_names())
        self._execute_many("INSERT INTO runs (name) VALUES (?)", [(name,) for name in there - known])
        self._execute_many("DELETE FROM runs WHERE name = ?", [(name,) for name in known - there - self._in_use])
