"""What a run or a session does, in one word: the same wherever it is said.

running   somebody emits into it, or is expected back after a stop of the daemon
silent    the same, and no record has come for a while
ended     nobody does, and who did last has said that it is the end
lost      nobody does, and who did last is gone without a word

What the kernel tells decides, which is whether a connection is there; how long nothing has come tells two kinds of the
living apart, and no more.
"""

from __future__ import annotations

RUNNING, SILENT, ENDED, LOST = "running", "silent", "ended", "lost"
GOES_ON = frozenset({RUNNING, SILENT})
"""The states of what more may come of."""


def state_of(*, goes_on: bool, lost: bool, quiet_seconds: float, silent_seconds: float) -> str:
    """The state.

    Args:
        lost: whether who emitted last is gone without a word.
        quiet_seconds: for how long no record has come.
        silent_seconds: from how long on that is silence.
    """
    if goes_on:
        return SILENT if quiet_seconds >= silent_seconds else RUNNING
    return LOST if lost else ENDED


def told(state: str, exit_status: int | None, *, stalled: bool = False) -> str:
    """A state for people to read.

    Args:
        exit_status: said where it has ended: "ended 3".
        stalled: whether what comes cannot be stored at present: "running !".
    """
    if stalled:
        return f"{state} !"
    return f"{state} {exit_status}" if state == ENDED and exit_status is not None else state
