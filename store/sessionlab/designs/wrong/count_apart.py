"""A count that is kept beside the log."""

from __future__ import annotations

from collections import Counter

from sessionkeeper.stores.unqueued import PlainSessionStore
from sessionkeeper.values.limits import StoreLimits
from sessionkeeper.values.message import MessageEnvelope

from ..round_trip import round_trip

__all__ = ["CountApart"]


class CountApart(PlainSessionStore):
    """Drift: count and log differ between the two steps, or forever after a cancellation."""

    def __init__(self, *, limits: StoreLimits | None = None) -> None:
        super().__init__(limits=limits)
        self._counts: Counter[str] = Counter()

    async def add_frame(self, envelope: MessageEnvelope, /) -> int:
        seq = await super().add_frame(envelope)
        await round_trip()
        self._counts[envelope.context.session_id] += 1
        return seq

    async def count_frames(self, session_id: str, /, *, stream: str | None = None) -> int:
        if stream is not None:
            return await super().count_frames(session_id, stream=stream)
        await self.get_session(session_id)
        return self._counts[session_id]
