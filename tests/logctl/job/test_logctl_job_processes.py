"""Processes are known for what the kernel says of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from logctl.job.processes import Process

linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the system does not tell")


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "600"], process_group=0) as process:
        yield process
        process.kill()


@linux_only
def test_a_process_has_its_parent_and_its_age(sleeper: subprocess.Popen[bytes]) -> None:
    with Process(sleeper.pid) as process:
        assert process.parent == os.getpid()
        assert process.leads_group
        now_us = time.time_ns() // 1000
        assert process.began_by(now_us)
        assert not process.began_by(now_us - 60_000_000)
    with Process(os.getpid()) as ours:
        assert ours.parent == os.getppid()


@pytest.mark.parametrize("group", [False, True])
def test_it_is_signalled_while_it_is_there_and_no_other_afterwards(
    sleeper: subprocess.Popen[bytes], *, group: bool
) -> None:
    with Process(sleeper.pid) as process:
        send = process.signal_group if group else process.signal
        send(signal.SIGTERM)
        assert sleeper.wait(60) == -signal.SIGTERM
        with pytest.raises(ProcessLookupError):
            send(signal.SIGTERM)


def test_there_is_none_of_a_number_that_nobody_has(sleeper: subprocess.Popen[bytes]) -> None:
    sleeper.kill()
    sleeper.wait(60)
    with pytest.raises(ProcessLookupError):
        Process(sleeper.pid)
