"""man/logd-protocol.7 says what the code does: every message, key, bound, transition and error code, and no others.

The page is read as its mdoc source, whose lists are regular:

    .Ss emit
    .It Va batch Pq integer, 1 to 9007199254740991; required

Types are tried, not compared: what the page allows at its limits the message's check must take, and one step past them
refuse.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from textwrap import wrap
from typing import Any

import pytest
import trio
from protocol_strategies import connection_in, defaults_of

from logd.accel import MODES
from logd.config import Config, FanoutConfig, ServerConfig
from logd.daemon import hub, topics
from logd.daemon.access import Credentials
from logd.daemon.handlers import attach, manage, tables
from logd.daemon.handlers.attach import MAX_SUBSCRIPTIONS_OF_PEER, Watcher
from logd.daemon.handlers.emit import MAX_SESSIONS_OF_PEER, MAX_STREAMS_OF_SESSION
from logd.daemon.handlers.inspect import MAX_LISTED, MAX_LISTED_CHARACTERS, runs, sessions, stats
from logd.daemon.peer import Peer
from logd.daemon.server import Server
from logd.fanout import READ_BYTES, Subscription, subscription, table
from logd.paths import Paths
from logd.progress import STATES
from logd.protocol import (
    MAX_FRAME_BYTES,
    MAX_ITEMS_IN_FRAME,
    MAX_LINES_BYTES,
    MAX_RECORDS_IN_FRAME,
    MESSAGE_TYPES,
    SUPPORTED_VERSIONS,
    TRANSITIONS,
    Attach,
    Connection,
    Detach,
    Emit,
    ErrorCode,
    Message,
    Open,
    Reply,
    Report,
    Role,
    Runs,
    Sessions,
    State,
    Stats,
    Throttle,
    View,
    Watch,
)
from logd.protocol.checks import (
    FILTER_CHECKS,
    MAX_BYTES_OF_ITEM,
    MAX_CONTEXT_RECORDS,
    MAX_FIELD_DEPTH,
    MAX_FIELDS_CHARACTERS,
    MAX_FIELDS_OF_ITEM,
    MAX_FILTERS,
    MAX_ID,
    MAX_ITEM_BYTES,
    MAX_ITEM_NAMES,
    MAX_KEY_BYTES,
    MAX_PAGE_RECORDS,
    MAX_PATTERN_CHARACTERS,
    MAX_SETTINGS,
    MAX_SHARED_FIELDS_BYTES,
    MAX_WINDOW_RECORDS,
)
from logd.protocol.codec import MAX_DEPTH
from logd.record import ANY_LEVEL, MAX_FIELDS, MAX_LABEL_BYTES, MAX_SEVERITY_NUMBER, MAX_TIME_US
from logd.states import ENDED, GOES_ON, LOST
from logd.store import MAX_ITEMS_OF_RUN
from logd.store.report import Problem
from logd.store.report import Report as StoreReport

PAGE = Path(__file__).parents[2] / "man" / "logd-protocol.7"
SOURCE = PAGE.read_text("ascii")
SECTION_OF = {Role.CLIENT: "CLIENT MESSAGES", Role.SERVER: "DAEMON MESSAGES"}
NAME_OF = {Role.CLIENT: "client", Role.SERVER: "daemon"}

BOUNDS = {
    "bytes in a frame's payload": MAX_FRAME_BYTES,
    "levels of maps and arrays": MAX_DEPTH,
    "ids, seqs and counts": MAX_ID,
    "bytes in lines": MAX_LINES_BYTES,
    "records in a batch": MAX_RECORDS_IN_FRAME,
    "fields of a record": MAX_FIELDS,
    "characters in a record's fields": MAX_FIELDS_CHARACTERS,
    "levels in a record's fields": MAX_FIELD_DEPTH,
    "session's fields, characters": MAX_SHARED_FIELDS_BYTES,
    "characters in a label": MAX_LABEL_BYTES,
    "characters in a pattern": MAX_PATTERN_CHARACTERS,
    "records in a view's window": MAX_WINDOW_RECORDS,
    "items in a frame": MAX_ITEMS_IN_FRAME,
    "bytes in an item's key": MAX_KEY_BYTES,
    "names in an item": MAX_ITEM_NAMES,
    "bytes in an item": MAX_ITEM_BYTES,
    "names in an item of a board": MAX_FIELDS_OF_ITEM,
    "bytes in an item of a board": MAX_BYTES_OF_ITEM,
    "items of a run's board": MAX_ITEMS_OF_RUN,
    "settings in a throttle": MAX_SETTINGS,
    "records in a page": MAX_PAGE_RECORDS,
    "records around another": MAX_CONTEXT_RECORDS,
    "highest severity number": MAX_SEVERITY_NUMBER,
    "highest time, microseconds": MAX_TIME_US,
    "connection's sessions": MAX_SESSIONS_OF_PEER,
    "connection's subscriptions": MAX_SUBSCRIPTIONS_OF_PEER,
    "session's streams": MAX_STREAMS_OF_SESSION,
    "seconds to say hello": ServerConfig.handshake_seconds,
    "seconds to finish a frame": ServerConfig.frame_seconds,
    "connections of one user": ServerConfig.max_connections_per_user,
    "connections in all": ServerConfig.max_connections,
}


def section(title: str) -> str:
    """A section's source, without its heading."""
    _, found, rest = SOURCE.partition(f"\n.Sh {title}\n")
    assert found, f"the page has no section {title}"
    return rest.partition("\n.Sh ")[0] + "\n"


