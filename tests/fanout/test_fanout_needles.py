"""Needles by example. That every match has one is a property of the filter's tests."""

from __future__ import annotations

import pytest

from logd.fanout.needles import MAX_NEEDLES
from logd.fanout.pattern import Pattern


def needles(pattern: str, *, fixed: bool = False, ignore_case: bool = False) -> set[str]:
    found = Pattern(pattern, fixed=fixed, ignore_case=ignore_case).needles
    assert len(set(found)) == len(found) <= MAX_NEEDLES
    return {needle.decode() for needle in found}


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("foo", {"foo"}),
        ("^foo$", {"foo"}),
        (r"foo\.bar", {"foo.bar"}),
        (r"\Qa.b\E", {"a.b"}),
        ('say "hi"', {r"say \"hi\""}),
        ("a\tb", {r"a\tb"}),
        (r"a\tb", {"a"}),
        (r"(timeout|refused) after \d+ms", {" after "}),
        ("(?:connection|pipe) (?:reset|broken)", {"reset", "broken"}),
        ("GET|POST", {"GET", "POST"}),
        ("GET|", set()),
        ("GET|.", set()),
        (".*", set()),
        ("fo+bar", {"bar"}),
        ("foo+ba", {"foo"}),
        ("foo*bar", {"bar"}),
        ("foo?", {"fo"}),
        ("foo{0,2}x", {"fo"}),
        ("foo{2}", {"foo"}),
        ("(foo)?bar", {"bar"}),
        ("(foo)+", {"foo"}),
        ("(foo){0}", set()),
        ("(a(b|cd)e)f", {"a"}),
        ("(x|(abc|def)g)", {"x", "abc", "def"}),
        ("|".join(f"<{number}>" for number in range(MAX_NEEDLES + 1)), set()),
    ],
)
def test_a_pattern_needs_the_most_promising_of_its_texts(pattern: str, found: set[str]) -> None:
    assert needles(pattern) == found


def test_several_texts_are_short_and_do_not_begin_as_what_is_around_messages() -> None:
    assert needles("timeout") == {"timeout"}
    assert needles("timeout after an hour|refused") == {"meout af", "refused"}
    assert needles("time|msg") == {"ime", "msg"}


def test_case_that_does_not_matter_makes_more_of_them() -> None:
    assert needles("a1", fixed=True, ignore_case=True) == {"a1", "A1"}
    assert needles("(?i)a1|é") == set()
    assert needles("a(?i:b1)") == {"b1", "B1"}
    assert needles("ok", ignore_case=True) == {first + last for first in "oO" for last in "kK\u212a"}
    assert needles("12345é67", ignore_case=True) == {"12345"}
    for word in ("exception", "x" * 4096, "1" * 4096, "é"):
        assert all(needle.lower().replace("\u017f", "s") in word for needle in needles(word, ignore_case=True))
