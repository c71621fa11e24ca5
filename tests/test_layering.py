"""Who may import whom: the tables here are the map in ARCHITECTURE.md, and what the code imports is held to them.

Every import counts, also one within a function or for type checking only.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from bed import Bed
from installed import ACCELERATORS

ROOT = Path(__file__).parents[1]
SOURCES = {"logd": ROOT / "logd", "logctl": ROOT / "cli" / "logctl"}

ALLOWED = {
    "logd": {"logd.client", "logd.version"},
    "logd.version": set[str](),
    "logd.errors": set[str](),
    "logd.config": {"logd.errors"},
    "logd.paths": {"logd.errors"},
    "logd.record": {"logd.errors"},
    "logd.states": set[str](),
    "logd.console": {"logd.errors", "logd.paths", "logd.version"},
    "logd.accel": {"logd.errors"},
    "logd.progress": set[str](),
    "logd.protocol": {"logd.errors", "logd.record"},
    # The stages, which do not know each other.
    "logd.ingest": {"logd.accel", "logd.record"},
    "logd.store": {"logd.accel", "logd.config", "logd.errors", "logd.record"},
    "logd.fanout": {"logd.accel", "logd.errors", "logd.protocol", "logd.record"},
    # The one place where they meet.
    "logd.daemon": {
        "logd.accel",
        "logd.config",
        "logd.errors",
        "logd.fanout",
        "logd.ingest",
        "logd.paths",
        "logd.progress",
        "logd.protocol",
        "logd.record",
        "logd.states",
        "logd.store",
        "logd.version",
    },
    "logd.client": {"logd.errors", "logd.paths", "logd.protocol", "logd.record", "logd.states", "logd.version"},
    "logd.main": {
        "logd.accel",
        "logd.client",
        "logd.config",
        "logd.console",
        "logd.daemon",
        "logd.errors",
        "logd.paths",
        "logd.protocol",
    },
    "logctl": {
        "logd.accel",
        "logd.client",
        "logd.config",
        "logd.console",
        "logd.errors",
        "logd.paths",
        "logd.progress",
        "logd.protocol",
        "logd.record",
        "logd.states",
    },
}
"""What of ours each package may import, beside itself."""

OTHERS = {
    "ahocorasick_rs": {"logd.fanout.filter", "logd.ingest.levels"},
    "backports": {"logctl.files", "logd.store.seekable"},
    "isal": {"logd.store.checksum"},
    "cbor2": {"logd.protocol.codec"},
    "click": {"logd.console", "logd.main", "logctl"},
    "orjson": {"logd.fanout.filter", "logd.ingest.block", "logctl.output"},
    "platformdirs": {"logd.paths"},
    "re2": {"logctl.pager.highlight", "logd.fanout.pattern"},
    "trio": {
        *("logd.client.async_client", "logd.client.async_run", "logd.daemon", "logd.fanout", "logd.main"),
        *("logctl.pager.app", "logctl.pager.errands", "logctl.screen.link", "logctl.screen.loop"),
        *("logctl.board.app", "logctl.board.session", "logctl.pager.listing", "logctl.pager.session"),
        *("logctl.top.app", "logctl.top.session"),
    },
    "urwid": {"logctl.screen.terminal", "logctl.screen.theme"},
    "wcwidth": {"logctl.screen.cells"},
}
"""Where each package that is not ours, and not the standard library's, may be imported."""

NEWER = {"compression"}
"""What is of the standard library only in newer versions than the oldest one supported."""

SCREENS = {
    "logctl.screen": set[str](),
    "logctl.pager": {"logctl.screen"},
    "logctl.board": {"logctl.screen"},
    "logctl.top": {"logctl.pager", "logctl.screen"},
}
"""What each live screen of `logctl` may import of the others."""

STAGES = ("logd.ingest", "logd.store", "logd.fanout")

KEPT_OUT = {
    # Sans-IO: bytes and messages alone.
    "logd.protocol": {"asyncio", "os", "select", "selectors", "signal", "socket", "subprocess", "threading", "time"},
    "logd.ingest": {"asyncio", "os", "select", "selectors", "signal", "socket", "subprocess", "threading", "time"},
    "logd.store": {"asyncio", "select", "selectors", "signal", "socket", "subprocess", "time"},
    "logd.fanout": {"asyncio", "os", "select", "selectors", "signal", "socket", "subprocess", "threading", "time"},
    # Decisions: they are told what they need to know.
    "logd.store.retention": {"os", "threading"},
    "logd.store.rotation": {"os", "threading"},
}
"""What of the standard library has no place in a package, or in a module of one."""

