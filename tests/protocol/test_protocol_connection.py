"""Two sides that talk: any split of the bytes, every state, and every way to break the rules."""

from __future__ import annotations

import struct
from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from protocol_strategies import connection_in, messages, messages_of, sample

from logd.errors import LocalProtocolError, RemoteProtocolError
from logd.protocol import (
    MESSAGE_TYPES,
    PROTOCOL_VERSION,
    TRANSITIONS,
    Ack,
    Connection,
    Emit,
    Error,
    ErrorCode,
    Hello,
    Message,
    Open,
    Ping,
    Pong,
    Reply,
    Role,
    State,
    Welcome,
)
from logd.protocol.codec import encode
from logd.protocol.framing import frame

every_triple = pytest.mark.parametrize(
    ("state", "sender", "name"),
    [
        pytest.param(state, sender, name, id=f"{state.name}-{sender.name}-{name}")
        for state, sender, name in product(State, Role, MESSAGE_TYPES)
    ],
)
every_code = pytest.mark.parametrize("code", ErrorCode)


def received(connection: Connection) -> list[Message]:
    taken = []
    while (message := connection.next_message()) is not None:
        taken.append(message)
    return taken


def sent_by(role: Role, state: State) -> st.SearchStrategy[Message]:
    """Messages that may follow each other for ever: those that leave the state as it is."""
    names = sorted(kind.t for (sender, kind), after in TRANSITIONS[state].items() if sender is role and after is state)
    return st.sampled_from(names).flatmap(messages_of)


def deliver(stream: bytes, cuts: list[int], receiver: Connection) -> list[Message]:
    taken = []
    for start, end in pairwise([0, *sorted(cuts), len(stream)]):
        receiver.receive_data(stream[start:end])
        taken += received(receiver)
    return taken


@pytest.mark.parametrize("role", Role)
@given(data=st.data())
def test_messages_split_at_any_bytes_come_out_the_same(role: Role, data: st.DataObject) -> None:
    sent = data.draw(st.lists(sent_by(role, State.READY), max_size=8))
    sender, receiver = connection_in(role, State.READY), connection_in(role.peer, State.READY)
    stream = b"".join(map(sender.send, sent))
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=20))
    assert deliver(stream, cuts, receiver) == sent
    assert not receiver.mid_frame


def test_a_conversation() -> None:
    client, server = Connection(Role.CLIENT), Connection(Role.SERVER)
    talk: list[tuple[Connection, Message]] = [
        (client, Hello([PROTOCOL_VERSION])),
        (server, Welcome(PROTOCOL_VERSION, "logd", 1)),
        (client, Open(1, "build", "s1")),
        (server, Reply(1, {"run": "build", "head": 0, "batch": 0})),
        (client, Emit(1, 1, lines=b"one\n")),
        (client, Ping(2)),
        (server, Ack(1, 1, 1)),
        (server, Pong(2)),
    ]
    for sender, message in talk:
        receiver = server if sender is client else client
        receiver.receive_data(sender.send(message))
        assert received(receiver) == [message]
        assert client.state is server.state
    assert client.state is State.READY


def test_a_new_connection_has_said_and_heard_nothing() -> None:
    connection = Connection(Role.SERVER)
    assert connection.state is State.START
    assert connection.next_message() is None
    assert not connection.mid_frame


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("state", State)
def test_a_connection_comes_to_every_state_on_either_side(role: Role, state: State) -> None:
    connection = connection_in(role, state)
    assert connection.role is role
    assert connection.state is state
    assert not connection.mid_frame


def test_connections_do_not_share_their_states() -> None:
    ready, new = connection_in(Role.CLIENT, State.READY), Connection(Role.CLIENT)
    assert ready.send(Ping(1))
    with pytest.raises(LocalProtocolError):
        new.send(Ping(1))
    assert new.send(Hello([1]))


