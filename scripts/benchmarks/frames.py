"""Single-record frames: how many are acknowledged a second, and how long one takes there and back."""

from __future__ import annotations

import time
from pathlib import Path

from harness import daemon, percentile, show

from logd.client import Client
from logd.paths import Paths
from logd.protocol import Ack, Close, Emit, Open, Reply

FRAMES = 300_000
ROUND_TRIPS = 2_000
IN_FLIGHT = 4_000
GATHERED_BYTES = 64 * 1024


def measure(work: Path, *, lines: int, rounds: int) -> None:
    line = b"worker-07 fetched https://example.org/items/00000042 in 134 ms, 200, 5120 bytes".ljust(91) + b"\n"
    rates, trips = [], []
    with daemon(work):
        for number in range(rounds):
            rates.append(_rate(line, f"frames-{number}"))
            trips += _round_trips(line, f"trips-{number}")
    show(
        f"frames: one record of {len(line)} bytes each, best of {rounds}",
        ("", "figure"),
        [
            ("acknowledged frames/s", f"{max(rates):,.0f}"),
            ("round trip p50", f"{percentile(trips, 50) * 1000:.3f} ms"),
            ("round trip p99", f"{percentile(trips, 99) * 1000:.3f} ms"),
        ],
    )


def _open(client: Client, run: str) -> int:
    number = client.new_id()
    client.request(Open(number, run, f"bench-{run}"))
    return number


def _rate(line: bytes, run: str) -> float:
    with Client(Paths.resolve(), "bench") as client:
        session = _open(client, run)
        started = time.perf_counter()
        acked = batch = 0
        while acked < FRAMES:
            gathered = bytearray()
            while batch < FRAMES and batch - acked < IN_FLIGHT and len(gathered) < GATHERED_BYTES:
                batch += 1
                gathered += client.encode(Emit(session, batch, lines=line))
            if gathered:
                client.send_data(bytes(gathered))
            message = client.receive_nowait() if gathered else client.receive()
            while message is not None:
                assert isinstance(message, Ack), message
                acked = message.batch
                message = client.receive_nowait()
        took = time.perf_counter() - started
        client.send(Close(session))
        assert isinstance(client.receive(), Reply)
    return FRAMES / took


def _round_trips(line: bytes, run: str) -> list[float]:
    trips = []
    with Client(Paths.resolve(), "bench") as client:
        session = _open(client, run)
        for batch in range(1, ROUND_TRIPS + 1):
            started = time.perf_counter()
            client.send(Emit(session, batch, lines=line))
            message = client.receive()
            trips.append(time.perf_counter() - started)
            assert isinstance(message, Ack) and message.batch == batch, message
    return trips
