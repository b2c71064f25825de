"""Reads a session, changes it in the client, and writes it."""

from __future__ import annotations

from sessionkeeper.interface.atomic_store import Change
from sessionkeeper.values.errors import RevisionConflict
from sessionkeeper.values.session import Session

from .actor import TemporaryRedisStore

__all__ = ["GetThenSet"]


class GetThenSet(TemporaryRedisStore):
    """Lost update: a write of another client between GET and SET is overwritten."""

    async def modify_session(self, session_id: str, change: Change, /) -> Session:
        changed = change(await self.get_session(session_id))
        while True:
            # SET does not compare revisions: it overwrites whatever is there.
            revision = (await self.get_session(session_id)).revision
            try:
                return await self.update_session(changed.model_copy(update={"revision": revision}))
            except RevisionConflict:
                continue
