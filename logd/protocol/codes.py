"""The codes of the `error` message, with one sentence each."""

from __future__ import annotations

from enum import StrEnum


class ErrorCode(StrEnum):
    """Why a frame or a request was not taken. After a code of `closes_connection` the daemon hangs up."""

    BAD_FRAME = "bad_frame"
    BAD_CBOR = "bad_cbor"
    BAD_MESSAGE = "bad_message"
    BAD_STATE = "bad_state"
    UNSUPPORTED_VERSION = "unsupported_version"
    TIMED_OUT = "timed_out"
    TOO_MANY_CONNECTIONS = "too_many_connections"
    NOT_PERMITTED = "not_permitted"
    BAD_RUN_NAME = "bad_run_name"
    NO_SUCH_RUN = "no_such_run"
    NOT_OPEN = "not_open"
    ALREADY_OPEN = "already_open"
    BATCH_GAP = "batch_gap"
    BAD_FILTER = "bad_filter"
    BAD_SETTING = "bad_setting"
    BAD_ITEM = "bad_item"
    BOARD_FULL = "board_full"
    RUN_IN_USE = "run_in_use"
    STORE_FAILED = "store_failed"
    STOPPING = "stopping"
    INTERNAL = "internal"

    @property
    def sentence(self) -> str:
        return _SENTENCES[self]

    @property
    def closes_connection(self) -> bool:
        return self in _CLOSING


_SENTENCES = {
    ErrorCode.BAD_FRAME: "The frame's length is 0 or over the limit.",
    ErrorCode.BAD_CBOR: "The frame is not one CBOR map in the strict form that the protocol uses.",
    ErrorCode.BAD_MESSAGE: "The map is not a message: its type, a key or a value is not what the protocol allows.",
    ErrorCode.BAD_STATE: "The message is not allowed in the connection's present state.",
    ErrorCode.UNSUPPORTED_VERSION: "No protocol version that the client offers is one that the daemon speaks.",
    ErrorCode.TIMED_OUT: "The handshake, or the rest of a frame that had begun, took too long.",
    ErrorCode.TOO_MANY_CONNECTIONS: "The user, or all users together, have as many connections as are allowed.",
    ErrorCode.NOT_PERMITTED: "The user may not do that.",
    ErrorCode.BAD_RUN_NAME: "The name is not one that a run can have.",
    ErrorCode.NO_SUCH_RUN: "There is no run of that name.",
    ErrorCode.NOT_OPEN: "The session or subscription that the message names is not open on this connection.",
    ErrorCode.ALREADY_OPEN: "The id is in use on this connection, or the session on another.",
    ErrorCode.BATCH_GAP: "The batch number is not the next one of its session.",
    ErrorCode.BAD_FILTER: "The filter's pattern is not a regular expression as RE2 has them.",
    ErrorCode.BAD_SETTING: "There is no such setting, or it cannot have this value.",
    ErrorCode.BAD_ITEM: "An item of the report is none that a board can have; the board is as it was.",
    ErrorCode.BOARD_FULL: "The run's board would have more items than it can have; it is as it was.",
    ErrorCode.RUN_IN_USE: "Somebody emits into the run, which must not be while it is removed.",
    ErrorCode.STORE_FAILED: "The store could not be read.",
    ErrorCode.STOPPING: "The daemon is stopping; what it acknowledged is stored.",
    ErrorCode.INTERNAL: "The daemon met an error of its own, which its log describes.",
}

_CLOSING = frozenset(
    {
        ErrorCode.BAD_FRAME,
        ErrorCode.BAD_CBOR,
        ErrorCode.BAD_MESSAGE,
        ErrorCode.BAD_STATE,
        ErrorCode.UNSUPPORTED_VERSION,
        ErrorCode.TIMED_OUT,
        ErrorCode.TOO_MANY_CONNECTIONS,
        ErrorCode.STOPPING,
        ErrorCode.INTERNAL,
    }
)
