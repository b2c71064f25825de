"""The principals of recently used sessions, cached for the views of principals.

Rule: this cache grants no access. The store checks, in its own step. The cache decides only whether
the requests and the rate of a session may be touched before the store has answered.
"""

from __future__ import annotations

from collections import OrderedDict

__all__ = ["Owners"]

MOST = 65_536
"""The number of cached sessions; for any other session, the store answers first."""


class Owners:
    """Principals by session; an entry that is out of date is corrected when the store refuses."""

    def __init__(self) -> None:
        self._owners: OrderedDict[str, str] = OrderedDict()

    def __len__(self) -> int:
        return len(self._owners)

    def has(self, session_id: str, principal: str) -> bool:
        """Tell whether a session was last seen to be the principal's."""
        return self._owners.get(session_id) == principal

    def note(self, session_id: str, principal: str | None) -> None:
        """Note the principal of a session."""
        if principal is None:
            self._owners.pop(session_id, None)
            return
        self._owners[session_id] = principal
        self._owners.move_to_end(session_id)
        if len(self._owners) > MOST:
            self._owners.popitem(last=False)

    def forget(self, session_id: str, principal: str | None = None) -> None:
        """Forget a session that was removed or has another principal now."""
        if principal is None or self.has(session_id, principal):
            self._owners.pop(session_id, None)
