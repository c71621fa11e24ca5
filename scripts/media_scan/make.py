"""A folder of real audio, made with `ffmpeg`: for the demo, and to measure with."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

SAMPLE_RATE = 10_240
FILE_SECONDS = 0.1
"""One packet of 1,024 samples: the least that a file is cut to."""


def can_make() -> bool:
    return shutil.which("ffmpeg") is not None


def make_audio(folder: Path, count: int, *, author: str = "Ada", title: str = "Tone") -> None:
    """Make so many short files in a folder, which is made, too. CalledProcessError where ffmpeg says no."""
    folder.mkdir(parents=True, exist_ok=True)
    tone = f"sine=frequency=440:sample_rate={SAMPLE_RATE}:duration={count * FILE_SECONDS}"
    tags = ["-metadata", f"title={title}", "-metadata", f"artist={author}"]
    cut = ["-f", "segment", "-segment_time", f"{FILE_SECONDS}", "-c:a", "pcm_s16le"]
    subprocess.run(
        ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", tone, *tags, *cut, str(folder / "track-%04d.wav")],
        stdin=subprocess.DEVNULL,
        check=True,
    )
