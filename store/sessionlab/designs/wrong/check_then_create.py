"""Checks whether a session exists, then creates it."""

from __future__ import annotations

from sessionkeeper.stores.unqueued import PlainSessionStore
from sessionkeeper.values.errors import SessionExists, SessionNotFound
from sessionkeeper.values.session import Session

from ..round_trip import round_trip

__all__ = ["CheckThenCreate"]


class CheckThenCreate(PlainSessionStore):
    """Two creators: both checked before either created, and both get the reply `created`."""

    async def get_or_create_session(self, session: Session, /) -> tuple[Session, bool]:
        try:
            return await self.get_session(session.id), False
        except SessionNotFound:
            await round_trip()
        try:
            return await self.create_session(session), True
        except SessionExists:  # as a dict would take it: the key is simply there
            return await self.get_session(session.id), True
