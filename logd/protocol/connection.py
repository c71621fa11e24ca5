"""One side of a connection, without its I/O: bytes in and messages out, messages in and bytes out.

    connection = Connection(Role.CLIENT)
    sock.sendall(connection.send(Hello([PROTOCOL_VERSION])))
    connection.receive_data(sock.recv(65536))
    while (message := connection.next_message()) is not None: ...

What may be sent in which state is the table below, which the diagram in logd-protocol(7) shows. The two sides walk it
together: each message moves the state of its sender as it is sent and of its receiver as it is received.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from logd.errors import LocalProtocolError, RemoteProtocolError
from logd.protocol.codec import Decoder, encode_parts
from logd.protocol.codes import ErrorCode
from logd.protocol.framing import FrameReader, frame_parts
from logd.protocol.from_client import (
    Attach,
    Clear,
    Close,
    Detach,
    Emit,
    Hello,
    Limits,
    Open,
    Ping,
    Read,
    Remove,
    Report,
    Runs,
    Sessions,
    Stats,
    Throttle,
    Verify,
    View,
    Watch,
)
from logd.protocol.from_daemon import (
    Ack,
    Batch,
    Error,
    Event,
    Head,
    Items,
    Page,
    Pong,
    Progress,
    Reply,
    Welcome,
)
from logd.protocol.message import Message


class Role(Enum):
    CLIENT = auto()
    SERVER = auto()

    @property
    def peer(self) -> Role:
        return Role.SERVER if self is Role.CLIENT else Role.CLIENT


class State(Enum):
    START = auto()
    """Nothing was said."""
    GREETED = auto()
    """The client has said hello."""
    READY = auto()
    """The daemon has answered; requests may be sent."""


_REQUESTS = (
    *(Open, Emit, Close),
    *(Attach, View, Detach, Watch),
    *(Read, Runs, Sessions, Stats, Ping),
    *(Report, Verify, Clear, Remove, Limits, Throttle),
)
_ANSWERS = (Ack, Batch, Head, Items, Event, Page, Progress, Reply, Error, Pong)

TRANSITIONS: Final[dict[State, dict[tuple[Role, type[Message]], State]]] = {
    State.START: {(Role.CLIENT, Hello): State.GREETED, (Role.SERVER, Error): State.START},
    State.GREETED: {(Role.SERVER, Welcome): State.READY, (Role.SERVER, Error): State.GREETED},
    State.READY: {
        **{(Role.CLIENT, request): State.READY for request in _REQUESTS},
        **{(Role.SERVER, answer): State.READY for answer in _ANSWERS},
    },
}
"""State, then sender and message, to the next state. What is not in the table is not allowed."""


def _moves(sender: Role) -> dict[State, dict[type[Message], State]]:
    """What `sender` may say in each state, and the state that follows: its side of TRANSITIONS."""
    return {
        state: {message: following for (role, message), following in moves.items() if role is sender}
        for state, moves in TRANSITIONS.items()
    }


_MOVES = {role: _moves(role) for role in Role}


class Connection:
    """The protocol as one side speaks it. After an error it is of no more use, and its owner hangs up."""

    def __init__(self, role: Role) -> None:
        self.role = role
        self._own_moves = _MOVES[role]
        self._peer_moves = _MOVES[role.peer]
        self._enter(State.START)
        self._frames = FrameReader()
        self._decoder = Decoder()

    def _enter(self, state: State) -> None:
        # Looked up once for each state, and not for each message: hashing a member of an enum is slow.
        self.state = state
        self._may_send = self._own_moves[state]
        self._may_receive = self._peer_moves[state]

    def send(self, message: Message) -> bytes:
        """The bytes that say `message`.

        Raises:
            LocalProtocolError: the message is not ours to send in this state, cannot be encoded, or is too large for a
                frame. The state is then what it was.
        """
        return b"".join(self.send_parts(message))

    def send_parts(self, message: Message) -> tuple[bytes, bytes]:
        """The same in two parts. Of a message with a block's bytes the second is these, which so are not copied."""
        following = self._may_send.get(type(message))
        if following is None:
            raise LocalProtocolError(
                ErrorCode.BAD_STATE, f"{self.role.name.lower()} cannot send {message.t} in {self.state.name}"
            )
        parts = frame_parts(*encode_parts(message))
        if following is not self.state:
            self._enter(following)
        return parts

    def receive_data(self, data: bytes) -> None:
        """Take bytes from the peer, as many or few as came."""
        self._frames.feed(data)

    def next_message(self) -> Message | None:
        """The next whole message received, or None until more data comes.

        Raises:
            RemoteProtocolError: the peer sent what the protocol does not allow; its code and sentence say what.
        """
        payload = self._frames.next_frame()
        if payload is None:
            return None
        message = self._decoder.decode(payload)
        following = self._may_receive.get(type(message))
        if following is None:
            raise RemoteProtocolError(ErrorCode.BAD_STATE, f"{message.t} is not allowed in {self.state.name.lower()}")
        if following is not self.state:
            self._enter(following)
        return message

    @property
    def mid_frame(self) -> bool:
        """Whether the peer has begun a frame and not finished it."""
        return self._frames.mid_frame
