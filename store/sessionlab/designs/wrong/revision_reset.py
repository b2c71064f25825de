"""Revisions that restart when a session is created again."""

from __future__ import annotations

from sessionkeeper.stores.unqueued import PlainSessionStore
from sessionkeeper.values.limits import StoreLimits
from sessionkeeper.values.session import Session

__all__ = ["RevisionReset"]


class RevisionReset(PlainSessionStore):
    """Stale write: a session that is deleted and created again repeats its revisions, so an old
    snapshot is accepted.
    """

    def __init__(self, *, limits: StoreLimits | None = None) -> None:
        super().__init__(limits=limits)
        self._first: dict[str, int] = {}
        self._above: dict[str, int] = {}

    async def create_session(self, session: Session, /) -> Session:
        created = await super().create_session(session)
        first = self._first.setdefault(session.id, created.revision)
        self._above[session.id] = created.revision - first
        return self._shown(created)

    async def get_session(self, session_id: str, /) -> Session:
        return self._shown(await super().get_session(session_id))

    async def update_session(self, session: Session, /) -> Session:
        revision = session.revision + self._above.get(session.id, 0)
        stored = session.model_copy(update={"revision": revision})
        return self._shown(await super().update_session(stored))

    def _shown(self, session: Session) -> Session:
        revision = session.revision - self._above.get(session.id, 0)
        return session.model_copy(update={"revision": revision})
