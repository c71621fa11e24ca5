"""The command: scripts/media-scan DIR."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from logd import Run
from logd.errors import UsageError
from media_scan.job import WORKERS, Scan
from media_scan.probe import Probe, find_ffprobe

EXIT_INTERRUPTED = 130


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--run", "name", default="media-scan", show_default=True, help="The run that it reports to.")
@click.option("--workers", type=click.IntRange(1, 200), default=WORKERS, show_default=True, help="Files at a time.")
def main(folder: Path, name: str, workers: int) -> None:
    """Find out about every file below DIR: watch it with `logctl progress media-scan` and `logctl attach media-scan`.

    Ends with 1 where a file could not be read, and with 130 where it was cancelled by ^C.
    """
    command = find_ffprobe()
    if command is None:
        click.echo("media-scan: ffprobe is not installed: files get their size and type alone", err=True)
    try:
        run = Run(name)
    except UsageError as error:
        raise click.UsageError(error.message) from None
    with run:
        outcome = Scan(run, folder.resolve(), Probe(command), workers=workers).run()
        counts = outcome.counts
        click.echo(f"{counts['done']} done, {counts['failed']} failed, {counts['pending']} pending")
        if outcome.cancelled:
            sys.exit(EXIT_INTERRUPTED)
        sys.exit(1 if counts["failed"] else 0)


if __name__ == "__main__":
    main()
