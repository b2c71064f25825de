"""asyncpg without a store: a transaction a message, on the tables of the store."""

from __future__ import annotations

import time
from typing import Any, ClassVar
from uuid import uuid4

from sessionkeeper.backends.postgres_url import split_postgres_url
from sessionkeeper.stores.config import PostgresBackend

from ..database_subject import DatabaseSubject
from ..peers.log_peer import LogPeer
from ..peers.optional_import import import_peer_module
from ..store_subject import LIMITS

__all__ = ["INSERT", "LOCK", "UPDATE", "AsyncpgConnection", "AsyncpgPool", "append_one"]

LOCK = (
    "SELECT revision, steady_active_at, last_activity, frame_count, last_seq, byte_count,"
    " odd_frames, gap_frames, ended FROM logs WHERE session = $1 FOR UPDATE"
)
INSERT = (
    "INSERT INTO frames (session, seq, sent_at, direction, message, detail, stream)"
    " VALUES ($1, $2, $3, 0, $4, NULL, NULL)"
)
UPDATE = (
    "UPDATE logs SET revision = $2, steady_active_at = $3, last_activity = $3, frame_count = $4,"
    " last_seq = $5, byte_count = $6 WHERE session = $1"
)
_SENT_AT = 1_700_000_000_000_000


async def append_one(connection: Any, number: int, message: bytes) -> None:
    """Lock the row of the log, insert the frame, update the row, commit."""
    async with connection.transaction():
        row = await connection.fetchrow(LOCK, number)
        seq = row["last_seq"] + 1
        await connection.execute(INSERT, number, seq, _SENT_AT, message)
        await connection.execute(
            UPDATE,
            number,
            row["revision"] + 1,
            time.time(),
            row["frame_count"] + 1,
            seq,
            row["byte_count"] + len(message),
        )


class AsyncpgPool(LogPeer[bytes]):
    """A pool of sixteen connections, which are not reset when they come back.

    It is as good as one can write it: it knows the numbers of its sessions, and its statements are
    prepared once. A store makes the tables and the sessions.
    """

    name: ClassVar[str] = "asyncpg, a pool of 16"
    limitations: ClassVar[tuple[str, ...]] = (
        "nothing finds out whether a transaction whose answer is lost was committed",
    )
    connections: ClassVar[int] = 16

    def __init__(self, url: str) -> None:
        self._asyncpg = import_peer_module("asyncpg", "asyncpg")
        self._place = split_postgres_url(url).dsn
        self._made = DatabaseSubject(
            PostgresBackend.model_validate({"url": url, "limits": LIMITS}),
            place=f"by_hand_{uuid4().hex}",
        )
        self._numbers: dict[str, int] = {}
        self._pool: Any = None

    async def open(self) -> None:
        """Make the tables and connect. Raises what the store and asyncpg raise."""
        await self._made.open()
        self._pool = await self._asyncpg.create_pool(
            self._place,
            min_size=self.connections,
            max_size=self.connections,
            server_settings={"search_path": self._made.schema},
            reset=_leave,
        )

    async def aclose(self) -> None:
        """Leave no table behind."""
        try:
            if self._pool is not None:
                await self._pool.close()
            await self._made.aclose()
        finally:
            await self._made.clear()

    async def create(self, key: str) -> None:
        """Create it by the store, and read its number."""
        await self._made.create(key)
        self._numbers[key] = await self._pool.fetchval(
            "SELECT number FROM sessions WHERE id = $1", key
        )

    def message(self, key: str, payload: bytes) -> bytes:
        """A message is its bytes."""
        return payload

    async def add(self, key: str, message: bytes) -> None:
        """Append it in a transaction."""
        async with self._pool.acquire() as connection:
            await append_one(connection, self._numbers[key], message)


class AsyncpgConnection(AsyncpgPool):
    """The same with one connection, for which callers wait in line."""

    name: ClassVar[str] = "asyncpg, one connection"
    connections: ClassVar[int] = 1


async def _leave(_: object) -> None:
    """Leave the connection as it is."""
