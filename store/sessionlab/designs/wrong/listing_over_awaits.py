"""Lists sessions by fetching them one after the other."""

from __future__ import annotations

from sessionkeeper.stores.unqueued import PlainSessionStore
from sessionkeeper.values.errors import SessionNotFound
from sessionkeeper.values.session import Session

from ..round_trip import round_trip

__all__ = ["ListingOverAwaits"]


class ListingOverAwaits(PlainSessionStore):
    """Torn read: the list shows the first session before a change and the second one after it."""

    async def list_sessions(self) -> list[Session]:
        listed: list[Session] = []
        for session in await super().list_sessions():
            await round_trip()
            try:
                listed.append(await self.get_session(session.id))
            except SessionNotFound:
                continue
        return listed
