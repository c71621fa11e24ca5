"""The board's subscription: what is sent for it, and what messages tell."""

from __future__ import annotations

from typing import Any

import pytest

from logctl.board.cells import HowIs
from logctl.board.model import Changed
from logctl.board.watching import Watching
from logd.errors import NotFound, Refused
from logd.protocol import Error, ErrorCode, Event, Items, Message, Reply, Watch


def connected() -> tuple[Watching, int]:
    watching = Watching("job")
    (watch,) = watching.connect(lambda: 5)
    assert watch == Watch(5, "board", run="job")
    return watching, 5


def test_what_is_sent_in_parts_is_told_as_one() -> None:
    watching, sub = connected()
    told: list[Any] = []
    messages: list[Message] = [
        Reply(sub, {}),
        Items(sub, {"a": {"done": 1}}, whole=True, more=True, run={"state": "ended", "exit_status": 0, "ended_us": 7}),
        Items(sub, {"b": {"done": 2}}),
        Items(sub + 1, {"other": {}}),
        Items(sub, {"a": None}),
    ]
    for message in messages:
        told += watching.take(message)
    assert told == [
        Changed({"a": {"done": 1}, "b": {"done": 2}}, whole=True, how=HowIs("ended", 0, 7)),
        Changed({"a": None}),
    ]


def test_a_run_is_waited_for_where_that_is_wanted() -> None:
    watching = Watching("job", waits=True)
    assert watching.connect(lambda: 5) == [Watch(5, "board", run="job", wait=True)]
    assert watching.take(Event(5, "waiting")) == [Changed({}, whole=True, how=HowIs("waiting"))]
    told = watching.take(Items(5, {"a": {}}, whole=True, run={"state": "running", "exit_status": None}))
    assert told == [Changed({"a": {}}, whole=True, how=HowIs("running"))]


def test_what_is_refused_and_removed_ends_it() -> None:
    watching, sub = connected()
    with pytest.raises(Refused):
        watching.take(Error(ErrorCode.NO_SUCH_RUN, "there is no run job", sub))
    with pytest.raises(NotFound, match="run job was removed"):
        watching.take(Event(sub, "removed"))
    assert watching.take(Event(sub + 1, "removed")) == []
