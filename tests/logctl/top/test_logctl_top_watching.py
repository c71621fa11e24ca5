"""What the screen of all runs asks the daemon, and makes of what it answers."""

from __future__ import annotations

from itertools import count

import pytest
from top_bed import listed, live

from logctl.top.model import Listed, ListRuns, RunsChanged, TotalsChanged
from logctl.top.watching import Watching
from logd.client.tables import Change
from logd.errors import Refused
from logd.protocol import Error, ErrorCode, Items, Reply, Runs, Watch


def connected(pattern: str = "") -> tuple[Watching, list[int]]:
    watching, ids = Watching(pattern), count(1)
    asked = watching.connect(lambda: next(ids))
    (runs,) = (each for each in asked if isinstance(each, Watch) and each.topic == "runs")
    (totals,) = (each for each in asked if isinstance(each, Watch) and each.topic == "totals")
    (listing,) = (each for each in asked if isinstance(each, Runs))
    assert runs.run == pattern
    return watching, [runs.id, totals.id, listing.id]


def test_what_comes_is_told() -> None:
    watching, (runs, totals, listing) = connected()
    item = live()
    assert watching.take(Items(runs, {"a": item}, whole=True)) == [RunsChanged((Change("a", None, item),))]
    assert watching.take(Items(runs, {"b": item}, more=True)) == []
    assert watching.take(Items(totals, {"daemon": {"viewers": 1}}, whole=True)) == [TotalsChanged({"viewers": 1})]
    assert watching.take(Items(totals, {"daemon": {"viewers": 1}}, whole=True)) == []
    assert watching.take(Reply(runs, {})) == []
    assert watching.take(Reply(listing, {"runs": [listed("a")], "next": None})) == [Listed((listed("a"),))]


def test_a_long_list_comes_in_pages_and_by_pattern() -> None:
    watching, (*_, listing) = connected("a*")
    assert watching.take(Reply(listing, {"runs": [listed("a"), listed("b")], "next": "b"})) == []
    (following,) = watching.take_replies()
    assert isinstance(following, Runs)
    assert following.after == "b"
    told = watching.take(Reply(following.id, {"runs": [listed("ab")], "next": None}))
    assert told == [Listed((listed("a"), listed("ab")))]
    assert watching.take_replies() == []
    (again,) = watching.ask(ListRuns())
    assert isinstance(again, Runs)
    assert watching.take(Reply(listing, {"runs": [], "next": None})) == [], "an earlier one"
    assert watching.take(Reply(again.id, {"runs": [], "next": None})) == [Listed(())]


def test_another_connection_tells_what_is_gone_since() -> None:
    watching, (runs, *_) = connected()
    watching.take(Items(runs, {"a": live(), "b": live()}, whole=True))
    asked = watching.connect(count(50).__next__)
    new = next(each.id for each in asked if isinstance(each, Watch))
    assert watching.take(Items(runs, {"c": live()})) == [], "of the connection before"
    assert watching.take(Items(new, {"a": live()}, whole=True)) == [RunsChanged((Change("b", live(), None),))]


def test_a_refusal_is_raised() -> None:
    watching, (runs, *_) = connected()
    with pytest.raises(Refused):
        watching.take(Error(ErrorCode.STORE_FAILED, "no", runs))
