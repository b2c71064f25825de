"""Read, wait, write."""

from __future__ import annotations

from sessionkeeper.interface.atomic_store import Change
from sessionkeeper.stores.unqueued import PlainSessionStore
from sessionkeeper.values.session import Session

from ..round_trip import round_trip

__all__ = ["ReadModifyWrite"]


class ReadModifyWrite(PlainSessionStore):
    """Lost update: two callers read the same session, and the second write undoes the first."""

    async def modify_session(self, session_id: str, change: Change, /) -> Session:
        changed = change(await self.get_session(session_id))
        await round_trip()
        # The last one wins: whatever is there now is written over.
        current = await self.get_session(session_id)
        return await self.update_session(changed.model_copy(update={"revision": current.revision}))
