"""Has a connection for notices while somebody watches, and makes it again when it is lost."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import ClassVar

from ...interface.wakeups import StoreWakeups
from .driver import StoreConnection
from .errors import is_lost, is_refused_connection, refusal
from .notice_connection import NoticeConnection

__all__ = ["NoticeListener"]

logger = logging.getLogger("sessionkeeper")


class NoticeListener:
    """Listens on a connection of its own while somebody watches, and some seconds longer.

    One task on the store's loop connects, listens, and connects again. No watcher gets an error of
    it: after each connect all of them wake, and read what they missed.
    """

    LINGER: ClassVar[float] = 10.0
    """Seconds to go on without watchers: one may come back soon."""
    PAUSE: ClassVar[float] = 0.05
    """Seconds before the next attempt to connect. Each further pause is twice as long."""
    MAX_PAUSE: ClassVar[float] = 5.0
    GRACE: ClassVar[float] = 1.5
    """Seconds that closing waits for the server."""

    def __init__(
        self,
        wakeups: StoreWakeups,
        open_connection: Callable[[], Awaitable[StoreConnection]],
        writer_id: Callable[[], int],
    ) -> None:
        self._wakeups = wakeups
        self._open_connection = open_connection
        self._writer_id = writer_id
        self._watchers = 0
        self._idle_since = 0.0
        self._connection: NoticeConnection | None = None
        self._is_stable = False
        """Whether the last connection was there for some time."""
        self._interrupt = asyncio.Event()
        """Ends what the task waits for: set when the connection is lost, and on closing."""
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def __repr__(self) -> str:
        state = "closed" if self._closed else "idle" if self._task is None else "listening"
        return f"<NoticeListener {state} watchers={self._watchers}>"

    def watch(self) -> None:
        """Add a watcher. All watchers wake as soon as the notices are listened to."""
        self._watchers += 1
        if (self._task is None or self._task.done()) and not self._closed:
            self._task = asyncio.get_running_loop().create_task(
                self._run(), name="sessionkeeper notices"
            )

    def release(self) -> None:
        """Remove a watcher. Some time after the last one the connection closes."""
        self._watchers -= 1
        if not self._watchers and self._task is not None:
            self._idle_since = self._task.get_loop().time()

    async def aclose(self) -> None:
        """Remove the row and close the connection; end it if the server does not answer.

        Idempotent. A cancelled call ends the connection without waiting for the server.
        """
        self._closed = True
        self._interrupt.set()
        task = self._task
        if task is None:
            return
        try:
            # While it connects, too: asyncpg that is cancelled then may leave an error behind.
            await asyncio.wait({task}, timeout=self.GRACE)
        finally:
            if not task.done():
                if self._connection is not None:
                    # Before the task: a statement that is cancelled would connect to cancel itself.
                    self._connection.terminate()
                task.cancel()
        await asyncio.wait({task})

    async def _run(self) -> None:
        failures = 0
        while self._is_wanted():
            self._is_stable = False
            try:
                await self._connect_and_listen()
            except Exception as error:
                # One line for a time of trouble. A server that comes and goes is none.
                is_trouble = not is_lost(error) or is_refused_connection(error)
                if (self._is_stable or not failures) and is_trouble:
                    reason = refusal(error) or type(error).__name__
                    logger.warning("changes of other processes are not seen: %s", reason)
            if not self._is_wanted():
                break
            failures = 1 if self._is_stable else failures + 1
            pause = min(self.MAX_PAUSE, self.PAUSE * 2 ** min(failures - 1, 16))
            self._interrupt = asyncio.Event()
            await self._wait(pause * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
        # In the same step in which no watcher was found: the next watcher begins again.
        self._task = None

    async def _connect_and_listen(self) -> None:
        opened = await self._open_connection()
        self._interrupt = interrupt = asyncio.Event()
        opened.add_termination_listener(lambda _: interrupt.set())
        self._connection = connection = NoticeConnection(opened, self._wakeups, self._writer_id)
        try:
            while self._is_wanted() and not connection.is_closed:
                await self._wait(await connection.look())
                self._is_stable = not connection.is_closed
            await connection.leave()
        finally:
            self._connection = None
            connection.terminate()

    def _is_wanted(self) -> bool:
        if self._closed:
            return False
        idle = asyncio.get_running_loop().time() - self._idle_since
        return self._watchers > 0 or idle < self.LINGER

    async def _wait(self, seconds: float) -> None:
        if not self._closed:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._interrupt.wait()
