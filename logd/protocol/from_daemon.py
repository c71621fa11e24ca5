"""What the daemon says to a client; `message` says what holds of all messages."""

from __future__ import annotations

from typing import Any

from logd.protocol.checks import (
    ID,
    LABEL,
    MAX_ID,
    SEQ,
    byte_string,
    integer,
    is_flag,
    is_item,
    is_items,
    is_pieces,
    is_reply_value,
    one_of,
    optional,
    text,
)
from logd.protocol.framing import MAX_FRAME_BYTES
from logd.protocol.message import Message, message_type


@message_type("welcome", version=integer(1, 1000), server=LABEL, pid=integer(1, 2**31 - 1))
class Welcome(Message):
    """The answer to `hello`: the version that the connection speaks from now on."""

    version: int
    server: str
    pid: int


@message_type("ack", session=ID, batch=integer(0, MAX_ID), written_seq=SEQ, synced_seq=SEQ)
class Ack(Message):
    """All batches of a session up to `batch` are stored; the run is written up to `written_seq`."""

    session: int
    batch: int
    written_seq: int
    synced_seq: int = 0


@message_type(
    "batch",
    sub=ID,
    pieces=is_pieces,
    next_seq=SEQ,
    head=SEQ,
    rows=byte_string(MAX_FRAME_BYTES),
    skipped=integer(0, MAX_ID),
)
class Batch(Message):
    """A subscription's next records, as stored.

    `pieces` says what `rows` are, as in `page`. All before `next_seq` is sent, or does not match; with a filter there
    may be no rows at all. Of what comes before them `skipped` records are left out of the view: they match, or were
    not looked at.
    """

    bulk = "rows"

    sub: int
    pieces: list[list[Any]]
    next_seq: int
    head: int
    rows: bytes
    skipped: int = 0


@message_type("head", sub=ID, first_seq=SEQ, head=SEQ)
class Head(Message):
    """What a paused subscription is sent: its run now holds the records from `first_seq` to `head`."""

    sub: int
    first_seq: int
    head: int


@message_type("items", sub=ID, items=is_items, whole=is_flag, more=is_flag, run=optional(is_item))
class Items(Message):
    """What has changed of a table: values by key, None for one that is removed.

    With `whole` these are all, and what was sent before is to be dropped. With `more` what belongs to it follows.
    `run` is of a board, and says how its run is, where that has changed.
    """

    sub: int
    items: dict[str, Any]
    whole: bool = False
    more: bool = False
    run: dict[str, Any] | None = None


@message_type(
    "event",
    sub=ID,
    kind=one_of("waiting", "caught_up", "ended", "gap", "cleared", "truncated", "stalled", "resumed", "removed"),
    seq=SEQ,
    exit_status=optional(integer(0, 255)),
    count=integer(0, MAX_ID),
    generation=SEQ,
    reason=text(256),
    lost=is_flag,
)
class Event(Message):
    """What befell a subscription.

    It is `waiting` for the run to exist. It has `caught_up` with what there was when it was made, up to record `seq`.
    There is a `gap`: the `count` records from `seq` on are there no more. The run was `cleared`: it begins at record
    `seq` now, is of that `generation`, and `count` records were not sent yet. It is `truncated`: a crash of the system
    took the records from `seq` on that were there when the cursor was told, and others have these seqs. The run cannot
    be stored at present (`stalled`, with the `reason`), or can again (`resumed`). The run has `ended` after record
    `seq`, or is `lost`, or was `removed`, and with it the subscription is over.
    """

    sub: int
    kind: str
    seq: int = 0
    exit_status: int | None = None
    count: int = 0
    generation: int = 0
    reason: str = ""
    lost: bool = False


@message_type(
    "page",
    id=ID,
    pieces=is_pieces,
    rows=byte_string(MAX_FRAME_BYTES),
    first_seq=SEQ,
    head=SEQ,
    next_seq=optional(SEQ),
)
class Page(Message):
    """The answer to `read`: records in the order of their seqs.

    `pieces` says what `rows` are: [first seq, count, time received in µs, whether they match the filter] of
    consecutive records, in order. The run holds `first_seq` to `head`. `next_seq` is the `from_seq` that the page goes
    on from in the same direction, None where that is the end.
    """

    bulk = "rows"

    id: int
    pieces: list[list[Any]]
    rows: bytes
    first_seq: int
    head: int
    next_seq: int | None = None


@message_type("progress", id=ID, done=integer(0, MAX_ID), total=integer(0, MAX_ID))
class Progress(Message):
    """How far the request of that id is, in bytes."""

    id: int
    done: int
    total: int


@message_type("reply", id=ID, value=is_reply_value)
class Reply(Message):
    """The answer to the request of the same id."""

    id: int
    value: dict[str, Any]


@message_type("error", code=text(64), message=text(4096), id=optional(ID))
class Error(Message):
    """A request, or without `id` the connection, is refused. `code` is one of ErrorCode's values."""

    code: str
    message: str
    id: int | None = None


@message_type("pong", id=ID)
class Pong(Message):
    """The answer to `ping`."""

    id: int
