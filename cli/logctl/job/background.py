"""Going to the background: the one who asked is told how the start went, and goes on."""

from __future__ import annotations

import os
from collections.abc import Callable


def detach() -> tuple[int, str] | Callable[[int, str], None]:
    """Go on in a process of its own session, without a terminal.

    Returns:
        In the one that asked, what the other one told: an exit status, and what to say. In the other, which has nothing
        to read from and write to, a function that tells it; once, as it is then let go.
    """
    told, tell = os.pipe()
    pid = os.fork()
    if pid:
        os.close(tell)
        os.waitpid(pid, 0)
        with open(told, "rb") as pipe:
            status, _, sentence = pipe.read().decode("utf-8", "replace").partition(" ")
        return int(status or 1), sentence
    os.close(told)
    if not leave():
        os._exit(0)

    def say(status: int, sentence: str) -> None:
        nonlocal tell
        if tell >= 0:
            os.write(tell, f"{status} {sentence}".encode())
            os.close(tell)
            tell = -1

    return say


def leave() -> bool:
    """Go on in another process, which has a session of its own, and nothing to read from and write to.

    Returns:
        True in that one, and False in the one that was.
    """
    if os.fork():
        return False
    os.setsid()
    if os.fork():
        os._exit(0)
    null = os.open(os.devnull, os.O_RDWR)
    for fd in range(3):
        os.dup2(null, fd)
    os.close(null)
    return True
