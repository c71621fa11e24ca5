"""What the pager's effects are in messages to the daemon, and what messages from it are in the pager's events: no I/O.

    effect -> ask() -> messages            message -> take() -> events, and messages by take_replies()

Of each run a cursor is kept beside its subscription, as in logd.client.following: where it goes on after the
connection is lost, or when the run starts again. Ids are the connection's: what carries one that is not known belongs
to something that nobody waits for any more, and is dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

from logctl.pager.boards import told_of
from logctl.pager.events import (
    Arrived,
    Board,
    CancelRead,
    Cleared,
    Counted,
    Effect,
    Event,
    Gap,
    PageRead,
    Piece,
    Presence,
    ReadFailed,
    ReadPage,
    Removed,
    Resumed,
    RunEnded,
    RunStarted,
    RunWaiting,
    SetView,
    Stalled,
    Subscribe,
    Truncated,
)
from logctl.pager.filters import Filter
from logctl.presence import all_of
from logd import protocol
from logd.client import pieces_of
from logd.client.blocking import refusal
from logd.client.tables import TableCopy
from logd.errors import BadFilter
from logd.protocol import Attach, Batch, Detach, Error, ErrorCode, Head, Items, Message, Page, Read, Reply, View, Watch
from logd.states import GOES_ON

CLIENT: Final = "logctl attach"
WINDOW_RECORDS: Final = 500
"""What is sent at once of more: a few screens, of which one is seen."""
MAX_BOARDS: Final = 16
"""Whose boards are watched: the first runs'. The status line has room for one."""


@dataclass
class _Watched:
    """A run, and where it is watched from."""

    name: str
    start: dict[str, Any]
    """What `attach` begins with, and where it would go on."""
    sub: int | None = None
    board: int | None = None
    told: str = ""
    """What was told of its board."""
    is_running: bool = False
    """Whether the pager was told so."""
    is_over: bool = False
    """Whether it has ended, or was removed."""
    was_removed: bool = False
    ended_seq: int = 0
    ended_us: int = 0
    begun_us: int = 0
    """When somebody last began to write it, as far as is known; a daemon that is started anew tells a later time."""
    ran_from_us: int = 0
    """The same of what is running: the earliest that was told."""
    since_us: int = 0
    """From when on what is sent is new; what is older was there before anybody looked."""
    cut_seq: int = 0
    """Where it was said to be truncated last."""


def _no_id() -> int:
    raise RuntimeError("there is no connection yet")


