"""Takes the number before the frame is in the log."""

from __future__ import annotations

from collections import Counter

from sessionkeeper.stores.unqueued import PlainSessionStore
from sessionkeeper.values.limits import StoreLimits
from sessionkeeper.values.message import MessageEnvelope

from ..round_trip import round_trip

__all__ = ["NumberFromAClock"]


class NumberFromAClock(PlainSessionStore):
    """Order inversion: a frame with a higher number can come first."""

    def __init__(self, *, limits: StoreLimits | None = None) -> None:
        super().__init__(limits=limits)
        self._clock: Counter[str] = Counter()

    async def add_frame(self, envelope: MessageEnvelope, /) -> int:
        self._clock[envelope.context.session_id] += 1
        number = self._clock[envelope.context.session_id]
        await round_trip()
        await super().add_frame(envelope)
        return number
