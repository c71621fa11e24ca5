"""How a run ended, as the exit status of a command that waited for it."""

from __future__ import annotations

from logd import console
from logd.errors import EXIT_FAILED
from logd.protocol import Event


def status_of(run: str, event: Event) -> int:
    """The exit status that stands for a run's `ended` or `removed`; what a status alone does not say is said."""
    if event.kind == "removed":
        return EXIT_FAILED
    if event.lost:
        console.complain(f"run {run} is lost: who emitted into it is gone without saying how it ended")
        return EXIT_FAILED
    if event.exit_status is None:
        console.complain(f"run {run} ended, and nobody said with which status")
        return 0
    return event.exit_status