LET_IN = {"logd.store.failpoints": {"signal"}}
"""What has its place in a module all the same."""


def modules() -> dict[str, Path]:
    """Every module of ours, by its name."""
    found = {}
    for package, folder in SOURCES.items():
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            found[".".join((package, *parts)).removesuffix(".__init__")] = path
    return found


MODULES = modules()


def imports_of(tree: ast.AST) -> Iterator[str]:
    """The modules that a source imports: for `from logd import console`, logd.console, as that is a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, "imports are absolute"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in MODULES else node.module


IMPORTS = {name: set(imports_of(ast.parse(path.read_text("utf-8")))) for name, path in MODULES.items()}


def package_of(module: str) -> str:
    """The row of ALLOWED that a module of ours belongs to."""
    return module if module in ALLOWED else ".".join(module.split(".")[: 1 if module.startswith("logctl") else 2])


def within(module: str, packages: set[str]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def ours(module: str) -> bool:
    return module.partition(".")[0] in SOURCES


def test_all_modules_are_found_with_their_imports() -> None:
    assert {"logd", "logd.daemon.handlers.emit", "logctl.commands.emit"} <= MODULES.keys()
    assert "logd.client.jsonlines" in IMPORTS["logctl.commands.emit"], "an import within a function"
    assert "logd.daemon.peer" in IMPORTS["logd.daemon.handlers.emit"], "an import for type checking only"
    assert "logd.console" in IMPORTS["logd.main"], "a module imported from a package"


def test_every_module_belongs_to_a_row() -> None:
    assert {package_of(module) for module in MODULES} == ALLOWED.keys()


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_what_its_row_allows(module: str) -> None:
    imported = {package_of(each) for each in IMPORTS[module] if ours(each)}
    assert imported <= ALLOWED[package_of(module)] | {package_of(module)}


@pytest.mark.parametrize("package", ALLOWED)
def test_a_row_allows_no_more_than_is_used(package: str) -> None:
    """So that an import which comes to be is a decision. `logctl` may use the configuration, and need not."""
    used = {package_of(each) for module, named in IMPORTS.items() if package_of(module) == package for each in named}
    assert ALLOWED[package] - used <= ({"logd.config"} if package == "logctl" else set())


def test_no_two_packages_import_each_other() -> None:
    left = {package: set(allowed) for package, allowed in ALLOWED.items()}
    while free := [package for package, allowed in left.items() if not allowed & left.keys()]:
        for package in free:
            del left[package]
    assert not left, f"these go round in a circle: {sorted(left)}"


def test_stages_do_not_import_each_other() -> None:
    for stage in STAGES:
        assert not ALLOWED[stage] & {*STAGES, "logd.daemon", "logd.client", "logd.main"}
    assert set(STAGES) <= ALLOWED["logd.daemon"]
    assert [package for package, allowed in ALLOWED.items() if allowed & set(STAGES)] == ["logd.daemon"]


@pytest.mark.parametrize("screen", SCREENS)
def test_screens_stand_on_what_they_share_and_not_on_each_other(screen: str) -> None:
    used = {
        (other, module)
        for module, names in IMPORTS.items()
        if within(module, {screen})
        for other in SCREENS.keys() - {screen}
        if any(within(name, {other}) for name in names)
    }
    assert {other for other, _ in used} == SCREENS[screen]
    assert {module for other, module in used if other == "logctl.pager"} <= {"logctl.top.session"}


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_others_packages_where_they_have_their_place(module: str) -> None:
    roots = {name.partition(".")[0] for name in IMPORTS[module]} - SOURCES.keys() - sys.stdlib_module_names - NEWER
    assert roots <= OTHERS.keys()
    for root in roots:
        assert within(module, OTHERS[root]), f"{module} imports {root}"


def test_setup_requires_what_is_imported() -> None:
    setup = (ROOT / "setup.cfg").read_text("utf-8")
    required = re.search(r"^install_requires =\n((?: +.+\n)+)", setup, flags=re.M)
    assert required is not None
    lines = [line.strip() for line in required[1].splitlines()]
    names = {line.split()[0].partition(".")[0].replace("-", "_") for line in lines if not line.startswith("#")}
    assert names - {"google_re2"} | {"re2"} == OTHERS.keys()  # the one that is imported by another name


def test_only_the_codec_knows_cbor2() -> None:
    assert [module for module, names in IMPORTS.items() if within("cbor2", names)] == ["logd.protocol.codec"]


def test_only_the_stores_database_knows_sqlite3() -> None:
    assert [module for module, names in IMPORTS.items() if "sqlite3" in names] == ["logd.store.database"]


def test_only_the_stores_disk_knows_failures_on_order() -> None:
    assert [module for module, names in IMPORTS.items() if "logd.store.failpoints" in names] == ["logd.store.disk"]


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_nothing_that_is_kept_out_of_its_package(module: str) -> None:
    roots = {name.partition(".")[0] for name in IMPORTS[module]}
    kept_out = KEPT_OUT.get(package_of(module), set()) | KEPT_OUT.get(module, set())
    assert not roots & kept_out - LET_IN.get(module, set())


@pytest.mark.parametrize("module", MODULES)
def test_what_accelerates_is_imported_only_where_it_may_be_missing(module: str) -> None:
    """Within a function, so that its module can be imported without it."""
    body = ast.parse(MODULES[module].read_text("utf-8")).body
    at_top = {
        name.partition(".")[0]
        for node in body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in imports_of(node)
    }
    assert not at_top & set(ACCELERATORS)


# What a short command pays for

PROBE = """
import sys
from logctl.main import main
try:
    main()
