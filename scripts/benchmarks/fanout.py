"""What subscribers cost those who emit: a flood with none, with views of it, with one that is stopped, with streams."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from operator import truediv
from pathlib import Path
from statistics import mean, median
from typing import Any, NamedTuple

from harness import daemon, peak_memory_mib, seconds, shell, show
from ingest import LINE_BYTES, write_lines
from subscribers import Subscribers, Text, check_text, count_bytes

from logd.client import Client
from logd.paths import Paths
from logd.protocol import Close, Open, Reply, Stats

RUN = "fanout"
VIEW = {"mode": "view"}
STREAMS = 4
CATCH_UP_SECONDS = 120.0
POLL_SECONDS = 0.05
BOUNDS = "100 views x 1.20, 100 paused x 1.05, a stopped one x 1.00 and 64 MiB, streams get all"


class Case(NamedTuple):
    """Who is subscribed during a flood."""

    views: int = 0
    paused: bool = False
    stopped: bool = False
    streams: int = 0


REFERENCE = "none"
CASES = {
    REFERENCE: Case(),
    "1 view": Case(views=1),
    "10 views": Case(views=10),
    "100 views": Case(views=100),
    "100 paused": Case(views=100, paused=True),
    "1 stopped": Case(stopped=True),
    f"{STREAMS} streams": Case(streams=STREAMS),
}


class Figures(NamedTuple):
    flood_seconds: float
    peak_memory_mib: float
    flushes: float
    """Of each subscription, as `sent` and `skipped` are."""
    sent: float
    skipped: float
    caught_up_seconds: float
    """From the flood's end until nothing was left to send to those that read."""
    cpu_seconds: float
    """What the subscribers took of the processor."""
    texts: list[Text]


def measure(work: Path, *, lines: int, rounds: int) -> None:
    source = work / "lines.txt"
    write_lines(source, lines)
    found: dict[str, list[Figures]] = {name: [] for name in CASES}
    for _ in range(rounds):
        for name, case in CASES.items():
            found[name].append(_flood(work, source, lines, case))
    floods = {name: [figures.flood_seconds for figures in each] for name, each in found.items()}
    show(
        f"fanout: {lines:,} lines of {LINE_BYTES} bytes with subscribers of each kind, best of {rounds}",
        ("", "seconds", "lines/s", f"x {REFERENCE}", "p50 x", "peak MiB", "subscribers' CPU s"),
        [
            (
                name,
                f"{min(floods[name]):.2f}",
                f"{lines / min(floods[name]):,.0f}",
                f"{min(floods[name]) / min(floods[REFERENCE]):.2f}",
                f"{median(map(truediv, floods[name], floods[REFERENCE])):.2f}",
                f"{max(figures.peak_memory_mib for figures in each):.0f}",
                f"{mean(figures.cpu_seconds for figures in each):.2f}",
            )
            for name, each in found.items()
        ],
    )
    print(f"bounds: {BOUNDS}")
    show(
        f"fanout: what each subscription was sent, mean of {rounds}",
        ("", "flushes", "records", "skipped", "caught up s after the flood"),
        [_sent_row(name, each) for name, each in found.items() if name != REFERENCE],
    )
    right = Text.of_file(source)
    texts = [text for each in found.values() for figures in each for text in figures.texts]
    print(f"streams that got all {right.lines:,} lines byte for byte: {texts.count(right)} of {len(texts)}", flush=True)
    source.unlink()


def _sent_row(name: str, each: Sequence[Figures]) -> tuple[str, ...]:
    return (
        name,
        f"{mean(figures.flushes for figures in each):,.1f}",
        f"{mean(figures.sent for figures in each):,.0f}",
        f"{mean(figures.skipped for figures in each):,.0f}",
        f"{mean(figures.caught_up_seconds for figures in each):.2f}",
    )


def _flood(work: Path, source: Path, lines: int, case: Case) -> Figures:
    """One flood into a daemon of its own, whose memory then is this flood's."""
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, work / "state")
        pid = stack.enter_context(daemon(work))
        client = stack.enter_context(Client(Paths.resolve(), "bench"))
        with _kept_running(client):
            counting, streams, stopped = _subscribe(stack, case)
            flood_seconds = seconds(lambda: shell(f"cat {source} | logctl emit {RUN}"))
            flooded = time.perf_counter()
            subscriptions = _wait_caught_up(client, lines, stopped)
            caught_up_seconds = time.perf_counter() - flooded
            memory = peak_memory_mib(pid) or 0.0
        reports = [subscribers.report() for subscribers in (*counting, *streams)]
    return Figures(
        flood_seconds,
        memory,
        _mean(subscriptions, "flushes"),
        _mean(subscriptions, "sent_records"),
        _mean(subscriptions, "skipped_records"),
        caught_up_seconds,
        sum(report.cpu_seconds for report in reports),
        [report.text for report in reports if report.text],
    )


@contextmanager
def _kept_running(client: Client) -> Iterator[None]:
    """The run is there before the flood, and goes on behind it, so that its subscriptions can be asked about."""
    session = client.new_id()
    client.request(Open(session, RUN, "bench"))
    yield
    client.send(Close(session))
    assert isinstance(client.receive(), Reply)


def _subscribe(stack: ExitStack, case: Case) -> tuple[list[Subscribers], list[Subscribers], int]:
    """The process with views, those with streams, and the id of the one that is stopped, or 0."""
    start: Callable[[Subscribers], Subscribers] = stack.enter_context
    counting = []
    stopped = 0
    if case.views:
        counting = [start(Subscribers(count_bytes, RUN, case.views, VIEW | {"paused": case.paused}))]
    if case.stopped:
        stopped = start(Subscribers(count_bytes, RUN, 1, {"mode": "stream"})).pid
        os.kill(stopped, signal.SIGSTOP)
    return counting, [start(Subscribers(check_text, RUN)) for _ in range(case.streams)], stopped


def _wait_caught_up(client: Client, lines: int, stopped: int) -> list[dict[str, Any]]:
    """The daemon's account of each subscription, when all have caught up but those that do not read."""
    deadline = time.perf_counter() + CATCH_UP_SECONDS
    while True:
        subscriptions: list[dict[str, Any]] = client.request(Stats(client.new_id()))["subscriptions"]
        reading = [each for each in subscriptions if each["pid"] != stopped and not each["paused"]]
        caught_up = all(each["sent_records"] + each["skipped_records"] == lines for each in reading)
        if caught_up or time.perf_counter() > deadline:
            return subscriptions
        time.sleep(POLL_SECONDS)


def _mean(subscriptions: Sequence[dict[str, Any]], key: str) -> float:
    return float(sum(each[key] for each in subscriptions)) / max(1, len(subscriptions))
