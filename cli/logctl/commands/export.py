"""`logctl export`: a whole run as one file of JSON lines."""

from __future__ import annotations

import sys
from contextlib import ExitStack

import click

from logctl.figures import counted, gone, human_bytes, human_count
from logctl.files import STANDARD, CompressedSink, NewFile, Sink
from logctl.named import explained
from logctl.output import Output
from logctl.progress import ProgressLine, bar
from logctl.reading import Gap, Query, Reading
from logctl.terminal_text import escape_json
from logd import console
from logd.client import connect
from logd.errors import Refused, UsageError
from logd.paths import Paths
from logd.record import check_run_name


@click.command(name="export")
@click.argument("run")
@click.option("-O", "--output-file", "path", metavar="FILE|-", help="Where to. [default: RUN.jsonl]")
@click.option("--zst", "compress", is_flag=True, help="Compress it, as is done for a FILE that ends in .zst.")
@click.option("--force", is_flag=True, help="Take the place of a FILE that is there.")
@click.pass_obj
def command(paths: Paths, run: str, path: str | None, compress: bool, force: bool) -> int:
    """Write all of RUN to a file of JSON lines.

    They are as they are stored. The file is there when it is whole. `logctl import` makes the same records of it.
    """
    check_run_name(run)
    terminal = path == STANDARD and sys.stdout.isatty()
    if terminal and compress:
        raise UsageError("what is compressed is not for a terminal")
    path = path or f"{run}.jsonl{'.zst' * compress}"
    gaps: list[Gap] = []
    written_bytes = 0
    with connect(paths, "logctl export", autostart=True) as client, ProgressLine() as progress, ExitStack() as stack:
        sink: Sink = Output() if path == STANDARD else stack.enter_context(NewFile(path, overwrite=force))
        if compress or path.endswith(".zst"):
            sink = CompressedSink(sink)

        def show(reading: Reading) -> None:
            progress.show(lambda: f"{run}  {bar(reading.done)}  {human_count(reading.matched)} records")

        def refuse(run: str, error: Refused) -> None:
            raise explained(client, run, error)

        reading = Reading(client, [run], Query(), on_wait=show, on_gap=gaps.append, on_refused=refuse)
        for chunk in reading:
            written_bytes += len(chunk.rows.data)
            sink.write(escape_json(chunk.rows.data) if terminal else chunk.rows.data)
        sink.finish()
    for gap in gaps:
        console.complain(gone(gap.first_seq, gap.last_seq))
    if path != STANDARD:
        click.echo(f"{counted(reading.matched, 'record')} of {run} in {path}, {human_bytes(written_bytes)} of JSON")
    return 1 if gaps else 0
