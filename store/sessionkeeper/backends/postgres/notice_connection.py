"""What a watching process says to the server, on one connection of its own.

It listens to the notices of other writers, and keeps a row in `watchers`: they send notices only
while somebody has one. The connection is never in a transaction for longer than a statement: one
that stays in it would fill the server's queue of notices, for all databases.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import ClassVar, TypeVar

from ...interface.wakeups import StoreWakeups
from .driver import StoreConnection
from .missed_notices import MissedNotices
from .notices import channel_name, decode_notice
from .schema import STORE_LOCK, lock_key
from .writer_rows import BASE

__all__ = ["NoticeConnection"]

T = TypeVar("T")

logger = logging.getLogger("sessionkeeper")

_READ_SCHEMA = "SELECT current_schema()::text"
# A batch that is being written holds the lock shared, and may have seen no watcher. It has ended
# when the row is committed, and the next batch sees the row.
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
# One that has ended stays so: meanwhile nothing was announced, so it must register anew.
_REFRESH = (
    "UPDATE watchers SET until = clock_timestamp() + make_interval(secs => $2)"
    " WHERE id = $1 AND until > clock_timestamp()"
)
_UNREGISTER = "DELETE FROM watchers WHERE id = $1"
# Writers that are gone are added to one row, whose time tells that there was another.
_LOOK = f"""
SELECT id, CASE id WHEN {BASE} THEN (extract(epoch FROM used_at) * 1000000)::bigint ELSE batch END,
    announced, NULL::float8
FROM writers
UNION ALL
SELECT NULL, NULL, NULL, extract(epoch FROM until - clock_timestamp())::float8
FROM watchers WHERE id = $1
"""  # noqa: S608 - a constant

# A role with few rights, a server that only reads, a batch that holds its lock for very long.
_REFUSALS = frozenset({"42501", "25006", "55P03"})


class NoticeConnection:
    """Wakes the watchers of a store whenever another process may have changed their sessions.

    A needless wake-up does no harm; a missing one loses a change. So all watchers wake when
    listening begins, and when a look at the writers' rows, once a second, finds a batch whose
    notice never came. A server that does not let us register is looked at more often, and there
    each batch of another writer wakes them.
    """

    LOOK: ClassVar[float] = 1.0
    """Seconds between two looks at the writers' rows."""
    LOOK_ALONE: ClassVar[float] = 0.25
    """The same where no notices come."""
    PATIENCE: ClassVar[float] = 5.0
    """Seconds that a statement may take before the connection counts as lost."""
    GRACE: ClassVar[float] = 1.0
    """The same for what is said at the end."""
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
        self, connection: StoreConnection, wakeups: StoreWakeups, writer_id: Callable[[], int]
    ) -> None:
        self._connection = connection
        self._wakeups = wakeups
        self._writer_id = writer_id
        self._missed = MissedNotices()
        self._id: int | None = None
        """Of the row in `watchers`; None while there is none."""
        self._valid = 0.0
        """For how many seconds it was valid at the last look."""
        self._asked: float | None = None
        """When we asked to be registered."""

    @property
    def is_closed(self) -> bool:
        """Whether it has ended."""
        return self._connection.is_closed()

    async def look(self) -> float:
        """Register if there is no row, and look for batches whose notices did not come.

        Returns how many seconds later it should be called again. Raises what asyncpg raises.
        """
        now = asyncio.get_running_loop().time()
        if self._id is None:
            if self._asked is None or now - self._asked >= self.RETRY:
                self._asked = now
                await self._register()
        elif self._valid < self.MARGIN or self._id != self._writer_id():
            await self._register()
        elif self._valid < self.LIFETIME - self.REFRESH:
            await self._bounded(self._connection.execute(_REFRESH, self._id, self.LIFETIME))
        rows = await self._bounded(self._connection.fetch(_LOOK, self._id))
        writers = [(row[0], row[1], row[2]) for row in rows if row[0] is not None]
        self._valid = next((float(row[3]) for row in rows if row[0] is None), 0.0)
        has_row = self._id is not None
        if self._missed.compare(writers, self._writer_id(), notices=has_row):
            self._wakeups.notify_all()
        return self.LOOK if has_row else self.LOOK_ALONE

    async def leave(self) -> None:
        """Remove the row and close the connection, if the server still answers. Never raises."""
        timer = asyncio.get_running_loop().call_later(self.GRACE, self.terminate)
        try:
            if self._id is not None:
                await self._connection.execute(_UNREGISTER, self._id)
            await self._connection.close()
        except Exception as error:
            # The row ends by itself.
            logger.debug("the end of watching was not written: %s", _kind(error))
        finally:
            timer.cancel()

    def terminate(self) -> None:
        """End the connection without a word. What waits for an answer gets an error."""
        self._connection.terminate()

    async def _register(self) -> None:
        """Let the writers know that somebody listens here, if the server permits it."""
        former, own = self._id, self._writer_id()
        self._id = None
        self._missed.restart()
        try:
            schema = str(await self._bounded(self._connection.fetchval(_READ_SCHEMA)))
            await self._bounded(self._connection.add_listener(channel_name(schema), self._receive))
            key = lock_key(schema)
            await self._bounded(
                self._connection.execute(_REGISTER, STORE_LOCK, key, own, self.LIFETIME)
            )
        except Exception as error:
            if _kind(error) not in _REFUSALS:
                raise
            logger.info("no notices are sent here, so the writers are looked at: %s", _kind(error))
            return
        self._id = own
        if former not in (None, own):
            await self._bounded(self._connection.execute(_UNREGISTER, former))

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

    async def _bounded(self, answer: Awaitable[T]) -> T:
        """Wait for an answer. A server that keeps silent loses its connection."""
        timer = asyncio.get_running_loop().call_later(self.PATIENCE, self.terminate)
        try:
            return await answer
        finally:
            timer.cancel()


def _kind(error: Exception) -> str:
    """Return the SQLSTATE of an error, or else its type."""
    return str(getattr(error, "sqlstate", None) or type(error).__name__)
