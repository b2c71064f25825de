"""When a session began, and how long it took."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...values.session import Session

__all__ = ["STARTED_KEY", "duration_of", "started_at"]

STARTED_KEY = "sessionkeeper.started"
"""The name in `Session.metadata` of the moment, in ISO 8601, at which the server was started."""


def started_at(session: Session) -> datetime:
    """Return when the session began.

    A recorder starts its server before the store is open, so a session can be older than its
    record.
    """
    noted = session.metadata.get(STARTED_KEY)
    try:
        moment = datetime.fromisoformat(noted) if isinstance(noted, str) else session.created_at
        return min(session.created_at, moment.astimezone(UTC))
    except (ValueError, OverflowError):  # written by another program
        return session.created_at


def duration_of(session: Session) -> timedelta:
    """Return the time from its beginning to its end, or to the last activity."""
    end = session.last_activity if session.ended_at is None else session.ended_at
    return max(timedelta(), end - started_at(session))
