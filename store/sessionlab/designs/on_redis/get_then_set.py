"""A session that is got, changed here, and set."""

from __future__ import annotations

from sessionkeeper.interface.atomic_store import Change
from sessionkeeper.values.errors import RevisionConflict
from sessionkeeper.values.session import Session

from .actor import TemporaryRedisStore

__all__ = ["GetThenSet"]


class GetThenSet(TemporaryRedisStore):
    """Lost update: between GET and SET somebody else has set, and it is written over."""

    async def modify_session(self, session_id: str, change: Change, /) -> Session:
        changed = change(await self.get_session(session_id))
        while True:
            # SET asks for no revision: whatever is there by now.
            revision = (await self.get_session(session_id)).revision
            try:
                return await self.update_session(changed.model_copy(update={"revision": revision}))
            except RevisionConflict:
                continue
