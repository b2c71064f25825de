"""Follows the log of one session: a wake-up tells that there may be more, then it reads."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Self, TypeAlias

from ..values.message import Frame
from .wakeups import Wakeups

__all__ = ["REMOVED", "FrameWatcher", "ReadPage", "LogPage", "Proof", "is_replaced"]

Proof: TypeAlias = int | bytes | None
"""Identifies the frame a watcher read last, to notice another frame with its number. One backend in
one process makes and compares it: `REMOVED` for a removed frame, None if there never was one."""

REMOVED = b""


def is_replaced(before: Proof, now: Proof) -> bool:
    """Whether a log is not the one a frame was read from.

    A removed frame cannot be compared. It need not be: all frames of the log come after it.
    """
    return before is not None and (now is None or (now != before and REMOVED not in (now, before)))


@dataclass(frozen=True, slots=True)
class LogPage:
    """The frames that one read of a watcher returns."""

    number: int
    """The session's number in order of creation, which tells it from a later one with its id."""
    frames: Sequence[Frame]
    ended: bool
    """Whether no more frames will come."""
    proof: Proof = None
    """Of the last of these frames; without frames, of the one they would come after."""


ReadPage: TypeAlias = Callable[[int | None, int], Awaitable[LogPage]]
"""Reads the frames after a number. The first argument is the number of the session watched so far,
or None at the beginning."""


class FrameWatcher(AsyncIterator[Frame]):
    """An asynchronous iterator over the frames of one session, made by `watch_frames`.

    A step that is cancelled loses nothing: the next one goes on from there. Between steps it holds
    no resource of the store, so it can be dropped at any time. `aclose`, or `async with`, also ends
    a step in which another task waits.
    """

    __slots__ = (
        "_after",
        "_ended",
        "_number",
        "_read_page",
        "_ready",
        "_session_id",
        "_steps",
        "_wakeups",
    )

    def __init__(self, read_page: ReadPage, wakeups: Wakeups, session_id: str, after: int) -> None:
        self._read_page = read_page
        self._wakeups = wakeups
        self._session_id = session_id
        self._after = after
        self._number: int | None = None
        self._ready: deque[Frame] = deque()
        self._ended = False
        self._steps = 0

    def __repr__(self) -> str:
        return f"<FrameWatcher {'ended' if self._ended else 'open'} after {self._after}>"

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Frame:
        """Return the next frame. Raises as `watch_frames` says."""
        while not self._ready:
            if self._ended:
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
        """End it, and a step that is waiting. Idempotent."""
        self._ended = True
        self._ready.clear()
        if self._steps:
            self._wakeups.notify(self._session_id)

    async def _step(self) -> None:
        after = self._after
        # Registered before the read: a frame that is appended after it wakes us.
        with self._wakeups.subscribe(self._session_id) as wakeup:
            self._steps += 1
            try:
                page = await self._read_page(self._number, after)
                if self._ended or self._ready or self._after != after:
                    return  # closed meanwhile, or another task's step was faster
                self._number = page.number
                self._ready.extend(page.frames)
                if not page.frames:
                    self._ended = page.ended
                    if not page.ended:
                        await wakeup.wait()
            finally:
                self._steps -= 1
