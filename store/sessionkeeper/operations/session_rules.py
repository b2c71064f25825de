"""What the operations on sessions mean: duplicate, stale, refused, evicted.

Everything that changes a session is here, what changes its log in `log_rules.py`, and what goes
through many in `sweeping.py`. Every rule checks first and changes last, so that an error leaves the
tables as they were. Nothing here awaits.
"""

from __future__ import annotations

from contextvars import Context

from ..values.errors import (
    InvalidSessionId,
    LimitExceeded,
    RevisionConflict,
    SessionClosed,
    SessionExists,
    SessionNotFound,
)
from ..values.events import SessionEventKind
from ..values.ids import is_session_id
from ..values.limits import SessionsFull
from ..values.session import Session
from ..values.states import SessionState
from ..values.version import VersionState
from .session_row import SessionRow
from .session_size import check_size
from .tables import Tables

__all__ = [
    "change_session",
    "check_change",
    "check_incarnation",
    "check_revision",
    "create_session",
    "delete_session",
    "note_change",
    "put_session",
    "renew_lease",
    "require",
    "require_live",
    "time_out",
    "touch",
]


def require(tables: Tables, session_id: str) -> SessionRow:
    """Return the row of a session. Raises `SessionNotFound`, `InvalidSessionId`."""
    row = tables.find(session_id)
    if row is None:
        # Only a miss pays for the check: what was stored is well-formed.
        raise SessionNotFound(session_id) if is_session_id(session_id) else InvalidSessionId
    return row


def require_live(tables: Tables, session_id: str) -> SessionRow:
    """Return the row of a session that has not ended. Raises `SessionClosed` as well."""
    row = require(tables, session_id)
    if row.ended_at is not None:
        raise SessionClosed(session_id, row.session.state)
    return row


def check_incarnation(row: SessionRow, incarnation: str | None) -> None:
    """Raise `SessionNotFound` when another session of that id is meant."""
    if incarnation is not None and incarnation != row.incarnation:
        raise SessionNotFound(row.id)


def create_session(
    tables: Tables, session: Session, incarnation: str, context: Context
) -> SessionRow:
    """Add a new session. Raises `SessionExists`, `LimitExceeded`."""
    if tables.find(session.id) is not None:
        raise SessionExists(session.id)
    _check_new(tables, session)
    return _add_session(tables, session, incarnation, context)


def put_session(tables: Tables, session: Session, incarnation: str, context: Context) -> SessionRow:
    """Add a session, change the live one of its id, or replace the one that has ended.

    Raises `InvalidTransition`, `VersionConflict`, `LimitExceeded`.
    """
    row = tables.find(session.id)
    if row is not None and row.ended_at is None:
        check_change(tables, row, session)
        change_session(tables, row, session, context)
        return row
    _check_new(tables, session)
    if row is not None:
        _count_missing(tables, leaving=1)
        delete_session(tables, row, context)
    return _add_session(tables, session, incarnation, context)


def _check_new(tables: Tables, session: Session) -> None:
    check_size(tables.limits, None, session)
    session.version_state.check_follows(VersionState())


def _add_session(
    tables: Tables, session: Session, incarnation: str, context: Context
) -> SessionRow:
    for _ in range(_count_missing(tables)):  # several only if the limit was lowered since they came
        evicted = tables.oldest_ended() or tables.least_active()
        if evicted is not None:
            delete_session(tables, evicted, context, SessionEventKind.EVICTED)
    row = tables.insert(session, incarnation, tables.counters.next_revision())
    tables.counters.session_added(session)
    tables.tell(SessionEventKind.CREATED, row, None, context)
    return row


def check_revision(row: SessionRow, session: Session) -> None:
    """Raise `RevisionConflict` when the snapshot is not of the stored revision."""
    if session.revision != row.revision:
        raise RevisionConflict(session.id, expected=session.revision, current=row.revision)


def check_change(tables: Tables, row: SessionRow, session: Session) -> None:
    """Raise unless `session` may follow what is stored.

    `InvalidTransition`, `VersionConflict` or `LimitExceeded`.
    """
    before = row.session
    session.check_follows(before)
    check_size(tables.limits, before, session)


def change_session(tables: Tables, row: SessionRow, session: Session, context: Context) -> None:
    """Store the caller's fields of a checked session; cannot fail."""
    before = row.session
    row.touch(tables.clock.wall(), tables.clock.steady())
    row.change(session, tables.counters.next_revision())
    tables.put(row)
    note_change(tables, row, before, context)


def renew_lease(tables: Tables, row: SessionRow, session: Session) -> None:
    """Store a checked session that differs in its lease only; cannot fail, and is no activity."""
    row.change(session, tables.counters.next_revision())
    tables.keep(row)


def time_out(tables: Tables, row: SessionRow, context: Context) -> Session:
    """End a live session that is past its time; cannot fail, and is no activity."""
    before = row.session
    session = Session.trusted(before.__dict__ | {"state": SessionState.TIMED_OUT})
    revision = tables.counters.next_revision()
    row.end(session, revision, tables.clock.wall(), tables.clock.steady())
    tables.put(row)
    note_change(tables, row, before, context)
    return row.snapshot()


def delete_session(
    tables: Tables,
    row: SessionRow,
    context: Context,
    kind: SessionEventKind = SessionEventKind.DELETED,
) -> None:
    """Remove a session and its frames; cannot fail."""
    tables.remove(row)
    tables.counters.session_removed(row.session, kind, row.frame_count, row.byte_count)
    tables.announce(row.id)
    tables.tell(kind, row, row.session.state, context)


def touch(tables: Tables, row: SessionRow) -> None:
    """Note activity now; cannot fail."""
    row.touch(tables.clock.wall(), tables.clock.steady())
    tables.put(row)


def _count_missing(tables: Tables, *, leaving: int = 0) -> int:
    """Return how many sessions to evict for a new one. Raises `LimitExceeded`.

    `leaving` of those that have ended go anyway.
    """
    maximum, policy, counters = (
        tables.limits.max_sessions,
        tables.limits.sessions_full,
        tables.counters,
    )
    missing = counters.sessions - leaving - maximum + 1
    if missing <= 0:
        return 0
    ended = counters.ended - leaving
    room = {SessionsFull.REJECT: 0, SessionsFull.EVICT_ENDED: ended}
    if room.get(policy, counters.sessions - leaving) < missing:
        raise LimitExceeded("max_sessions", current=counters.sessions, maximum=maximum)
    return missing


def note_change(tables: Tables, row: SessionRow, before: Session, context: Context) -> None:
    """Count a change of a session, and tell of it; cannot fail."""
    after = row.session
    tables.counters.session_changed(before, after)
    if before.expires_at is not None or after.expires_at is not None:
        tables.note_expiry(row)
    ended = before.state is not after.state and row.ended_at is not None
    # Who watches as the former principal must not wait for frames it would not see.
    if ended or before.principal != after.principal:
        tables.announce(row.id)
    if before.state is after.state:
        return
    tables.tell(SessionEventKind.STATE_CHANGED, row, before.state, context)