class Watching:
    """The runs that one pager shows, over any number of connections in turn.

    Args:
        runs: those that are named.
        patterns: further ones that are running, or start later, are watched when they match one.
        clock_us: the wall's time.
        waits: whether to wait for those that there are not yet.
        pid: of the pager, which is not told of itself.
    """

    def __init__(
        self,
        runs: Iterable[str],
        patterns: Collection[str],
        clock_us: Callable[[], int],
        *,
        waits: bool = True,
        pid: int | None = None,
    ) -> None:
        self._runs = {name: _Watched(name, {"last": WINDOW_RECORDS}) for name in runs}
        self._patterns = tuple(patterns)
        self._clock_us = clock_us
        self._waits = waits
        self._began_us = clock_us()
        self._new_id: Callable[[], int] = _no_id
        self._epoch = 0
        self._filter = Filter()
        self._paused = False
        self._subs: dict[int, _Watched] = {}
        self._pid = pid
        self._topic: int | None = None
        self._presence_topic: int | None = None
        self._presence = TableCopy()
        self._boards: dict[int, tuple[_Watched, dict[str, Any]]] = {}
        self._reads: dict[int, ReadPage] = {}
        self._replies: list[Message] = []

    def connect(self, new_id: Callable[[], int]) -> list[Message]:
        """Begin anew on a connection, which counts its ids so. The subscriptions follow, as the pager asks for them."""
        self._waits = self._waits or self._new_id is not _no_id  # what was there comes back
        self._new_id = new_id
        self._subs, self._boards, self._reads = {}, {}, {}
        for watched in self._runs.values():
            watched.sub = watched.board = None
        self._topic, self._presence_topic = new_id(), new_id()
        self._presence.restart()
        names = [*self._runs, *self._patterns]
        run = names[0] if len(names) == 1 else ""
        return [Watch(self._topic, "runs", run=run), Watch(self._presence_topic, "presence", run=run)]

    # Effects

    def ask(self, effect: Effect) -> list[Message]:
        """The messages that do an effect, of those that concern the daemon."""
        if isinstance(effect, Subscribe):
            return list(self._subscribe(effect))
        if isinstance(effect, SetView):
            return list(self._set_view(effect.paused))
        if isinstance(effect, ReadPage):
            return [self._read(effect)]
        if isinstance(effect, CancelRead):
            self._reads = {number: each for number, each in self._reads.items() if each.request != effect.request}
        return []

    def _subscribe(self, effect: Subscribe) -> Iterator[Message]:
        self._epoch, self._filter, self._paused = effect.epoch, effect.filter, effect.paused
        yield from map(Detach, self._subs)
        self._subs = {}
        for watched in self._runs.values():
            watched.sub = None
            if watched.name in effect.after:
                watched.start = {**watched.start, "from_seq": max(1, effect.after[watched.name])}
                watched.start.pop("last", None)
                watched.start.pop("from_time_us", None)
            if not watched.is_over or watched.start.get("from_seq", 0) <= watched.ended_seq:
                yield self._attach(watched)
            self._watch_board(watched)
        yield from self.take_replies()

    def _attach(self, watched: _Watched) -> Attach:
        watched.sub = self._new_id()
        watched.since_us = self._clock_us()
        self._subs[watched.sub] = watched
        return Attach(
            watched.sub,
            watched.name,
            mode="view",
            window=WINDOW_RECORDS,
            filter=self._filter.criteria() or None,
            wait=self._waits,
            paused=self._paused,
            times=True,
            **watched.start,
        )

    def _watch_board(self, watched: _Watched) -> None:
        """Watch a run's board, which also tells when the run is removed that has ended."""
        if watched.board is None and len(self._boards) < MAX_BOARDS:
            watched.board = self._new_id()
            self._boards[watched.board] = watched, {}
            self._replies.append(Watch(watched.board, "board", run=watched.name))

    def _set_view(self, paused: bool) -> Iterator[Message]:
        self._paused = paused
        for sub, watched in self._subs.items():
            watched.since_us = self._clock_us()
            yield View(self._new_id(), sub, paused=paused)
        for watched in self._runs.values():
            # What came before the end, and while it was paused, was only counted.
            if not paused and watched.sub is None and watched.start.get("from_seq", 1) <= watched.ended_seq:
                yield self._attach(watched)

    def _read(self, effect: ReadPage) -> Read:
        number = self._new_id()
        self._reads[number] = effect
        return Read(
            number,
            effect.run,
            from_seq=effect.from_seq,
            from_time_us=effect.from_time_us,
            backward=effect.backward,
            limit=effect.limit,
            filter=effect.filter.criteria() or None,
        )

    # Messages

    def take(self, message: Message) -> list[Event]:
        """What a message tells the pager.

        Raises:
            BadFilter: the filter that the pager began with is none.
            LogdError: another refusal of what it cannot do without, as `refusal` has it.
        """
        taken = self._TAKES.get(type(message))
        return list(taken(self, message)) if taken is not None else []

    def take_replies(self) -> list[Message]:
        """What is to be sent for what was taken since this was last called."""
        replies, self._replies = self._replies, []
        return replies

    def _take_reply(self, message: Reply) -> Iterator[Event]:
        if (watched := self._subs.get(message.id)) is not None:
            asked = watched.start.get("from_seq", 0)
            next_seq = message.value["next"]
            watched.start = {"from_seq": max(1, next_seq), "generation": message.value["generation"]}
            if next_seq < asked:
                yield from self._truncated(watched, next_seq)

    def _truncated(self, watched: _Watched, next_seq: int) -> Iterator[Event]:
        watched.cut_seq = next_seq
        yield Truncated(watched.name, next_seq - 1)

    def _take_batch(self, message: Batch) -> Iterator[Event]:
        if (watched := self._subs.get(message.sub)) is None:
            return
        watched.start["from_seq"] = max(message.next_seq, 1)
        pieces = _pieces(message)
        lag_us = self._clock_us() - max(pieces[-1].time_us, watched.since_us) if pieces else 0
        yield Arrived(
            watched.name,
            pieces,
            message.next_seq,
            message.head,
            skipped=message.skipped,
            lag_seconds=max(0, lag_us) / 1e6,
            epoch=self._epoch,
        )

    def _take_head(self, message: Head) -> Iterator[Event]:
        if (watched := self._subs.get(message.sub)) is not None:
            yield Counted(watched.name, message.first_seq, message.head)

    def _take_event(self, message: protocol.Event) -> Iterator[Event]:
        if message.kind == "removed" and message.sub in self._boards:
            yield from self._removed(self._lose_board(message.sub))
        if (watched := self._subs.get(message.sub)) is None:
            return
        name = watched.name
        match message.kind:
            case "waiting":
                yield RunWaiting(name)
            case "gap":
                watched.start["from_seq"] = message.seq + message.count
                yield Gap(name, message.seq, message.count)
            case "cleared":
                watched.start = {"from_seq": max(1, message.seq), "generation": message.generation}
                yield Cleared(name)
            case "truncated":
                if watched.cut_seq != message.seq:
                    yield from self._truncated(watched, message.seq)
            case "stalled":
                yield Stalled(name, message.reason)
            case "resumed":
                yield Resumed(name)
            case "removed":
                yield from self._removed(watched)
            case "ended":
                yield from self._ended(watched, message)

    def _ended(self, watched: _Watched, message: protocol.Event) -> Iterator[Event]:
        if self._paused:
            yield Counted(watched.name, 1, message.seq)
        was_told = watched.is_over and watched.ended_seq == message.seq
        ran_us = self._clock_us() - watched.ran_from_us
        seconds = max(0, ran_us) / 1e6 if watched.is_running and watched.ran_from_us else None
        self._end(watched, message.seq)
        if not was_told:
            yield RunEnded(watched.name, message.seq, message.exit_status, seconds, message.lost)

    def _removed(self, watched: _Watched) -> Iterator[Event]:
        if not watched.was_removed:
            self._end(watched, 0)
            watched.was_removed = True
            yield Removed(watched.name)

    def _lose_board(self, sub: int) -> _Watched:
        watched, _ = self._boards.pop(sub)
        watched.board = None
        return watched

    def _end(self, watched: _Watched, seq: int) -> None:
        self._subs = {number: each for number, each in self._subs.items() if each is not watched}
        watched.sub, watched.is_over, watched.is_running, watched.ran_from_us = None, True, False, 0
        watched.ended_seq, watched.ended_us = seq, self._clock_us()

    def _take_items(self, message: Items) -> Iterator[Event]:
        if message.sub == self._topic:
            for name, value in message.items.items():
                if value is not None:
                    yield from self._take_run(name, value)
        elif message.sub == self._presence_topic:
            if self._presence.take(message) is not None:
                yield self._present()
        elif (found := self._boards.get(message.sub)) is not None:
            watched, board = found
            if message.whole:
                board.clear()
            board.update(message.items)
            if not message.more and (told := told_of(board, self._clock_us())) != watched.told:
                watched.told = told
                yield Board(watched.name, told)

    def _present(self) -> Presence:
        everyone = [each for each in all_of(self._presence.items) if each.run in self._runs]
        return Presence(tuple(each for each in everyone if each.role != "viewer" or each.value["pid"] != self._pid))

    def _take_run(self, name: str, value: dict[str, Any]) -> Iterator[Event]:
        running, begun_us = value["state"] in GOES_ON, value["begun_us"]
        watched = self._runs.get(name)
        if watched is None:
            is_new = begun_us > self._began_us
            if (running or is_new) and any(fnmatchcase(name, pattern) for pattern in self._patterns):
                start = {"from_time_us": self._began_us} if is_new else {"last": WINDOW_RECORDS}
                watched = self._runs[name] = _Watched(
                    name, start, begun_us=begun_us, ran_from_us=begun_us, is_running=True
                )
                self._replies.append(self._attach(watched))
                self._watch_board(watched)
                yield RunStarted(name)
            return
        # One that ends soon after it begins may never be seen running.
        is_new = begun_us > (watched.begun_us or watched.ended_us)
        watched.begun_us = begun_us or watched.begun_us
        if not watched.is_over or is_new:
            watched.ran_from_us = watched.ran_from_us or begun_us
        if watched.is_over and is_new:
            yield from self._start_again(watched)
        elif running and not watched.is_over and not watched.is_running:
            watched.is_running = True
            yield RunStarted(name)
        if running:
            self._watch_board(watched)

    def _start_again(self, watched: _Watched) -> Iterator[Event]:
        if watched.was_removed:  # another run of that name, which counts from 1
            watched.start = {"from_seq": 1}
            yield Truncated(watched.name, 0)
        watched.is_over, watched.was_removed, watched.is_running = False, False, True
        if watched.sub is None:
            self._replies.append(self._attach(watched))
        yield RunStarted(watched.name)

    def _take_page(self, message: Page) -> Iterator[Event]:
        if (effect := self._reads.pop(message.id, None)) is not None:
            yield PageRead(effect.request, _pieces(message), message.first_seq, message.head, message.next_seq)

    def _take_error(self, message: Error) -> Iterator[Event]:
        if (effect := self._reads.pop(message.id or 0, None)) is not None:
            if message.code == ErrorCode.NO_SUCH_RUN:
                watched = self._runs.get(effect.run)
                if watched is not None and watched.is_over:
                    yield from self._removed(watched)
                yield PageRead(effect.request, (), 1, 0, None)
            else:
                yield ReadFailed(effect.request, message.message)
        elif message.id in self._subs or message.id is None:
            raise BadFilter(message.message) if message.code == ErrorCode.BAD_FILTER else refusal(message)
        elif message.id in self._boards:
            self._lose_board(message.id)

    _TAKES: Final[dict[type[Message], Callable[[Watching, Any], Iterator[Event]]]] = {
        Reply: _take_reply,
        Batch: _take_batch,
        Head: _take_head,
        protocol.Event: _take_event,
        Items: _take_items,
        Page: _take_page,
        Error: _take_error,
    }


def _pieces(message: Page | Batch) -> tuple[Piece, ...]:
    return tuple(
        [
            Piece(rows.first_seq, rows.record_count, time_us, rows.data, matches)
            for rows, time_us, matches in pieces_of(message)
        ]
    )
