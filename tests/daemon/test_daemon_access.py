"""Who a peer is: what the system tells of processes that there are, and of those that there are not."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from logd.daemon.access import Credentials, job_pid, terminal_of

ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="the system does not tell it there")
ME = os.getpid()


def ended_pid() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_a_job_is_the_process_that_its_emitter_names() -> None:
    assert job_pid(Credentials(7, os.getuid()), ME) == ME
    assert job_pid(Credentials(ME, os.getuid()), 0) == ME


@ON_LINUX
def test_a_process_that_is_not_there_or_is_anothers_is_not_taken_for_the_job() -> None:
    assert job_pid(Credentials(ME, os.getuid()), ended_pid()) == ME
    assert job_pid(Credentials(ME, os.getuid() + 1), ME) == ME
    assert job_pid(Credentials(7, os.getuid() + 1), ME) == 7


def test_of_an_emitter_that_is_gone_its_word_is_all_there_is() -> None:
    assert job_pid(Credentials(0, os.getuid()), 4711) == 4711
    assert job_pid(Credentials(0, os.getuid()), 0) == 0


@ON_LINUX
def test_a_process_has_the_terminal_that_it_was_begun_at() -> None:
    pid, fd = pty.fork()
    if not pid:
        os.read(0, 1)
        os._exit(0)
    name = (
        os.ptsname(fd)
        if hasattr(os, "ptsname")
        else subprocess.run(
            ["ps", "-o", "tty=", "-p", str(pid)], capture_output=True, text=True, check=True
        ).stdout.strip()
    )
    try:
        assert f"/dev/{terminal_of(pid)}" == f"/dev/{name.removeprefix('/dev/')}"
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        os.close(fd)


def test_a_process_without_a_terminal_has_none() -> None:
    process = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        assert terminal_of(process.pid) == ""
    finally:
        process.kill()
        process.wait()
    assert terminal_of(0) == ""
    assert terminal_of(process.pid) == ""
