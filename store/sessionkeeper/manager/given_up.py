"""Requests that wait no more and had no response: one may come all the same, and late."""

from __future__ import annotations

from collections import OrderedDict

from .pending import TypedId

__all__ = ["GivenUp"]

MOST_GIVEN_UP = 1_024
"""Ids that are kept, of all sessions together."""


class GivenUp:
    """How many requests of an id were cancelled or timed out; the latest ids are kept."""

    def __init__(self) -> None:
        self._count = 0
        self._sessions: OrderedDict[str, dict[TypedId, int]] = OrderedDict()

    def add(self, session_id: str, key: TypedId) -> None:
        """Keep one more; the oldest session's give way."""
        of = self._sessions.setdefault(session_id, {})
        self._sessions.move_to_end(session_id)
        if key not in of:
            self._count += 1
        of[key] = of.get(key, 0) + 1
        if self._count > MOST_GIVEN_UP:
            oldest = next(iter(self._sessions))
            self._remove(oldest, next(iter(self._sessions[oldest])))

    def holds(self, session_id: str, key: TypedId) -> bool:
        """Tell whether there is one."""
        return key in self._sessions.get(session_id, ())

    def take(self, session_id: str, key: TypedId) -> bool:
        """Take one out, if there is one."""
        of = self._sessions.get(session_id, {})
        if key not in of:
            return False
        of[key] -= 1
        if not of[key]:
            self._remove(session_id, key)
        return True

    def forget(self, session_id: str) -> None:
        """Let go of a session's."""
        self._count -= len(self._sessions.pop(session_id, ()))

    def _remove(self, session_id: str, key: TypedId) -> None:
        of = self._sessions[session_id]
        del of[key]
        self._count -= 1
        if not of:
            del self._sessions[session_id]
