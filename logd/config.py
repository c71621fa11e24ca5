"""The configuration: one frozen dataclass for each subsystem, read from a TOML file that need not exist.

[store]
segment_bytes = 67108864

[fanout]
view_max_interval_seconds = 0.05
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from logd.errors import ConfigError

MIB = 1024 * 1024

FSYNC_POLICIES = ("no", "everysec", "always")
ON_FULL = ("wait", "drop-oldest")


@dataclass(frozen=True)
class StoreConfig:
    """How runs are kept on disk."""

    segment_bytes: int = 64 * MIB
    """A segment that has grown to this size is followed by a new one."""
    segment_age_seconds: float = 24 * 3600.0
    """So is one that was begun so long ago."""
    fsync: str = "everysec"
    """When what is stored is put on the disk itself: no, everysec, always."""
    compress: bool = True
    """Whether segments that are followed by a new one are compressed."""
    max_run_bytes: int = 0
    """The most that is kept of a run, whose oldest segments go first. 0 is without a limit."""
    max_run_age_seconds: float = 0.0
    """How long a run's segments are kept. 0 is without a limit."""
    max_total_bytes: int = 0
    """The most that is kept of all runs together. 0 is without a limit."""
    keep_free_percent: int = 15
    """What of the disk is left free: so much of it, but no more than `keep_free_bytes`."""
    keep_free_bytes: int = 4096 * MIB
    on_full: str = "wait"
    """What to do where the disk is full: wait for room, or drop-oldest segments."""

    def __post_init__(self) -> None:
        _require(self.fsync in FSYNC_POLICIES, "fsync", self.fsync, "one of " + ", ".join(FSYNC_POLICIES))
        _require(self.on_full in ON_FULL, "on_full", self.on_full, "one of " + ", ".join(ON_FULL))
        for name in ("max_run_bytes", "max_run_age_seconds", "max_total_bytes", "keep_free_bytes"):
            _require(getattr(self, name) >= 0, name, getattr(self, name), "0 or more")
        _require(0 <= self.keep_free_percent <= 90, "keep_free_percent", self.keep_free_percent, "0 to 90")
        _require(self.segment_bytes >= 4096, "segment_bytes", self.segment_bytes, "at least 4096")
        _require(self.segment_age_seconds > 0, "segment_age_seconds", self.segment_age_seconds, "more than 0")


@dataclass(frozen=True)
class FanoutConfig:
    """How often subscribers are sent what is new. All of it can be changed while the daemon runs."""

    view_min_interval_seconds: float = 0.010
    """Between two batches for a view, when little comes."""
    view_max_interval_seconds: float = 0.100
    """And in a flood."""
    stream_min_interval_seconds: float = 0.0
    """The same for a stream."""
    stream_max_interval_seconds: float = 0.250
    counters_interval_seconds: float = 0.5
    """Between two counts for a view that is paused."""
    runs_interval_seconds: float = 1.0
    """Between two changes of the list of runs in use."""
    board_interval_seconds: float = 1.0
    """Between two changes of a run's board."""
    presence_interval_seconds: float = 5.0
    """Between two changes of how much emitters have sent and viewers lack; who comes and goes is told sooner."""
    silent_seconds: float = 20.0
    """A run that nothing comes of for so long, though somebody emits into it, is said to be silent."""
    rate_window_seconds: float = 2.0
    """Over how long it is counted how much comes."""
    adaptive: bool = True
    """Otherwise the interval is always the least."""

    def __post_init__(self) -> None:
        for setting in fields(self):
            value = getattr(self, setting.name)
            if setting.name.endswith("_interval_seconds"):
                _require(0 <= value <= 60, setting.name, value, "0 to 60")
        _require(self.silent_seconds >= 1, "silent_seconds", self.silent_seconds, "at least 1")
        _require(0.1 <= self.rate_window_seconds <= 60, "rate_window_seconds", self.rate_window_seconds, "0.1 to 60")
        for mode in ("view", "stream"):
            least, greatest = f"{mode}_min_interval_seconds", f"{mode}_max_interval_seconds"
            bound = getattr(self, greatest)
            _require(getattr(self, least) <= bound, least, getattr(self, least), f"no more than {greatest}, {bound}")

    def changed(self, changes: dict[str, Any]) -> FanoutConfig:
        """The same with other values for some settings. ConfigError where that cannot be."""
        known = {setting.name: getattr(self, setting.name) for setting in fields(self)}
        checked: FanoutConfig = _parse_section("fanout", FanoutConfig, known | changes)
        return checked


@dataclass(frozen=True)
class ServerConfig:
    """What the daemon allows its peers."""

    max_connections: int = 2048
    max_connections_per_user: int = 256
    handshake_seconds: float = 10.0
    """From the connection to its hello."""
    frame_seconds: float = 30.0
    """From a frame's first byte to its last."""
    send_seconds: float = 300.0
    """A peer that takes nothing of what it is sent for so long is hung up on."""

    def __post_init__(self) -> None:
        for setting in fields(self):
            value = getattr(self, setting.name)
            _require(value > 0, setting.name, value, "more than 0")


@dataclass(frozen=True)
class Config:
    store: StoreConfig = field(default_factory=StoreConfig)
    fanout: FanoutConfig = field(default_factory=FanoutConfig)
    server: ServerConfig = field(default_factory=ServerConfig)


_SECTIONS: dict[str, type[Any]] = {"store": StoreConfig, "fanout": FanoutConfig, "server": ServerConfig}


_VALUES: dict[str, tuple[tuple[type, ...], str]] = {
    "int": ((int,), "a number (int)"),
    "float": ((int, float), "a number (float)"),
    "bool": ((bool,), "true or false"),
    "str": ((str,), "a text"),
}


def _require(holds: bool, name: str, value: object, allowed: str) -> None:
    if not holds:
        raise ConfigError(f"{name} is {value}; it can be {allowed}")


def load_config(path: Path, *, must_exist: bool = False) -> Config:
    """The configuration in a file, or the defaults where there is no such file and there need not be.

    Raises:
        ConfigError: the file cannot be read, is not TOML, or says something that cannot be; it names file and key.
    """
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        if must_exist:
            raise ConfigError(f"there is no file {path}", hint="name none with --config to have the defaults") from None
        return Config()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {error}") from None
    try:
        tables = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from None
    try:
        return parse_config(tables)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error.message}", hint=error.hint) from None


def parse_config(tables: dict[str, Any]) -> Config:
    """The configuration that a parsed file's tables stand for."""
    sections = {}
    for name, table in tables.items():
        section = _SECTIONS.get(name)
        if section is None or not isinstance(table, dict):
            raise ConfigError(f"there is no section [{name}]", hint="sections are " + ", ".join(_SECTIONS))
        sections[name] = _parse_section(name, section, table)
    return Config(**sections)


def _parse_section(name: str, section: type[Any], table: dict[str, Any]) -> Any:
    types = {setting.name: setting.type for setting in fields(section)}
    for key, value in table.items():
        wanted = types.get(key)
        if wanted is None:
            raise ConfigError(f"[{name}] has no setting {key!r}", hint="settings are " + ", ".join(types))
        types_allowed, what = _VALUES[str(wanted)]
        if type(value) not in types_allowed:
            raise ConfigError(f"[{name}] {key} is {value!r}; it is {what}")
    return section(**table)
