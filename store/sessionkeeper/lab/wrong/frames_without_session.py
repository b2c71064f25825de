"""Frames by their number, whosever they are."""

from __future__ import annotations

from ...designs import PlainSessionStore
from ...message import MessageEnvelope

__all__ = ["FramesWithoutSession"]


class FramesWithoutSession(PlainSessionStore):
    """Cross-session replay: the first frame of one session is read as the first of another
    (fastmcp#4402).
    """

    def __init__(self) -> None:
        super().__init__()
        self._frames: dict[int, MessageEnvelope] = {}

    async def add_frame(self, envelope: MessageEnvelope, /) -> int:
        seq = await super().add_frame(envelope)
        self._frames[seq] = envelope
        return seq

    async def get_frames(self, session_id: str, /) -> list[MessageEnvelope]:
        session = await self.get_session(session_id)
        return [self._frames[seq] for seq in range(1, session.last_seq + 1)]
