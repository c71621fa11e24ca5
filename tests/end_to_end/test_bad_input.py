"""What a hostile or broken client sends: it is told so, nothing of it is stored, and the daemon serves on."""

from __future__ import annotations

import random
import socket
import struct
from contextlib import suppress
from typing import Any

import cbor2
import pytest
from bed import Bed

from logd.protocol import (
    MAX_FRAME_BYTES,
    Connection,
    Emit,
    Error,
    Hello,
    Message,
    Open,
    Pong,
    Reply,
    Role,
    Welcome,
)

HELLO = {"t": "hello", "versions": [1]}


def _frame(value: Any) -> bytes:
    payload = value if isinstance(value, bytes) else cbor2.dumps(value)
    return struct.pack(">I", len(payload)) + payload


class _Raw:
    """A connection that sends any bytes."""

    def __init__(self, daemon: Bed) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(30)
        self.socket.connect(str(daemon.paths.socket))
        self._connection = Connection(Role.CLIENT)
        self._connection.send(Hello([1]))  # so that it expects the answers; what is sent is ours to say

    def __enter__(self) -> _Raw:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def greet(self) -> None:
        self.socket.sendall(_frame(HELLO))
        assert isinstance(self.receive(), Welcome)

    def receive(self) -> Message | None:
        """The next message, None where the daemon has hung up."""
        while (message := self._connection.next_message()) is None:
            try:
                data = self.socket.recv(65536)
            except ConnectionResetError:
                return None
            if not data:
                return None
            self._connection.receive_data(data)
        return message

    def error(self) -> str:
        """The code of the error that comes, after which the daemon hangs up."""
        message = self.receive()
        assert isinstance(message, Error), message
        assert message.message
        assert self.receive() is None
        return message.code


def _serves(daemon: Bed) -> None:
    with _Raw(daemon) as raw:
        raw.greet()
        raw.socket.sendall(_frame({"t": "ping", "id": 7}))
        assert raw.receive() == Pong(7)


BROKEN = {
    "four gibibytes": (struct.pack(">I", 0xFFFFFFFF) + b"x" * 1000, "bad_frame"),
    "one byte over": (struct.pack(">I", MAX_FRAME_BYTES + 1), "bad_frame"),
    "an empty frame": (struct.pack(">I", 0), "bad_frame"),
    "text": (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "bad_frame"),
    "garbage": (_frame(random.Random(7).randbytes(5000)), "bad_cbor"),
    "100,000 deep": (_frame(b"\x81" * 100_000 + b"\x00"), "bad_cbor"),
    "a tag": (_frame(b"\xa1\x61t\xc1\x00"), "bad_cbor"),
    "duplicate keys": (_frame(b"\xa2\x61t\x64ping\x61t\x64ping"), "bad_cbor"),
    "an indefinite map": (_frame(b"\xbf\x61t\x64ping\xff"), "bad_cbor"),
    "bytes left over": (_frame(cbor2.dumps({"t": "ping", "id": 1}) + b"\0"), "bad_cbor"),
    "a list": (_frame([1, 2]), "bad_message"),
    "no type": (_frame({"id": 1}), "bad_message"),
    "an unknown type": (_frame({"t": "bogus"}), "bad_message"),
    "an unknown key": (_frame({"t": "ping", "id": 1, "x": 1}), "bad_message"),
    "a key missing": (_frame({"t": "ping"}), "bad_message"),
    "a wrong value": (_frame({"t": "ping", "id": "one"}), "bad_message"),
    "hello again": (_frame(HELLO), "bad_state"),
    "what only a daemon says": (_frame({"t": "pong", "id": 1}), "bad_state"),
    "a byte-string key within": (
        _frame({"t": "emit", "session": 1, "batch": 1, "records": [[None, 9, "x", {"a": {b"k": 1}}]]}),
        "bad_message",
    ),
}


@pytest.mark.parametrize(("data", "code"), BROKEN.values(), ids=BROKEN.keys())
def test_what_is_not_the_protocol_is_told_so_and_hung_up_on(shared_daemon: Bed, data: bytes, code: str) -> None:
    with _Raw(shared_daemon) as raw:
        raw.greet()
        raw.socket.sendall(data)
        assert raw.error() == code
    _serves(shared_daemon)


def test_a_request_before_hello(shared_daemon: Bed) -> None:
    with _Raw(shared_daemon) as raw:
        raw.socket.sendall(_frame({"t": "ping", "id": 1}))
        assert raw.error() == "bad_state"


def test_a_version_that_nobody_speaks(shared_daemon: Bed) -> None:
    with _Raw(shared_daemon) as raw:
        raw.socket.sendall(_frame({"t": "hello", "versions": [999]}))
        assert raw.error() == "unsupported_version"


def test_what_came_before_the_garbage_is_stored_and_acknowledged(shared_daemon: Bed) -> None:
    with _Raw(shared_daemon) as raw:
        raw.greet()
        emits = b"".join(
            _frame({"t": "emit", "session": 1, "batch": batch, "lines": b"line %d\n" % batch}) for batch in (1, 2)
        )
        raw.socket.sendall(_frame({"t": "open", "id": 1, "run": "half", "session": "s"}) + emits + b"\xff" * 50)
        messages = []
        while (message := raw.receive()) is not None:
            messages.append(message)
    assert isinstance(messages[0], Reply)
    assert messages[-2].to_map() | {"synced_seq": 0} == {
        "t": "ack",
        "session": 1,
        "batch": 2,
        "written_seq": 2,
        "synced_seq": 0,
    }
    assert isinstance(messages[-1], Error)
    assert shared_daemon.raw("half") == b"line 1\nline 2\n"


