"""`logctl emit`: standard input, or a message, into a run."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from contextlib import suppress
from functools import partial
from types import FrameType
from typing import Any

import click

from logd import console
from logd.client import Client, Emitter, Left, start_daemon
from logd.errors import ConnectionLost
from logd.paths import Paths
from logd.protocol.checks import (
    MAX_SHARED_FIELDS_BYTES,
)
from logd.record import LEVEL_WORDS, MAX_FIELDS, MAX_LABEL_BYTES, check_run_name, severity_from_word

READ_BYTES = 252 * 1024
"""With what was left of a line from the read before, about a block."""
_PIPE_BYTES = 1024 * 1024
"""What the input's pipe is made to hold, where the system lets it: 64 KiB at a time is a quarter of a block."""


@click.command(name="emit", short_help="Emit standard input, line by line as it comes, or MESSAGE.")
@click.argument("run")
@click.argument("message", nargs=-1)
@click.option("-l", "--level", metavar="LEVEL", help="Level of every record; by default it is found in the text.")
@click.option("--stream", metavar="NAME", default="", help="Stream that every record is from, such as stderr.")
@click.option("--source", metavar="NAME", default="", help="Part of the job that every record is from.")
@click.option("--field", "fields", metavar="KEY=VALUE", multiple=True, help="Field of every record; repeatable.")
@click.option(
    "--format",
    "input_format",
    type=click.Choice(["text", "json"]),
    default="text",
    help="Form of the input: lines of text, or of JSON with time, level and message under their usual names.",
)
@click.option("--tee", is_flag=True, help="Pass the input on to standard output.")
@click.option("--sync", is_flag=True, help="Count as stored only what is on the disk itself.")
@click.option(
    "--on-unavailable",
    type=click.Choice(["spool", "block", "drop"]),
    default="spool",
    help="What to do with more than is kept in memory while no daemon takes it: keep it on disk, wait, or drop it.",
)
@click.option("--no-autostart", is_flag=True, help="Do not start a daemon where none runs.")
@click.pass_obj
def command(
    paths: Paths,
    *,
    run: str,
    message: tuple[str, ...],
    level: str | None,
    stream: str,
    source: str,
    fields: tuple[str, ...],
    input_format: str,
    tee: bool,
    sync: bool,
    on_unavailable: str,
    no_autostart: bool,
) -> int:
    """Emit standard input, line by line as it comes, or MESSAGE, into RUN.

    The run is made where there is none, and the daemon started where none runs. Exits 0 when all of it is stored, or
    waits on disk for the daemon to take it in.
    """
    check_run_name(run)
    settings: dict[str, Any] = {
        "severity": _severity(level),
        "stream": _label("--stream", stream),
        "source": _label("--source", source),
        "fields": _fields(fields),
        "sync": sync,
        "command": shlex.join(sys.argv).encode("utf-8", "replace").decode(),
    }
    if input_format == "json":
        from logd.client.jsonlines import parse_json_lines

        settings["parse"] = partial(parse_json_lines, severity=settings["severity"] or 0)
    emitter = Emitter(
        lambda: Client(paths, "logctl emit", wait=False),
        run,
        spool_folder=(lambda: paths.spool_dir) if on_unavailable == "spool" else None,
        drop=on_unavailable == "drop",
        say=console.complain,
        **settings,
    )
    try:
        emitter.connect(None if no_autostart else partial(start_daemon, paths))
        interrupts = _Interrupts(enough=0 if message else 1 if sys.stdin.isatty() else 2)
        if message:
            emitter.feed((" ".join(message) + "\n").encode("utf-8", "surrogateescape"))
        else:
            _feed_input(emitter, interrupts, tee=tee)
        emitter.end()
        while not (emitter.ended or interrupts.give_up):
            emitter.wait(interrupts.fd)
            emitter.pump()
    except BaseException:
        left = emitter.close()
        if left.spooled_bytes or left.lost_bytes:
            console.complain(_how_much(left, paths))
        raise
    gave_up = not emitter.ended
    left = emitter.close()
    if gave_up:
        what = "what was not dropped is stored" if on_unavailable == "drop" else _how_much(left, paths)
        console.complain(f"interrupted; {what}")
        raise KeyboardInterrupt
    if left.spooled_bytes:
        reason = f"{left.reason}; " if left.reason and not left.lost_bytes else ""
        console.complain(
            f"{reason}{left.spooled_bytes:,} bytes of the input wait in {paths.spool_dir}, "
            "and a daemon takes them in when it can"
        )
    if left.lost_bytes:
        raise ConnectionLost(f"{left.reason}; {left.lost_bytes:,} bytes of the input are lost")
    if interrupts.count:
        raise KeyboardInterrupt
    return 0


