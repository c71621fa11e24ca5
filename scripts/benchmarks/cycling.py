"""`cycling.py RUN COUNT` opens the pager again each time that its user quits it, so many times, in one process."""

from __future__ import annotations

import sys

from logctl.pager.session import Wish, show
from logd.paths import Paths


def main(run: str, count: int) -> None:
    for _ in range(count):
        show(Paths.resolve(), Wish([run]))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
