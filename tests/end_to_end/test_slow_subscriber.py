"""Subscribers that do not read: what they cost, and how they are let go."""

from __future__ import annotations

from bed import PATIENCE_SECONDS, Bed, wait_until

from logd.client import Client
from logd.protocol import Attach, Batch, Detach, Event, Reply

LINES = b"".join(b"%d %s\n" % (number, b"x" * 80) for number in range(100_000))


def attached(bed: Bed, run: str, mode: str = "stream") -> tuple[Client, int]:
    """A client that has asked for all of a run, and reads nothing."""
    client = bed.client()
    number = client.new_id()
    client.send(Attach(number, run, mode=mode))
    wait_until(lambda: bed.status()["subscriptions"])
    return client, number


def test_one_that_takes_nothing_is_hung_up_on_and_the_log_says_why(idle_bed: Bed) -> None:
    idle_bed.paths.config.write_text("[server]\nsend_seconds = 0.5\n")
    idle_bed.run("logd", "start")
    idle_bed.emit("run", LINES)
    client, _ = attached(idle_bed, "run")
    with client:
        wait_until(lambda: not idle_bed.status()["subscriptions"])
    log = (idle_bed.state_dir / "logd.log").read_text()
    assert "has taken nothing for 0.5 seconds, and is hung up on" in log
    assert idle_bed.raw("run") == LINES


def test_it_costs_the_daemon_one_batch_and_emitters_nothing(daemon: Bed) -> None:
    daemon.emit("run", LINES)
    with daemon.started("logctl", "emit", "run") as emit:
        assert emit.stdin is not None
        client, _ = attached(daemon, "run")
        with client:
            before = daemon.peak_memory_mib()
            for _ in range(10):
                emit.stdin.write(LINES)
            emit.stdin.close()
            assert emit.wait(timeout=60) == 0
            assert daemon.status()["subscriptions"][0]["lag_records"] > 900_000
            assert daemon.peak_memory_mib() < before + 40
    assert daemon.status()["records"] == 1_100_000


def test_to_detach_it_amid_a_batch_leaves_the_connection_whole(daemon: Bed) -> None:
    daemon.emit("run", LINES)
    client, number = attached(daemon, "run")
    with client:
        wait_until(lambda: daemon.status()["subscriptions"][0]["lag_records"] < 100_000)
        client.send(Detach(number))
        while (message := client.receive_within(PATIENCE_SECONDS)) != Reply(number, {}):
            assert isinstance(message, Batch | Event | Reply)
        assert client.request(Attach(client.new_id(), "run", last=1))["head"] == 100_000
