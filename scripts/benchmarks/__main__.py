"""Benchmarks: they print figures, as ratios to a reference in the same run, and never fail on a time."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import board
import click
import fanout
import frames
import handler
import history
import ingest
import lag
import latency
import pager
import progress
import start
import top

BENCHMARKS = {
    "ingest": ingest.measure,
    "frames": frames.measure,
    "start": start.measure,
    "history": history.measure,
    "lag": lag.measure,
    "fanout": fanout.measure,
    "latency": latency.measure,
    "pager": pager.measure,
    "handler": handler.measure,
    "board": board.measure,
    "progress": progress.measure,
    "top": top.measure,
}


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(list(BENCHMARKS)))
@click.option("--lines", default=5_000_000, show_default=True, help="Lines that a run is flooded with.")
@click.option("--rounds", default=3, show_default=True, help="Times each is measured; the best is shown.")
@click.option(
    "--dir", "folder", type=click.Path(path_type=Path), help="Where data goes; by default the temporary folder."
)
def main(names: tuple[str, ...], lines: int, rounds: int, folder: Path | None) -> None:
    """Run the benchmarks named, or all.

    ingest: 92-byte lines piped through `logctl emit` until the last is acknowledged, beside `cat | cat` and the loggers
    that are installed. frames: single-record frames a second, and the round trip of one. start: whole processes.
    history: rows around a place, and searches, in runs of growing size, plain and compressed; what compression leaves.
    lag: how far a viewer on a terminal is behind a flood, beside those that are installed, of the same lines in a file.
    fanout: what subscribers cost a flood: views, paused ones, one that is stopped, and streams that check what they
    get. latency: how old records are when a view is sent them, and how often it is, at three paces. pager: from the
    command to its first screen, from a key to the repaint in a flood, and its memory. handler: what a record costs a
    Python program through LogHandler, and a flood of eight threads, counted. board: how far the board is behind a scan
    of 882 audio files, and how often a viewer is sent to; for this, ffmpeg is needed. progress: how far `logctl
    progress` on a terminal is behind a job of as many items. top: what `logctl top` costs, itself and the daemon.
    """
    with tempfile.TemporaryDirectory(prefix="logd-bench.", dir=folder) as work:
        for name in names or BENCHMARKS:
            BENCHMARKS[name](Path(work), lines=lines, rounds=rounds)


if __name__ == "__main__":
    sys.exit(main())
