"""One connection to the server, for the thread that applies batches; each call waits.

asyncpg needs an event loop, and rules are synchronous. So each thread has a loop of its own, which
runs while an answer is awaited.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any, TypeAlias, TypeVar

from .address import PostgresAddress
from .driver import StoreConnection
from .thread_loop import ThreadLoop

__all__ = ["GivenUp", "PostgresConnection", "Record", "answer_time"]

T = TypeVar("T")

Record: TypeAlias = Sequence[Any]
"""A row of a result."""

_LEAST = 1.0
"""Seconds that connecting and an answer may take, whatever the patience: both take some time."""
_PAUSE = 0.05
"""Seconds before a server that was lost is asked again."""
_CLOSING = 0.25
"""Seconds for a rollback once the store is being closed: callers wait for it."""


class GivenUp(Exception):
    """The store is being closed: nothing is waited for any more."""


def answer_time(patience: float) -> float:
    """Return how many seconds an answer is waited for: a lock is waited for meanwhile."""
    return max(_LEAST, 2 * patience)


class PostgresConnection:
    """A connection that is made again by `connect`; of one thread, but for `interrupt`.

    `patience` is how many seconds a lock is waited for, and half of the seconds that an answer is;
    a second at least is waited for an answer.
    Every method raises what asyncpg raises, `TimeoutError` for a server that does not answer, and
    `GivenUp` after `interrupt`.
    """

    def __init__(self, address: PostgresAddress, *, patience: float) -> None:
        self._address = address
        self.patience = patience
        self.answer_time = answer_time(patience)
        """Seconds that an answer is waited for."""
        self._loop: ThreadLoop | None = None
        self._connection: StoreConnection | None = None
        self._task: asyncio.Task[Any] | None = None
        self._must_finish = False
        self.interrupted = False
        """Whether the store is being closed."""
        self.warnings: list[str] = []
        """The SQLSTATE of each warning of the server since this was last cleared."""

    @property
    def is_open(self) -> bool:
        """Whether there is a connection, as far as is known."""
        return self._connection is not None and not self._connection.is_closed()

    @property
    def protocol(self) -> StoreConnection:
        """The connection itself, for coroutines that `run` runs."""
        if self._connection is None:
            raise ConnectionError("there is no connection")
        return self._connection

    def connect(self) -> None:
        """Connect; a connection that is open is dropped before."""
        self.drop()
        if self._loop is None:
            self._loop = ThreadLoop()
        self._connection = self.run(
            self._address.connect(timeout=max(_LEAST, self.patience), lock_timeout=self.patience)
        )
        self._connection.add_log_listener(self._hear)
        self._loop.take_connection()

    def run(
        self,
        work: Coroutine[Any, Any, T],
        *,
        must_finish: bool = False,
        only_waits: bool = False,
        seconds: float | None = None,
    ) -> T:
        """Run a coroutine on this thread; with `must_finish`, `interrupt` lets it go on.

        `only_waits` says that it waits for answers of this connection and for nothing else. After
        `seconds` it is given up, without them after as many as an answer is waited for.
        """
        loop = self._loop
        if loop is None or (self.interrupted and not must_finish):
            work.close()
            raise GivenUp
        self._must_finish = must_finish
        # A lock is waited for on the server, which answers when that takes too long.
        seconds = self.answer_time if seconds is None else seconds
        try:
            if only_waits and loop.is_direct:
                return loop.exchange(work, seconds=seconds, stops=self._stops)
            return loop.run(self._bounded(work, seconds))
        except asyncio.CancelledError:
            raise GivenUp from None
        except TimeoutError:
            # Who is silent now would be waited for again, even with a ROLLBACK.
            self.drop()
            raise
        finally:
            self._task = None

    def fetch(self, sql: str, *parameters: object) -> Sequence[Record]:
        """Return the rows of a statement."""
        found: Sequence[Record] = self.run(self.protocol.fetch(sql, *parameters), only_waits=True)
        return found

    def fetch_row(self, sql: str, *parameters: object) -> Record | None:
        """Return the first row of a statement, if there is one."""
        found: Record | None = self.run(self.protocol.fetchrow(sql, *parameters), only_waits=True)
        return found

    def execute(
        self, script: str, *, must_finish: bool = False, seconds: float | None = None
    ) -> str:
        """Run statements without parameters in one round trip; return the tag of the last one."""
        work = self.protocol.execute(script)
        tag: str = self.run(work, must_finish=must_finish, only_waits=True, seconds=seconds)
        return tag

    def roll_back(self) -> None:
        """Undo the transaction if there is one; if that fails, drop the connection, which does it.

        While the store is being closed, the server has a moment for it.
        """
        if not self.is_open:
            return
        seconds = _CLOSING if self.interrupted else None
        try:
            self.execute("ROLLBACK", must_finish=True, seconds=seconds)
        except Exception:
            self.drop()

    def send_ahead(self, script: str) -> None:
        """Send statements without parameters; the next ones wait for their answers, too.

        What they raise is raised then, or here.
        """
        loop = self._loop
        if loop is None or not loop.is_direct or self.interrupted:
            self.execute(script)
        else:
            loop.send_ahead(self.protocol.execute(script))

    def drop(self) -> None:
        """Cut the connection without a word; the server rolls back what was not committed."""
        connection, self._connection = self._connection, None
        if connection is not None:
            if self._loop is not None:
                self._loop.leave_connection()
            with suppress(Exception):
                connection.terminate()
            self._end_tasks()

    def drop_and_pause(self) -> None:
        """Cut the connection, and wait a moment before it is made again."""
        self.drop()
        time.sleep(_PAUSE)

    def close(self) -> None:
        """Say good-bye if the server listens, and end the loop."""
        connection, self._connection = self._connection, None
        loop = self._loop
        if loop is None:
            return
        loop.leave_connection()
        if connection is not None:
            with suppress(Exception):
                self.run(connection.close(timeout=1.0), must_finish=True)
            with suppress(Exception):
                connection.terminate()
        self._end_tasks()
        self._loop = None
        loop.close()

    def interrupt(self) -> None:
        """Stop waiting, from any thread, unless what runs must finish."""
        self.interrupted = True
        loop = self._loop
        if loop is not None:
            loop.wake()
            with suppress(RuntimeError):  # it is closed already
                loop.call_soon_threadsafe(self._stop_waiting)

    def _stops(self) -> bool:
        return self.interrupted and not self._must_finish

    def _stop_waiting(self) -> None:
        if self._task is not None and not self._must_finish:
            self._task.cancel()

    async def _bounded(self, work: Coroutine[Any, Any, T], seconds: float) -> T:
        self._task = asyncio.current_task()
        async with asyncio.timeout(seconds):
            return await work

    def _end_tasks(self) -> None:
        """End what asyncpg left running, such as asking the server to cancel a statement."""
        loop = self._loop
        if loop is None or loop.is_closed():
            return
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        if tasks:
            loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))

    def _hear(self, _: object, message: Any) -> None:
        if message.severity_en == "WARNING":
            self.warnings.append(str(message.sqlstate))
