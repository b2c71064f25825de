"""The newer operations on one session, made from ten methods that run without interruption.

Each is a function of a store; that the inner store's owner awaits them one at a time makes them
atomic within the process.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from ...interface.atomic_store import Change
from ...interface.frame_watcher import REMOVED, LogPage, Proof, is_replaced
from ...interface.long_answers import SLICE, map_in_slices
from ...interface.session_store import SessionStore
from ...operations.frame_commands import proof_of
from ...operations.frame_record import pack
from ...values.errors import (
    LogReplaced,
    OutcomeUnknown,
    RevisionConflict,
    SequenceConflict,
    SessionClosed,
    SessionExists,
    SessionNotFound,
    StoreUnavailable,
)
from ...values.message import Frame, MessageEnvelope
from ...values.session import STORE_FIELDS, Session
from ...values.version import VersionState
from .principal_filter import PrincipalFilter
from .session_index import SessionEntry

__all__ = ["add_one", "count_stream", "get_or_create", "look", "modify", "put", "read"]

_TRIES = 16
"""How many times another process may intervene before an error is raised."""


async def modify(store: SessionStore, session_id: str, apply: Change) -> Session:
    """Change the current session; read it again when another process changed it in between."""
    tries = 0
    while True:
        session = await store.get_session(session_id)
        changed = _changed(session, apply)
        if changed is session:
            return session
        try:
            return await store.update_session(changed)
        except RevisionConflict:
            tries += 1
            if tries == _TRIES:
                raise


async def get_or_create(store: SessionStore, session: Session) -> tuple[Session, bool]:
    """Return a session and whether it was created here."""
    try:
        return await store.get_session(session.id), False
    except SessionNotFound:
        pass
    try:
        return await store.create_session(session), True
    except SessionExists:  # another process was faster, or the session is not visible to the caller
        pass
    return await store.get_session(session.id), False


async def put(store: SessionStore, session: Session) -> Session:
    """Create a session, update the live one of its id, or replace the one that has ended."""
    tries = 0
    while True:
        there = await _find(store, session.id)
        if there is None and _hides(store, session.id):
            raise SessionExists(session.id)
        if there is None or there.state.is_terminal:
            session.version_state.check_follows(VersionState())
        try:
            if there is None:
                return await store.create_session(session)
            if not there.state.is_terminal:
                session.check_follows(there)
                return await store.update_session(_with_store_fields(session, there))
        except (RevisionConflict, SessionExists, SessionNotFound):
            tries += 1  # another process intervened
            if tries == _TRIES:
                raise
            continue
        with suppress(SessionNotFound):  # another process was faster
            await store.delete_session(session.id)
        try:
            return await store.create_session(session)
        except Exception as error:
            raise OutcomeUnknown from error


async def _find(store: SessionStore, session_id: str) -> Session | None:
    try:
        return await store.get_session(session_id)
    except SessionNotFound:
        return None


def _hides(store: SessionStore, session_id: str) -> bool:
    return isinstance(store, PrincipalFilter) and store.hides(session_id)


async def add_one(
    store: SessionStore,
    session_id: str,
    envelope: MessageEnvelope | None,
    expected_last_seq: int | None,
    apply: Change | None,
) -> range:
    """Append at most one frame together with a change of its session."""
    session = await store.get_session(session_id)
    if session.state.is_terminal:
        raise SessionClosed(session_id, session.state)
    last = session.last_seq
    if expected_last_seq is not None and expected_last_seq != last:
        raise SequenceConflict(session_id, expected=expected_last_seq, current=last)
    changed = session if apply is None else _changed(session, apply)
    if envelope is None:
        if changed is not session:
            await store.update_session(changed)
        return range(last + 1, last + 1)
    seq = await store.add_frame(envelope)
    if changed is not session:
        try:
            await store.update_session(changed)
        except Exception as error:
            raise OutcomeUnknown from error
    return range(seq, seq + 1)


async def count_stream(store: SessionStore, session_id: str, stream: str) -> int:
    """Count the frames of a stream in the whole log."""
    envelopes = await store.get_frames(session_id)
    return sum(envelope.context.stream == stream for envelope in envelopes)


async def read(
    store: SessionStore,
    session_id: str,
    after: int,
    limit: int,
    before: int | None = None,
    *,
    newest: bool = False,
    stream: str | None = None,
    incarnation: str | None = None,
) -> list[Frame]:
    """Number the whole log and return a part of it, of one stream if it is given.

    Raises `SessionNotFound`; with an incarnation, also for another session of that id.
    """
    for _ in range(_TRIES):
        session = await store.get_session(session_id)
        if incarnation not in (None, session.incarnation):
            raise SessionNotFound(session_id)
        if session.last_seq <= after or not session.frame_count:
            return []
        envelopes = await store.get_frames(session_id)
        first = _first(session)
        # Another process may append meanwhile; only if the front moved are the numbers unknown.
        if _log_start(await store.get_session(session_id)) == _log_start(session):
            end = len(envelopes) if before is None else max(before - first, 0)
            start = max(after - first + 1, 0)
            numbered = [*enumerate(envelopes[start:end], first + start)]
            if stream is not None:
                numbered = [each for each in numbered if each[1].context.stream == stream]
            part = numbered[-limit:] if newest else numbered[:limit]
            return await map_in_slices(_numbered, part, size=SLICE)
    raise StoreUnavailable("another process kept removing frames")


async def look(
    store: SessionStore,
    known: Callable[[str], SessionEntry],
    session_id: str,
    number: int | None,
    *,
    after: int,
    limit: int,
    proof: Proof,
    stream: str | None = None,
    incarnation: str | None = None,
) -> LogPage:
    """Read frames for a watcher; the number is that of the session watched so far.

    When watching begins, the session must have this incarnation, if there is one.

    The proof is that of the last frame before them, as it was read. Raises `LogReplaced`, and
    `SessionNotFound` if the session belongs to another principal by now.
    """
    try:
        session = await store.get_session(session_id)
        if number is None and incarnation not in (None, session.incarnation):
            raise SessionNotFound(session_id)
        watched = known(session_id).number
        if number is not None and number != watched:
            return LogPage(number, (), ended=True)
        # With the last frame before them, if that still exists.
        start = max(after - 1, 0)
        wanted = session.last_seq > start
        again, own = limit + 1 if stream is None else 1, session.incarnation
        frames = await read(store, session_id, start, again, incarnation=own) if wanted else []
        last = frames.pop(0) if frames and frames[0].seq == after else None
        if stream is not None and wanted:  # that frame may be of another stream
            frames = await read(store, session_id, after, limit, stream=stream, incarnation=own)
    except SessionNotFound:
        if number is None or (_hides(store, session_id) and known(session_id).number == number):
            raise
        return LogPage(number, (), ended=True)
    before: Proof = None
    if 0 < after <= session.last_seq:
        before = REMOVED if last is None else proof_of(pack(last.envelope))
    if is_replaced(proof, before):
        raise LogReplaced(session_id, after=after)
    frames = frames[:limit]
    newest = proof_of(pack(frames[-1].envelope)) if frames else before
    return LogPage(watched, frames, session.state.is_terminal, newest)


def _numbered(part: tuple[int, MessageEnvelope]) -> Frame:
    return Frame(seq=part[0], envelope=part[1])


def _first(session: Session) -> int:
    return session.last_seq - session.frame_count + 1


def _log_start(session: Session) -> tuple[str, int]:
    return session.incarnation, _first(session)


def _changed(session: Session, apply: Change) -> Session:
    changed = apply(session)
    if type(changed) is not Session:
        raise TypeError(f"change returns a Session, not {type(changed).__name__}")
    if changed is session:
        return session
    if changed.id != session.id:
        raise ValueError("change returned another session")
    changed.check_follows(session)
    # A change cannot set the store's fields; the inner store would see a stale snapshot.
    return _with_store_fields(changed, session)


def _with_store_fields(session: Session, there: Session) -> Session:
    return session.model_copy(update={name: getattr(there, name) for name in STORE_FIELDS})