finally:
    print(*sys.modules, file=sys.stderr)
"""


def test_emit_imports_no_event_loop_and_no_screen(daemon: Bed) -> None:
    """In a real emission, as what is imported on the way counts."""
    emitted = subprocess.run(
        [sys.executable, "-c", PROBE, "emit", "--field", "key=value", "probe", "hello"],
        env=daemon.environ,
        capture_output=True,
        text=True,
        check=True,
    )
    assert [(row["msg"], row["key"]) for row in daemon.rows("probe")] == [("hello", "value")]
    imported = {name.partition(".")[0] for name in emitted.stderr.split()}
    assert {"click", "cbor2", "logctl", "logd"} <= imported
    assert not imported & {"trio", "urwid", "orjson", "ahocorasick_rs", "isal", "platformdirs"}
    assert not imported & {"asyncio", "sqlite3", "tomllib"}
    assert not set(emitted.stderr.split()) & {"fcntl", "logd.client.dropped", "logd.client.spool", "subprocess"}


def test_run_imports_little(daemon: Bed) -> None:
    """The command waits for it."""
    ran = subprocess.run(
        [sys.executable, "-c", PROBE, "run", "--", "echo", "hello"],
        env=daemon.environ,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == "hello\n"
    imported = {name.partition(".")[0] for name in ran.stderr.split()}
    assert {"click", "cbor2", "logctl", "logd"} <= imported
    assert not imported & {"trio", "urwid", "orjson", "ahocorasick_rs", "isal", "re2", "platformdirs"}
    assert not imported & {"asyncio", "multiprocessing", "sqlite3", "subprocess", "tomllib"}
    assert not set(ran.stderr.split()) & {"logd.client.spool"}


def test_logs_imports_only_what_it_shows_records_with(daemon: Bed) -> None:
    daemon.emit("probe", b"hello\n")
    shown = subprocess.run(
        [sys.executable, "-c", PROBE, "logs", "probe", "-n", "20", "--grep", "hello", "-F"],
        env=daemon.environ,
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.endswith(" hello\n")
    imported = {name.partition(".")[0] for name in shown.stderr.split()}
    assert {"click", "cbor2", "logctl", "logd"} <= imported
    assert not imported & {"trio", "urwid", "ahocorasick_rs", "re2", "platformdirs", "asyncio", "subprocess"}
    assert not imported & {"csv", "shutil", "backports", "gzip", "sqlite3"}


def test_lines_on_a_terminal_need_no_pager(daemon: Bed) -> None:
    daemon.emit("probe", b"hello\n")
    shown = subprocess.run(
        [sys.executable, "-c", PROBE, "attach", "probe", "--plain"],
        env=daemon.environ,
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.endswith(" hello\n")
    imported = set(shown.stderr.split())
    assert not {name.partition(".")[0] for name in imported} & {"trio", "urwid", "wcwidth"}
    assert not imported & {"logctl.pager", "logctl.screen.loop"}
