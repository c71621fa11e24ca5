"""The scan of a folder of media, as a whole process, with an `ffprobe` of the tests' own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from bed import Bed, wait_until
from media_scan.job import MAX_KEY_BYTES, key_of, summary, walk
from media_scan.probe import ProbeFailed, read_answer, type_of

from logd.protocol import Items, Watch

SCRIPTS = Path(__file__).parents[2] / "scripts"

FFPROBE = """#!/bin/sh
for path; do :; done
case "$path" in
    *broken*) echo "$path: Invalid data found when processing input" >&2; exit 1 ;;
    *slow*) exec sleep 60 ;;
esac
echo '{"format": {"duration": "3.128", "bit_rate": "134500", "tags": {"TITLE": "Tone", "artist": "Ada"}}}'
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with media and other files."""
    root = tmp_path / "media"
    (root / "inner").mkdir(parents=True)
    for name, data in (("a.mp3", b"x"), ("inner/b", b"OggS rest"), ("broken.flac", b"x"), ("notes.txt", b"hi\n")):
        (root / name).write_bytes(data)
    (root / "empty").touch()
    (root / "loop").symlink_to(root)
    return root


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder for PATH, with nothing but an ffprobe."""
    (tmp_path / "tools").mkdir()
    path = tmp_path / "tools" / "ffprobe"
    path.write_text(FFPROBE)
    path.chmod(0o755)
    return path.parent


