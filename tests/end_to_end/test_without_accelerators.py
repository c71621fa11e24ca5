"""Without the packages that accelerate it, and in each mode, logd does the same: in whole rounds, and by its tests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bed import Bed, bed
from installed import ACCELERATORS, hiding

ROOT = Path(__file__).parents[2]

TEXT = b'first\nERROR: second \xc3\xbc\n[warn] \xff third\n\n\x7f\x1b[31m\\ " fifth\n' + b"x" * 100_000 + b"\nlast\n"
RECORDS = b"".join(
    b'{"level":"info","message":"number %d","value":%s}\n' % (number, value)
    for number, value in enumerate([b"1e-7", b"0.1", b"1e22", b"18446744073709551615", b'"text"', b"[null,true,{}]"])
)
WAYS: dict[str, tuple[str, tuple[str, ...]]] = {
    "auto": ("auto", ()),
    "on": ("on", ()),
    "off": ("off", ()),
    "without any": ("auto", ACCELERATORS),
    "on without orjson": ("on", ("orjson",)),
}


@pytest.fixture(scope="module", params=WAYS)
def way(request: pytest.FixtureRequest) -> Iterator[Bed]:
    """A daemon in one of these ways, that has taken in some of everything."""
    mode, hidden = WAYS[request.param]
    with bed() as made:
        made.environ = hiding(hidden, made.environ) if hidden else made.environ
        made.environ["LOGD_ACCEL"] = mode
        made.run("logd", "start")
        made.emit("text", TEXT, "--source", "w3")
        made.emit("records", RECORDS, "--format", "json")
        yield made


def without_times(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key != "time"} for row in rows]


def test_what_is_emitted_is_shown(way: Bed) -> None:
    assert way.raw("text") == TEXT
    rows = way.rows("text")
    assert [row.get("level") for row in rows] == [None, "ERROR", "WARN", None, None, None, None, None]
    assert {row["source"] for row in rows} == {"w3"}
    assert way.raw("records") == b"".join(b"number %d\n" % number for number in range(6))


def test_what_is_stored_is_the_same_to_the_byte(way: Bed) -> None:
    (path,) = (way.state_dir / "runs" / "records").glob("*.jsonl")
    values = [line.partition(b',"value":')[2] for line in path.read_bytes().splitlines()]
    assert values == [b"1e-07}", b"0.1}", b"1e+22}", b"18446744073709551615}", b'"text"}', b"[null,true,{}]}"]


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["--grep", "number 3", "-F"], ["number 3"]),
        (["--grep", "number 3", "-Fv", "--head", "2"], ["number 0", "number 1"]),
        (["--level", "info", "-n", "1"], ["number 5"]),
        (["--level", "warn"], []),
    ],
)
def test_logs_finds_fixed_texts_and_levels(way: Bed, arguments: list[str], shown: list[str]) -> None:
    done = way.run("logctl", "logs", "records", "-o", "raw", *arguments, status=None)
    assert done.stdout.decode().splitlines() == shown


def test_text_output_is_the_same(way: Bed) -> None:
    out = way.run("logctl", "logs", "records").stdout.decode().splitlines()
    assert [line.partition(" value=")[2] for line in out] == [
        "1e-07",
        "0.1",
        "1e+22",
        "18446744073709551615",
        "text",
        "[null,true,{}]",
    ]


def test_a_regular_expression_works_or_is_refused_with_what_to_install(way: Bed) -> None:
    hidden = "re2" in way.environ.get("LOGD_TEST_WITHOUT", "")
    done = way.run("logctl", "logs", "records", "--grep", "[13]$", "-o", "raw", status=2 if hidden else 0)
    if hidden:
        assert b"pip install google-re2" in done.stderr
    else:
        assert done.stdout == b"number 1\nnumber 3\n"


def test_status_says_what_there_is(way: Bed) -> None:
    operations = {each["name"]: each for each in way.status()["operations"]}
    assert {each["mode"] for each in operations.values()} == {way.environ["LOGD_ACCEL"]}
    hidden = way.environ.get("LOGD_TEST_WITHOUT", "").split(",")
    assert operations["records"]["installed"] == ("orjson" not in hidden)
    assert operations["levels"]["installed"] == ("ahocorasick_rs" not in hidden)
    assert not any(each["failures"] for each in operations.values())
    if way.environ["LOGD_ACCEL"] == "off":
        assert not any(each["accelerated_calls"] for each in operations.values())
    text = way.run("logd", "status").stdout.decode()
    assert all(f" {name} " in text for name in operations)


OPTIONS = ["-qx", "-p", "no:cacheprovider", "-k", "not (BlockSize or become_the_rows or come_back or full_frame)"]
"""Without tests that take long and have little to do with it."""


def test_what_is_accelerated_passes_its_tests_without_them() -> None:
    path = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *OPTIONS, "tests/ingest", "tests/fanout/test_fanout_filter.py"],
        cwd=ROOT,
        env={**hiding(ACCELERATORS, {**os.environ, "PYTHONPATH": path}), "LOGD_ACCEL": "off"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
