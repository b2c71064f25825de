"""Whose the sessions are that were used lately: what a principal's view may count with.

Rule: nothing is allowed because of what is noted here. The store checks, in its own step; this says
only whether the requests and the rate of a session may be touched before it has answered.
"""

from __future__ import annotations

from collections import OrderedDict

__all__ = ["Owners"]

MOST = 65_536
"""The number of cached sessions; for others the store is asked first."""


class Owners:
    """Principals by session; what changed hands elsewhere is put right when the store refuses."""

    def __init__(self) -> None:
        self._owners: OrderedDict[str, str] = OrderedDict()

    def __len__(self) -> int:
        return len(self._owners)

    def has(self, session_id: str, principal: str) -> bool:
        """Tell whether a session was last seen to be the principal's."""
        return self._owners.get(session_id) == principal

    def note(self, session_id: str, principal: str | None) -> None:
        """Note whose a session is."""
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