REFUSED = {
    "a bad name": ({"t": "open", "id": 5, "run": "../x", "session": "s"}, "bad_run_name"),
    "a session that is not open": ({"t": "emit", "session": 9, "batch": 1, "lines": b"x\n"}, "not_open"),
    "a subscription that is not open": ({"t": "detach", "sub": 9}, "not_open"),
    "a run that is not there": ({"t": "attach", "id": 5, "run": "nowhere"}, "no_such_run"),
}


@pytest.mark.parametrize(("request_map", "code"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_refused_leaves_the_connection_open(shared_daemon: Bed, request_map: dict[str, Any], code: str) -> None:
    with _Raw(shared_daemon) as raw:
        raw.greet()
        raw.socket.sendall(_frame(request_map) + _frame({"t": "ping", "id": 77}))
        answers = [raw.receive(), raw.receive()]
    assert Pong(77) in answers
    (error,) = [answer for answer in answers if isinstance(answer, Error)]
    assert error.code == code
    assert error.id == next(request_map[key] for key in ("id", "session", "sub") if type(request_map.get(key)) is int)


def test_a_gap_in_batch_numbers_is_refused_and_a_resend_is_acknowledged_again(shared_daemon: Bed) -> None:
    with shared_daemon.client() as client:
        client.request(Open(1, "gaps", "s"))
        client.send(Emit(1, 1, lines=b"one\n"))
        assert client.receive().to_map()["batch"] == 1
        client.send(Emit(1, 3, lines=b"three\n"))
        error = client.receive()
        assert isinstance(error, Error)
        assert (error.code, error.id) == ("batch_gap", 1)
        assert "batch 2 is expected" in error.message
        client.send(Emit(1, 1, lines=b"one\n"))
        assert client.receive().to_map()["batch"] == 1
        client.send(Emit(1, 2, lines=b"two\n"))
        assert client.receive().to_map()["batch"] == 2
    assert shared_daemon.raw("gaps") == b"one\ntwo\n"


def test_a_session_goes_on_where_it_was_also_after_a_kill(daemon: Bed) -> None:
    with daemon.client() as client:
        client.request(Open(1, "again", "s"))
        client.send(Emit(1, 1, lines=b"one\n"))
        client.receive()
    with daemon.client() as client:
        assert client.request(Open(1, "again", "s"))["batch"] == 1
    daemon.kill()
    daemon.run("logd", "start")
    with daemon.client() as client:
        assert client.request(Open(1, "again", "s"))["batch"] == 1
        assert client.request(Open(2, "again", "another"))["batch"] == 0
        client.send(Emit(1, 1, lines=b"one\n"))
        assert client.receive().to_map()["batch"] == 1
        client.send(Emit(1, 2, lines=b"two\n"))
        assert client.receive().to_map()["batch"] == 2
    assert daemon.raw("again") == b"one\ntwo\n"


def test_records_with_fields(shared_daemon: Bed) -> None:
    with shared_daemon.client() as client:
        client.request(Open(1, "fields", "s", source="w3", fields={"job": 7}))
        record = [1_700_000_000_000_000, 18, "text", {"url": "/a", "time": "clash", "deep": {"a": [1, None, 0.5]}}]
        client.send(Emit(1, 1, records=[record, [None, 0, b"\xff", None]], stream="stderr"))
        client.receive()
    first, second = shared_daemon.rows("fields")
    assert list(first.items()) == [
        ("time", "2023-11-14T22:13:20.000000Z"),
        ("level", "ERROR"),
        ("msg", "text"),
        ("stream", "stderr"),
        ("source", "w3"),
        ("job", 7),
        ("url", "/a"),
        ("_time", "clash"),
        ("deep", {"a": [1, None, 0.5]}),
    ]
    assert second["raw"] == "/w=="
    assert second["job"] == 7


def test_too_many_connections_of_one_user(idle_bed: Bed) -> None:
    idle_bed.paths.config.write_text("[server]\nmax_connections_per_user = 3\n")
    idle_bed.run("logd", "start")
    raws = [_Raw(idle_bed) for _ in range(3)]
    for raw in raws:
        raw.greet()
    with _Raw(idle_bed) as one_more:
        with suppress(BrokenPipeError):  # it may have hung up already
            one_more.socket.sendall(_frame(HELLO))
        assert one_more.error() == "too_many_connections"
    for raw in raws:
        raw.socket.close()


def test_a_silent_or_dawdling_peer_is_hung_up_on(idle_bed: Bed) -> None:
    idle_bed.paths.config.write_text("[server]\nhandshake_seconds = 0.1\nframe_seconds = 0.1\n")
    idle_bed.run("logd", "start")
    with _Raw(idle_bed) as silent:
        assert silent.error() == "timed_out"
    with _Raw(idle_bed) as dawdling:
        dawdling.greet()
        dawdling.socket.sendall(struct.pack(">I", 100) + b"x")
        assert dawdling.error() == "timed_out"
