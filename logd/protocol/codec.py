"""CBOR maps to messages and back: the only place that knows cbor2.

Decoding is strict, so that every message has one form and nothing hostile gets far: one map and no bytes after it, text
keys without duplicates, definite lengths, no tags, at most eight levels deep.
"""

from __future__ import annotations

import re
from io import BytesIO
from typing import Any, NoReturn

import cbor2

from logd.errors import LocalProtocolError, RemoteProtocolError
from logd.protocol.codes import ErrorCode
from logd.protocol.framing import MAX_FRAME_BYTES
from logd.protocol.message import MESSAGE_TYPES, Message

MAX_DEPTH = 8


def _refuse_tag(*_: object) -> NoReturn:
    raise ValueError("tags are not allowed")


_MIN_BULK_BYTES = 64 * 1024
_MAX_HEAD_BYTES = 1024
# A key whose value is a bulk, with the head of a byte string of 64 KiB or more.
_BULK = re.compile(rb"[\x64\x65](?P<key>lines|rows)(?P<head>\x5a)(?P<length>.{4})", re.DOTALL)

# cbor2 turns tags it knows into dates, patterns, shared references and more before a tag hook is asked.
_KNOWN_TAGS = (*range(6), 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000, 55799)


class Decoder:
    """Payloads in, messages out. One for a connection: the underlying decoder is made once and used again."""

    def __init__(self) -> None:
        self._cbor = cbor2.CBORDecoder(
            BytesIO(),
            tag_hook=_refuse_tag,
            semantic_decoders=dict.fromkeys(_KNOWN_TAGS, _refuse_tag),
            read_size=MAX_FRAME_BYTES,
            max_depth=MAX_DEPTH,
            allow_indefinite=False,
            allow_duplicate_keys=False,
            strict_hashable_types=True,
        )

    def decode(self, payload: bytes) -> Message:
        """The message in one frame's payload.

        Raises:
            RemoteProtocolError: with BAD_CBOR or BAD_MESSAGE, saying what is wrong.
        """
        if len(payload) > _MIN_BULK_BYTES:
            message = self._decode_bulk(payload)
            if message is not None:
                return message
        return message_from_map(self._decode_map(payload))

    def _decode_map(self, payload: bytes) -> Any:
        source = BytesIO(payload)
        try:
            self._cbor.fp = source
            value = self._cbor.decode()
        except cbor2.CBORDecodeError as error:
            raise RemoteProtocolError(ErrorCode.BAD_CBOR, _describe(error)) from None
        left_over = len(payload) - source.tell()
        if left_over:
            raise RemoteProtocolError(ErrorCode.BAD_CBOR, f"{left_over} bytes follow the frame's map")
        return value

    def _decode_bulk(self, payload: bytes) -> Message | None:
        """The message whose bulk ends the payload, by decoding the map with an empty byte string in its place.

        That spares a block three copies. None where the payload does not end so, and is to be decoded as it is: what
        looks like the key of a bulk, and is part of a text, leaves that text too short, which does not decode.
        """
        match = _BULK.search(payload, 0, _MAX_HEAD_BYTES)
        if match is None or match.end() + int.from_bytes(match["length"], "big") != len(payload):
            return None
        try:
            value = self._decode_map(payload[: match.start("head")] + b"\x40")
        except RemoteProtocolError:
            return None
        if type(value) is dict:
            value[match["key"].decode()] = payload[match.end() :]
        return message_from_map(value)


def _describe(error: BaseException) -> str:
    sentence = str(error)
    if error.__cause__ is not None:
        sentence += f": {error.__cause__}"
    return f"the frame is not CBOR as the protocol uses it: {sentence:.400}"


def message_from_map(value: Any) -> Message:
    """The message that a decoded map stands for; RemoteProtocolError (BAD_MESSAGE) says why it stands for none."""
    if type(value) is not dict:
        raise RemoteProtocolError(ErrorCode.BAD_MESSAGE, f"a frame holds one map, not {type(value).__name__}")
    name = value.pop("t", None)
    message_type = MESSAGE_TYPES.get(name) if isinstance(name, str) else None
    if message_type is None:
        raise RemoteProtocolError(ErrorCode.BAD_MESSAGE, f"there is no message type {str(name)[:40]!r}")
    try:
        return message_type.from_map(value)
    except ValueError as error:
        raise RemoteProtocolError(ErrorCode.BAD_MESSAGE, f"{name}: {error}") from None


def encode(message: Message) -> bytes:
    """A message as one frame's payload; keys that have their default value are left out."""
    return b"".join(encode_parts(message))


def encode_parts(message: Message) -> tuple[bytes, ...]:
    """The same in parts, so that a block's bytes are not copied into the payload, and then with it into the frame.

    Raises:
        LocalProtocolError: a value has no form in CBOR (BAD_MESSAGE), or it does not fit a frame (BAD_FRAME).
    """
    values = message.to_map()
    bulk = values.pop(message.bulk, None) if message.bulk else None
    if bulk is not None:
        values[message.bulk] = b""
    try:
        head: bytes = cbor2.dumps(values)
    except (cbor2.CBOREncodeError, UnicodeEncodeError) as error:
        raise LocalProtocolError(ErrorCode.BAD_MESSAGE, f"{message.t} cannot be encoded: {error}") from None
    # The empty byte string that ends the map is one byte: in its place comes the head of the real one, and its bytes.
    parts = (head,) if bulk is None else (head[:-1], _byte_string_head(len(bulk)), bulk)
    size_bytes = sum(map(len, parts))
    if size_bytes > MAX_FRAME_BYTES:
        raise LocalProtocolError(
            ErrorCode.BAD_FRAME, f"{message.t} takes {size_bytes} bytes; a frame holds {MAX_FRAME_BYTES}"
        )
    return parts


def encode_value(value: Any) -> bytes:
    """One value as it is within a message. ValueError or TypeError where it has no form in CBOR."""
    encoded: bytes = cbor2.dumps(value)
    return encoded


def emit_parts(session: int, batch: int, count: int, items: bytes) -> tuple[bytes, ...]:
    """An `emit` of records that are encoded already (see `protocol.records`), in parts.

    LocalProtocolError where it does not fit a frame.
    """
    head = encode_value({"t": "emit", "session": session, "batch": batch, "records": []})
    parts = (head[:-1], b"\x99" + count.to_bytes(2, "big") if count > 255 else _short_array_head(count), items)
    size_bytes = sum(map(len, parts))
    if size_bytes > MAX_FRAME_BYTES:
        raise LocalProtocolError(ErrorCode.BAD_FRAME, f"emit takes {size_bytes} bytes; a frame holds {MAX_FRAME_BYTES}")
    return parts


def _short_array_head(count: int) -> bytes:
    return bytes((0x80 | count,)) if count < 24 else bytes((0x98, count))


def _byte_string_head(length: int) -> bytes:
    """RFC 8949, section 3: major type 2, and the length in as few bytes as it takes."""
    if length < 24:
        return bytes((0x40 | length,))
    if length < 2**8:
        return b"\x58" + length.to_bytes(1, "big")
    if length < 2**16:
        return b"\x59" + length.to_bytes(2, "big")
    return b"\x5a" + length.to_bytes(4, "big")
