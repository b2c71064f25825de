"""Finds frames by number, ignoring the session."""

from __future__ import annotations

from collections.abc import Sequence

from sessionkeeper.interface.atomic_store import Change
from sessionkeeper.stores.unqueued import PlainSessionStore
from sessionkeeper.values.limits import StoreLimits
from sessionkeeper.values.message import MessageEnvelope

__all__ = ["FramesWithoutSession"]


class FramesWithoutSession(PlainSessionStore):
    """Cross-session replay: the first frame of one session is read as the first of another
    (fastmcp#4402).
    """

    def __init__(self, *, limits: StoreLimits | None = None) -> None:
        super().__init__(limits=limits)
        self._frames: dict[int, MessageEnvelope] = {}

    async def add_frame(self, envelope: MessageEnvelope, /) -> int:
        seq = await super().add_frame(envelope)
        self._frames[seq] = envelope
        return seq

    async def add_frames(
        self,
        session_id: str,
        envelopes: Sequence[MessageEnvelope],
        /,
        *,
        expected_last_seq: int | None = None,
        change: Change | None = None,
    ) -> range:
        added = await super().add_frames(
            session_id, envelopes, expected_last_seq=expected_last_seq, change=change
        )
        self._frames.update(zip(added, envelopes, strict=True))
        return added

    async def get_frames(self, session_id: str, /) -> list[MessageEnvelope]:
        session = await self.get_session(session_id)
        return [self._frames[seq] for seq in range(1, session.last_seq + 1)]
