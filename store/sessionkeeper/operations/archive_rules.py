"""The rules of an archive: a session gets the times and the end of the one it is a copy of.

As in `session_rules`: check first, change last, never await.
"""

from __future__ import annotations

from contextvars import Context

from soleowner import CallerError

from ..values.clock import MAX_CLOCK_DIFFERENCE, micros
from ..values.errors import InvalidTransition, SequenceConflict
from ..values.session import Session
from .session_row import SessionRow
from .session_rules import check_revision, note_change
from .session_size import check_size
from .tables import Tables

__all__ = ["archive_session", "check_archive", "future_time"]


def check_archive(
    tables: Tables, row: SessionRow, session: Session, expected_last_seq: int
) -> None:
    """Raise unless a live session may become `session`: as `AtomicSessionStore` says."""
    check_revision(row, session)
    if expected_last_seq != row.last_seq:
        raise SequenceConflict(row.id, expected=expected_last_seq, current=row.last_seq)
    latest = max(session.created_at, session.last_activity, session.ended_at or session.created_at)
    if latest.timestamp() > tables.clock.wall() + MAX_CLOCK_DIFFERENCE:
        raise future_time()
    before = row.session
    if not before.state.may_be_archived_as(session.state):
        raise InvalidTransition(row.id, before.state, session.state)
    session.version_state.check_follows(before.version_state)
    check_size(tables.limits, before, session)


def archive_session(tables: Tables, row: SessionRow, session: Session, context: Context) -> None:
    """Store the caller's fields and the times of a checked session; cannot fail."""
    before = row.session
    wall, steady = tables.clock.wall(), tables.clock.steady()
    row.archive(session, tables.counters.next_revision(), steady)
    if row.ended_at is not None:
        # In whole microseconds, as servers count: the same on every backend.
        row.steady_ended_at = _ago(wall, row.ended_at, steady)
        row.steady_active_at = _ago(wall, row.last_activity, steady)
    tables.put(row)
    note_change(tables, row, before, context)


def _ago(wall: float, moment: float, steady: float) -> float:
    return (micros(steady) - max(0, micros(wall) - micros(moment))) / 1e6


def future_time() -> CallerError:
    """Return the error for a time that is not yet, as a command raises it."""
    return CallerError(ValueError("a time of the session lies in the future"))
