"""How a run ended, as the exit status of a command that waited for it."""

from __future__ import annotations

from logd.errors import EXIT_FAILED
from logd.protocol import Event


def status_of(event: Event) -> int:
    """The exit status that stands for a run's `ended` or `removed`: its own, 0 where nobody said one, or else 1."""
    if event.kind == "removed" or event.lost:
        return EXIT_FAILED
    return event.exit_status or 0
