"""An append that writes back the session it read."""

from __future__ import annotations

from sessionkeeper.stores.unqueued import PlainSessionStore
from sessionkeeper.values.errors import SessionNotFound
from sessionkeeper.values.message import MessageEnvelope

from ..round_trip import round_trip

__all__ = ["AppendOrCreate"]


class AppendOrCreate(PlainSessionStore):
    """Resurrection: a session that is deleted during an append comes back."""

    async def add_frame(self, envelope: MessageEnvelope, /) -> int:
        session = await self.get_session(envelope.context.session_id)
        await round_trip()
        try:
            return await super().add_frame(envelope)
        except SessionNotFound:  # an "upsert" puts the row back
            await self.create_session(session)
            return await super().add_frame(envelope)
