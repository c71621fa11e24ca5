"""What a file is: by `ffprobe` where it is media, or else by its name and first bytes."""

from __future__ import annotations

import json
import mimetypes
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any

PROBE_SECONDS = 20.0
"""A file that takes longer counts as one that cannot be read."""
HEAD_BYTES = 512
_MEDIA = ("audio", "video")
_HEADS = {b"ID3": "audio/mpeg", b"fLaC": "audio/flac", b"OggS": "audio/ogg", b"RIFF": "audio/x-wav"}
_ASKED = "format=duration,bit_rate,format_name:format_tags=title,artist,author,album_artist"

Value = str | float


class ProbeFailed(Exception):
    """Why a file could not be read, in a line."""


class Probe:
    """Finds out about files, from any thread, until it is cancelled.

    Args:
        command: `ffprobe`, or None to do without.
    """

    def __init__(self, command: str | None) -> None:
        self.command = command
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._cancelled = False

    def look(self, path: Path) -> dict[str, Value]:
        """What there is to say of a file, by name. ProbeFailed where it cannot be read, or is broken."""
        try:
            size_bytes = path.stat().st_size
            kind = type_of(path)
        except OSError as error:
            raise ProbeFailed(error.strerror or str(error)) from None
        about: dict[str, Value] = {"type": kind, "size_bytes": size_bytes}
        if self.command is None or not kind.startswith(_MEDIA):
            return about
        return about | read_answer(self._ask(path))

    def cancel(self) -> None:
        """End what runs; what is looked at now fails."""
        with self._lock:
            self._cancelled = True
            for process in self._running:
                process.kill()

    def _ask(self, path: Path) -> bytes:
        options = ["-v", "error", "-print_format", "json", "-show_entries", _ASKED]
        # In a session of its own, so that a terminal's ^C is for us to pass on.
        with self._lock:
            if self._cancelled:
                raise ProbeFailed("cancelled")
            process = subprocess.Popen(
                [str(self.command), *options, f"file:{path}"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
            self._running.add(process)
        try:
            out, said = process.communicate(timeout=PROBE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise ProbeFailed(f"ffprobe took over {PROBE_SECONDS:g} s") from None
        finally:
            with self._lock:
                self._running.discard(process)
        if process.returncode:
            lines = said.decode("utf-8", "replace").strip().splitlines() or [f"ffprobe ended with {process.returncode}"]
            raise ProbeFailed(lines[-1].removeprefix(f"file:{path}: "))
        return out


def find_ffprobe() -> str | None:
    return shutil.which("ffprobe")


def type_of(path: Path) -> str:
    """A file's media type, by its name, or else by how it begins."""
    kind = mimetypes.guess_type(path.name)[0]
    if kind is not None:
        return kind
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if not head:
        return "empty"
    found = next((kind for start, kind in _HEADS.items() if head.startswith(start)), None)
    return found or ("application/octet-stream" if b"\0" in head else "text/plain")


def read_answer(answer: bytes) -> dict[str, Value]:
    """What ffprobe says of a file's format, under our names. ProbeFailed where it says nothing of use."""
    try:
        found: dict[str, Any] = json.loads(answer)["format"]
    except (ValueError, KeyError):
        raise ProbeFailed("ffprobe says nothing of its format") from None
    tags = {name.lower(): value for name, value in found.get("tags", {}).items()}
    about: dict[str, Value] = {}
    if title := tags.get("title"):
        about["title"] = title
    if author := tags.get("artist") or tags.get("author") or tags.get("album_artist"):
        about["author"] = author
    for name, key, digits in (("duration_seconds", "duration", 2), ("bit_rate", "bit_rate", 0)):
        try:
            about[name] = round(float(found[key]), digits)
        except (KeyError, ValueError):
            continue
    return about
