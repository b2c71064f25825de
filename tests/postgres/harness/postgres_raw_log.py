"""Logs of numbers in a schema, written by bare SQL: what watchers see, without a store."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import TypeAlias
from urllib.parse import parse_qs, urlsplit

import asyncpg
from postgres_server import PostgresServer
from sessionkeeper.backends.postgres.driver import StoreConnection
from sessionkeeper.backends.postgres.notices import channel_name, encode_notices
from sessionkeeper.backends.postgres.schema import STORE_LOCK, lock_key
from sessionkeeper.interface.wakeups import StoreWakeups

__all__ = ["RawLog", "RawWriter"]

Connection: TypeAlias = StoreConnection

_TABLES = """
CREATE SCHEMA {schema};
SET search_path TO {schema};
CREATE TABLE numbers (session text, number bigint, PRIMARY KEY (session, number));
CREATE TABLE writers (
    id bigint PRIMARY KEY, batch bigint NOT NULL, announced bigint NOT NULL, xid text NOT NULL,
    used_at timestamptz NOT NULL, counters bytea NOT NULL
);
CREATE TABLE watchers (id bigint PRIMARY KEY, until timestamptz NOT NULL);
"""
_LOST = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    # Between the server's last message and the end of the connection.
    asyncpg.InternalClientError,
)


class RawLog:
    """A schema with the tables of a store that concern watching, and numbers in place of frames."""

    def __init__(self, server: PostgresServer, url: str) -> None:
        self.server = server
        parts = urlsplit(url)
        (self.schema,) = parse_qs(parts.query)["schema"]
        self.url = url.partition("?")[0]
        server.psql(_TABLES.format(schema=self.schema))
        self.channel = channel_name(self.schema)
        self._reading = asyncio.Lock()
        self._reader: Connection | None = None
        self._connections: list[Connection] = []

    async def connect(self) -> Connection:
        """As a store connects; to be told from others in pg_stat_activity."""
        return await asyncpg.connect(
            self.url,
            timeout=60,
            connection_class=StoreConnection,
            server_settings={"search_path": self.schema, "application_name": self.schema},
        )

    async def connect_as(self, name: str) -> Connection:
        """The same under another name."""
        settings = {"search_path": self.schema, "application_name": name}
        connection = await asyncpg.connect(
            self.url, timeout=60, connection_class=StoreConnection, server_settings=settings
        )
        self._connections.append(connection)
        return connection

    def terminate(self) -> None:
        """End all its connections but those of who watches."""
        for connection in self._connections:
            connection.terminate()
        self._connections.clear()

    def listeners(self) -> int:
        """How many connections those who watch have."""
        sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1"
        return int(self.server.psql(sql, self.schema))

    def watchers(self) -> int:
        """How many processes have announced that they watch."""
        return int(self.server.psql(f"SELECT count(*) FROM {self.schema}.watchers"))

    async def read(self, session: str, after: int) -> list[int]:
        """The numbers after one, however long the server is away."""
        sql = "SELECT number FROM numbers WHERE session = $1 AND number > $2 ORDER BY number"
        async with self._reading:
            while True:
                try:
                    if self._reader is None or self._reader.is_closed():
                        self._reader = await self.connect_as("reader")
                    return [row[0] for row in await self._reader.fetch(sql, session, after)]
                except _LOST:
                    await asyncio.sleep(0.05)

    async def follow(self, wakeups: StoreWakeups, session: str, last: int) -> list[int]:
        """All numbers up to the last, as a watcher of a store reads them."""
        seen: list[int] = []
        while not seen or seen[-1] < last:
            with wakeups.subscribe(session) as wakeup:
                found = await self.read(session, seen[-1] if seen else 0)
                seen += found
                if not found:
                    await wakeup.wait()
        return seen


class RawWriter:
    """Writes batches as a store does: the lock, the numbers, its own row, and the notices."""

    def __init__(self, log: RawLog, *, notify: bool = True) -> None:
        self.log = log
        self.id = random.getrandbits(63)
        self.notify = notify
        """False: the batch counts as announced, and its notice gets lost."""
        self._batch = 0
        self._connection: Connection | None = None

    async def append(self, number: int, *sessions: str) -> None:
        """Write one number into some sessions, again until it is certain that it was."""
        self._batch += 1
        while True:
            try:
                if self._connection is None or self._connection.is_closed():
                    self._connection = await self.log.connect_as("writer")
                await self._write(self._connection, number, sessions)
            except _LOST:
                await asyncio.sleep(0.05)
            else:
                return

    async def _write(self, connection: Connection, number: int, sessions: Sequence[str]) -> None:
        async with connection.transaction():
            await connection.execute(
                "SELECT pg_advisory_xact_lock_shared($1, $2)", STORE_LOCK, lock_key(self.log.schema)
            )
            await connection.execute(
                "INSERT INTO numbers SELECT unnest($1::text[]), $2 ON CONFLICT DO NOTHING",
                sessions,
                number,
            )
            heard = await connection.fetchval(
                "SELECT EXISTS (SELECT FROM watchers WHERE id <> $1 AND until > now())", self.id
            )
            await connection.execute(
                "INSERT INTO writers"
                " VALUES ($1, $2::bigint, CASE WHEN $3 THEN $2 ELSE 0 END, '', now(), '')"
                " ON CONFLICT (id) DO UPDATE SET batch = $2,"
                " announced = CASE WHEN $3 THEN $2 ELSE writers.announced END",
                self.id,
                self._batch,
                heard,
            )
            if heard and self.notify:
                payloads = encode_notices(self.id, self._batch, sessions)
                await connection.execute(
                    "SELECT pg_notify($1, each) FROM unnest($2::text[]) AS each",
                    self.log.channel,
                    payloads,
                )
