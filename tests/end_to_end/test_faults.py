"""The parts of the fault harness, `scripts/torture`, each in a short form; and that it notices what it is there for."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from random import Random

import pytest
from faults import cuts, disks, flips, kills, points, proxies, recoveries
from faults.outcome import Outcome
from faults.records import Sent, Shown, check_run, text_of
from faults.smalldisk import CAN_LIMIT

from logd.record import Rows

PARTS: dict[str, tuple[Callable[..., Outcome], int]] = {
    "kill": (kills.torture, 6),
    "points": (partial(points.torture, policies=["always"]), 3),
    "recovery": (recoveries.torture, 1),
    "truncate": (cuts.truncate, 60),
    "index": (cuts.lose_indexes, 40),
    "flips": (flips.torture, 60),
    "full": (disks.fill, 1),
    "disk": (disks.fail, 2),
    "acks": (proxies.torture, 40),
}


@pytest.fixture
def work() -> Iterator[Path]:
    # Not pytest's folder, whose path can be longer than a socket's may be.
    folder = Path(tempfile.mkdtemp(prefix="logd-test."))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("name", PARTS)
def test_nothing_is_lost_doubled_or_not_noticed(name: str, work: Path) -> None:
    if name == "full" and not CAN_LIMIT:
        pytest.skip("no small disk can be had here")
    torture, times = PARTS[name]
    outcome = torture(work, Random(f"test/{name}"), times=times)
    assert outcome.faults == []
    assert sum(outcome.figures.values()) > 0


# What the harness says of a run


def rows(*numbers: int, first_seq: int = 1, sender: str = "a") -> Rows:
    lines = [f'{{"msg":"{text_of(sender, number, 5)}"}}\n' for number in numbers]
    return Rows(first_seq, len(lines), "".join(lines).encode())


def wrong(*pieces: Rows, acked: int = 4, sent: int = 5, cleared: int = 0) -> dict[str, int]:
    found = check_run(pieces, [Sent("a", sent, acked, cleared)])
    assert len(found.faults()) == len(found.wrong)
    return dict(found.wrong)


def test_a_run_as_it_should_be() -> None:
    assert wrong(rows(1, 2), rows(3, 4, first_seq=3)) == {}
    assert wrong(rows(1, 2, 3, 4, 5)) == {}, "stored, and its acknowledgement not seen"
    assert wrong(rows(3, 4, first_seq=3), cleared=2) == {}


@pytest.mark.parametrize(
    ("numbers", "what"),
    [
        ([1, 2, 3], {"lost": 1}),
        ([2, 3, 4], {"lost": 1}),
        ([1, 4], {"lost": 2}),
        ([], {"lost": 4}),
        ([1, 2, 2, 3, 4], {"doubled": 1}),
        ([1, 2, 3, 4, 1, 2], {"doubled": 2, "out of order": 1}),
        ([1, 3, 2, 4], {"out of order": 1}),
        ([1, 2, 3, 4, 5, 6], {"foreign": 1}),
    ],
)
def test_what_is_wrong_with_a_run_is_counted(numbers: list[int], what: dict[str, int]) -> None:
    assert wrong(rows(*numbers)) == what


def test_rows_that_nobody_sent() -> None:
    assert wrong(rows(1, 2, 3, 4), rows(1, first_seq=5, sender="b")) == {"foreign": 1}
    altered = rows(1, 2, 3, 4)
    assert wrong(altered._replace(data=altered.data.replace(b"a 2 5 ", b"a 2 5 x"))) == {"foreign": 1, "lost": 1}
    assert wrong(altered._replace(data=b"not JSON\n" + altered.data, record_count=5)) == {"foreign": 1}


def test_seqs_and_counts_that_do_not_fit() -> None:
    assert wrong(rows(1, 2), rows(3, 4, first_seq=4)) == {"gaps": 1}
    assert wrong(rows(1, 2, 3, 4)._replace(record_count=3)) == {"wrong counts": 1}


def test_what_readers_were_shown() -> None:
    shown = Shown()
    shown.note(rows(1, 2, 3))
    assert check_run([rows(1, 2, 3, 4)], [Sent("a", 4, 4)], shown=shown).wrong == {}
    changed = check_run([rows(2, 1, 3, 4)], [Sent("a", 4, 4)], shown=shown)
    assert changed.wrong == {"out of order": 1, "changed": 1}
    assert check_run([rows(1, 2)], [Sent("a", 2, 2)], shown=shown).wrong == {"lost": 1}