def subsections(title: str) -> dict[str, str]:
    """The source of each subsection of a section, by its heading."""
    _, *parts = re.split(r"^\.Ss (.+)\n", section(title), flags=re.M)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def displays(title: str) -> list[str]:
    """The literal displays of a section, as a reader sees them."""
    texts = re.findall(r"^\.Bd -literal\n(.*?)\n\.Ed$", section(title), flags=re.M | re.S)
    return [text.replace("\\e", "\\") for text in texts]


def listed_keys(text: str) -> dict[str, tuple[str, str]]:
    """A message's keys, as listed: each one's type, and "required" or its default."""
    items = re.findall(r"^\.It Va (\S+) Pq (.+); (required|default .+)$", text, flags=re.M)
    assert len(items) == text.count("\n.It "), "an item is not written as the others are"
    return {key: (kind, default) for key, kind, default in items}


MESSAGES = {role: subsections(title) for role, title in SECTION_OF.items()}
LISTED = {name: listed_keys(text) for texts in MESSAGES.values() for name, text in texts.items()}
LISTED_KEYS = [(name, key) for name, keys in LISTED.items() for key in keys]
FILTER = listed_keys(section("READING").partition("\n.Bl ")[2])


def senders() -> dict[str, Role]:
    return {kind.t: role for allowed in TRANSITIONS.values() for role, kind in allowed}


# Messages and their keys


def test_the_page_lists_every_message_under_its_sender_and_no_other() -> None:
    listed = {name: role for role, texts in MESSAGES.items() for name in texts}
    assert listed == senders()
    assert listed.keys() == MESSAGE_TYPES.keys()


@pytest.mark.parametrize("name", MESSAGE_TYPES)
def test_a_message_is_listed_with_its_keys_in_their_order(name: str) -> None:
    assert list(LISTED[name]) == list(MESSAGE_TYPES[name].checks)


@pytest.mark.parametrize(("name", "key"), LISTED_KEYS)
def test_a_key_is_listed_with_its_default(name: str, key: str) -> None:
    message_type = MESSAGE_TYPES[name]
    _, listed = LISTED[name][key]
    if key in message_type.required:
        assert listed == "required"
    else:
        default = defaults_of(message_type)[key]
        words = {None: "null", True: "true", False: "false", "": "empty"}
        shown = words[default] if default in words and type(default) is not int else str(default)
        assert listed == f"default {shown}"


