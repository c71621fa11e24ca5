"""What the pager has done outside of it: a record in an editor, and all that is shown in a file."""

from __future__ import annotations

import os
import shlex
import tempfile
import time
from collections.abc import Callable
from functools import partial
from typing import Final

import trio

from logctl.pager.events import Save
from logctl.pager.watching import CLIENT
from logd.errors import LogdError
from logd.paths import Paths

DEFAULT_EDITOR: Final = "vi"
TELL_SECONDS: Final = 0.5
"""Between two notes of how far a file is."""


async def edit(text: str) -> str:
    """Show text in the user's editor, and return when that has ended; what is to be told of it, or ""."""
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or DEFAULT_EDITOR
    with tempfile.NamedTemporaryFile("w", prefix="record-", suffix=".log", encoding="utf-8") as file:
        file.write(f"{text}\n")
        file.flush()
        try:
            done = await trio.run_process([*shlex.split(editor), file.name], stdin=None, check=False)
        except (OSError, ValueError) as error:
            return f"{editor} does not start: {error}"
    return f"{editor} ended with status {done.returncode}" if done.returncode else ""


async def save(paths: Paths, wanted: Save, tell: Callable[[str], None]) -> None:
    """Write all records that are asked for to a file, as text, and tell how far that is, and how it ended."""

    def asked(text: str) -> None:
        trio.from_thread.run_sync(tell, text)

    told = await trio.to_thread.run_sync(partial(_save, paths, wanted, asked), abandon_on_cancel=True)
    tell(told)


def _save(paths: Paths, wanted: Save, tell: Callable[[str], None]) -> str:
    from logctl.files import NewFile
    from logctl.printer import Printer
    from logctl.reading import Query, Reading
    from logd.client import Client

    path = os.path.expanduser(wanted.path)
    printer = Printer("text", colour=False, escape=False, runs=wanted.runs if len(wanted.runs) > 1 else ())
    count, told_at = 0, time.monotonic()
    try:
        with Client(paths, CLIENT) as client, NewFile(path, overwrite=False) as file:
            query = Query(wanted.filter.criteria() or None)
            for chunk in Reading(client, wanted.runs, query):
                file.write(printer.render(chunk))
                count += chunk.rows.record_count
                if time.monotonic() - told_at >= TELL_SECONDS:
                    told_at = time.monotonic()
                    tell(f"Saving to {wanted.path}: {count:,} records so far")
            file.write(printer.finish())
            file.finish()
    except LogdError as error:
        return f"{wanted.path} is not saved: {error.message}"
    return f"{wanted.path} has {count:,} records"
