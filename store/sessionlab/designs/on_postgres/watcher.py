"""A watcher made from a generator of frames."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from sessionkeeper.interface.frame_watcher import FrameWatcher
from sessionkeeper.values.message import Frame

__all__ = ["GeneratedWatcher"]


class GeneratedWatcher(FrameWatcher):
    """Yields what a generator yields; used by one task."""

    __slots__ = ("_frames",)

    def __init__(self, frames: AsyncGenerator[Frame]) -> None:
        # Nothing of the base: it looks into a log itself.
        self._frames = frames

    def __repr__(self) -> str:
        return "<GeneratedWatcher>"

    async def __anext__(self) -> Frame:
        return await anext(self._frames)

    async def aclose(self) -> None:
        """End the generator."""
        await self._frames.aclose()