@pytest.mark.parametrize(("name", "key"), LISTED_KEYS)
def test_a_key_is_null_exactly_where_its_default_is(name: str, key: str) -> None:
    _, listed = LISTED[name][key]
    assert MESSAGE_TYPES[name].checks[key](None) is (listed == "default null")


def at_limits(kind: str) -> tuple[list[Any], list[Any]]:
    """Values that a type as the page writes it just allows, and values that it just does not."""
    sizes = [int(number) for number in re.findall(r"-?\d+", kind)]
    match re.sub(r"-?\d+", "N", kind):
        case "integer, N to N":
            low, high = sizes
            return [low, high], [low - 1, high + 1]
        case "text, at most N characters":
            return ["", "\u00fc" * sizes[0]], ["x" * (sizes[0] + 1)]
        case "byte string, N to N bytes":
            low, high = sizes
            return [b"\n" * low, b"\n" * high], [b"\n" * (low - 1)] * bool(low) + [b"\n" * (high + 1)]
        case "list of N to N integers":
            low, high = sizes
            return [[1] * low, [1] * high], [[1] * (low - 1), [1] * (high + 1)]
        case "list of N to N records":
            low, high = sizes
            record = [None, 9, "text", None]
            return [[record] * low, [record] * high], [[record] * (low - 1), [record] * (high + 1)]
        case "map of at most N scalars, N characters in all":
            count, characters = sizes
            few = {str(number): 0 for number in range(count)}
            return [{}, few, {"x": "x" * (characters - 1)}], [{**few, "x": 0}, {"x": "x" * characters}, {"x": []}]
        case "map of at most N items":
            keys = list(map(str, range(sizes[0])))
            full = {**dict.fromkeys(keys), "0": {"x": 1}}
            return [{}, full], [{**full, "x": None}, {"x": 1}, {"x": {"x": []}}, []]
        case "map of at most N settings":
            full = dict.fromkeys(map(str, range(sizes[0])), 1)
            return [{}, {"x": 0.5, "y": True}, full], [{**full, "x": 1}, {"x": "1"}, {"x": None}, []]
        case "map":
            return [{}, {"x": []}], [[], {1: 1}]
        case "item":
            return [{}, {"x": "text", "y": None, "z": 0.5}], [[], {"x": []}, {1: 1}]
        case "filter":
            return [{}, {"pattern": "x", "invert": True}], [[], {"x": 1}, {1: 1}]
        case "list of pieces":
            piece = [1, 1, 0, True]
            return [[], [piece] * 2], [{}, [piece[:3]], [[*piece[:3], 1]], [["1", *piece[1:]]]]
        case "true or false":
            return [True, False], [0, 1, "true"]
        case other:
            assert other.startswith("one of "), f"no such type: {kind}"
            words = other.removeprefix("one of ").split(", ")
            return words, ["", "other", *map(str.upper, words)]


@pytest.mark.parametrize(("name", "key"), LISTED_KEYS)
def test_a_key_takes_what_the_page_allows_and_no_more(name: str, key: str) -> None:
    check = MESSAGE_TYPES[name].checks[key]
    allowed, refused = at_limits(LISTED[name][key][0])
    assert all(check(value) for value in allowed)
    assert not any(check(value) for value in refused)


def test_a_filter_takes_the_keys_that_the_page_lists_and_what_it_allows_for_each() -> None:
    check = MESSAGE_TYPES["read"].checks["filter"]
    assert FILTER.keys() == FILTER_CHECKS.keys()
    assert re.findall(r"at most (\d+) in all", section("READING")) == [str(MAX_FILTERS)]
    for key, (kind, default) in FILTER.items():
        allowed, refused = at_limits(kind)
        assert all(check({key: value}) for value in allowed)
        assert not any(check({key: value}) for value in [*refused, None])
        words = {"default empty": "", "default false": False, "default 0": 0}
        assert default == "default null" or check({key: words[default]})


# Codes and bounds


def test_the_page_lists_every_error_code_with_its_sentence_and_what_follows() -> None:
    items = re.findall(r"^\.It Cm (\S+) Pq (.+)\n([^.](?:.|\n)*?)(?=\n\.)", section("ERROR CODES"), flags=re.M)
    assert {code: (after, " ".join(sentence.split())) for code, after, sentence in items} == {
        code.value: ("closes the connection" if code.closes_connection else "the connection goes on", code.sentence)
        for code in ErrorCode
    }


