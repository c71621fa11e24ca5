"""A table as a client puts it together: in the end it has what was sent, however that was cut."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from logd.client.tables import Change, TableCopy
from logd.protocol import Items

ITEMS = st.dictionaries(st.sampled_from("abcd"), st.none() | st.builds(lambda n: {"n": n}, st.integers(0, 2)))


@given(st.lists(st.tuples(ITEMS, st.booleans(), st.integers(0, 3))))
def test_it_has_what_was_sent_in_whatever_parts(sent: list[tuple[dict[str, Any], bool, int]]) -> None:
    copy, expected = TableCopy(), dict[str, Any]()
    for items, whole, cut in sent:
        before = dict(expected)
        expected = {key: value for key, value in {**({} if whole else expected), **items}.items() if value is not None}
        parts = [dict(list(items.items())[:cut]), dict(list(items.items())[cut:])]
        assert copy.take(Items(1, parts[0], whole=whole, more=True)) is None
        assert copy.items == before, "half a message is not shown"
        changes = copy.take(Items(1, parts[1]))
        assert copy.items == expected
        assert changes is not None
        assert {change.key for change in changes} == {
            key for key in before.keys() | expected.keys() if before.get(key) != expected.get(key)
        }
        assert all(
            (change.before, change.after) == (before.get(change.key), expected.get(change.key)) for change in changes
        )


def test_another_connection_sends_it_anew_and_what_is_gone_since_is_told() -> None:
    copy = TableCopy()
    copy.take(Items(1, {"a": {"n": 1}, "b": {"n": 1}}, whole=True))
    copy.take(Items(1, {"c": {"n": 1}}, more=True))
    copy.restart()
    assert copy.is_known
    assert copy.take(Items(2, {"b": {"n": 2}}, whole=True)) == [
        Change("a", {"n": 1}, None),
        Change("b", {"n": 1}, {"n": 2}),
    ]
