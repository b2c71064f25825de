"""Revisions counted by each session for itself."""

from __future__ import annotations

from ...designs import PlainSessionStore
from ...errors import RevisionConflict
from ...session import Session

__all__ = ["RevisionReset"]


class RevisionReset(PlainSessionStore):
    """Stale write accepted: deleted and created again, a session begins to count anew, and an old
    snapshot of the one before fits its revision.
    """

    def __init__(self) -> None:
        super().__init__()
        self._revisions: dict[str, int] = {}

    async def create_session(self, session: Session, /) -> Session:
        created = await super().create_session(session)
        self._revisions[session.id] = 1
        return self._shown(created)

    async def get_session(self, session_id: str, /) -> Session:
        return self._shown(await super().get_session(session_id))

    async def update_session(self, session: Session, /) -> Session:
        stored = await super().get_session(session.id)
        current = self._revisions[session.id]
        if session.revision != current:
            raise RevisionConflict(session.id, expected=session.revision, current=current)
        updated = await super().update_session(
            session.model_copy(update={"revision": stored.revision})
        )
        self._revisions[session.id] += 1
        return self._shown(updated)

    def _shown(self, session: Session) -> Session:
        return session.model_copy(update={"revision": self._revisions[session.id]})
