"""`logctl export` and `logctl import`, as whole processes: an exported run, imported again, is the same records."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from bed import Bed, wait_until

from logctl.files import Source
from logd.protocol import Close, Emit, Open

BINARY = b"plain\n\xff\xfe not UTF-8\n\n" + bytes(set(range(256)) - {10}) + b"\n" + "漢é🙂\x7f".encode() + b"\n"
LONG = b"a" * 70_000 + b"\n" + ("é" * 100_000).encode() + b"\xff" * 80_000 + b"\n" + b"b" * 1_500_000 + b"\nshort\n"
RECORDS: list[Any] = [
    [1_700_000_000_123_456, 13, "warned", {"n": 1, "s": "x y", "f": 0.5, "none": None, "l": [1, {"a": []}]}],
    [1_600_000_000_000_000, 0, "older, without a level", {"severity": "error", "level": "high", "message": "m"}],
    [1_700_000_000_123_456, 17, "labels of its own", {"logger": "app.http", "stream": "stderr", "source": "w9"}],
    [1_700_000_000_123_456, 9, b"bytes \xff", {"time": 1, "msg": 2, "_msg": 3, "raw": "x", "cont": "no"}],
    [1_700_000_000_123_456, 9, "long " + "x" * 100_000, {"logger": "app", "once": True}],
    [1_700_000_000_123_456, 9, 'say "hi"\n\t\\ \u2028', None],
]


@pytest.fixture
def folder(daemon: Bed) -> Path:
    """Where commands run: a folder of their own."""
    path = daemon.folder / "here"
    path.mkdir()
    return path


def run_in(daemon: Bed, folder: Path, *arguments: str, status: int = 0, stdin: bytes = b"") -> tuple[bytes, bytes]:
    # Paths that are relative to where the tests run would not be found.
    environ = daemon.environ | {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))}
    done = subprocess.run(
        daemon.argv("logctl", *arguments), input=stdin, env=environ, cwd=folder, capture_output=True, check=False
    )
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    assert done.returncode == status, done.stderr
    return done.stdout, done.stderr


def emit_all(daemon: Bed, run: str) -> None:
    """Emit what is hard to keep: any bytes, long lines, labels, fields of both kinds."""
    daemon.emit(run, BINARY, "--source", "w3", "--field", "a=1", "--field", "msg=clash")
    daemon.emit(run, LONG, "--stream", "stderr", "--field", "b=2")
    daemon.emit(run, b"ERROR: named\nwarning: too\n")
    with daemon.client() as client:
        opened = Open(client.new_id(), run, "s1", source="w1", logger="root", fields={"shared": 1.5, "n": 0})
        client.request(opened)
        client.send(Emit(opened.id, 1, records=RECORDS))
        client.send(Emit(opened.id, 2, lines=b"a line of it\n", stream="stdout"))
        client.send(Close(opened.id))
        wait_until(lambda: b"a line of it" in daemon.raw(run))


def stored(daemon: Bed, run: str) -> bytes:
    return daemon.run("logctl", "logs", run, "-o", "json").stdout


@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.zst"])
def test_what_is_exported_and_imported_is_the_same(daemon: Bed, folder: Path, name: str) -> None:
    emit_all(daemon, "first")
    rows = stored(daemon, "first")
    assert rows.count(b'"cont":true') > 20
    out, _ = run_in(daemon, folder, "export", "first", "-O", name)
    assert out.startswith(b"%d records of first in " % rows.count(b"\n"))
    with Source(str(folder / name)) as source:
        assert b"".join(iter(source.read, b"")) == rows
    out, err = run_in(daemon, folder, "import", name)
    assert (out, err) == (b"%d lines of %s in run out\n" % (rows.count(b"\n"), name.encode()), b"")
    assert stored(daemon, "out") == rows


def test_export_writes_to_standard_output(daemon: Bed, folder: Path) -> None:
    daemon.emit("job", b"1\n2\n")
    rows = stored(daemon, "job")
    assert run_in(daemon, folder, "export", "job", "-O", "-") == (rows, b"")
    packed, _ = run_in(daemon, folder, "export", "job", "-O", "-", "--zst")
    (folder / "x.zst").write_bytes(packed)
    with Source(str(folder / "x.zst")) as source:
        assert source.read() == rows
    assert os.listdir(folder) == ["x.zst"]


def test_export_names_its_file_and_leaves_one_that_is_there(daemon: Bed, folder: Path) -> None:
    daemon.emit("job", b"1\n")
    run_in(daemon, folder, "export", "job")
    run_in(daemon, folder, "export", "job", "--zst")
    assert sorted(os.listdir(folder)) == ["job.jsonl", "job.jsonl.zst"]
    before = (folder / "job.jsonl").read_bytes()
    daemon.emit("job", b"2\n")
    _, err = run_in(daemon, folder, "export", "job", status=2)
    assert b"job.jsonl is there already" in err
    assert b"--force" in err
    assert (folder / "job.jsonl").read_bytes() == before
    run_in(daemon, folder, "export", "job", "--force")
    assert (folder / "job.jsonl").read_bytes() == stored(daemon, "job")


def test_export_of_a_run_that_there_is_not_leaves_no_file(daemon: Bed, folder: Path) -> None:
    daemon.emit("job", b"1\n")
    _, err = run_in(daemon, folder, "export", "jop", status=1)
    assert b"there is no run jop" in err
    assert b"closest are job" in err
    assert os.listdir(folder) == []


def test_any_text_is_imported(daemon: Bed, folder: Path) -> None:
    (folder / "app.log").write_bytes(b"INFO one\nERROR two\nlast without its end")
    (folder / "App 2.log.gz").write_bytes(gzip.compress(b"packed\n" * 1000))
    out, err = run_in(daemon, folder, "import", "app.log", "App 2.log.gz")
    assert out == b"3 lines of app.log in run app\n1,000 lines of App 2.log.gz in run App-2\n"
    assert err == b""
    assert daemon.raw("app") == b"INFO one\nERROR two\nlast without its end\n"
    assert [row.get("level") for row in daemon.rows("app")] == ["INFO", "ERROR", None]
    assert daemon.raw("App-2") == b"packed\n" * 1000


def test_any_json_lines_are_imported(daemon: Bed, folder: Path) -> None:
    (folder / "service.json").write_bytes(
        b'{"ts": 1700000000.5, "severity": "warning", "event": "slow", "page": 2, "logger": "app"}\n'
        b'{"message": "then"}\n' + b"{}\n" * 8 + b"not JSON\n"
    )
    _, err = run_in(daemon, folder, "import", "service.json")
    assert err == b""
    first, second, *_, third = daemon.rows("service")
    assert first == {"time": "2023-11-14T22:13:20.500000Z", "level": "WARN", "msg": "slow", "logger": "app", "page": 2}
    assert (second["msg"], third["msg"]) == ("then", "not JSON")
    run_in(daemon, folder, "import", "service.json", "--format", "text", "--run", "text")
    assert daemon.raw("text") == (folder / "service.json").read_bytes()


def test_what_is_more_than_a_record_holds_is_said(daemon: Bed, folder: Path) -> None:
    many = json.dumps({str(number): number for number in range(65)}).encode()
    (folder / "many.json").write_bytes(b'{"msg":"few"}\n' + many + b"\n")
    _, err = run_in(daemon, folder, "import", "many.json")
    assert b"1 line is stored as text" in err
    assert [row["msg"] for row in daemon.rows("many")] == ["few", many.decode()]


@pytest.mark.parametrize("size", [990_000, 1_100_000, 5_000_000])
def test_a_json_line_that_is_too_long_for_a_frame_is_text(daemon: Bed, folder: Path, size: int) -> None:
    line = b'{"msg":"' + b"x" * size + b'"}'
    (folder / "huge.json").write_bytes(b'{"msg":"before"}\n' + line + b'\n{"msg":"behind"}\n')
    out, _ = run_in(daemon, folder, "import", "huge.json")
    assert out == b"3 lines of huge.json in run huge\n"
    shown = b"x" * size if size < 1_000_000 else line
    assert daemon.raw("huge") == b"before\n" + shown + b"\nbehind\n"


def test_standard_input_is_imported_under_a_name(daemon: Bed, folder: Path) -> None:
    out, _ = run_in(daemon, folder, "import", "-", "--run", "piped", stdin=b"1\n2\n")
    assert out == b"2 lines of standard input in run piped\n"
    assert daemon.raw("piped") == b"1\n2\n"
    _, err = run_in(daemon, folder, "import", "-", status=2)
    assert b"standard input has no name" in err


def test_a_file_that_cannot_be_read_is_said(daemon: Bed, folder: Path) -> None:
    _, err = run_in(daemon, folder, "import", "none.log", status=1)
    assert b"cannot read none.log: No such file" in err
    (folder / "bad.zst").write_bytes(b"this is not Zstandard")
    _, err = run_in(daemon, folder, "import", "bad.zst", status=1)
    assert b"cannot read bad.zst: it is damaged" in err


def test_an_interrupted_import_says_what_is_not_known(daemon: Bed) -> None:
    with daemon.started("logctl", "import", "-", "--run", "cut", "--format", "text") as process:
        assert process.stdin is not None
        process.stdin.write(b"stored\nnot whole")
        process.stdin.flush()
        wait_until(lambda: daemon.status()["records"] == 1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGINT
    assert b"interrupted; " in err
    assert b"bytes that were read are not known to be stored" in err
    assert daemon.raw("cut") == b"stored\n"