def test_the_page_lists_every_bound() -> None:
    rows = re.findall(r"^\.It (.+) Ta (\d+) Ta Cm (\S+)$", section("BOUNDS"), flags=re.M)
    assert {bound: int(number) for bound, number, _ in rows} == BOUNDS
    assert {code for *_, code in rows} <= set(ErrorCode)


def test_the_page_says_which_integers_there_are() -> None:
    (numbers,) = re.findall(r"^An integer is at least (-?\d+) and at most (\d+),", section("CBOR"), flags=re.M)
    least, most = map(int, numbers)
    for number in (least, most):
        assert Emit(1, 1, records=[[None, 9, "text", {"number": number}]])
    for number in (least - 1, most + 1):
        with pytest.raises(ValueError, match="records"):
            Emit(1, 1, records=[[None, 9, "text", {"number": number}]])


def test_the_page_says_how_deep_fields_are() -> None:
    (levels,) = re.findall(r"with arrays and maps at most (\d+) deep\.", section("EMITTING"))
    assert int(levels) == MAX_FIELD_DEPTH


def test_the_page_says_how_large_an_item_is() -> None:
    numbers = re.findall(r"\d+", section("TABLES").partition(".Em Items .")[2].partition(".Em Boards .")[0])
    assert list(map(int, numbers)) == [MAX_ITEM_NAMES, 1, MAX_KEY_BYTES, 8, MAX_ITEM_BYTES]  # 8: of UTF-8
    check = MESSAGE_TYPES["report"].checks["items"]
    largest = {
        f"{number:\u00fc>2}" + "x" * (MAX_ITEM_BYTES // MAX_ITEM_NAMES - 5): 1
        for number in range(10, 10 + MAX_ITEM_NAMES)
    }
    assert check({"\u00fc" * (MAX_KEY_BYTES // 2): largest})


@pytest.mark.parametrize(
    ("title", "found", "number"),
    [
        ("BOUNDS", r"sent for (\d+) seconds is hung up on", ServerConfig.send_seconds),
        ("WATCHING", r"to go on for (\d+) seconds", hub.AWAIT_SECONDS),
        ("WATCHING", r"more than (\d+) records are pending, a view", subscription.MAX_BEHIND_RECORDS),
        ("TABLES", r"comes again every (\d+) seconds", table.WHOLE_SECONDS),
        ("TABLES", r"at most (\d+) items; a", MAX_ITEMS_OF_RUN),
        ("TABLES", r"the first (\d+) bytes\.", topics.MAX_SAID_BYTES),
    ],
)
def test_the_page_says_how_subscriptions_are_bounded(title: str, found: str, number: float) -> None:
    assert list(map(float, re.findall(found, section(title)))) == [number]


def test_the_page_says_what_stats_leaves_out() -> None:
    text = section("REPLY VALUES")
    assert re.findall(r"at most (\d+) in each[.;]", text) == [str(MAX_LISTED)]
    assert re.findall(r"its first (\d+) characters\.", text) == [str(MAX_LISTED_CHARACTERS)]


def test_the_page_names_no_message_that_does_not_exist() -> None:
    """`Ic` marks a message wherever the page mentions one."""
    named = set(re.findall(r"(?:^\.| )Ic (\S+)", SOURCE, flags=re.M))
    assert named <= MESSAGE_TYPES.keys()


def test_the_page_names_no_code_that_does_not_exist() -> None:
    """`Cm` marks codes, and other words of the protocol; what of them looks like a code is one."""
    values = {word for keys in LISTED.values() for kind, _ in keys.values() for word in re.findall(r"\w+", kind)}
    named = set(re.findall(r"(?:^\.| )Cm (\S+)", SOURCE, flags=re.M))
    words = {*GOES_ON, ENDED, LOST, "unreadable", "stdout", "stderr", *MODES, *STATES}
    assert named - values - words <= set(ErrorCode)


def test_the_page_names_the_version() -> None:
    assert f"protocol version {max(SUPPORTED_VERSIONS)} " in SOURCE


# Subscriptions and tables


def test_the_page_says_what_every_event_is() -> None:
    (kinds, _) = LISTED["event"]["kind"]
    described = re.findall(r"^\.It Cm (\w+)$", section("WATCHING"), flags=re.M)
    assert sorted(described) == sorted(kinds.removeprefix("one of ").split(", "))


def test_the_page_says_what_every_topic_is() -> None:
    (kinds, _) = LISTED["watch"]["topic"]
    described = re.findall(r"^\.It Cm (\w+)$", section("TABLES"), flags=re.M)
    assert described == kinds.removeprefix("one of ").split(", ")


async def test_the_page_lists_the_names_in_every_item_of_a_topic(tmp_path: Path) -> None:
    async with asking(tmp_path) as asker:
        presence = asker.server.topics
        presence.refresh_runs()
        presence.refresh_presence()
        presence.refresh_totals()
        runs_items, present = dict(presence.runs.items()), dict(presence.presence.items())
    assert listed_names("runs") == list(runs_items["build"])
    assert listed_names("totals") == list(dict(presence.totals.items())[topics.TOTALS_KEY])
    assert listed_names("emitter") == list(present["build/emitter/7/1"])
    assert listed_names("viewer") == list(present["build/viewer/7/2"])
    assert present["build/emitter/7/1"]["command"] == "x" * topics.MAX_SAID_BYTES


def listed_names(which: str) -> list[str]:
    """The names in an item of a topic, or of one of its kinds."""
    heading = rf"^The names in (?:an item of\n\.Cm {which} :|the item of an? {which}\b(?:.|\n)*?:)\n"
    found = re.search(rf"{heading}\.Bl .+\n((?:.|\n)*?)^\.El", section("TABLES"), re.M)
    assert found is not None
    return re.findall(r"^\.It Va (\S+)$", found[1], flags=re.M)


# States


def drawn_diagram() -> str:
    """The way from the first state to the last, drawn from the table."""
    drawn, state = State.START.name, State.START
    while steps := [step for step in TRANSITIONS[state].items() if step[1] is not state]:
        ((role, kind), state), *others = steps
        assert not others, "the way branches: draw it otherwise"
        drawn += f" --({NAME_OF[role]}: {kind.t})--> {state.name}"
    return drawn


def drawn_states() -> str:
    """The table, a line for each state, sender and next state."""
    lines = []
    for state, allowed in TRANSITIONS.items():
        lines.append(state.name)
        grouped: dict[tuple[Role, State], list[str]] = {}
        for (role, kind), after in allowed.items():
            grouped.setdefault((role, after), []).append(kind.t)
        for (role, after), names in grouped.items():
            text = f"{NAME_OF[role]}: {', '.join(names)} -> {after.name}"
            lines += wrap(text, 64, initial_indent="  ", subsequent_indent="      ")
    return "\n".join(lines)


def test_the_diagram_is_the_table() -> None:
    assert displays("STATES") == [drawn_diagram(), drawn_states()]


# The example


def example() -> list[tuple[Role, str, bytes]]:
    """The messages of the worked example: who sends what, and its bytes."""
    (text,) = displays("WORKED EXAMPLE")
    said = []
    for part in text.split("\n\n"):
        heading, *lines = part.splitlines()
        who, name = heading.split(" says ")
        role = {name: role for role, name in NAME_OF.items()}[who]
        # The comments begin at one column, behind sixteen bytes.
        said.append((role, name, bytes.fromhex("".join(line[:47] for line in lines))))
    return said


def test_the_example_is_a_conversation() -> None:
    sides = {role: Connection(role) for role in Role}
    heard: list[Message] = []
    for role, name, data in example():
        receiver = sides[role.peer]
        receiver.receive_data(data)
        message = receiver.next_message()
        assert message is not None
        assert message.t == name
        assert receiver.next_message() is None
        assert sides[role].send(message) == data
        heard.append(message)
    assert [message.t for message in heard] == ["hello", "welcome", "open", "reply", "emit", "ack"]


def test_the_comments_of_the_example_are_true() -> None:
    (text,) = displays("WORKED EXAMPLE")
    for (_, name, data), part in zip(example(), text.split("\n\n"), strict=True):
        length, head, *comments = [comment for line in part.splitlines()[1:] if (comment := line[48:])]
        assert length == f"{len(data) - 4} bytes follow"
        said_in = next(
            state for state, allowed in TRANSITIONS.items() if (senders()[name], MESSAGE_TYPES[name]) in allowed
        )
        receiver = connection_in(senders()[name].peer, said_in)
        receiver.receive_data(data)
        message = receiver.next_message()
        assert message is not None
        values = message.to_map()
        assert head == f"map of {len(values)}"
        # A long value's comment goes on in the next line, indented. Byte strings are shown as text.
        shown = dict(comment.split(": ", 1) for comment in re.split(r"\n(?! )", "\n".join(comments)))
        assert {key: json.loads(value) for key, value in shown.items()} == {
            key: value.decode() if isinstance(value, bytes) else value for key, value in values.items()
        }


# Reply values


class Asker:
    """A peer that keeps what it is sent."""

    credentials = Credentials(pid=1, uid=2)
    client = "test"
    terminal = "pts/3"
    number = 7
    check_id_is_free = Peer.check_id_is_free

    def __init__(self, server: Server, nursery: trio.Nursery) -> None:
        self.server = server
        self.nursery = nursery
        self.sessions: dict[int, Any] = {}
        self.watchers: dict[int, Watcher] = {}
        self.tables: dict[int, trio.CancelScope] = {}
        self._received: dict[int, Any] = {}
        self._client = connection_in(Role.CLIENT, State.READY)
        self._connection = connection_in(Role.SERVER, State.READY)
        self._replied = trio.Event()

    async def cancel(self, scope: trio.CancelScope) -> None:
        scope.cancel()

    async def send(self, message: Message) -> None:
        self._client.receive_data(self._connection.send(message))
        received = self._client.next_message()
        if isinstance(received, Reply):
            self._received[received.id] = received.value
            self._replied.set()

    async def ask(self, handler: Callable[[Any, Any], Awaitable[None]], request: Any) -> Any:
        """The value that a request is answered with, as a client has it."""
        number = request.sub if isinstance(request, Detach) else request.id
        self._received.pop(number, None)
        await handler(self, request)
        while number not in self._received:
            self._replied = trio.Event()
            await self._replied.wait()
        return self._received[number]


@asynccontextmanager
async def asking(folder: Path) -> AsyncIterator[Asker]:
    """A peer of a daemon without a socket, which emits into a run and watches it."""
    server = Server(Config(), Paths.resolve(state_dir=str(folder), socket=str(folder / "socket")))
    async with trio.open_nursery() as nursery:
        asker: Any = Asker(server, nursery)
        session = await server.begin_session(asker.credentials, Open(1, "build", "s1", command="x" * 4096))
        run, request = session.run, Attach(2, "build")
        watcher = Watcher(request)
        read = partial(run.blocks, max_bytes=READ_BYTES, level_mask=ANY_LEVEL)
        watcher.subscription = Subscription(request, run, read, 1, server.paces.throttler("stream"))
        asker.sessions[1] = session
        asker.watchers[2] = watcher
        server.peers.add(asker)
        nursery.start_soon(server.committer.run)
        yield asker
        await server.end_session(session, 0)
        nursery.cancel_scope.cancel()
    server.store.close()


async def test_the_page_lists_the_keys_of_what_runs_and_stats_are_answered(tmp_path: Path) -> None:
    async with asking(tmp_path) as asker:
        runs_value = await asker.ask(runs, Runs(3))
        sessions_value = await asker.ask(sessions, Sessions(5, "build"))
        stats_value = await asker.ask(stats, Stats(4))
    listed = listed_values()
    assert set(marked(listed["runs"])) == {*runs_value, *runs_value["runs"][0], "after"}
    (session,) = sessions_value["sessions"]
    assert set(marked(listed["sessions"])) == {*sessions_value, *session}
    assert sessions_value["run"] == runs_value["runs"][0]
    assert session["command"] == "x" * MAX_LISTED_CHARACTERS
    assert f"the first {MAX_LISTED_CHARACTERS} characters" in listed["sessions"]
    assert set(marked(listed["stats"])) == set(stats_value)
    for name in ("sessions", "subscriptions", "operations"):
        assert listed_table(name) == list(stats_value[name][0])
    assert stats_value["sessions"][0]["command"] == "x" * MAX_LISTED_CHARACTERS


async def test_the_page_lists_the_keys_of_what_subscribers_are_answered(tmp_path: Path) -> None:
    async with asking(tmp_path) as asker:
        values = {
            "attach": await asker.ask(attach.attach, Attach(3, "build")),
            "view": await asker.ask(attach.view, View(4, 3, paused=True)),
            "detach": await asker.ask(attach.detach, Detach(3)),
            "report": await asker.ask(tables.report, Report(5, "build", {"pages": {"done": 3}})),
            "watch": await asker.ask(tables.watch, Watch(6, "board", "build")),
            "throttle": await asker.ask(tables.throttle, Throttle(7, {})),
        }
        waiting = await asker.ask(attach.attach, Attach(8, "other", wait=True))
    listed = listed_values()
    assert values.pop("throttle") == asdict(FanoutConfig())
    assert ".Xr logd 8\nlists under\n.Li [fanout] ,\n" in listed["throttle"]
    for name, value in values.items():
        (described, *_) = re.split(r"^For a run that is waited for,", listed[name], flags=re.M)
        assert marked(described) == list(value)
        assert ("No keys.\n" in described) == (not value)
    assert waiting == {"run": "other", "head": 0, "next": 1, "generation": 1}


def test_the_page_lists_the_keys_of_what_verify_is_answered() -> None:
    value = manage._describe(StoreReport([Problem(1, "what is wrong")], 1, [], 1, 2, 3, 4))
    text = listed_values()["verify"]
    assert set(marked(text)) == {*value, "repaired"}
    assert re.findall(r"at most (\d+)", text) == [str(manage.MAX_LISTED_PROBLEMS)]
    assert listed_table("problems") == list(value["problems"][0])


def listed_values() -> dict[str, str]:
    """What the page says of each reply's value, by the request."""
    text = section("REPLY VALUES")
    return dict(re.findall(r"^\.It Ic (\S+)\n((?:.|\n)*?)(?=^\.It Ic |^\.El)", text, flags=re.M))


def listed_table(name: str) -> list[str]:
    """The keys of the maps in one of a reply's arrays."""
    found = re.search(
        rf"^The keys of a map in\n\.Va {name} (?:.|\n)*?\n\.Bl .+\n((?:.|\n)*?)^\.El", section("REPLY VALUES"), re.M
    )
    assert found is not None
    return re.findall(r"^\.It Va (\S+)$", found[1], flags=re.M)


def marked(text: str) -> list[str]:
    """The words that are marked as keys."""
    return re.findall(r"^\.Va (\S+)", text, flags=re.M)


# The page itself


@pytest.mark.skipif(shutil.which("mandoc") is None, reason="mandoc is not installed")
def test_mandoc_finds_nothing_wrong() -> None:
    linted = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "warning", str(PAGE)], capture_output=True, text=True, check=False
    )
    assert linted.stdout == ""
    assert linted.returncode == 0


@pytest.mark.skipif(shutil.which("mandoc") is None, reason="mandoc is not installed")
def test_the_page_fits_a_terminal() -> None:
    rendered = subprocess.run(
        ["mandoc", "-T", "ascii", "-O", "width=80", str(PAGE)], capture_output=True, text=True, check=True
    ).stdout
    plain = re.sub(".\b", "", rendered)
    assert max(len(line) for line in plain.splitlines()) <= 80
