"""Following the log of one session: a reader that is told there is more, and looks for itself."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Self, TypeAlias

from ..values.message import Frame
from .wakeups import SessionWakeups

__all__ = ["GONE", "FrameWatcher", "Look", "LogPage", "Proof", "is_other"]

Proof: TypeAlias = int | bytes | None
"""What tells the frame a watcher read last from any other of its number; made and compared by one
backend in one process. `GONE` where it was removed, None where there never was one."""

GONE = b""


def is_other(before: Proof, now: Proof) -> bool:
    """Whether a log is not the one a frame was read from.

    What was removed cannot be compared, and need not be: all that is there comes after it.
    """
    return before is not None and (now is None or (now != before and GONE not in (now, before)))


@dataclass(frozen=True, slots=True)
class LogPage:
    """What a watcher finds when it looks."""

    number: int
    """Of the session's creation: another session of the same id is another one."""
    frames: Sequence[Frame]
    over: bool
    """Nothing more will come."""
    proof: Proof = None
    """Of the last of the frames, or else of the one they come after."""


Look: TypeAlias = Callable[[int | None, int], Awaitable[LogPage]]
"""Look for frames after a number; first the session watched so far, None when it begins."""


class FrameWatcher(AsyncIterator[Frame]):
    """An asynchronous iterator over the frames of one session, made by `watch_frames`.

    A step that is cancelled loses nothing: the next one goes on where it was. Between steps it
    holds nothing of the store, so it can be left at any time; `aclose`, or `async with`, also
    ends a step that another task is waiting in.
    """

    __slots__ = (
        "_after",
        "_look",
        "_number",
        "_over",
        "_ready",
        "_session_id",
        "_steps",
        "_wakeups",
    )

    def __init__(self, look: Look, wakeups: SessionWakeups, session_id: str, after: int) -> None:
        self._look = look
        self._wakeups = wakeups
        self._session_id = session_id
        self._after = after
        self._number: int | None = None
        self._ready: deque[Frame] = deque()
        self._over = False
        self._steps = 0

    def __repr__(self) -> str:
        return f"<FrameWatcher {'over' if self._over else 'open'} after {self._after}>"

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Frame:
        """Return the next frame. Raises as `watch_frames` says."""
        while not self._ready:
            if self._over:
                raise StopAsyncIteration
            await self._step()
        frame = self._ready.popleft()
        self._after = frame.seq
        return frame

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End it: a step that is waiting ends too. Idempotent."""
        self._over = True
        self._ready.clear()
        if self._steps:
            self._wakeups.notify(self._session_id)

    async def _step(self) -> None:
        after = self._after
        # Registered before the look: what is appended after it wakes us.
        with self._wakeups.subscribe(self._session_id) as wakeup:
            self._steps += 1
            try:
                news = await self._look(self._number, after)
                if self._over or self._ready or self._after != after:
                    return  # closed meanwhile, or another task's step was faster
                self._number = news.number
                self._ready.extend(news.frames)
                if not news.frames:
                    self._over = news.over
                    if not news.over:
                        await wakeup.wait()
            finally:
                self._steps -= 1
