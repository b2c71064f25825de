"""Looks for frames, then listens for more."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from sessionkeeper.values.message import Frame

from ..store import PooledStore

__all__ = ["ListenAfterLook"]


class ListenAfterLook(PooledStore):
    """Hang: what is appended between the look and LISTEN was notified before anybody listened."""

    async def _follow(self, session_id: str, after: int) -> AsyncGenerator[Frame]:
        for frame in await self.read_frames(session_id, after=after):
            yield frame
            after = frame.seq
        await self._overtaking.let_all_pass()
        async with self._listening(session_id) as notified:
            while True:
                await notified.wait()
                notified.clear()
                for frame in await self.read_frames(session_id, after=after):
                    yield frame
                    after = frame.seq
