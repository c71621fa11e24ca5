"""Where things are: the socket, the state, the configuration.

Each is, in this order, what an option says, what an environment variable says, or the platform's usual place. The
platform is asked only for what neither says, so that a client with LOGD_SOCKET set does not pay for it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from logd.errors import UsageError

SOCKET_VARIABLE = "LOGD_SOCKET"
STATE_VARIABLE = "LOGD_STATE_DIR"
CONFIG_VARIABLE = "LOGD_CONFIG"

MAX_SOCKET_PATH_BYTES = 103
"""What fits `sun_path` on every system, with its closing NUL: 104 bytes on macOS, 108 on Linux."""
_SUFFIX_BYTES = len(".new")
SPOOL_SUFFIX = ".frames"
"""Of the files in the spool's folder that the daemon takes in."""


@dataclass(frozen=True)
class Paths:
    """Where one daemon has its things. Build it with `Paths.resolve`."""

    _socket: Path | None = None
    _state_dir: Path | None = None
    _config: Path | None = None

    @classmethod
    def resolve(
        cls,
        *,
        socket: str | None = None,
        state_dir: str | None = None,
        config: str | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> Paths:
        """The paths that options (None where not given) and the environment name, absolute; the rest is usual."""

        def chosen(option: str | None, variable: str) -> Path | None:
            value = option or environ.get(variable)
            return Path(value).expanduser().absolute() if value else None

        return cls(chosen(socket, SOCKET_VARIABLE), chosen(state_dir, STATE_VARIABLE), chosen(config, CONFIG_VARIABLE))

    @cached_property
    def socket(self) -> Path:
        """The daemon's socket. UsageError where its path is longer than a socket's may be."""
        path = self._socket
        if path is None:
            path = _runtime_dir() / "logd.sock"
        length = len(os.fsencode(path)) + _SUFFIX_BYTES
        if length > MAX_SOCKET_PATH_BYTES:
            raise UsageError(
                f"the socket's path is {length - _SUFFIX_BYTES} bytes long, "
                f"and can have {MAX_SOCKET_PATH_BYTES - _SUFFIX_BYTES}: {path}",
                hint=f"name a shorter one with --socket or {SOCKET_VARIABLE}",
            )
        return path

    @cached_property
    def state_dir(self) -> Path:
        """The folder of all that is kept."""
        if self._state_dir is not None:
            return self._state_dir
        from platformdirs import user_state_path

        return user_state_path("logd", appauthor=False)

    @cached_property
    def config(self) -> Path:
        """The configuration file, which need not exist unless it `is_config_named`."""
        if self._config is not None:
            return self._config
        from platformdirs import user_config_path

        return user_config_path("logd", appauthor=False) / "logd.toml"

    @property
    def is_config_named(self) -> bool:
        """Whether the configuration file is one that the user asks for, and not the usual one."""
        return self._config is not None

    @property
    def spool_dir(self) -> Path:
        """The folder of what emitters could not deliver."""
        return self.state_dir / "spool"

    @property
    def log(self) -> Path:
        """The daemon's own diagnostics."""
        return self.state_dir / "logd.log"

    def environment(self) -> dict[str, str]:
        """What to add to a child's environment so that it resolves the same paths."""
        chosen = {SOCKET_VARIABLE: self._socket, STATE_VARIABLE: self._state_dir, CONFIG_VARIABLE: self._config}
        return {variable: str(path) for variable, path in chosen.items() if path is not None}


def _runtime_dir() -> Path:
    """The usual folder of the socket. Without a login session it is one below the temporary folder."""
    import warnings

    from platformdirs import user_runtime_path

    with warnings.catch_warnings(action="ignore"):
        return user_runtime_path("logd", appauthor=False)
