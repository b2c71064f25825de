"""A lock over an await, and a cancel in between."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ...atomic import Change
from ...designs import PlainSessionStore
from ...message import MessageEnvelope
from ..round_trip import round_trip

__all__ = ["CancelledUnderLock"]


class CancelledUnderLock(PlainSessionStore):
    """Half an operation: a cancelled caller leaves the lock with the frames written and the change
    of the session not.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lock = asyncio.Lock()

    async def add_frames(
        self,
        session_id: str,
        envelopes: Sequence[MessageEnvelope],
        /,
        *,
        expected_last_seq: int | None = None,
        change: Change | None = None,
    ) -> range:
        async with self._lock:
            added = await super().add_frames(
                session_id, envelopes, expected_last_seq=expected_last_seq
            )
            await round_trip()
            if change is not None:
                await super().modify_session(session_id, change)
            return added
