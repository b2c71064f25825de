"""A watcher each step of which is a recorded call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from sessionkeeper.interface.frame_watcher import FrameWatcher
from sessionkeeper.values.message import Frame

__all__ = ["RecordedWatcher"]


class RecordedWatcher(FrameWatcher):
    """Steps another watcher; `step` records one, given the number of the frame before it."""

    __slots__ = ("_inner", "_last", "_recorded")

    def __init__(
        self,
        inner: FrameWatcher,
        step: Callable[[Awaitable[Frame], int], Awaitable[Frame]],
        after: int,
    ) -> None:
        # Nothing of the base: it looks into a log itself.
        self._inner = inner
        self._recorded = step
        self._last = after

    def __repr__(self) -> str:
        return f"<RecordedWatcher of {self._inner!r}>"

    async def __anext__(self) -> Frame:
        frame = await self._recorded(anext(self._inner), self._last)
        self._last = frame.seq
        return frame

    async def aclose(self) -> None:
        """End the watcher behind."""
        await self._inner.aclose()
