"""logd-python(7) names what there is, with the arguments and defaults that it has."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import logd
from logd import AsyncRun, LogHandler, Run
from logd.client import fields, sender, waits

PAGE = (Path(__file__).parents[1] / "man" / "logd-python.7").read_text("utf-8")
SIGNATURES = dict(re.findall(r"^\.It Cm (\w+) Ns \( (.*) \)$", PAGE, flags=re.M))
"""What the page says that there is, each with its arguments as they are marked up."""


def shown(function: Callable[..., Any]) -> str:
    """A signature as the page shows it."""
    parts, keywords = [], False
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name in {"self", "sender"}:
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not keywords:
            parts.append("*")
            keywords = True
        if parameter.kind is parameter.VAR_KEYWORD:
            parts.append(f"** {parameter.name}")
        elif parameter.kind is parameter.VAR_POSITIONAL:
            parts.append(f"* {parameter.name}")
            keywords = True
        elif parameter.default is parameter.empty or (function is LogHandler and parameter.name == "run"):
            parts.append(parameter.name)
        else:
            default = '""' if parameter.default == "" else repr(parameter.default).replace("'", '"')
            parts.append(f"{parameter.name}={default}")
    return " , ".join(parts)


@pytest.mark.parametrize("name", SIGNATURES)
def test_a_signature_is_as_the_page_has_it(name: str) -> None:
    function = getattr(logd, name) if name in logd.__all__ else getattr(Run, name)
    assert re.sub(r"\b(Ns|Ar) ", "", SIGNATURES[name]) == shown(function)


def test_the_page_has_all_that_is_public() -> None:
    methods = {name for name, _ in inspect.getmembers(Run, inspect.isfunction) if not name.startswith("_")}
    assert {"LogHandler", "Run", "AsyncRun"} | methods == SIGNATURES.keys()


def test_both_forms_of_a_run_have_the_same() -> None:
    for name, method in inspect.getmembers(Run, inspect.isfunction):
        if not name.startswith("_"):
            twin = inspect.signature(getattr(AsyncRun, name)).parameters
            assert list(twin) == list(inspect.signature(method).parameters)


def test_the_bounds_are_as_the_page_has_them() -> None:
    for bound in (
        sender.BATCH_RECORDS,
        sender.MAX_QUEUED_RECORDS,
        sender.MAX_QUEUED_LONG,
        sender.HASTE_RECORDS,
        sender.LONG_CHARACTERS,
        sender.MAX_TEXT_CHARACTERS,
        fields.MAX_STACKTRACE_CHARACTERS,
    ):
        assert f"{bound:,}" in PAGE
    seconds = (sender.GATHER_SECONDS, sender.FLUSH_SECONDS, sender.CLOSE_SECONDS, sender.MAX_CLOSE_SECONDS)
    assert (*seconds, waits.MAX_WAIT_SECONDS) == (1, 2, 3, 10, 1), "the page has these as words"