def started(bed: Bed, folder: Path, path: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "media_scan", str(folder)],
        env={**bed.environ, "PYTHONPATH": f"{SCRIPTS}:{bed.environ.get('PYTHONPATH', '')}", "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def board(bed: Bed) -> dict[str, dict[str, Any]]:
    with bed.client() as client:
        client.send(Watch(client.new_id(), "board", "media-scan"))
        while True:
            message = client.receive()
            if isinstance(message, Items):
                return {key: item for key, item in message.items.items() if item is not None}


def test_a_scan_says_what_each_file_is(daemon: Bed, folder: Path, tools: Path) -> None:
    scan = started(daemon, folder, f"{tools}:/usr/bin:/bin")
    out, err = scan.communicate(timeout=60)
    assert (out, err, scan.returncode) == ("4 done, 1 failed, 0 pending\n", "", 1)
    items = board(daemon)
    assert {key: item["state"] for key, item in items.items()} == {
        "a.mp3": "done",
        "inner/b": "done",
        "broken.flac": "failed",
        "notes.txt": "done",
        "empty": "done",
    }
    known = {"type": "audio/mpeg", "title": "Tone", "author": "Ada", "duration_seconds": 3.13, "bit_rate": 134500}
    assert known.items() <= items["a.mp3"].items()
    assert (items["inner/b"]["type"], items["inner/b"]["status"]) == ("audio/ogg", "Ada - Tone, 3.13 s, 134 kbit/s")
    assert (items["notes.txt"]["type"], items["notes.txt"]["size_bytes"]) == ("text/plain", 3)
    failed = items["broken.flac"]
    assert (failed["status"], failed["retries"]) == ("Invalid data found when processing input", 2)
    rows = daemon.rows("media-scan")
    assert {(row["level"], row["msg"].partition(",")[0]) for row in rows} == {
        ("INFO", f"found 5 files below {folder}"),
        ("WARN", "empty is empty"),
        ("ERROR", "broken.flac: Invalid data found when processing input"),
        ("WARN", "4 files are done"),
    }
    runs = json.loads(daemon.run("logctl", "runs", "-o", "json").stdout)
    assert (runs["state"], runs["exit_status"]) == ("ended", 1)


def test_another_scan_begins_the_board_anew(daemon: Bed, folder: Path, tools: Path) -> None:
    started(daemon, folder, f"{tools}:/usr/bin:/bin").communicate(timeout=60)
    (folder / "broken.flac").unlink()
    (folder / "new.mp3").touch()
    scan = started(daemon, folder, f"{tools}:/usr/bin:/bin")
    scan.communicate(timeout=60)
    assert scan.returncode == 0
    items = board(daemon)
    assert items.keys() == {"a.mp3", "inner/b", "notes.txt", "empty", "new.mp3"}
    assert {item["state"] for item in items.values()} == {"done"}


def test_a_scan_that_is_cancelled_leaves_a_board_that_is_true(daemon: Bed, folder: Path, tools: Path) -> None:
    for number in range(30):
        (folder / f"slow{number}.mp3").touch()
    scan = started(daemon, folder, f"{tools}:/usr/bin:/bin")
    wait_until(lambda: (daemon.state_dir / "runs" / "media-scan").is_dir())
    wait_until(lambda: [item["state"] for item in board(daemon).values() if "state" in item].count("running") == 20)
    scan.send_signal(signal.SIGINT)
    out, err = scan.communicate(timeout=60)
    assert (err, scan.returncode) == ("", 130)
    items = board(daemon)
    states = [item["state"] for item in items.values()]
    assert "running" not in states
    assert out == f"{states.count('done')} done, {states.count('failed')} failed, {states.count('pending')} pending\n"
    assert len(states) == 35
    assert [item.get("status") for item in items.values()].count("cancelled") >= 15, "but those that are quick"
    assert daemon.rows("media-scan")[-1]["msg"].startswith("cancelled: ")


def test_without_ffprobe_it_gives_what_it_can_and_says_so_once(daemon: Bed, folder: Path, tmp_path: Path) -> None:
    scan = started(daemon, folder, str(tmp_path))
    out, err = scan.communicate(timeout=60)
    assert (out, scan.returncode) == ("5 done, 0 failed, 0 pending\n", 0)
    assert err == "media-scan: ffprobe is not installed: files get their size and type alone\n"
    assert board(daemon)["a.mp3"]["status"] == "audio/mpeg, 1 bytes"


# Its parts


def test_a_walk_lists_files_by_name_and_follows_no_folders_links(folder: Path) -> None:
    names = [str(path.relative_to(folder)) for path in walk(folder)]
    assert names == ["a.mp3", "broken.flac", "empty", "inner/b", "notes.txt"]
    assert list(walk(folder / "nothing")) == []


def test_types_are_told_by_name_or_beginning(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"words")
    (tmp_path / "data").write_bytes(b"\0\1")
    assert [type_of(tmp_path / name) for name in ("text", "data", "x.mp3")] == [
        "text/plain",
        "application/octet-stream",
        "audio/mpeg",
    ]


@pytest.mark.parametrize("answer", [b"", b"{}", b"no"])
def test_an_answer_that_says_nothing_is_a_failure(answer: bytes) -> None:
    with pytest.raises(ProbeFailed):
        read_answer(answer)


def test_an_answer_may_lack_anything() -> None:
    assert read_answer(b'{"format": {"duration": "N/A", "tags": {"Author": "Bo"}}}') == {"author": "Bo"}
    assert summary({"type": "audio/flac", "size_bytes": 1, "author": "Bo"}) == "Bo"


def test_a_long_path_is_shown_by_its_end() -> None:
    key = key_of(Path("ä" * 300) / "name.mp3")
    assert key.startswith("…ä")
    assert key.endswith("ä/name.mp3")
    assert len(key.encode()) <= MAX_KEY_BYTES + 3


def test_what_files_say_of_themselves_fits_the_board(daemon: Bed, folder: Path, tools: Path) -> None:
    long = "\U0001f3b5" * 500
    (tools / "ffprobe").write_text(FFPROBE.replace("Tone", long).replace("Ada", long))
    started(daemon, folder, f"{tools}:/usr/bin:/bin").communicate(timeout=60)
    items = board(daemon)
    assert items["a.mp3"]["state"] == "done"
    assert items["a.mp3"]["title"].endswith("…")
