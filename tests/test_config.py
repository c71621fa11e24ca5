"""Configuration: what a file may say, and that an error names the file, the key and what it can be."""

from __future__ import annotations

import tomllib
from dataclasses import FrozenInstanceError, asdict, fields
from pathlib import Path
from typing import Any

import pytest

from logd import config as config_module
from logd.config import Config, FanoutConfig, ServerConfig, StoreConfig, load_config, parse_config
from logd.errors import ConfigError

SETTINGS = [
    (section.name, setting.name, str(setting.type))
    for section in fields(Config)
    for setting in fields(getattr(Config(), section.name))
]


OTHER_VALUES = {"fsync": "always", "compress": False, "keep_free_percent": 5, "on_full": "drop-oldest"} | {
    name: False if kind == "bool" else 0.05 if "_min_" in name else 7
    for section, name, kind in SETTINGS
    if section == "fanout"
}
"""For settings that are no numbers, or small ones: what they are not by default."""


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "logd.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_without_a_file_all_is_as_it_is_by_default(tmp_path: Path) -> None:
    assert load_config(tmp_path / "none.toml") == Config() == load_config(write(tmp_path, ""))


def test_a_file_that_was_asked_for_and_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no file .*none\.toml"):
        load_config(tmp_path / "none.toml", must_exist=True)


def test_a_file_sets_what_it_names_and_no_more(tmp_path: Path) -> None:
    path = write(tmp_path, "[store]\nsegment_bytes = 4096\n[server]\nhandshake_seconds = 0.5\n")
    assert load_config(path) == Config(
        store=StoreConfig(segment_bytes=4096), server=ServerConfig(handshake_seconds=0.5)
    )


def test_the_documented_sample_is_a_configuration() -> None:
    assert config_module.__doc__ is not None
    sample = config_module.__doc__.partition("\n\n")[2]
    parsed = parse_config(tomllib.loads(sample))
    assert parsed == Config(
        store=StoreConfig(segment_bytes=64 * 1024 * 1024), fanout=FanoutConfig(view_max_interval_seconds=0.05)
    )


@pytest.mark.parametrize(("section", "name", "kind"), SETTINGS)
def test_every_setting_can_be_set(section: str, name: str, kind: str) -> None:
    value = OTHER_VALUES.get(name, 5000)
    parsed = parse_config({section: {name: value}})
    assert asdict(parsed)[section][name] == value != asdict(Config())[section][name]
    untouched = {other: value for other, value in asdict(parsed)[section].items() if other != name}
    assert untouched.items() <= asdict(Config())[section].items()


@pytest.mark.parametrize(("section", "name", "kind"), SETTINGS)
@pytest.mark.parametrize("value", ["12", True, None, [], {}, float("nan"), -1])
def test_every_setting_refuses_what_it_cannot_be(section: str, name: str, kind: str, value: Any) -> None:
    if value is True and kind == "bool":
        return
    with pytest.raises(ConfigError, match=name):
        parse_config({section: {name: value}})


@pytest.mark.parametrize(("section", "name"), [(section, name) for section, name, kind in SETTINGS if kind == "int"])
def test_a_whole_number_is_no_float(section: str, name: str) -> None:
    with pytest.raises(ConfigError, match=f"{section}.*{name}.*int"):
        parse_config({section: {name: 5000.0}})


@pytest.mark.parametrize(
    ("section", "name", "least"),
    [("store", "segment_bytes", 4096), ("server", "max_connections", 1), ("server", "max_connections_per_user", 1)],
)
def test_the_least_of_each_is_allowed_and_one_less_is_not(section: str, name: str, least: int) -> None:
    parse_config({section: {name: least}})
    with pytest.raises(ConfigError, match=f"{name} is {least - 1}; it can be"):
        parse_config({section: {name: least - 1}})


@pytest.mark.parametrize("name", [name for _, name, _ in SETTINGS if name.endswith("_interval_seconds")])
def test_intervals_are_from_none_to_a_minute(name: str) -> None:
    bounds = {name.replace("_max_", "_min_"): 0.0, name.replace("_min_", "_max_"): 60.0}
    for value in (0, 0.0, 60):
        parse_config({"fanout": {**bounds, name: value}})
    for value in (-0.001, 60.001, float("inf")):
        with pytest.raises(ConfigError, match=f"{name}.*0 to 60"):
            parse_config({"fanout": {**bounds, name: value}})


@pytest.mark.parametrize("mode", ["view", "stream"])
def test_the_least_interval_is_no_more_than_the_greatest(mode: str) -> None:
    least, greatest = f"{mode}_min_interval_seconds", f"{mode}_max_interval_seconds"
    parse_config({"fanout": {least: 2, greatest: 2}})
    for table in ({least: 2, greatest: 1.5}, {least: getattr(FanoutConfig(), greatest) + 0.001}):
        with pytest.raises(ConfigError, match=f"{least} is .*; it can be no more than {greatest}"):
            parse_config({"fanout": table})


def test_the_window_of_a_rate_is_neither_nothing_nor_endless() -> None:
    for value in (0.1, 60):
        parse_config({"fanout": {"rate_window_seconds": value}})
    for value in (0, 0.099, 60.001):
        with pytest.raises(ConfigError, match=r"rate_window_seconds is .*; it can be 0.1 to 60"):
            parse_config({"fanout": {"rate_window_seconds": value}})


def test_intervals_can_be_changed_to_what_a_file_could_say() -> None:
    before = FanoutConfig(board_interval_seconds=3.0)
    changed = before.changed({"view_max_interval_seconds": 2, "adaptive": False})
    assert changed == FanoutConfig(board_interval_seconds=3.0, view_max_interval_seconds=2, adaptive=False)
    assert before == before.changed({}) == FanoutConfig(board_interval_seconds=3.0)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"view_interval": 1}, r"\[fanout\] has no setting 'view_interval'"),
        ({"adaptive": 1}, "adaptive is 1; it is true or false"),
        ({"board_interval_seconds": True}, "board_interval_seconds is True; it is a number"),
        ({"view_max_interval_seconds": 0.001}, "view_min_interval_seconds is 0.01; it can be no more than"),
    ],
)
def test_a_change_that_no_file_could_say_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        FanoutConfig().changed(changes)


@pytest.mark.parametrize("tables", [{"shop": {}}, {"store": 5}, {"segment_bytes": 4096}, {"store": [{}]}])
def test_unknown_sections_are_refused_with_those_there_are(tables: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(tables))) as caught:
        parse_config(tables)
    assert caught.value.hint == "sections are store, fanout, server"


def test_unknown_settings_are_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"\[store\] has no setting 'segment_size'") as caught:
        parse_config({"store": {"segment_size": 5000}})
    assert caught.value.hint == "settings are " + ", ".join(asdict(StoreConfig()))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"[store", "not TOML"),
        (b"[store]\n[store]\n", "not TOML"),
        (b"# \xff", "cannot read"),
        (b"[store]\nsegment_bytes = 1\n", "segment_bytes is 1; it can be at least 4096"),
        (b"[shop]\n", "there is no section"),
    ],
)
def test_an_error_in_a_file_names_the_file(tmp_path: Path, text: bytes, said: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert str(path) in caught.value.message
    assert said in caught.value.message
    assert caught.value.exit_status == 2


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        load_config(tmp_path)


@pytest.mark.parametrize("section", [Config(), StoreConfig(), FanoutConfig(), ServerConfig()])
def test_a_configuration_cannot_be_changed(section: Any) -> None:
    with pytest.raises(FrozenInstanceError):
        setattr(section, fields(section)[0].name, None)
