"""The inner store as operations see it: its ten methods, whose effects are noted."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import Context

from ...interface.session_store import SessionStore
from ...values.clock import micros
from ...values.events import SessionEventKind
from ...values.ids import derived_incarnation
from ...values.message import MessageEnvelope
from ...values.session import Session
from .bookkeeping import Bookkeeping

__all__ = ["TrackingStore"]


class TrackingStore(SessionStore):
    """Made for one operation, with the context of its caller."""

    def __init__(self, inner: SessionStore, bookkeeping: Bookkeeping, context: Context) -> None:
        self._inner = inner
        self._bookkeeping = bookkeeping
        self._context = context

    async def create_session(self, session: Session, /) -> Session:
        created = _identified(await self._inner.create_session(session))
        self._bookkeeping.record_created(created, self._context)
        return created

    async def get_session(self, session_id: str, /) -> Session:
        session = _identified(await self._inner.get_session(session_id))
        self._bookkeeping.record_seen(session)
        return session

    async def update_session(self, session: Session, /) -> Session:
        """Update as the inner store does, having seen what was there before."""
        session = await self._look_before(session)
        updated = _identified(await self._inner.update_session(session))
        self._bookkeeping.record_changed(updated, self._context)
        return updated

    async def delete_session(self, session_id: str, /) -> None:
        """Delete as the inner store does, having seen what was there before."""
        await self.remove(await self.get_session(session_id), SessionEventKind.DELETED)

    async def remove(self, session: Session, kind: SessionEventKind) -> None:
        """Delete a session that was just seen, and note the kind of the removal."""
        await self._inner.delete_session(session.id)
        self._bookkeeping.record_removed(session, kind, self._context)

    async def list_sessions(self) -> list[Session]:
        sessions = [_identified(each) for each in await self._inner.list_sessions()]
        self._bookkeeping.record_listed(sessions)
        return sessions

    async def count_sessions(self) -> int:
        return await self._inner.count_sessions()

    async def add_frame(self, envelope: MessageEnvelope, /) -> int:
        seq = await self._inner.add_frame(envelope)
        self._bookkeeping.record_appended(envelope, seq)
        return seq

    async def get_frames(self, session_id: str, /) -> list[MessageEnvelope]:
        return await self._inner.get_frames(session_id)

    async def delete_frames(self, session_id: str, /) -> int:
        removed = await self._inner.delete_frames(session_id)
        self._bookkeeping.record_cleared(session_id)
        return removed

    async def count_frames(self, session_id: str, /) -> int:
        return await self._inner.count_frames(session_id)

    async def get_sessions_batch(self, session_ids: Sequence[str], /) -> list[Session]:
        """Read with the inner store's own batch."""
        found = await self._inner.get_sessions_batch(session_ids)
        sessions = [_identified(each) for each in found]
        for session in sessions:
            self._bookkeeping.record_seen(session)
        return sessions

    async def update_sessions_batch(self, sessions: Sequence[Session], /) -> list[Session]:
        """Update with the inner store's own batch, or one by one where it has none."""
        if type(self._inner).update_sessions_batch is SessionStore.update_sessions_batch:
            # As the inner store would do, but the updates before an error are known.
            return await super().update_sessions_batch(sessions)
        sessions = [await self._look_before(session) for session in sessions]
        replies = await self._inner.update_sessions_batch(sessions)
        updated = [_identified(each) for each in replies]
        for session in updated:
            self._bookkeeping.record_changed(session, self._context)
        return updated

    async def _look_before(self, session: Session) -> Session:
        """Return the session to be stored with the incarnation of what is there."""
        known = self._bookkeeping.index.find(session.id)
        # At this revision it is unchanged since it was seen; at another, the update will fail.
        if known is None or known.revision != session.revision:
            incarnation = (await self.get_session(session.id)).incarnation
        else:
            incarnation = known.incarnation
        return _with_incarnation(session, incarnation)


def _identified(session: Session) -> Session:
    """Return a session of the inner store with an incarnation, also if that store keeps none."""
    if session.incarnation:
        return session
    created = int(micros(session.created_at.timestamp()))
    return _with_incarnation(session, derived_incarnation(created))


def _with_incarnation(session: Session, incarnation: str) -> Session:
    if session.incarnation == incarnation:
        return session
    return Session.trusted(session.__dict__ | {"incarnation": incarnation})
