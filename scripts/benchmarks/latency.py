"""How old records are when a view is sent them, and how often it is sent to, when they come at a steady pace."""

from __future__ import annotations

import re
import subprocess
import time
from bisect import bisect_left
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

from harness import daemon, percentile, show

from logd.client import Client
from logd.config import FanoutConfig
from logd.paths import Paths
from logd.protocol import Attach, Batch, Event, Message
from logd.record import now_us

RATES = (100, 1_000, 100_000)
SECONDS = 10
INSTANTS = 1_000
"""A second, at the most: at a higher rate as many lines are written together."""
SLACK_SECONDS = 0.010
"""What a record's way may take beside the greatest interval."""
LINE = b"worker-07 fetched https://example.org/items/00000042 in 134 ms, 200, 5120 bytes".ljust(91) + b"\n"

_TIME = re.compile(rb'^\{"time":"([^"]+)"', re.MULTILINE)


class Arrived(NamedTuple):
    time_us: int
    batch: Batch


def measure(work: Path, *, lines: int, rounds: int) -> None:
    arrived: dict[int, list[list[Arrived]]] = {rate: [] for rate in RATES}
    with daemon(work):
        for number in range(rounds):
            for rate in RATES:
                arrived[rate].append(_watch(f"pace-{rate}-{number}", rate))
    config = FanoutConfig()
    show(
        f"latency: a view while records come for {SECONDS} s, {rounds} times, default intervals",
        (
            "records/s",
            "came/s",
            "batches/s",
            "most in a second",
            "age p50 ms",
            "p99 ms",
            "worst ms",
            "longest gap ms",
            "skipped",
        ),
        [_row(rate, each) for rate, each in arrived.items()],
    )
    print(
        f"bounds: {1 / config.view_min_interval_seconds:.0f} batches a second, "
        f"p99 {(config.view_max_interval_seconds + SLACK_SECONDS) * 1000:.0f} ms, none skipped at {min(RATES)}/s",
        flush=True,
    )


def _row(rate: int, rounds: Sequence[Sequence[Arrived]]) -> tuple[str, ...]:
    ages = [age for each in rounds for arrived in each for age in _ages(arrived)]
    spans = [(each[-1].time_us - each[0].time_us) / 1e6 for each in rounds]
    batches = [arrived.batch for each in rounds for arrived in each]
    return (
        f"{rate:,}",
        f"{sum(each[-1].batch.head for each in rounds) / sum(spans):,.0f}",
        f"{len(batches) / sum(spans):.1f}",
        str(max(_most_in_a_second([arrived.time_us for arrived in each]) for each in rounds)),
        *(f"{figure:.1f}" for figure in (percentile(ages, 50), percentile(ages, 99), max(ages))),
        f"{max(map(_longest_gap_ms, rounds)):.0f}",
        f"{sum(batch.skipped for batch in batches):,}",
    )


def _ages(arrived: Arrived) -> list[float]:
    """How old each record was by its own time, in ms."""
    return [(arrived.time_us - _time_us(text)) / 1000 for text in _TIME.findall(arrived.batch.rows)]


@cache
def _time_us(text: bytes) -> int:
    return round(datetime.fromisoformat(text.decode()).timestamp() * 1_000_000)


def _longest_gap_ms(arrived: Sequence[Arrived]) -> float:
    """Between two batches: how old what the second one skipped can have been, whose own age nobody is told."""
    return max((after.time_us - before.time_us) / 1000 for before, after in pairwise(arrived))


def _most_in_a_second(times_us: Sequence[int]) -> int:
    return max(bisect_left(times_us, time_us + 1_000_000) - number for number, time_us in enumerate(times_us))


def _watch(run: str, rate: int) -> list[Arrived]:
    """The batches of a view, from before the first record to the run's end."""
    arrived = []
    pacing = get_context("spawn").Process(target=_pace, args=(run, rate))
    with Client(Paths.resolve(), "bench") as client:
        client.send(Attach(client.new_id(), run, mode="view", wait=True))
        pacing.start()
        message: Message | None = None
        while not (isinstance(message, Event) and message.kind == "ended"):
            message = client.receive()
            if isinstance(message, Batch):
                arrived.append(Arrived(now_us(), message))
    pacing.join()
    return arrived


def _pace(run: str, rate: int) -> None:
    """Write lines to `logctl emit` at even intervals."""
    at_once = max(1, rate // INSTANTS)
    with subprocess.Popen(["logctl", "emit", run], stdin=subprocess.PIPE, bufsize=0) as emitter:
        assert emitter.stdin is not None
        started = time.perf_counter()
        for number in range(0, rate * SECONDS, at_once):
            time.sleep(max(0.0, started + number / rate - time.perf_counter()))
            emitter.stdin.write(LINE * at_once)
