"""Checks a limit before it waits for the store."""

from __future__ import annotations

from sessionkeeper.stores.unqueued import PlainSessionStore
from sessionkeeper.values.errors import LimitExceeded
from sessionkeeper.values.limits import StoreLimits
from sessionkeeper.values.session import Session

from ..round_trip import round_trip

__all__ = ["LimitOutside"]


class LimitOutside(PlainSessionStore):
    """Overshoot: many callers count the sessions before any of them has added its own."""

    def __init__(self, *, limits: StoreLimits | None = None) -> None:
        super().__init__()
        self._most = (limits or StoreLimits()).max_sessions

    async def create_session(self, session: Session, /) -> Session:
        count = await self.count_sessions()
        if count >= self._most:
            raise LimitExceeded("max_sessions", current=count, maximum=self._most)
        await round_trip()
        return await super().create_session(session)
