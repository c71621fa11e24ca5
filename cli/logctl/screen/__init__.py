"""What any live screen stands on: a terminal, a loop that paints it, a connection, keys and colours.

Here is what a command asks before it opens one, at no cost to those that do not.
"""

from __future__ import annotations

import os
import sys


def is_possible() -> bool:
    """Whether there is a terminal to type on, and to draw on."""
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM", "dumb") not in ("", "dumb")


def hurry() -> None:
    """Look for no garbage until the screen is there: what is imported is none, and looking takes a tenth of it."""
    import gc

    gc.disable()
