"""What is installed of the packages that logd also works without, and tests that need them.

The whole suite can be run as if some were not: LOGD_TEST_WITHOUT=orjson,re2 scripts/test.
"""

from __future__ import annotations

import os
import runpy
import sys
from importlib import import_module
from pathlib import Path

import pytest

ACCELERATORS = ("ahocorasick_rs", "isal", "orjson", "re2")

WITHOUT = Path(__file__).parent / "without"
"""In PYTHONPATH, this hides the packages that the variable LOGD_TEST_WITHOUT names."""


def is_installed(package: str) -> bool:
    try:
        import_module(package)
    except ImportError:
        return False
    return True


def hiding(packages: tuple[str, ...], environ: dict[str, str]) -> dict[str, str]:
    """The environment of a process that does not find some packages."""
    path = os.pathsep.join([str(WITHOUT), *filter(None, [environ.get("PYTHONPATH")])])
    return environ | {"LOGD_TEST_WITHOUT": ",".join(packages), "PYTHONPATH": path}


if hidden := os.environ.get("LOGD_TEST_WITHOUT"):
    # Before anything else asks for them; the processes that tests start have it from their environment.
    os.environ.update(hiding(tuple(hidden.split(",")), dict(os.environ)))
    sys.path.insert(0, str(WITHOUT))
    runpy.run_path(str(WITHOUT / "sitecustomize.py"))

needs_re2 = pytest.mark.skipif(not is_installed("re2"), reason="google-re2 is not installed")
