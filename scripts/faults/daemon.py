"""A daemon of a test's own, in a process of its own, that is ended and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from logd.client import Client
from logd.errors import DaemonUnavailable, LogdError
from logd.paths import Paths

PATIENCE_SECONDS = 60.0
"""How long is waited for what must come; not to come is a fault."""
POLL_SECONDS = 0.005


class Overdue(Exception):
    """What must come has not come."""


class Daemon:
    """A daemon below `folder`, which is not started yet.

    Args:
        settings: of the configuration's section [store].
        state_dir: where it stores; by default below `folder`.
    """

    def __init__(self, folder: Path, settings: Mapping[str, object], *, state_dir: Path | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "logd.toml"
        config.write_text("[store]\n" + "".join(f"{key} = {_toml(value)}\n" for key, value in settings.items()))
        self.folder = folder
        self.state_dir = state_dir or folder / "state"
        self.log = folder / "log"
        self._environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("LOGD_")},
            "LOGD_SOCKET": str(folder / "socket"),
            "LOGD_STATE_DIR": str(self.state_dir),
            "LOGD_CONFIG": str(config),
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        }
        self.paths = Paths.resolve(environ=self._environ)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, failpoints: str = "", *, count_to: Path | None = None) -> None:
        """Start it; `wait_ready` says when it answers.

        Args:
            failpoints: as LOGD_FAILPOINTS has them.
            count_to: a file for how often it made each of the disk's operations; see `counting`.
        """
        command = ["logd.main"] if count_to is None else ["faults.counting", str(count_to)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *command, "start", "--foreground"],
                env={**self._environ, "LOGD_FAILPOINTS": failpoints},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def was_killed(self) -> bool:
        return self._process is not None and self._process.poll() == -signal.SIGKILL

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def client(self) -> Client:
        return Client(self.paths, "torture")

    def wait_until(self, holds: Callable[[], object]) -> bool:
        """Return when `holds()` is true, or False where the daemon ends before. Overdue where neither comes."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not holds():
            if not self.running:
                return bool(holds())
            if time.monotonic() > deadline:
                raise Overdue("what is waited for has not come")
            time.sleep(POLL_SECONDS)
        return True

    def wait_ready(self) -> bool:
        """Return when it answers, or False where it ends before."""
        return self.wait_until(self._answers)

    def _answers(self) -> bool:
        try:
            self.client().close()
        except (DaemonUnavailable, LogdError):
            return False
        return True

    def kill(self) -> None:
        """End it as it stands."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()
            self._process.wait()

    def stop(self) -> list[str]:
        """End it in good order; what was wrong with it, also before."""
        faults = []
        if self.running:
            assert self._process is not None
            self._process.send_signal(signal.SIGTERM)
            try:
                status = self._process.wait(PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()
                faults.append("the daemon does not stop")
            else:
                faults += [f"the daemon ended with status {status}"] * bool(status)
        return faults + self.mistakes()

    def mistakes(self) -> list[str]:
        """Failures of the daemon's own, by its log."""
        text = self.log.read_text("utf-8", "replace") if self.log.exists() else ""
        return [f"the daemon's log has {text.count('Traceback')} tracebacks"] if "Traceback" in text else []


def _toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool | int | float) else f'"{value}"'
