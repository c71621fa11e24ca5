"""A daemon of a test's own, in a process of its own, and the commands that speak to it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from logd.client import Client
from logd.paths import Paths

PATIENCE_SECONDS = 30.0
"""How long a test waits for what must come; it is never slept through."""

_KEPT = {"LOGD_ACCEL", "LOGD_TEST_WITHOUT"}
"""What of our own environment is for the whole suite."""

_MODULES = {"logd": "logd.main", "logctl": "logctl.main"}


class Bed:
    """Commands run against one socket and one state directory, which need not have a daemon."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state_dir = folder / "state"
        self.environ = {
            **{name: value for name, value in os.environ.items() if name in _KEPT or not name.startswith("LOGD_")},
            "LOGD_SOCKET": str(folder / "socket"),
            "LOGD_STATE_DIR": str(self.state_dir),
            "LOGD_CONFIG": str(folder / "logd.toml"),
            "TZ": "UTC",
        }
        (folder / "logd.toml").touch()
        self.paths = Paths.resolve(environ=self.environ)

    def argv(self, command: str, *arguments: str) -> list[str]:
        return [sys.executable, "-m", _MODULES[command], *arguments]

    def run(
        self, command: str, *arguments: str, stdin: bytes = b"", status: int | None = 0
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a command to its end, and hold its exit status to `status`, where that is not None."""
        done = subprocess.run(
            self.argv(command, *arguments), input=stdin, env=self.environ, capture_output=True, timeout=120, check=False
        )
        assert b"Traceback" not in done.stderr and b"that is a mistake in" not in done.stderr, done.stderr.decode()
        assert status is None or done.returncode == status, (done.returncode, done.stdout, done.stderr)
        return done

    @contextmanager
    def started(self, command: str, *arguments: str, **settings: Any) -> Iterator[subprocess.Popen[bytes]]:
        """A command that goes on while the block runs, with pipes; it is killed where the block leaves it running."""
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        process = subprocess.Popen(self.argv(command, *arguments), env=self.environ, **{**pipes, **settings})
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None:
                    with suppress(BrokenPipeError):
                        stream.close()

    def emit(self, run: str, data: bytes, *options: str) -> None:
        self.run("logctl", "emit", run, *options, stdin=data)

    def raw(self, run: str) -> bytes:
        """All that a run holds, as it was emitted."""
        return self.run("logctl", "attach", run, "--no-follow", "-n", "all", "-o", "raw").stdout

    def rows(self, run: str) -> list[dict[str, Any]]:
        """All records of a run, as they are stored."""
        out = self.run("logctl", "attach", run, "--no-follow", "-n", "all", "-o", "json").stdout
        return [json.loads(line) for line in out.splitlines()]

    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = json.loads(self.run("logd", "status", "-o", "json").stdout)
        return status

    def client(self) -> Client:
        return Client(self.paths, "test")

    def pid(self) -> int:
        with self.client() as client:
            return client.welcome.pid

    def kill(self) -> None:
        """Kill the daemon as it stands, and return when it is gone."""
        pid = self.pid()
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not alive(pid))

    def peak_memory_mib(self) -> float:
        status = Path(f"/proc/{self.pid()}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent does not."""
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


def wait_until(holds: Callable[[], object]) -> None:
    """Return when `holds()` is true; fail the test where it does not come true."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "what the test waits for has not come"
        time.sleep(0.01)


@contextmanager
def bed() -> Iterator[Bed]:
    # Not pytest's folder, whose path can be longer than a socket's may be.
    folder = Path(tempfile.mkdtemp(prefix="logd-test."))
    made = Bed(folder)
    try:
        yield made
    finally:
        made.run("logd", "stop", status=None)
        shutil.rmtree(folder, ignore_errors=True)
