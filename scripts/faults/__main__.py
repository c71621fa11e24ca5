"""The fault harness: it prints figures, and ends with 1 where anything was lost, doubled or not noticed."""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random, SystemRandom
from typing import NamedTuple

import click

from faults import cuts, disks, flips, kills, points, proxies, recoveries
from faults.outcome import Outcome

ALL = 1_000_000


class Part(NamedTuple):
    torture: Callable[..., Outcome]
    times: int
    """How often, where nothing else is said."""


PARTS = {
    "kill": Part(kills.torture, 300),
    "points": Part(points.torture, ALL),
    "recovery": Part(recoveries.torture, 60),
    "truncate": Part(cuts.truncate, ALL),
    "index": Part(cuts.lose_indexes, ALL),
    "flips": Part(flips.torture, 2000),
    "full": Part(disks.fill, 20),
    "disk": Part(disks.fail, 40),
    "acks": Part(proxies.torture, 300),
}


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("names", nargs=-1, type=click.Choice(list(PARTS)), metavar="[PART]...")
@click.option("--times", type=click.IntRange(1), help="How many kills, cases, cycles or flips of each part.")
@click.option("--seed", type=int, help="What all randomness comes of; printed, and by default a new one.")
@click.option(
    "--dir", "folder", type=click.Path(path_type=Path), help="Where data goes; by default the temporary folder."
)
def main(names: tuple[str, ...], times: int | None, seed: int | None, folder: Path | None) -> None:
    """Do to the store what a bad day does, in the parts named, or in all of them.

    \b
    kill      SIGKILL at random moments, under emitters and readers
    points    SIGKILL before and after each operation on the disk, in a fixed course of events
    recovery  SIGKILL amid a write, and again while what that left is mended
    truncate  the newest segment cut short at each byte of its last two blocks
    index     indexes that are lost, or older than they were
    flips     single wrong bits in any file of a run
    full      a disk of 8 MiB that is full, and is not any more
    disk      short writes, and writes, syncs and other operations that fail
    acks      connections cut before acknowledgements pass

    Figures are printed as a table. What was lost, doubled or not noticed is printed with what leads to it, and the
    folders of such cases are kept.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as after ^C, no daemon is left
    seed = seed if seed is not None else SystemRandom().getrandbits(32)
    work = Path(tempfile.mkdtemp(prefix="logd-torture.", dir=folder))
    failed = False
    for name in names or PARTS:
        part = PARTS[name]
        started = time.monotonic()
        outcome = part.torture(work / name, Random(f"{seed}/{name}"), times=times or part.times)
        outcome.show(f"{name}, with --seed {seed}, in {time.monotonic() - started:.1f} s")
        failed |= bool(outcome.faults)
    if failed:
        sys.exit(1)
    shutil.rmtree(work)


if __name__ == "__main__":
    main()
