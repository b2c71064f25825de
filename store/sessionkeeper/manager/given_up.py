"""Requests that were cancelled or timed out; a late response may still come."""

from __future__ import annotations

from collections import OrderedDict

from .pending import TypedId

__all__ = ["GivenUp"]

MOST_GIVEN_UP = 1_024
"""Maximum number of ids kept, of all sessions together."""


class GivenUp:
    """Counts the requests of each id that were cancelled or timed out, for the latest ids."""

    def __init__(self) -> None:
        self._count = 0
        self._sessions: OrderedDict[str, dict[TypedId, int]] = OrderedDict()

    def add(self, session_id: str, key: TypedId) -> None:
        """Add one; beyond the maximum, those of the oldest session are dropped."""
        of = self._sessions.setdefault(session_id, {})
        self._sessions.move_to_end(session_id)
        if key not in of:
            self._count += 1
        of[key] = of.get(key, 0) + 1
        if self._count > MOST_GIVEN_UP:
            oldest = next(iter(self._sessions))
            self._remove(oldest, next(iter(self._sessions[oldest])))

    def holds(self, session_id: str, key: TypedId) -> bool:
        """Return whether there is one."""
        return key in self._sessions.get(session_id, ())

    def take(self, session_id: str, key: TypedId) -> bool:
        """Remove one, if there is one."""
        of = self._sessions.get(session_id, {})
        if key not in of:
            return False
        of[key] -= 1
        if not of[key]:
            self._remove(session_id, key)
        return True

    def forget(self, session_id: str) -> None:
        """Remove those of a session."""
        self._count -= len(self._sessions.pop(session_id, ()))

    def _remove(self, session_id: str, key: TypedId) -> None:
        of = self._sessions[session_id]
        del of[key]
        self._count -= 1
        if not of:
            del self._sessions[session_id]
