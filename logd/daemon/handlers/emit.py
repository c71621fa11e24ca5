"""Emitting: `open`, `emit` and `close`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from logd.daemon.refusal import RequestRefused
from logd.daemon.run import Session
from logd.ingest import Envelope
from logd.protocol import Close, Emit, ErrorCode, Open, Reply

if TYPE_CHECKING:
    from logd.daemon.peer import Peer

MAX_SESSIONS_OF_PEER = 1024
MAX_STREAMS_OF_SESSION = 64


async def open_session(peer: Peer, request: Open) -> None:
    peer.check_id_is_free(request.id)
    if len(peer.sessions) >= MAX_SESSIONS_OF_PEER:
        raise RequestRefused(ErrorCode.NOT_PERMITTED, f"a connection may have {MAX_SESSIONS_OF_PEER} sessions open")
    session = await peer.server.begin_session(peer.credentials, request)
    peer.add_session(request.id, session)
    run = session.run
    await peer.send(Reply(request.id, {"run": run.name, "head": run.head, "batch": session.stored_batch}))


async def take_batch(peer: Peer, emit: Emit) -> None:
    session = _session(peer, emit.session)
    expected = session.accepted_batch + 1
    if emit.batch < expected:
        peer.acknowledge_again(emit.session)
        return
    # Of a session that nothing is stored of, what was may be cleared, or over a limit: it goes on with its own numbers.
    if emit.batch > expected > 1:
        raise RequestRefused(ErrorCode.BATCH_GAP, f"batch {emit.batch} came where batch {expected} is expected")
    envelope = session.envelopes.get(emit.stream) or _new_envelope(session, emit.stream)
    peer.server.committer.submit(session, emit, envelope, peer.received_us)


async def close_session(peer: Peer, request: Close) -> None:
    session = _session(peer, request.session)
    await peer.end_session(request.session, request.exit_status)
    await peer.send(Reply(request.session, {"written_seq": session.run.head}))


def _session(peer: Peer, number: int) -> Session:
    session = peer.sessions.get(number)
    if session is None:
        raise RequestRefused(ErrorCode.NOT_OPEN, f"no session {number} is open on this connection")
    return session


def _new_envelope(session: Session, stream: str) -> Envelope:
    if len(session.envelopes) >= MAX_STREAMS_OF_SESSION:
        raise RequestRefused(ErrorCode.NOT_PERMITTED, f"a session may have {MAX_STREAMS_OF_SESSION} streams")
    opened = session.opened
    envelope = Envelope(stream=stream, source=opened.source, logger=opened.logger, fields=opened.fields)
    session.envelopes[stream] = envelope
    return envelope