def test_mid_frame_lasts_from_the_first_byte_to_the_last() -> None:
    connection = Connection(Role.SERVER)
    hello = frame(encode(Hello([1])))
    for number in range(len(hello)):
        connection.receive_data(hello[number : number + 1])
        assert connection.mid_frame
        if number < len(hello) - 1:
            assert connection.next_message() is None
    assert connection.next_message() == Hello([1])
    assert not connection.mid_frame


# The table


def test_the_table_has_every_state_and_every_message() -> None:
    assert TRANSITIONS.keys() == set(State)
    named = {kind for allowed in TRANSITIONS.values() for _, kind in allowed}
    assert named == set(MESSAGE_TYPES.values())


def test_every_state_can_be_reached() -> None:
    reached, last = {State.START}, set[State]()
    while reached != last:
        last = set(reached)
        reached |= {after for state in last for after in TRANSITIONS[state].values()}
    assert reached == set(State)


def test_a_message_has_one_sender() -> None:
    senders: dict[type[Message], set[Role]] = {}
    for allowed in TRANSITIONS.values():
        for sender, kind in allowed:
            senders.setdefault(kind, set()).add(sender)
    assert all(len(roles) == 1 for roles in senders.values())


def test_the_daemon_may_refuse_in_every_state() -> None:
    assert all((Role.SERVER, Error) in allowed for allowed in TRANSITIONS.values())


@every_triple
def test_sending_walks_the_table(state: State, sender: Role, name: str) -> None:
    connection = connection_in(sender, state)
    after = TRANSITIONS[state].get((sender, MESSAGE_TYPES[name]))
    if after is not None:
        assert connection.send(sample(name)) == frame(encode(sample(name)))
        assert connection.state is after
    else:
        with pytest.raises(LocalProtocolError, match=name) as caught:
            connection.send(sample(name))
        assert caught.value.code == ErrorCode.BAD_STATE
        assert connection.state is state


@every_triple
def test_receiving_walks_the_table(state: State, sender: Role, name: str) -> None:
    connection = connection_in(sender.peer, state)
    connection.receive_data(frame(encode(sample(name))))
    after = TRANSITIONS[state].get((sender, MESSAGE_TYPES[name]))
    if after is not None:
        assert connection.next_message() == sample(name)
        assert connection.state is after
    else:
        with pytest.raises(RemoteProtocolError, match=name) as caught:
            connection.next_message()
        assert caught.value.code == ErrorCode.BAD_STATE
        assert connection.state is state


@every_triple
def test_what_was_not_sent_changes_nothing(state: State, sender: Role, name: str) -> None:
    """A message that cannot be sent, or cannot be encoded, leaves the connection to send what it may."""
    connection, peer = connection_in(sender, state), connection_in(sender.peer, state)
    if (sender, MESSAGE_TYPES[name]) not in TRANSITIONS[state]:
        with pytest.raises(LocalProtocolError):
            connection.send(sample(name))
    for message in (Hello([1], client="\udc80"), Welcome(1, "\udc80", 1), Error("internal", "\udc80")):
        with pytest.raises(LocalProtocolError):
            connection.send(message)
    assert connection.state is state
    for role, kind in TRANSITIONS[state]:
        if role is sender:
            peer.receive_data(connection.send(sample(kind.t)))
            assert peer.next_message() == sample(kind.t)
            break


def test_a_message_that_is_too_large_leaves_the_state() -> None:
    connection = connection_in(Role.CLIENT, State.READY)
    with pytest.raises(LocalProtocolError) as caught:
        connection.send(Emit(1, 1, records=[[None, 9, "x" * 60_000, None]] * 20))
    assert caught.value.code == ErrorCode.BAD_FRAME
    assert connection.send(Ping(1)) == frame(encode(Ping(1)))


