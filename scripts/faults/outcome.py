"""What a part has found: figures for a table, and faults, of which there should be none."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from faults.records import Found
from logctl.figures import table


@dataclass
class Outcome:
    """Figures are added up over cases, but for those whose name says that they are the longest or the most."""

    figures: Counter[str] = field(default_factory=Counter)
    longest: dict[str, float] = field(default_factory=dict)
    """In seconds."""
    faults: list[str] = field(default_factory=list)

    def note_longest(self, name: str, seconds: float) -> None:
        self.longest[name] = max(seconds, self.longest.get(name, 0.0))

    def note_run(self, name: str, found: Found) -> None:
        """Add what was found in a run."""
        for what in ("lost", "doubled", "out of order"):
            self.figures[f"records {what}"] += found.wrong[what]
        self.faults += [f"{name}: {fault}" for fault in found.faults()]

    @contextmanager
    def case(self, folder: Path, name: str) -> Iterator[None]:
        """A case with a folder of its own, which goes with its end, unless it has found a fault."""
        before = len(self.faults)
        try:
            yield
        except Exception as error:
            self.faults.append(f"{type(error).__name__}: {error}")
        if len(self.faults) == before:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            self.faults[before:] = [f"{name}: {fault} (kept in {folder})" for fault in self.faults[before:]]

    def show(self, title: str) -> None:
        rows = [(name, f"{figure:,}") for name, figure in self.figures.items()]
        rows += [(name, f"{seconds:.2f} s") for name, seconds in self.longest.items()]
        print(f"\n{title}\n")
        print(table(("", "figure"), rows, right_aligned={1}))
        for fault in self.faults:
            print(f"FAULT {fault}")
