"""A lock around the write only."""

from __future__ import annotations

import asyncio

from sessionkeeper.interface.atomic_store import Change
from sessionkeeper.stores.unqueued import PlainSessionStore
from sessionkeeper.values.limits import StoreLimits
from sessionkeeper.values.session import Session

from ..round_trip import round_trip

__all__ = ["LockOnWriteOnly"]


class LockOnWriteOnly(PlainSessionStore):
    """Lost update: the value written under the lock was read before the lock was taken."""

    def __init__(self, *, limits: StoreLimits | None = None) -> None:
        super().__init__(limits=limits)
        self._lock = asyncio.Lock()

    async def modify_session(self, session_id: str, change: Change, /) -> Session:
        changed = change(await self.get_session(session_id))
        async with self._lock:
            await round_trip()
            current = await self.get_session(session_id)
            return await self.update_session(
                changed.model_copy(update={"revision": current.revision})
            )
