"""One session that is recorded: its journal, its recorder, and the number of its exchanges."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from functools import lru_cache

from ...values.delivery import HttpDelivery
from ...values.errors import SessionError
from ...values.gap import Gap
from ...values.states import Direction
from ..budget import Budget
from ..journal import Journal
from ..late_recorder import LateRecorder
from ..origin import Origin
from ..protocol import Recorder

__all__ = ["HttpSession", "body_delivery"]

_PATIENCE = 1.5
"""Seconds that recording may make no progress after a session has ended."""


class HttpSession:
    """A session of the record. Its messages wait in a queue until they are stored."""

    def __init__(
        self,
        open: Callable[[], Awaitable[Recorder]],
        *,
        budget: Budget,
        report: Callable[[str], None],
    ) -> None:
        self.active = 0
        """Number of exchanges that are not over."""
        self.quiet = asyncio.Event()
        """Set when there are none."""
        self.last_used = asyncio.get_running_loop().time()
        self.failure: str | None = None
        """Why it has failed, if it ends as failed."""
        self.is_ending = False
        self.key: tuple[str, ...] = ()
        """What names it among the sessions that are recorded now."""
        self._exchanges = 0
        self._report = report
        self._recorder = LateRecorder(open, report=report)
        self._recorder.begin()
        self.journal = Journal(self._recorder, budget=budget, report=report)
        self._end: asyncio.Task[None] | None = None

    def begin_exchange(self, method: str) -> str:
        """Count an exchange, and return the name of its stream."""
        self._exchanges += 1
        self.active += 1
        self.quiet.clear()
        return f"{method}-{self._exchanges}"

    def end_exchange(self) -> None:
        """Note that an exchange is over."""
        self.active -= 1
        if self.active <= 0:
            self.quiet.set()
        self.last_used = asyncio.get_running_loop().time()

    def offer(
        self,
        direction: Direction,
        message: bytes | Gap,
        origin: Origin,
        timestamp: datetime | None = None,
    ) -> None:
        """Queue one message. Never waits."""
        self.journal.offer(direction, [message], origin, timestamp)

    def end(self) -> asyncio.Task[None]:
        """Record what waits, and end the session as it should end. Idempotent."""
        if self._end is None:
            self.is_ending = True
            self._end = asyncio.get_running_loop().create_task(self._finish())
        return self._end

    async def _finish(self) -> None:
        self._recorder.finish()
        await self.journal.settle(_PATIENCE)
        try:
            async with asyncio.timeout(_PATIENCE):
                if self.failure is None:
                    await self._recorder.complete()
                else:
                    await self._recorder.fail(self.failure)
        except Exception as error:
            reason = f": {error}" if isinstance(error, SessionError) else ""
            with suppress(Exception):  # a closed stderr must not end the proxy
                self._report(
                    f"the end of a session was not recorded: {type(error).__name__}{reason}"
                )
        finally:
            await self._recorder.aclose()


@lru_cache(maxsize=1024)
def body_delivery(method: str, path: str, status: int | None) -> HttpDelivery:
    """Return the context of a body; the same ones come again and again."""
    return HttpDelivery(method=method, path=path, status=status)