def test_a_kind_of_message_that_nobody_declared_is_not_sent() -> None:
    class Louder(Ping):
        """Its name on the wire is the ping's, but the table does not have it."""

    connection = connection_in(Role.CLIENT, State.READY)
    with pytest.raises(LocalProtocolError) as caught:
        connection.send(Louder(1))
    assert caught.value.code == ErrorCode.BAD_STATE


# What the peer may send instead


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize(
    ("stream", "code"),
    [
        (struct.pack(">I", 0), ErrorCode.BAD_FRAME),
        (struct.pack(">I", 2**32 - 1), ErrorCode.BAD_FRAME),
        (frame(b"\xff"), ErrorCode.BAD_CBOR),
        (frame(b"\x81" * 100_000), ErrorCode.BAD_CBOR),
        (frame(b"\xa0"), ErrorCode.BAD_MESSAGE),
        (b"GET / HTTP/1.1\r\n\r\n", ErrorCode.BAD_FRAME),
    ],
    ids=["empty", "4 GiB", "break", "deep", "no type", "http"],
)
def test_nonsense_is_refused_by_name(role: Role, stream: bytes, code: ErrorCode) -> None:
    connection = Connection(role)
    connection.receive_data(stream)
    with pytest.raises(RemoteProtocolError) as caught:
        connection.next_message()
    assert caught.value.code == code


def read_all(connection: Connection, stream: bytes) -> None:
    """Feed and drain; what does not become messages must raise RemoteProtocolError, and nothing else."""
    connection.receive_data(stream)
    try:
        assert all(isinstance(message, Message) for message in received(connection))
    except RemoteProtocolError as error:
        assert ErrorCode(error.code).closes_connection
        Error(error.code, error.message)


@given(st.sampled_from(Role), st.sampled_from(State), st.binary(max_size=100))
def test_any_bytes_are_messages_or_are_refused(role: Role, state: State, stream: bytes) -> None:
    read_all(connection_in(role, state), stream)


@given(st.sampled_from(Role), st.sampled_from(State), st.lists(st.binary(min_size=1, max_size=50), max_size=4))
def test_any_payloads_are_messages_or_are_refused(role: Role, state: State, payloads: list[bytes]) -> None:
    read_all(connection_in(role, state), b"".join(map(frame, payloads)))


@given(st.sampled_from(Role), st.sampled_from(State), st.lists(messages, max_size=4))
def test_any_messages_in_any_order_are_taken_or_refused(role: Role, state: State, sent: list[Message]) -> None:
    read_all(connection_in(role, state), b"".join(frame(encode(message)) for message in sent))


# The codes


@every_code
def test_every_code_has_a_sentence(code: ErrorCode) -> None:
    assert code.sentence[0].isupper()
    assert code.sentence.endswith(".")
    assert "\n" not in code.sentence


@every_code
def test_every_code_can_be_said(code: ErrorCode) -> None:
    assert Error(code, code.sentence) == Error(code.value, code.sentence)
    assert isinstance(code.closes_connection, bool)
    client = connection_in(Role.CLIENT, State.READY)
    client.receive_data(connection_in(Role.SERVER, State.READY).send(Error(code, code.sentence, id=1)))
    heard = client.next_message()
    assert isinstance(heard, Error)
    assert ErrorCode(heard.code) is code


def test_sentences_differ() -> None:
    assert len({code.sentence for code in ErrorCode}) == len(ErrorCode)


@pytest.mark.parametrize("code", [ErrorCode.BAD_FRAME, ErrorCode.BAD_CBOR, ErrorCode.BAD_MESSAGE, ErrorCode.BAD_STATE])
def test_a_broken_protocol_closes_the_connection(code: ErrorCode) -> None:
    assert code.closes_connection


@pytest.mark.parametrize("code", [ErrorCode.NO_SUCH_RUN, ErrorCode.BATCH_GAP, ErrorCode.NOT_OPEN])
def test_a_refused_request_does_not(code: ErrorCode) -> None:
    assert not code.closes_connection
