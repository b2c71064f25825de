"""A recorder that opens beside the traffic, so that a server runs whether there is a store or not.

Rule: what waits for the store is in the queue of the proxy, which is bounded; nothing is kept here.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from ..values.errors import SessionError, StoreUnavailable
from .origin import DEFAULT_ORIGIN, Origin
from .protocol import record_all

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from ..values.gap import Gap
    from ..values.jsonrpc import MessageKind
    from ..values.states import Direction
    from .protocol import Captured, Recorder, Tell

__all__ = ["LateRecorder"]

_PAUSE, _LONGEST_PAUSE = 1.0, 30.0
"""Seconds between two attempts: doubled each time."""
_LONG = 1.0
"""Seconds of a first attempt until it is told that messages wait."""
_SLOW = "it takes long to open"
_LAST_ATTEMPT = 1.0
"""Seconds for an attempt after all traffic has ended."""


class LateRecorder:
    """Opens a recorder with `open`, and tries again while that fails.

    Messages wait meanwhile, and are recorded with the timestamps that they have. `report` is
    called with one line when the first attempt takes long, with one that has the reason when an
    attempt fails for the first time, and with one when a later one succeeds. It begins when the
    server has started, unless `start` has begun it before. `load` is called once before the first
    attempt, on the loop: it imports what `open` needs. Call `finish` when all traffic has ended:
    `StdioProxy(on_traffic_end=)`.
    """

    def __init__(
        self,
        open: Callable[[], Awaitable[Recorder]],
        *,
        report: Callable[[str], None],
        load: Callable[[], None] = lambda: None,
        pause: float = _PAUSE,
    ) -> None:
        self._open = open
        self._load = load
        self._report = report
        self._pause = pause
        self._recorder: Recorder | None = None
        self._pid: int | None = None
        self._told: str | None = None
        self._begun = asyncio.Event()
        self._finishing = asyncio.Event()
        self._settled = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._timers: list[asyncio.TimerHandle] = []
        self.failure: str | None = _SLOW
        """Why it is not open; None when it is."""

    async def start(self, *, within: float) -> None:
        """Begin to open it, and wait at most `within` seconds for the first attempt.

        Raises what `open` raises in this time, but no `SessionError`: that is reported.
        """
        self._begin(within)
        await self._begun.wait()
        if self._task is not None and self._task.done():
            self._task.result()

    def begin(self) -> None:
        """Begin to open it beside the traffic, so that every error is reported. Idempotent."""
        if self._task is None:
            self._begin(_LONG)
            self._begun.set()  # nobody waits for it, so its errors are told

    def finish(self) -> None:
        """Try once more, for a second; then what waits is lost. Idempotent."""
        if not self._finishing.is_set():
            self._finishing.set()
            loop = asyncio.get_running_loop()
            self._timers.append(loop.call_later(_LAST_ATTEMPT, self._give_up))

    async def aclose(self) -> None:
        """Stop trying. Idempotent."""
        self._give_up()
        if self._task is not None:
            await asyncio.wait({self._task})

    def started(self, pid: int, /) -> None:
        """Keep the process id for the recorder, and begin to open it."""
        self._pid = pid
        if self._recorder is not None:
            self._recorder.started(pid)
        self.begin()

    async def record(
        self,
        direction: Direction,
        message: bytes,
        timestamp: datetime,
        /,
        *,
        origin: Origin = DEFAULT_ORIGIN,
    ) -> MessageKind | None:
        """Record as the recorder does, when it is open.

        Raises `StoreUnavailable` if it could not be opened until the end.
        """
        recorder = await self._opened()
        return await recorder.record(direction, message, timestamp, origin=origin)

    async def record_gap(
        self,
        direction: Direction,
        gap: Gap,
        timestamp: datetime,
        /,
        *,
        origin: Origin = DEFAULT_ORIGIN,
    ) -> None:
        """Record as the recorder does, when it is open. Raises as `record`."""
        await (await self._opened()).record_gap(direction, gap, timestamp, origin=origin)

    async def record_many(self, messages: Sequence[Captured], tell: Tell, /) -> None:
        """Record as the recorder does, when it is open; together if it can. Raises as `record`."""
        await record_all(await self._opened(), messages, tell)

    async def complete(self) -> None:
        """End the session in order, if there is one."""
        if (recorder := await self._at_end()) is not None:
            await recorder.complete()

    async def fail(self, reason: str, /) -> None:
        """End the session as failed, if there is one."""
        if (recorder := await self._at_end()) is not None:
            await recorder.fail(reason)

    async def _opened(self) -> Recorder:
        await self._settled.wait()
        if self._recorder is None:
            raise StoreUnavailable("the store could not be opened until the end")
        return self._recorder

    async def _at_end(self) -> Recorder | None:
        self.begin()  # of a server that could not start
        self.finish()
        await self._settled.wait()
        return self._recorder

    def _begin(self, patience: float) -> None:
        self._task = asyncio.get_running_loop().create_task(self._open_at_last(patience))

    async def _open_at_last(self, patience: float) -> None:
        pause = self._pause
        try:
            self._load()
            loop = asyncio.get_running_loop()
            self._timers.append(loop.call_later(patience, self._tell_failure))
            while not await self._attempt():
                self._tell_failure()
                if self._finishing.is_set():
                    break
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._finishing.wait()
                pause = min(2 * pause, _LONGEST_PAUSE)
        finally:
            self._begun.set()
            self._settled.set()

    async def _attempt(self) -> bool:
        try:
            recorder = await self._open()
        except SessionError as error:
            self.failure = str(error)
            return False
        except Exception as error:
            if not self._begun.is_set():
                raise
            self.failure = type(error).__name__  # its text may quote anything
            return False
        if self._pid is not None:
            recorder.started(self._pid)
        if self._told is not None:
            self._report("the store is open: the messages that waited are recorded")
        self._recorder, self.failure = recorder, None
        return True

    def _tell_failure(self) -> None:
        self._begun.set()
        # That it takes long is no reason: the first one that there is gets told, too.
        if self.failure is not None and self._told in {None, _SLOW} and self.failure != self._told:
            self._told = self.failure
            self._report(
                f"cannot record yet: {self.failure}; the server runs, and its messages wait in"
                " memory until the store is open"
            )

    def _give_up(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        if self._task is not None and not self._settled.is_set():
            self._task.cancel()  # once: what is half open takes its time to close
        self._settled.set()