def _how_much(left: Left, paths: Paths) -> str:
    unstored_bytes = left.spooled_bytes + left.lost_bytes
    if not unstored_bytes:
        return "all of the input that was read is stored"
    waits = "" if left.lost_bytes else f" and wait in {paths.spool_dir}"
    return f"{unstored_bytes:,} bytes of the input are not known to be stored{waits}"


def _feed_input(emitter: Emitter, interrupts: _Interrupts, *, tee: bool) -> None:
    _widen_pipe(0)
    while not interrupts.end_input:
        if 0 in emitter.wait(interrupts.fd, *([0] if emitter.has_room else [])):
            data = os.read(0, READ_BYTES)
            if not data:
                return
            tee = tee and _pass_on(data)
            emitter.feed(data)
        emitter.pump()


class _Interrupts:
    """Counts ^C, and makes `fd` readable at each.

    In `job | logctl emit` the first is for the job, whose last lines are still to come; at a terminal it is for us. The
    one that is `enough` ends the input, and what was read is stored. The one after that ends the waiting for it.
    """

    def __init__(self, *, enough: int) -> None:
        self.count = 0
        self._enough = enough
        self.fd, write_fd = os.pipe()
        os.set_blocking(self.fd, False)
        os.set_blocking(write_fd, False)
        signal.signal(signal.SIGINT, self._on_signal)
        signal.set_wakeup_fd(write_fd, warn_on_full_buffer=False)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.count += 1

    def _drain(self) -> None:
        with suppress(BlockingIOError):
            os.read(self.fd, 1024)

    @property
    def end_input(self) -> bool:
        self._drain()
        return self.count >= self._enough

    @property
    def give_up(self) -> bool:
        self._drain()
        return self.count > self._enough


def _widen_pipe(fd: int) -> None:
    try:
        import fcntl

        fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    except (OSError, AttributeError):
        return  # no pipe, or a system that does not let us: reads are smaller


def _pass_on(data: bytes) -> bool:
    """Write to standard output; False where its reader has gone, which is no reason not to store the rest."""
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(1, view) :]
    except BrokenPipeError:
        return False
    return True


def _severity(level: str | None) -> int | None:
    if level is None:
        return None
    severity = severity_from_word(level)
    if severity is None:
        raise click.BadParameter(f"{level!r} is no level; one of {', '.join(LEVEL_WORDS)} is", param_hint="--level")
    return int(severity)


def _check_text(option: str, value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise click.BadParameter(f"{value!r} is not UTF-8", param_hint=option) from None


def _label(option: str, value: str) -> str:
    _check_text(option, value)
    if len(value) > MAX_LABEL_BYTES:
        raise click.BadParameter(f"it has {len(value)} characters, and can have {MAX_LABEL_BYTES}", param_hint=option)
    return value


def _fields(pairs: tuple[str, ...]) -> dict[str, str] | None:
    fields = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not (key and equals):
            raise click.BadParameter(f"{pair!r} is not KEY=VALUE", param_hint="--field")
        _check_text("--field", pair)
        fields[key] = value
    if len(fields) > MAX_FIELDS:
        raise click.BadParameter(f"there are {len(fields)}, and can be {MAX_FIELDS}", param_hint="--field")
    if sum(len(key) + len(value) for key, value in fields.items()) > MAX_SHARED_FIELDS_BYTES:
        raise click.BadParameter(f"they have over {MAX_SHARED_FIELDS_BYTES} characters together", param_hint="--field")
    return fields or None
