"""Watching a log from a thread: each step is made on the store's loop, and waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from threading import Lock
from typing import Any, Self

from soleowner import ThreadPort

from ...interface.frame_watcher import FrameWatcher
from ...values.message import Frame

__all__ = ["FrameReader"]


class FrameReader:
    """A blocking iterator over what `watch_frames` yields, for one thread at a time.

    Use it as `with store.watch_frames(id) as frames`. `close` ends it from any thread, also one
    that is blocked in a step.
    """

    def __init__(self, port: ThreadPort[Any], watch: Callable[[], FrameWatcher]) -> None:
        self._port = port
        self._lock = Lock()
        self._step: Future[Frame | None] | None = None
        self._over = False

        async def begin() -> FrameWatcher:
            return watch()

        port.check()
        self._watcher = port.outcome(asyncio.run_coroutine_threadsafe(begin(), port.loop))

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Frame:
        """Return the next frame, as soon as there is one.

        Raises what `watch_frames` raises, which ends it, and `WouldBlock` on the loop's thread.
        """
        try:
            self._port.check()
            with self._lock:
                if self._over:
                    raise StopIteration
                step = asyncio.run_coroutine_threadsafe(self._next(), self._port.loop)
                self._step = step
            frame = self._port.outcome(step)
        except BaseException:
            if self._over:  # closed, by this thread or another
                raise StopIteration from None
            self.close()
            raise
        if frame is None:
            self._over = True
            raise StopIteration
        return frame

    def close(self) -> None:
        """End it, with a step that waits. Idempotent, from any thread; waits for nothing."""
        with self._lock:
            if self._over:
                return
            self._over = True
            if self._step is not None:
                self._step.cancel()
        with suppress(RuntimeError):  # the loop is closed, and the watcher with it
            loop = self._port.loop
            loop.call_soon_threadsafe(lambda: loop.create_task(self._end()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def _next(self) -> Frame | None:
        return await anext(self._watcher, None)

    async def _end(self) -> None:
        with suppress(RuntimeError):  # the step that was cancelled is ending it
            await self._watcher.aclose()
