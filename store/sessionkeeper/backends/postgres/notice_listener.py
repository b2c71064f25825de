"""Listens to the notices of other processes, and wakes the watchers of this one."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar, TypeAlias, TypeVar

from ...interface.wakeups import StoreWakeups
from .missed_notices import MissedNotices
from .notices import channel_name, decode_notice

if TYPE_CHECKING:
    import asyncpg

    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record]

__all__ = ["NoticeListener"]

T = TypeVar("T")

logger = logging.getLogger("sessionkeeper")

_LOCK_CLASS = 1936420976

# The row ends the time in which batches are committed without a notice. A batch that is being
# written holds the lock shared: it has ended when the row is committed, and the next sees the row.
_REGISTER = """
WITH alone AS MATERIALIZED (SELECT pg_advisory_xact_lock($1, $2)),
dead AS (
    DELETE FROM watchers WHERE id IN (
        SELECT id FROM watchers
        WHERE until < clock_timestamp() - interval '60 s' AND id <> $3 FOR UPDATE SKIP LOCKED
    )
)
INSERT INTO watchers (id, until)
SELECT $3, clock_timestamp() + make_interval(secs => $4) FROM alone
ON CONFLICT (id) DO UPDATE SET until = excluded.until
"""
_REFRESH = "UPDATE watchers SET until = clock_timestamp() + make_interval(secs => $2) WHERE id = $1"
_UNREGISTER = "DELETE FROM watchers WHERE id = $1"
_POLL = """
SELECT id, batch, announced, NULL::float8 FROM writers
UNION ALL
SELECT NULL, NULL, NULL, EXTRACT(epoch FROM until - clock_timestamp())::float8
FROM watchers WHERE id = $1
"""

# A role with few rights, a server that only reads, a batch that holds its lock for very long.
_REFUSALS = frozenset({"42501", "25006", "55P03"})

# asyncpg raises the second one between the server's last message and the end of the connection.
_LOST = frozenset({"InterfaceError", "InternalClientError"})


class NoticeListener:
    """Listens on a connection of its own while somebody watches, and some seconds longer.

    A needless wake-up does no harm; a missing one loses a change. So all watchers wake whenever a
    change may have been missed: when listening has begun, after each reconnect, and when a look at
    the writers' rows, once a second, finds a batch whose notice never came. A server that does not
    let us register is looked at more often, and then every batch of another writer wakes them.

    Everything runs on the store's loop. The connection is never in a transaction: one that stays in
    a transaction would fill the server's queue of notices.
    """

    POLL: ClassVar[float] = 1.0
    """Seconds between two looks at the writers' rows."""
    POLL_ALONE: ClassVar[float] = 0.25
    """The same where no notices come."""
    LINGER: ClassVar[float] = 10.0
    """Seconds to go on without watchers: one may come back soon."""
    PAUSE: ClassVar[float] = 0.05
    """Seconds before the next attempt to connect. Each further pause is twice as long."""
    MAX_PAUSE: ClassVar[float] = 5.0
    PATIENCE: ClassVar[float] = 5.0
    """Seconds that a statement may take before the connection counts as lost."""
    GRACE: ClassVar[float] = 1.0
    """Seconds that closing waits for the server."""
    LIFETIME: ClassVar[float] = 60.0
    """Seconds for which a row of `watchers` is valid."""
    REFRESH: ClassVar[float] = 20.0
    """Seconds after which it is made valid again."""
    MARGIN: ClassVar[float] = 10.0
    """A row that was valid for fewer seconds, or was removed, may have been overlooked: register
    again. More than a statement can take."""
    RETRY: ClassVar[float] = 30.0
    """Seconds until a server that refused to register us is asked again."""

    def __init__(
        self,
        wakeups: StoreWakeups,
        open_connection: Callable[[], Awaitable[Connection]],
        schema_oid: int,
        writer_id: Callable[[], int],
    ) -> None:
        self._wakeups = wakeups
        self._open_connection = open_connection
        self._channel = channel_name(schema_oid)
        # The key of an advisory lock is an int4, an oid is not signed.
        self._lock = (_LOCK_CLASS, schema_oid - 2**32 if schema_oid >= 2**31 else schema_oid)
        self._writer_id = writer_id
        self._watchers = 0
        self._idle_since = 0.0
        self._missed = MissedNotices()
        self._id: int | None = None
        """Of the row in `watchers`; None while there is none."""
        self._connection: Connection | None = None
        self._interrupt = asyncio.Event()
        """Ends what the task waits for: set when the connection is lost, and on closing."""
        self._stable = False
        """Whether the last connection was there for some time."""
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
        """Remove the row and close the connection, at once if the server does not answer.

        Idempotent. A cancelled call ends the connection without waiting for the server.
        """
        self._closed = True
        self._interrupt.set()
        task = self._task
        if task is None:
            return
        try:
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
            self._stable = False
            try:
                await self._connect_and_listen()
            except Exception as error:
                # One line a time of trouble, and only the kind: a text may quote what was written.
                if (self._stable or not failures) and not _is_lost(error):
                    logger.warning("changes of other processes are not seen: %s", _kind(error))
            if not self._is_wanted():
                break
            failures = 1 if self._stable else failures + 1
            pause = min(self.MAX_PAUSE, self.PAUSE * 2 ** min(failures - 1, 16))
            self._interrupt = asyncio.Event()
            await self._wait(pause * random.uniform(0.5, 1.0))  # noqa: S311  # no secret
        # In the same step in which no watcher was found: the next watcher begins again.
        self._task = None

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

    async def _connect_and_listen(self) -> None:
        self._connection = connection = await self._open_connection()
        self._interrupt = interrupt = asyncio.Event()
        connection.add_termination_listener(lambda _: interrupt.set())
        try:
            await self._listen(connection)
            await self._leave(connection)
        finally:
            self._connection = self._id = None
            connection.terminate()

    async def _listen(self, connection: Connection) -> None:
        """Wake watchers until nobody watches or the connection is lost."""
        time = asyncio.get_running_loop().time
        registered = time() - self.RETRY
        left = 0.0
        while self._is_wanted() and not connection.is_closed():
            if self._id is None:
                if time() - registered >= self.RETRY:
                    registered = time()
                    await self._register(connection)
            elif left < self.MARGIN or self._id != self._writer_id():
                await self._register(connection)
            elif left < self.LIFETIME - self.REFRESH:
                await self._bounded(
                    connection, connection.execute(_REFRESH, self._id, self.LIFETIME)
                )
            left = await self._poll(connection)
            await self._wait(self.POLL_ALONE if self._id is None else self.POLL)
            self._stable = not connection.is_closed()

    async def _register(self, connection: Connection) -> None:
        """Let the writers know that somebody listens here, if the server permits it."""
        former, own = self._id, self._writer_id()
        self._id = None
        self._missed.restart()
        try:
            await self._bounded(connection, connection.add_listener(self._channel, self._receive))
            await self._bounded(
                connection, connection.execute(_REGISTER, *self._lock, own, self.LIFETIME)
            )
        except Exception as error:
            if _kind(error) not in _REFUSALS:
                raise
            logger.info("no notices are sent here, so the writers are polled: %s", _kind(error))
            return
        self._id = own
        if former not in (None, own):
            await self._bounded(connection, connection.execute(_UNREGISTER, former))

    async def _poll(self, connection: Connection) -> float:
        """Wake all if a notice was missed. Returns for how many seconds our row is valid."""
        rows = await self._bounded(connection, connection.fetch(_POLL, self._id))
        writers = [(row[0], row[1], row[2]) for row in rows if row[0] is not None]
        announced = self._id is not None
        if self._missed.compare(writers, self._writer_id(), announced=announced):
            self._wakeups.notify_all()
        return next((float(row[3]) for row in rows if row[0] is None), 0.0)

    def _receive(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        """Wake the watchers of a notice. Anybody can send one, so it is never trusted."""
        try:
            notice = decode_notice(str(payload))
        except ValueError:
            return
        if notice.writer_id == self._writer_id():
            return  # the store wakes its own watchers itself, and sooner
        self._missed.arrived(notice)
        if notice.ids is None:
            self._wakeups.notify_all()
            return
        for session_id in notice.ids:
            self._wakeups.notify(session_id)

    async def _leave(self, connection: Connection) -> None:
        """Remove the row and close the connection, if the server still answers."""
        timer = asyncio.get_running_loop().call_later(self.GRACE, connection.terminate)
        try:
            if self._id is not None:
                await connection.execute(_UNREGISTER, self._id)
            await connection.close()
        except Exception as error:
            # The row ends by itself.
            logger.debug("the end of watching was not written: %s", _kind(error))
        finally:
            timer.cancel()

    async def _bounded(self, connection: Connection, answer: Awaitable[T]) -> T:
        """Wait for an answer. A server that keeps silent loses its connection."""
        timer = asyncio.get_running_loop().call_later(self.PATIENCE, connection.terminate)
        try:
            return await answer
        finally:
            timer.cancel()


def _kind(error: Exception) -> str:
    """Return the SQLSTATE of an error, or else its type."""
    return str(getattr(error, "sqlstate", None) or type(error).__name__)


def _is_lost(error: Exception) -> bool:
    """Whether a server that goes and comes explains it."""
    code = str(getattr(error, "sqlstate", None) or "")
    return isinstance(error, OSError) or code[:2] in ("08", "57") or _kind(error) in _LOST
