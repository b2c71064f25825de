"""The sessions of one principal in a store of ten methods: the others do not exist in it."""

from __future__ import annotations

from collections.abc import Sequence

from ...interface.session_store import SessionStore
from ...values.errors import SessionNotFound
from ...values.message import MessageEnvelope
from ...values.session import Session

__all__ = ["PrincipalFilter"]


class PrincipalFilter(SessionStore):
    """Made for one operation, which sees only the principal's sessions through it."""

    def __init__(self, inner: SessionStore, principal: str) -> None:
        self._inner = inner
        self._principal = principal
        self._hidden: set[str] = set()

    def hides(self, session_id: str, /) -> bool:
        """Return whether this operation found a session of another principal with this id."""
        return session_id in self._hidden

    async def create_session(self, session: Session, /) -> Session:
        return await self._inner.create_session(session)

    async def get_session(self, session_id: str, /) -> Session:
        return self._seen(await self._inner.get_session(session_id))

    async def update_session(self, session: Session, /) -> Session:
        await self.get_session(session.id)
        return await self._inner.update_session(session)

    async def delete_session(self, session_id: str, /) -> None:
        await self.get_session(session_id)
        await self._inner.delete_session(session_id)

    async def list_sessions(self) -> list[Session]:
        sessions = await self._inner.list_sessions()
        return [session for session in sessions if session.principal == self._principal]

    async def count_sessions(self) -> int:
        return len(await self.list_sessions())

    async def add_frame(self, envelope: MessageEnvelope, /) -> int:
        await self.get_session(envelope.context.session_id)
        return await self._inner.add_frame(envelope)

    async def get_frames(self, session_id: str, /) -> list[MessageEnvelope]:
        await self.get_session(session_id)
        return await self._inner.get_frames(session_id)

    async def delete_frames(self, session_id: str, /) -> int:
        await self.get_session(session_id)
        return await self._inner.delete_frames(session_id)

    async def count_frames(self, session_id: str, /) -> int:
        await self.get_session(session_id)
        return await self._inner.count_frames(session_id)

    async def get_sessions_batch(self, session_ids: Sequence[str], /) -> list[Session]:
        """Read with the inner store's own batch, if all are the principal's."""
        try:
            sessions = await self._inner.get_sessions_batch(session_ids)
            return [self._seen(each) for each in sessions]
        except SessionNotFound:
            pass  # and dropped: the error's id would reveal which sessions exist
        # One by one: the first invisible session is reported, whether it exists or not.
        return [await self.get_session(session_id) for session_id in session_ids]

    async def update_sessions_batch(self, sessions: Sequence[Session], /) -> list[Session]:
        """Update with the inner store's own batch, if all are the principal's."""
        for session in sessions:
            await self.get_session(session.id)
        return await self._inner.update_sessions_batch(sessions)

    def _seen(self, session: Session) -> Session:
        if session.principal != self._principal:
            self._hidden.add(session.id)
            raise SessionNotFound(session.id)
        return session
