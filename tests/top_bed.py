"""The screen of all runs without a terminal or a daemon: what is told to it is what a daemon would."""

from __future__ import annotations

from typing import Any

from logctl.screen.events import Ticked
from logctl.screen.table import Wanted
from logctl.top.model import Listed, RunsChanged, State, TotalsChanged, start, update
from logd.client.tables import TableCopy
from logd.protocol import Items

EPOCH_US = 1_795_000_000_000_000


def listed(name: str, **values: Any) -> dict[str, Any]:
    """A run as the reply to `runs` has it."""
    given: dict[str, Any] = {"name": name, "state": "ended", "exit_status": None, "records": 12, "bytes": 500}
    given |= {"warnings": 0, "errors": 0, "stalled": "", "first_time_us": EPOCH_US, "last_time_us": EPOCH_US}
    return {**given, "records_per_second": 0.0, "max_bytes": None, "max_age_seconds": None, **values}


def live(**values: Any) -> dict[str, Any]:
    """A run as the table of those in use has it."""
    given: dict[str, Any] = {"state": "running", "first_seq": 1, "head": 7, "generation": 1, "exit_status": None}
    given |= {"records_per_second": 0.0, "begun_us": 5, "begun_seq": 1, "last_time_us": EPOCH_US, "stalled": ""}
    given |= {"warnings": 0, "errors": 0, "emitters": 1, "viewers": 0, "progress": None, "left_seconds": None}
    return {**given, "queue": None, **values}


class Screen:
    """The state, and what it asked for."""

    def __init__(self, rows: int = 24, columns: int = 80, wanted: Wanted = Wanted()) -> None:  # noqa: B008
        self.state: State = start(wanted, rows=rows, columns=columns, now=0.0, epoch_us=EPOCH_US)
        self.effects: list[Any] = []
        self._table = TableCopy()
        self._used: dict[str, Any] = {}

    def tell(self, *events: Any) -> None:
        for event in events:
            self.state, effects = update(self.state, event, self.state.now)
            self.effects += effects

    def list(self, *runs: dict[str, Any]) -> None:
        self.tell(Listed(runs))

    def use(self, **runs: dict[str, Any] | None) -> None:
        """These runs are in use, and others as before; None is in use no more."""
        changes = self._table.take(Items(1, runs, whole=not self._table.is_known))
        self.tell(RunsChanged(tuple(changes or ())))

    def total(self, **values: Any) -> None:
        given: dict[str, Any] = {"records_per_second": 0.0, "bytes_per_second": 0.0, "pending_bytes": 0, "emitters": 0}
        given |= {"viewers": 0, "connections": 1, "free_bytes": 2**30, "store_error": ""}
        self.tell(TotalsChanged({**given, **values}))

    def pass_seconds(self, seconds: float) -> None:
        """Let time pass, and tell the time whenever that is wanted."""
        end = self.state.now + seconds
        while (wakes_at := self.state.wakes_at) is not None and wakes_at <= end:
            self.state, effects = update(self.state, Ticked(), wakes_at)
            self.effects += effects
        self.state, _ = update(self.state, Ticked(), end)
