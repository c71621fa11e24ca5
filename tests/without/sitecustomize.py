"""Makes packages look as if they were not installed: LOGD_TEST_WITHOUT=orjson,re2.

Python imports a module of this name by itself when it starts, so that it holds for every process that finds this folder
in PYTHONPATH: see tests/conftest.py.
"""

from __future__ import annotations

import os
import sys
from typing import Any

ABSENT = {*filter(None, os.environ.get("LOGD_TEST_WITHOUT", "").split(","))}


class _NotFound:
    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


if ABSENT:
    sys.meta_path.insert(0, _NotFound())
