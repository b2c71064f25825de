"""Whether two snapshots are of the same session, and what differs."""

from __future__ import annotations

from ..values.session import CALLER_FIELDS, Session

__all__ = ["TIMES", "difference", "is_same"]

TIMES = ("created_at", "last_activity", "ended_at")
_FIELDS = (*sorted(CALLER_FIELDS), *TIMES)


def difference(one: Session, other: Session, *, but: frozenset[str] = frozenset()) -> str | None:
    """Return the first field of the caller's, or time, in which they differ; None if none."""
    for name in _FIELDS:
        if name not in but and getattr(one, name) != getattr(other, name):
            return name
    return None


def is_same(one: Session, other: Session) -> bool:
    """Whether they agree in all that a caller sets, and in their times."""
    return difference(one, other) is None
