"""A cache that is updated after the reply to a write."""

from __future__ import annotations

import asyncio

from sessionkeeper.stores.unqueued import PlainSessionStore
from sessionkeeper.values.limits import StoreLimits
from sessionkeeper.values.session import Session

__all__ = ["LateCache"]


class LateCache(PlainSessionStore):
    """Stale read: a read after an acknowledged write still sees the old value."""

    def __init__(self, *, limits: StoreLimits | None = None) -> None:
        super().__init__(limits=limits)
        self._cache: dict[str, Session] = {}

    async def get_session(self, session_id: str, /) -> Session:
        if session_id not in self._cache:
            self._cache[session_id] = await super().get_session(session_id)
        return self._cache[session_id]

    async def update_session(self, session: Session, /) -> Session:
        updated = await super().update_session(session)
        # "Eventually" is soon enough.
        asyncio.get_running_loop().call_later(0.001, self._cache.pop, session.id, None)
        return updated
