"""Turns the store's values into the plain data of a history. Done after a run, not during it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import msgspec
from sessionkeeper.values.errors import (
    InvalidTransition,
    RevisionConflict,
    SequenceConflict,
    SessionClosed,
    SessionExists,
    SessionNotFound,
)
from sessionkeeper.values.frozen import thaw
from sessionkeeper.values.message import Frame, MessageEnvelope
from sessionkeeper.values.query import SessionQuery
from sessionkeeper.values.session import Session

from ..linearizability.history.operation import Plain
from .layout import CallerData, FrameData, SessionData

__all__ = [
    "caller_data",
    "frame_data",
    "frames_data",
    "numbered_data",
    "options_data",
    "query_data",
    "refusal_data",
    "session_data",
    "sessions_data",
]


def caller_data(session: Session) -> CallerData:
    """Return the fields that a caller sets."""
    versions, expires_at = session.version_state, session.expires_at
    expiry = () if expires_at is None else (expires_at.timestamp(),)
    return (
        session.transport_type.value,
        session.state.value,
        session.failure,
        session.principal,
        _json(session.client_info),
        _json(session.server_info),
        (versions.requested, versions.negotiated, versions.transport),
        tuple(sorted(session.tags)),
        _json(session.metadata),
        session.upstream_session_id,
        *expiry,
    )


def session_data(session: Session) -> SessionData:
    """Return a snapshot."""
    ended_at = session.ended_at
    counts = (session.odd_frames, session.gap_frames)
    more = (*counts, session.incarnation) if session.incarnation else counts
    data: SessionData = (
        session.id,
        caller_data(session),
        session.revision,
        session.frame_count,
        session.last_seq,
        session.created_at.timestamp(),
        session.last_activity.timestamp(),
        None if ended_at is None else ended_at.timestamp(),
    )
    return cast("SessionData", (*data, *more)) if any(more) else data


def sessions_data(sessions: Iterable[Session]) -> tuple[SessionData, ...]:
    """Return snapshots."""
    return tuple(session_data(session) for session in sessions)


def options_data(**options: str | int | None) -> tuple[tuple[str, str | int], ...]:
    """Return the options that a call was given, by name, in the order of their names."""
    return tuple((name, value) for name, value in sorted(options.items()) if value is not None)


def frame_data(envelope: MessageEnvelope) -> FrameData:
    """Return a message with what is known of its crossing."""
    context = envelope.context
    apart = {"session_id", "direction"}
    if context.stream is None:
        apart.add("stream")
    rest = context.model_dump_json(exclude=apart)
    if not envelope.is_message:
        odd = msgspec.json.encode({"media_type": envelope.media_type, "oddity": envelope.oddity})
        rest = f"{rest[:-1]},{odd.decode()[1:]}"
    # Surrogates keep the text and its bytes apart where a broken store brings bytes of its own.
    message = envelope.message.decode(errors="surrogateescape")
    return (context.session_id, context.direction.value, message, rest)


def frames_data(envelopes: Iterable[MessageEnvelope]) -> tuple[FrameData, ...]:
    """Return messages."""
    return tuple(frame_data(envelope) for envelope in envelopes)


def numbered_data(frames: Iterable[Frame]) -> tuple[tuple[int, FrameData], ...]:
    """Return frames with their numbers."""
    return tuple((frame.seq, frame_data(frame.envelope)) for frame in frames)


def query_data(query: SessionQuery) -> tuple[Plain, ...]:
    """Return what is looked for, in the order of the query's fields."""
    return (
        _texts(query.states),
        _texts(query.statuses),
        _texts(query.transport_types),
        _texts(query.tags_any),
        _texts(query.tags_all),
        query.principal,
        *(
            None if moment is None else moment.timestamp()
            for moment in (
                query.created_from,
                query.created_before,
                query.active_from,
                query.active_before,
            )
        ),
    )


def refusal_data(error: BaseException) -> tuple[Plain, ...]:
    """Return an error's name, the session it names, and its values. Its text is left out."""
    name = type(error).__name__
    if isinstance(error, RevisionConflict | SequenceConflict):
        return (name, error.session_id, error.expected, error.current)
    if isinstance(error, InvalidTransition):
        return (name, error.session_id, error.from_state.value, error.to_state.value)
    if isinstance(error, SessionClosed):
        return (name, error.session_id, error.state.value)
    if isinstance(error, SessionNotFound | SessionExists):
        return (name, error.session_id)
    return (name,)


def _texts(chosen: Iterable[str] | None) -> tuple[str, ...] | None:
    return None if chosen is None else tuple(sorted(str(each) for each in chosen))


def _json(value: object) -> str | None:
    # Texts, so that `1` and `true`, equal to Python, stay apart.
    return None if value is None else msgspec.json.encode(thaw(value), order="sorted").decode()  # type: ignore[arg-type]  # JSON
